/* Number of distinct points. Without conditions it is the product of the levels. With them, parents are walked through value by value,
 * parents before children, and each combination counts the product of what is active under it; an inactive parent has no value to
 * walk. Linear constraints are not counted out: the number is then an upper bound. */
#include "space/space_private.h"

enum { MAX_WALKED = 64 };       /* parents, and the depth of the recursion */
enum { MAX_WORK = 2000000 };    /* conditions looked at; beyond, the space is too large to be exhausted anyway */

struct count {
    const zo_space *s;
    size_t parents[MAX_WALKED], n_parents; /* in rank order */
    uint32_t *rest;                        /* conditional parameters that are nobody's parent */
    size_t n_rest, work;
    double *v;
};

static uint64_t multiply(uint64_t a, uint64_t b)
{
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t values_of(const struct param *p)
{
    uint64_t n = 1;

    for (size_t k = 0; k < p->n_dims; k++)
        n = p->domain.levels == 0 ? UINT64_MAX : multiply(n, p->domain.levels);
    return n;
}

static uint64_t walk(struct count *c, size_t at)
{
    const zo_space *s = c->s;
    uint64_t sum = 0;

    if (at == c->n_parents) {
        uint64_t product = 1;
        for (size_t k = 0; k < c->n_rest && product < UINT64_MAX; k++) {
            c->work += s->params[c->rest[k]].n_when;
            if (space_active(s, c->v, c->rest[k]))
                product = multiply(product, values_of(&s->params[c->rest[k]]));
        }
        return product;
    }
    const struct param *p = &s->params[c->parents[at]];
    c->work += p->n_when;
    if (p->n_dims == 0 || !space_active(s, c->v, c->parents[at])) {
        if (p->n_dims > 0)
            c->v[p->first_dim] = p->domain.low;
        return walk(c, at + 1);
    }
    for (uint64_t k = 0; k < p->domain.levels; k++) {
        if (c->work++ > MAX_WORK)
            return UINT64_MAX;
        c->v[p->first_dim] = domain_level(&p->domain, (double)k);
        if (__builtin_add_overflow(sum, walk(c, at + 1), &sum) || sum == UINT64_MAX)
            return UINT64_MAX;
    }
    return sum;
}

zo_status count_points(const zo_space *s, uint64_t *out, zo_error *err)
{
    struct count c = {.s = s};
    uint64_t is_parent[PARAM_WORDS] = {0}, product = 1;
    zo_status rc = ZO_OK;

    for (size_t i = 0; i < s->n_params; i++)
        for (size_t k = 0; k < s->params[i].n_when; k++)
            bit_set(is_parent, s->params[i].when[k].parent);
    for (size_t i = 0; i < s->n_params; i++)
        if (s->params[i].n_when == 0 && !bit_get(is_parent, i))
            product = multiply(product, values_of(&s->params[i]));
    if (!s->has_conditions || product == UINT64_MAX) {
        *out = product;
        return ZO_OK;
    }
    c.rest = zo_calloc(s->n_params, sizeof *c.rest);
    c.v = zo_calloc(s->n_dims, sizeof *c.v);
    if (c.rest == NULL || c.v == NULL) {
        rc = zo_fail_nomem(err);
        goto done;
    }
    *out = UINT64_MAX;
    for (size_t r = 0; r < s->n_params; r++) {
        const size_t i = s->order[r];
        if (bit_get(is_parent, i)) {
            if (c.n_parents == MAX_WALKED)
                goto done;
            c.parents[c.n_parents++] = i;
        } else if (s->params[i].n_when > 0) {
            c.rest[c.n_rest++] = (uint32_t)i;
        }
    }
    *out = multiply(product, walk(&c, 0));
done:
    zo_free(c.rest);
    zo_free(c.v);
    return rc;
}

uint64_t zo_space_cardinality(const zo_space *s)
{
    return s->cardinality;
}
