/* A running solver: its definition, options and state in one handle, and the generator of each call. */
#include <math.h>
#include <string.h>

#include "zeroth/solver.h"

struct zo_solver_run {
    const zo_solver *def;
    zo_problem problem;
    size_t memo_bytes;
    void *opts; /* [def->opts_bytes] */
    void *self; /* [def->state_bytes] */
};

/* What init refused: an option by its pointer, else the choice of this solver. */
static zo_status refused(zo_status rc, zo_error *err)
{
    if (err == NULL || rc == ZO_ENOMEM)
        return rc;
    if (err->pointer[0] != '\0')
        return zo_fail_at(err, "/solver/options");
    return zo_fail(err, rc, "/solver/name", "%s", err->message);
}

zo_status zo_solver_plan(const zo_solver *s, const zo_problem *p, const zo_named *options, size_t n_options, zo_step_plan *out,
                         zo_error *err)
{
    void *opts;
    zo_status rc;

    if ((rc = zo_solver_accepts(s, p, err)) != ZO_OK)
        return rc;
    ZO_ASSERT(s->plan != NULL);
    if ((opts = zo_calloc(1, s->opts_bytes)) == NULL)
        return zo_fail_nomem(err);
    if ((rc = zo_opts_read(s->opts, s->n_opts, options, n_options, opts, err)) != ZO_OK ||
        (rc = s->plan(p, opts, out, err)) != ZO_OK)
        rc = refused(rc, err);
    zo_free(opts);
    return rc;
}

static zo_status start(zo_solver_run *r, const zo_named *options, size_t n_options, zo_error *err)
{
    const zo_solver *s = r->def;
    zo_rng rng = zo_rng_make(r->problem.seed, ZO_PURPOSE_INIT, 0);
    zo_status rc;

    if ((r->opts = zo_calloc(1, s->opts_bytes)) == NULL || (r->self = zo_memalign64(s->state_bytes)) == NULL)
        return zo_fail_nomem(err);
    memset(r->self, 0, s->state_bytes);
    if ((rc = zo_opts_read(s->opts, s->n_opts, options, n_options, r->opts, err)) != ZO_OK ||
        (rc = s->init(r->self, &r->problem, r->opts, &rng, err)) != ZO_OK)
        return refused(rc, err);
    r->memo_bytes = s->memo_bytes != NULL ? s->memo_bytes(&r->problem) : 0;
    return ZO_OK;
}

zo_status zo_solver_run_new(const zo_solver *s, const zo_problem *p, const zo_named *options, size_t n_options,
                            zo_solver_run **out, zo_error *err)
{
    zo_solver_run *r;
    zo_status rc;

    if ((rc = zo_solver_accepts(s, p, err)) != ZO_OK)
        return rc;
    if ((r = zo_calloc(1, sizeof *r)) == NULL)
        return zo_fail_nomem(err);
    r->def = s;
    r->problem = *p;
    if ((rc = start(r, options, n_options, err)) != ZO_OK) {
        zo_solver_run_free(r);
        return rc;
    }
    *out = r;
    return ZO_OK;
}

void zo_solver_run_free(zo_solver_run *r)
{
    if (r == NULL)
        return;
    if (r->self != NULL && r->def->fini != NULL)
        r->def->fini(r->self);
    zo_free(r->self);
    zo_free(r->opts);
    zo_free(r);
}

size_t zo_solver_run_memo_bytes(const zo_solver_run *r)
{
    return r->memo_bytes;
}

const zo_solver *zo_solver_run_def(const zo_solver_run *r)
{
    return r->def;
}

zo_status zo_solver_run_ask(zo_solver_run *r, zo_proposal *p, zo_error *err)
{
    zo_rng rng = zo_rng_make(r->problem.seed, ZO_PURPOSE_ASK, p->number);

    p->verdict = ZO_ASK_OK;
    p->core = p->why = NULL;
    p->predicted = NAN;
    return r->def->ask(r->self, &rng, p, err);
}

zo_status zo_solver_run_tell(zo_solver_run *r, const zo_told *t, zo_error *err)
{
    zo_rng rng = zo_rng_make(r->problem.seed, ZO_PURPOSE_TELL, t->number);

    return r->def->tell != NULL ? r->def->tell(r->self, &rng, t, err) : ZO_OK;
}

void zo_solver_run_snapshot(zo_solver_run *r, zo_visit *v)
{
    if (r->def->snapshot != NULL)
        r->def->snapshot(r->self, v);
}

zo_status zo_solver_run_describe(const zo_solver_run *r, zo_bundle *facts, zo_error *err)
{
    return r->def->describe != NULL ? r->def->describe(r->self, facts, err) : ZO_OK;
}
