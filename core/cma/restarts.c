/* Restarts. Sources: "A Restart CMA Evolution Strategy With Increasing Population Size", Auger and Hansen, CEC 2005,
 * doi:10.1109/CEC.2005.1554902; "Benchmarking a BI-Population CMA-ES on the BBOB-2009 Function Testbed", Hansen, GECCO
 * 2009, doi:10.1145/1570256.1570333. In BIPOP the first run counts for neither regime, and a small one follows while
 * the small ones have spent less than the large ones. */
#include "cma/restarts.h"

#include <math.h>

size_t zo_cma_large(const cma_restarts *r)
{
    size_t lambda = r->base;

    for (uint64_t k = 0; k <= r->n_large && lambda < r->most; k++)
        lambda *= 2;
    return lambda < r->most ? lambda : r->most;
}

static void account(cma_restarts *r, size_t lambda, uint64_t evals)
{
    if (r->n == 0)
        return;
    if (r->small) {
        r->evals_small += evals;
        return;
    }
    r->evals_large += evals;
    r->last_large = lambda;
    r->last_large_evals = evals;
}

double zo_cma_restart(cma_restarts *r, zo_rng *rng, size_t lambda, uint64_t evals, bool spare, size_t *lambda_out)
{
    const double u_lambda = zo_rng_uniform(rng), u_sigma = zo_rng_uniform(rng);

    account(r, lambda, evals);
    r->n++;
    r->small = r->alternate && r->n_large > 0 && r->evals_small < r->evals_large;
    r->budget = r->small ? r->last_large_evals / 2 : 0;
    if (r->small) {
        const double ratio = fmax(1, 0.5 * (double)r->last_large / (double)r->base);
        *lambda_out = (size_t)((double)r->base * pow(ratio, u_lambda * u_lambda));
        return pow(10, -2 * u_sigma);
    }
    *lambda_out = spare ? zo_cma_large(r) : r->base;
    r->n_large += spare;
    return 1;
}

void zo_cma_restarts_visit(cma_restarts *r, zo_visit *v)
{
    uint64_t *const fields[] = {&r->n,          &r->n_large,          &r->evals_small, &r->evals_large,
                                &r->last_large, &r->last_large_evals, &r->small,       &r->budget};
    uint64_t values[ZO_LEN(fields)];

    for (size_t i = 0; i < ZO_LEN(fields); i++)
        values[i] = *fields[i];
    zo_visit_u64(v, "restarts", values, ZO_LEN(values));
    for (size_t i = 0; i < ZO_LEN(fields) && v->loading && v->status == ZO_OK; i++)
        *fields[i] = values[i];
    zo_visit_require(v, "restarts",
                     r->small <= 1 && r->last_large <= zo_cma_large(r)); /* room is made for the latter */
}
