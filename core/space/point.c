/* Whole points: the natural vector and the unit cube, validity, sampling, equality. */
#include "space/space_private.h"

#include <math.h>
#include <string.h>

void zo_space_to_unit(const zo_space *s, const double *v, double *u)
{
    for (size_t j = 0; j < s->n_dims; j++)
        u[j] = domain_to_unit(&s->params[s->dims[j].param].domain, v[j]);
}

void zo_space_from_unit(const zo_space *s, const double *u, double *v)
{
    for (size_t j = 0; j < s->n_dims; j++)
        v[j] = domain_from_unit(&s->params[s->dims[j].param].domain, u[j]);
}

void zo_space_gradient_to_unit(const zo_space *s, const double *v, const double *dv, double *du)
{
    for (size_t j = 0; j < s->n_dims; j++)
        du[j] = domain_scale_derivative(&s->params[s->dims[j].param].domain, v[j], dv[j]);
}

bool zo_space_default(const zo_space *s, double *v)
{
    uint64_t active[PARAM_WORDS];

    for (size_t i = 0; i < s->n_params; i++) {
        const struct param *p = &s->params[i];
        for (size_t k = 0; k < p->n_dims; k++)
            v[p->first_dim + k] = p->default_values != NULL ? p->default_values[k] : domain_from_unit(&p->domain, 0.5);
    }
    space_activity(s, v, active);
    for (size_t i = 0; i < s->n_params; i++)
        if (s->params[i].default_values == NULL && s->params[i].n_dims > 0 && bit_get(active, i))
            return false;
    return true; /* a default that breaks a linear constraint was refused with the space */
}

zo_status zo_space_check(const zo_space *s, const double *v, zo_error *err)
{
    for (size_t j = 0; j < s->n_dims; j++) {
        const struct domain *d = &s->params[s->dims[j].param].domain;
        double off = 0;
        if (!isfinite(v[j]) || v[j] < d->low || v[j] > d->high || (d->levels > 0 && domain_snap(d, v[j], &off) != v[j]))
            return zo_fail(err, ZO_EINVAL, "", "coordinate %zu is outside its domain", j);
    }
    return ZO_OK;
}

void zo_space_repair(const zo_space *s, zo_rng *rng, double *v)
{
    if (s->linear != NULL)
        linear_repair(s, rng, v);
}

void zo_space_sample(const zo_space *s, zo_rng *rng, double *v)
{
    for (size_t j = 0; j < s->n_dims; j++)
        v[j] = domain_from_unit(&s->params[s->dims[j].param].domain, zo_rng_uniform(rng));
    if (s->linear != NULL)
        linear_sample(s, rng, v);
}

bool zo_space_same(const zo_space *s, const double *a, const double *b)
{
    uint64_t active[PARAM_WORDS], other[PARAM_WORDS];

    if (s->has_conditions) {
        space_activity(s, a, active);
        space_activity(s, b, other);
        if (memcmp(active, other, (s->n_params / 64 + 1) * sizeof *active) != 0)
            return false;
    }
    for (size_t j = 0; j < s->n_dims; j++)
        if (a[j] != b[j] && (!s->has_conditions || bit_get(active, s->dims[j].param)))
            return false;
    return true;
}

uint64_t zo_space_hash(const zo_space *s, const double *v)
{
    uint64_t active[PARAM_WORDS], h = 0x9e3779b97f4a7c15u;

    if (s->has_conditions)
        space_activity(s, v, active);
    for (size_t j = 0; j < s->n_dims; j++) {
        if (s->has_conditions && !bit_get(active, s->dims[j].param))
            continue;
        const double x = v[j] + 0.0; /* -0 and 0 are equal: one hash */
        uint64_t bits;
        memcpy(&bits, &x, sizeof bits);
        h ^= bits + (uint64_t)j * 0x9e3779b97f4a7c15u;
        h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u; /* the finalizer of SplitMix64 */
        h = (h ^ h >> 27) * 0x94d049bb133111ebu;
        h ^= h >> 31;
    }
    return h;
}
