/* Number of distinct points. Without conditions it is the product of the levels. Where no parameter has two parents, the conditions are
 * trees, and each parent's values are counted with the products of the trees they let grow. Else parents are walked through value by
 * value, parents before children, and each combination counts the product of what is active under it; an inactive parent has no value
 * to walk. Linear constraints are not counted out: the number is then an upper bound. */
#include "space/space_private.h"

#include <stdlib.h>

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

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* ---- trees ---- */

static bool are_trees(const zo_space *s)
{
    for (size_t i = 0; i < s->n_params; i++)
        if (s->params[i].n_when > 1)
            return false;
    return true;
}

/* One value of a parent, and a child that is active under it. */
struct branch {
    uint32_t parent, child;
    double value;
};

static int branch_compare(const void *a, const void *b)
{
    const struct branch *x = a, *y = b;

    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->child > y->child) - (x->child < y->child);
}

static size_t fill_branches(const zo_space *s, struct branch *branches)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_params; i++)
        for (size_t k = 0; s->params[i].n_when == 1 && k < s->params[i].when->n_values; k++) {
            const struct condition *c = s->params[i].when;
            if (k > 0 && c->values[k] == c->values[k - 1])
                continue; /* listed twice */
            branches[n++] = (struct branch){(uint32_t)c->parent, (uint32_t)i, c->values[k]};
        }
    qsort(branches, n, sizeof *branches, branch_compare);
    return n;
}

/* Points of the tree whose root has these branches [n]: values without a branch count one each. */
static uint64_t count_tree(const struct param *root, const struct branch *branches, size_t n, const uint64_t *points)
{
    uint64_t bare = values_of(root), sum = 0;

    for (size_t k = 0; k < n;) {
        const double value = branches[k].value;
        uint64_t product = 1;
        for (; k < n && branches[k].value == value; k++)
            product = multiply(product, points[branches[k].child]);
        sum = add(sum, product);
        bare -= bare < UINT64_MAX;
    }
    return add(bare, sum);
}

static zo_status count_trees(const zo_space *s, uint64_t *out, zo_error *err)
{
    size_t n = 1, from;
    struct branch *branches;
    uint64_t *points, product = 1;

    for (size_t i = 0; i < s->n_params; i++)
        n += s->params[i].n_when > 0 ? s->params[i].when->n_values : 0;
    branches = zo_calloc(n, sizeof *branches);
    points = zo_calloc(s->n_params, sizeof *points);
    if (branches == NULL || points == NULL) {
        zo_free(branches);
        zo_free(points);
        return zo_fail_nomem(err);
    }
    n = fill_branches(s, branches);
    for (size_t r = s->n_params; r-- > 0;) { /* children first */
        const size_t i = s->order[r];
        size_t to = n;
        for (from = 0; from < to;) { /* the first branch of i or of a later parent */
            const size_t middle = from + (to - from) / 2;
            if (branches[middle].parent < i)
                from = middle + 1;
            else
                to = middle;
        }
        while (to < n && branches[to].parent == i)
            to++;
        points[i] = count_tree(&s->params[i], branches + from, to - from, points);
        if (s->params[i].n_when == 0)
            product = multiply(product, points[i]);
    }
    zo_free(branches);
    zo_free(points);
    *out = product;
    return ZO_OK;
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
    if (are_trees(s))
        return count_trees(s, out, err);
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
