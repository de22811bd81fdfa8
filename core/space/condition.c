/* Conditions: a parameter is active when every parent named in its `when` is active and has one of the values listed. Parents have
 * countably many values or are fixed; cycles are refused; a child may be listed before its parent.
 *
 * Activity is decided in an order that has parents before children, so that a parent shared by many is looked at once: following the
 * parents recursively would take exponential time where conditions form diamonds. */
#include "space/space_private.h"

#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The inner error speaks of a point's value; this one is about the condition. */
static zo_status refuse_value(const char *parent, const zo_scalar *v, const char *pointer, zo_error *err)
{
    switch (v->kind) {
    case ZO_STRING:
        return zo_fail(err, ZO_EINVAL, pointer, "%s is never \"%.64s\"", parent, v->string);
    case ZO_NUMBER:
        return zo_fail(err, ZO_EINVAL, pointer, "%s is never %.15g", parent, v->number);
    case ZO_BOOLEAN:
        return zo_fail(err, ZO_EINVAL, pointer, "%s is never %s", parent, v->boolean ? "true" : "false");
    case ZO_NUMBERS:
    case ZO_NULL:
        break;
    }
    return zo_fail(err, ZO_EINVAL, pointer, "%s is never null or an array", parent);
}

static zo_status read_when(zo_space *s, size_t i, const zo_when *w, struct condition *c, zo_error *err)
{
    const size_t parent = space_find(s, w->parent);
    char pointer[sizeof err->pointer] = "/when";

    zo_pointer_append(pointer, sizeof pointer, w->parent);
    if (parent == SIZE_MAX)
        return zo_fail(err, ZO_EINVAL, pointer, "no parameter has this name");
    if (parent == i)
        return zo_fail(err, ZO_EINVAL, pointer, "a parameter can't depend on itself");
    const zo_param_spec *spec = &s->specs[parent];
    if (spec->type == ZO_VECTOR || (spec->type != ZO_FIXED && s->params[parent].domain.levels == 0))
        return zo_fail(err, ZO_EINVAL, pointer, "a parent must be an int, categorical, ordinal, bool, fixed or stepped parameter");
    if (w->n_values == 0)
        return zo_fail(err, ZO_EINVAL, pointer, "name at least one value");
    c->parent = parent;
    if ((c->values = zo_arena_array(s->arena, w->n_values, sizeof *c->values)) == NULL)
        return zo_fail_nomem(err);
    for (size_t k = 0; k < w->n_values; k++) {
        zo_error inner = {0};
        if (spec->type == ZO_FIXED) { /* decided for good: one who pins a parent need not rewrite its children */
            if (zo_scalar_equal(&spec->fixed, &w->values[k]))
                c->n_values = 1;
            continue;
        }
        if (space_read(s, parent, &w->values[k], &c->values[k], &inner) != ZO_OK)
            return refuse_value(spec->name, &w->values[k], pointer, err);
        c->n_values = k + 1;
    }
    qsort(c->values, c->n_values, sizeof *c->values, ascending);
    return ZO_OK;
}

/* Depth-first search with colours; the stack is explicit because a chain may be as long as the space. A parameter is placed in the
 * order when all its parents have been. */
