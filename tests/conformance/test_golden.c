/* Golden traces: a solver that proposes other points must have risen in version, else logs of users no longer replay.
 * The trace is not a judge of quality. It is compared with a tolerance, since low bits are the processor's.
 * ZEROTH_GOLDEN=write in the environment renews tests/golden/<solver>.txt, and <solver>.gradient.txt of those that take
 * gradients beside values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "conformance/tests.h"

enum { DIMS = 3, OPS = 120, LINE = 512 };

static void write_trace(FILE *f, const struct life *l)
{
    fprintf(f, "version %u\n", subject->version);
    for (size_t i = 0; i < l->n_asked; i++) {
        fprintf(f, "%d", (int)l->verdicts[i]);
        for (size_t j = 0; j < l->problem->n; j++)
            fprintf(f, " %a", l->asked[i * l->problem->n + j]);
        fputc('\n', f);
    }
}

static void compare_trace(FILE *f, const struct life *l)
{
    char line[LINE];
    unsigned version = 0;

    assert_non_null(fgets(line, sizeof line, f));
    assert_int_equal(sscanf(line, "version %u", &version), 1);
    if (version != subject->version)
        fail_msg("the trace is of version %u, the solver of %u: renew it with ZEROTH_GOLDEN=write", version,
                 subject->version);
    for (size_t i = 0; i < l->n_asked; i++) {
        char *at = fgets(line, sizeof line, f);
        assert_non_null(at);
        bool same = strtol(at, &at, 10) == (long)l->verdicts[i];
        for (size_t j = 0; j < l->problem->n; j++)
            same = same && fabs(strtod(at, &at) - l->asked[i * l->problem->n + j]) <= 1e-9;
        if (!same)
            fail_msg("answer %zu differs from the trace: if that is meant, raise the solver's version and renew it", i);
    }
    assert_null(fgets(line, sizeof line, f));
}

/* What runs another solver has no points of its own. */
static bool has_core(zo_solver_run *run)
{
    zo_bundle facts;

    zo_bundle_init(&facts);
    assert_int_equal(zo_solver_run_describe(run, &facts, NULL), ZO_OK);
    const bool yes = zo_bundle_meta(&facts, "running") != NULL;
    zo_bundle_fini(&facts);
    return yes;
}

void asks_are_those_of_the_version(void **state)
{
    const char *mode = getenv("ZEROTH_GOLDEN");
    const bool renew = mode != NULL && strcmp(mode, "write") == 0;
    struct script script;
    struct bed bed;
    struct life l;
    char path[128];

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, DIMS, 2026));
    life_start(&l, subject, &bed.problem);
    if (!has_core(l.run)) {
        script_mixed(&script, OPS, 1100);
        life_play(&l, &script, 0, script.n);
        const bool second = bed_oracle == ZO_ORACLE_GRADIENT && subject->oracles & ZO_ORACLE_VALUE;
        snprintf(path, sizeof path, "tests/golden/%s%s.txt", subject->name, second ? ".gradient" : "");
        FILE *f = fopen(path, renew ? "w" : "r");
        if (f == NULL)
            fail_msg("%s cannot be opened: a new solver's trace is made with ZEROTH_GOLDEN=write", path);
        if (renew)
            write_trace(f, &l);
        else
            compare_trace(f, &l);
        fclose(f);
    }
    life_end(&l);
    bed_close(&bed);
}
