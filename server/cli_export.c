/* zerothd export: studies of a file as JSON lines. A study's line {"study": {...}} is what POST /v1/studies takes; its
 * trials follow, one a line, as GET .../export gives them. */
#include <stdio.h>
#include <string.h>

#include "api/trial_json.h"
#include "cli.h"
#include "codec/spec.h"
#include "offline.h"

enum { PAGE_STUDIES = 100, PAGE_TRIALS = 1000 };

struct study_page {
    zo_offline_cmd c;
    zo_study_filter filter;
    zo_arena *arena; /* of the rows */
    zo_study_row *rows;
    size_t n;
};

static zo_status read_studies(zo_offline_cmd *c, zo_ctx *x, zo_error *err)
{
    struct study_page *p = (struct study_page *)(void *)c;

    return zo_reader_studies(x->reader, &p->filter, p->arena, &p->rows, &p->n, err);
}

struct trial_page {
    zo_offline_cmd c;
    uint64_t next;
    bool began, last;
    zo_json text;
};

static void put_label(const char *key, const char *text, zo_json *w)
{
    if (text && *text)
        zo_json_key_string(w, key, text);
}

/* The spec, with the labels and the budget of today. */
static zo_status put_study(const zo_ctx *x, zo_json *w, zo_error *err)
{
    const zo_study_row *row = x->row;
    const zo_budget budget = zo_study_budget(x->study);
    zo_spec spec;
    zo_status rc;

    if ((rc = zo_spec_decode_text(row->spec, strlen(row->spec), x->scratch, &spec, err)) != ZO_OK)
        return rc;
    zo_json_begin_object(w);
    zo_json_key(w, "study");
    zo_json_begin_object(w);
    put_label("name", row->name, w);
    put_label("title", row->title, w);
    if (row->metadata) {
        zo_json_key(w, "metadata");
        zo_json_raw(w, row->metadata, strlen(row->metadata));
    }
    zo_spec_encode_members(&spec, w);
    zo_json_key(w, "budget");
    zo_spec_encode_budget(&budget, w);
    zo_json_key(w, "solver");
    zo_json_begin_object(w);
    zo_json_key_string(w, "name", spec.study.solver);
    zo_json_key(w, "options");
    zo_spec_encode_options(&spec, w);
    zo_json_end_object(w);
    zo_json_end_object(w);
    zo_json_end_object(w);
    zo_json_text(w, "\n", 1);
    return ZO_OK;
}

static zo_status write_page(zo_offline_cmd *c, zo_ctx *x, zo_error *err)
{
    struct trial_page *p = (struct trial_page *)(void *)c;
    const uint64_t n = zo_study_n_trials(x->study);
    zo_trial t;
    zo_status rc;

    if (!p->began && (rc = put_study(x, &p->text, err)) != ZO_OK)
        return rc;
    p->began = true;
    for (size_t looked = 0; p->next < n && looked < PAGE_TRIALS; looked++, p->next++)
        if (zo_study_trial(x->study, p->next, &t) && !t.withdrawn) {
            zo_api_trial_write(x->study, &t, ZO_TRIAL_ORACLE, &p->text);
            zo_json_text(&p->text, "\n", 1);
        }
    p->last = p->next >= n;
    return zo_json_failed(&p->text) ? zo_fail_nomem(err) : ZO_OK;
}

static zo_status export_study(zo_offline *o, const char *id, zo_error *err)
{
    struct trial_page p = {.c.work = write_page};
    zo_status rc = ZO_OK;

    zo_json_init(&p.text);
    while (!p.last && (rc = zo_offline_study(o, id, &p.c, err)) == ZO_OK) {
        if (fwrite(p.text.text, 1, p.text.len, stdout) != p.text.len) {
            rc = zo_fail(err, ZO_ESTORE, "", "standard output: cannot be written");
            break;
        }
        zo_json_reset(&p.text);
    }
    zo_json_fini(&p.text);
    return rc;
}

static zo_status export_all(zo_offline *o, zo_error *err)
{
    struct study_page p = {
        .c.work = read_studies, .filter = {.tenant = 1, .limit = PAGE_STUDIES}, .arena = zo_arena_new(0)};
    zo_status rc;

    if (!p.arena)
        return zo_fail_nomem(err);
    do {
        zo_arena_reset(p.arena);
        rc = zo_offline_query(o, &p.c, err);
        for (size_t i = 0; i < p.n && rc == ZO_OK; i++)
            rc = export_study(o, p.rows[i].id, err);
        if (rc == ZO_OK && p.n) {
            p.filter.has_after = true;
            p.filter.after_study = p.rows[p.n - 1].study;
            p.filter.after_time = p.rows[p.n - 1].created_ms;
        }
    } while (rc == ZO_OK && p.n == p.filter.limit);
    zo_arena_free(p.arena);
    return rc;
}

int zo_cli_export(int argc, char **argv)
{
    const int stop = zo_cli_operands(
        argc, argv, 1, 2,
        "usage: zerothd export FILE [STUDY]\n\n"
        "Write all studies of a database file that no daemon holds, or the one of this id or name, as JSON lines to "
        "standard output:\n"
        "a line {\"study\": {...}}, as POST /v1/studies takes it, then one line a trial. zerothd import reads them.\n");
    zo_offline *o = NULL;
    zo_error err = {0};
    zo_status rc;

    if (stop >= 0)
        return stop;
    if ((rc = zo_offline_open(argv[1], false, &o, &err)) == ZO_OK)
        rc = argc > 2 ? export_study(o, argv[2], &err) : export_all(o, &err);
    zo_offline_close(o);
    if (rc == ZO_OK && fflush(stdout) != 0)
        rc = zo_fail(&err, ZO_ESTORE, "", "standard output: cannot be written");
    return rc == ZO_OK ? ZO_EXIT_OK : zo_cli_fail("export", &err);
}