static zo_status sort_parents_first(zo_space *s, zo_error *err)
{
    enum { WHITE, GREY, BLACK };
    struct frame {
        size_t param, next;
    } *stack = zo_calloc(s->n_params, sizeof *stack);
    unsigned char *colour = zo_calloc(s->n_params, 1), *depth = zo_calloc(s->n_params, 1);
    size_t n_placed = 0, top;
    zo_status rc = ZO_OK;

    if (stack == NULL || colour == NULL || depth == NULL) {
        rc = zo_fail_nomem(err);
        goto done;
    }
    for (size_t start = 0; start < s->n_params; start++) {
        if (colour[start] != WHITE)
            continue;
        colour[start] = GREY;
        stack[top = 0] = (struct frame){start, 0};
        for (;;) {
            const size_t i = stack[top].param, k = stack[top].next++;
            const struct param *p = &s->params[i];
            if (k < p->n_when) {
                const size_t parent = p->when[k].parent;
                if (colour[parent] == GREY) {
                    char pointer[sizeof err->pointer] = "/when";
                    zo_pointer_append(pointer, sizeof pointer, s->specs[parent].name);
                    rc = zo_fail(err, ZO_EINVAL, pointer, "%s depends on itself through %s", s->specs[i].name, s->specs[parent].name);
                    if (err != NULL)
                        zo_fail_at(err, "/space/%zu", i);
                    goto done;
                }
                if (colour[parent] == WHITE) {
                    colour[parent] = GREY;
                    stack[++top] = (struct frame){parent, 0};
                }
                continue;
            }
            for (size_t j = 0; j < p->n_when; j++)
                if (depth[p->when[j].parent] >= depth[i])
                    depth[i] = (unsigned char)(depth[p->when[j].parent] + 1);
            if (depth[i] > MAX_NESTING) {
                rc = zo_fail(err, ZO_EINVAL, "/when", "conditions nest deeper than %d", MAX_NESTING);
                if (err != NULL)
                    zo_fail_at(err, "/space/%zu", i);
                goto done;
            }
            colour[i] = BLACK;
            s->rank[i] = (uint32_t)n_placed;
            s->order[n_placed++] = (uint32_t)i;
            if (top-- == 0)
                break;
        }
    }
done:
    zo_free(stack);
    zo_free(colour);
    zo_free(depth);
    return rc;
}

zo_status conditions_init(zo_space *s, zo_error *err)
{
    zo_status rc;

    for (size_t i = 0; i < s->n_params; i++) {
        const zo_param_spec *spec = &s->specs[i];
        struct param *p = &s->params[i];
        if (spec->n_when == 0)
            continue;
        if ((p->when = zo_arena_array(s->arena, spec->n_when, sizeof *p->when)) == NULL)
            return zo_fail_nomem(err);
        for (size_t k = 0; k < spec->n_when; k++) {
            if ((rc = read_when(s, i, &spec->when[k], &p->when[k], err)) != ZO_OK)
                return err != NULL && rc != ZO_ENOMEM ? zo_fail_at(err, "/space/%zu", i) : rc;
            p->n_when = k + 1;
        }
        s->has_conditions = true;
        for (size_t k = 0; k < p->n_dims; k++)
            s->dims[p->first_dim + k].conditional = true;
    }
    return sort_parents_first(s, err);
}

static bool holds(const zo_space *s, const double *v, const struct condition *c)
{
    const struct param *parent = &s->params[c->parent];
    const double at = parent->n_dims > 0 ? v[parent->first_dim] : 0;

    return bsearch(&at, c->values, c->n_values, sizeof at, ascending) != NULL;
}

/* All conditions of i and of its ancestors, each ancestor once: by falling rank, as a set of bits. */
static bool ancestors_hold(const zo_space *s, const double *v, size_t i)
{
    uint64_t due[PARAM_WORDS];
    size_t word = s->rank[i] / 64;

    memset(due, 0, (word + 1) * sizeof *due);
    bit_set(due, s->rank[i]);
    for (;; word--) {
        while (due[word] != 0) {
            const size_t bit = 63 - (size_t)__builtin_clzll(due[word]);
            const struct param *p = &s->params[s->order[word * 64 + bit]];
            due[word] &= ~(UINT64_C(1) << bit);
            for (size_t k = 0; k < p->n_when; k++) {
                if (!holds(s, v, &p->when[k]))
                    return false;
                bit_set(due, s->rank[p->when[k].parent]);
            }
        }
        if (word == 0)
            return true;
    }
}

bool space_active(const zo_space *s, const double *v, size_t i)
{
    const struct param *p = &s->params[i];
    bool nested = false;

    for (size_t k = 0; k < p->n_when; k++) {
        if (!holds(s, v, &p->when[k]))
            return false;
        nested |= s->params[p->when[k].parent].n_when > 0;
    }
    return !nested || ancestors_hold(s, v, i);
}

void space_activity(const zo_space *s, const double *v, uint64_t *active)
{
    memset(active, 0, (s->n_params / 64 + 1) * sizeof *active);
    for (size_t r = 0; r < s->n_params; r++) {
        const size_t i = s->order[r];
        const struct param *p = &s->params[i];
        bool on = true;
        for (size_t k = 0; k < p->n_when && on; k++)
            on = bit_get(active, p->when[k].parent) && holds(s, v, &p->when[k]);
        if (on)
            bit_set(active, i);
    }
}
