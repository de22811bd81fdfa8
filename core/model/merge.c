/* A saved state into a model. It may come from anywhere: what no rows could have made is refused, above all sums beyond
 * what the capacity allows, for which later ones would have no room. */
#include "model/kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static zo_status damaged(zo_error *err, const char *what)
{
    return zo_fail(err, ZO_EINVAL, "", "the state does not fit this model: %s", what);
}

/* The array under name with exactly n entries, or NULL. */
static const void *fetch(const zo_bundle *b, const zo_model *m, const char *name, size_t layer, size_t n)
{
    char full[64];
    const zo_array *a;

    snprintf(full, sizeof full, "%s.%zu", name, layer);
    a = zo_bundle_get(b, full);
    return a && a->dtype == (m->wide ? ZO_U64 : ZO_I64) && a->bytes == n * sums_entry_bytes(m) ? a->data : NULL;
}

struct incoming {
    const uint64_t *counts;
    size_t live;
    const char *labels[ZO_MODEL_MAX_CLASSES];
    uint32_t index[ZO_MODEL_MAX_CLASSES]; /* in this model */
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static zo_status check_labels(struct incoming *in, zo_error *err)
{
    const char **sorted = zo_malloc((in->live + 1) * sizeof *sorted);
    zo_status rc = ZO_OK;

    if (!sorted)
        return zo_fail_nomem(err);
    memcpy(sorted, in->labels, in->live * sizeof *sorted);
    qsort(sorted, in->live, sizeof *sorted, by_text);
    for (size_t i = 1; i < in->live && rc == ZO_OK; i++)
        if (strcmp(sorted[i], sorted[i - 1]) == 0)
            rc = damaged(err, "a class comes twice");
    zo_free(sorted);
    return rc;
}

static zo_status read_counts(const zo_model *m, const zo_bundle *b, struct incoming *in, zo_error *err)
{
    const zo_array *a = zo_bundle_get(b, "counts");
    uint64_t sum = 0;

    if (!a || a->dtype != ZO_U64 || a->bytes < sizeof(uint64_t) ||
        a->bytes / sizeof(uint64_t) > 1 + ZO_MODEL_MAX_CLASSES)
        return damaged(err, "there are no counts");
    in->counts = a->data;
    in->live = a->bytes / sizeof(uint64_t) - 1;
    if (in->live && m->c.target == ZO_TARGET_REAL)
        return damaged(err, "it has classes");
    if (in->counts[0] > m->c.capacity - m->total->n)
        return zo_fail(err, ZO_ETOOLARGE, "", "together the models have more rows than the capacity of %llu",
                       (unsigned long long)m->c.capacity);
    for (size_t i = 0; i < in->live; i++) {
        char key[32];

        snprintf(key, sizeof key, "class.%zu", i);
        if (!(in->labels[i] = zo_bundle_meta(b, key)) || in->counts[1 + i] == 0 || in->counts[1 + i] > in->counts[0])
            return damaged(err, "a class is missing");
        sum += in->counts[1 + i];
    }
    if (m->c.target == ZO_TARGET_CLASSES && sum != in->counts[0])
        return damaged(err, "the counts do not add up");
    return check_labels(in, err);
}

static zo_status check_sizes(const zo_model *m, const zo_bundle *b, const struct incoming *in, zo_error *err)
{
    const bool classes = m->c.target == ZO_TARGET_CLASSES;

    for (size_t l = 0; l < m->n_layers; l++) {
        const size_t d = m->layers[l].d, k = sums_width(m);

        if (!fetch(b, m, "A", l, sums_triangle(d)) || (!classes && !fetch(b, m, "B", l, k * d)) ||
            (!classes && !fetch(b, m, "yy", l, k)) || (classes && !fetch(b, m, "class_B", l, in->live * d)) ||
            (m->c.reweight && !fetch(b, m, "class_A", l, in->live * sums_triangle(d))))
            return damaged(err, "an array is missing or of another size");
    }
    return ZO_OK;
}

/* ---- what no rows could have made ---- */

static zo_i128 entry_at(const zo_model *m, const void *array, size_t i)
{
    zo_i128 v;

    if (!m->wide)
        return ((const int64_t *)array)[i];
    memcpy(&v, (const char *)array + i * sizeof v, sizeof v); /* of 8-byte alignment */
    return v;
}

/* Sums of n rows stay within n times the greatest product, so that the sums of all rows stay within the capacity's. */
static zo_i128 most(const zo_model *m, uint64_t rows, unsigned bits)
{
    return (zo_i128)(rows * m->draws) << bits;
}

static bool within(const zo_model *m, const void *array, size_t n, zo_i128 low, zo_i128 high)
{
    for (size_t i = 0; i < n; i++) {
        const zo_i128 v = entry_at(m, array, i);

        if (v < low || v > high)
            return false;
    }
    return true;
}

/* A sum of f f': squares lie on its diagonal. */
static bool is_square_sum(const zo_model *m, const void *A, size_t d, uint64_t rows)
{
    const zo_i128 high = most(m, rows, 2 * m->c.quant);
    const size_t entry = sums_entry_bytes(m);

    for (size_t j = 0, at = 0; j < d; at += d - j++)
        if (!within(m, (const char *)A + at * entry, 1, 0, high) ||
            !within(m, (const char *)A + (at + 1) * entry, d - j - 1, -high, high))
            return false;
    return true;
}

static bool adds_up(const zo_model *m, const void *whole, const void *shares, size_t n, size_t n_shares)
{
    for (size_t i = 0; i < n; i++) {
        zo_i128 sum = 0;

        for (size_t s = 0; s < n_shares; s++)
            sum += entry_at(m, shares, s * n + i);
        if (sum != entry_at(m, whole, i))
            return false;
    }
    return true;
}

static bool is_plausible(const zo_model *m, const zo_bundle *b, const struct incoming *in, size_t l)
{
    const size_t d = m->layers[l].d, k = sums_width(m), t = sums_triangle(d), entry = sums_entry_bytes(m);
    const void *A = fetch(b, m, "A", l, t);
    const zo_i128 high = most(m, in->counts[0], 2 * m->c.quant);

    if (!is_square_sum(m, A, d, in->counts[0]))
        return false;
    if (m->c.target == ZO_TARGET_REAL)
        return within(m, fetch(b, m, "B", l, k * d), k * d, -high, high) &&
               within(m, fetch(b, m, "yy", l, k), k, 0, high);
    for (size_t i = 0; i < in->live; i++) {
        const zo_i128 class_high = most(m, in->counts[1 + i], m->c.quant);
        const char *of_B = fetch(b, m, "class_B", l, in->live * d), *of_A = fetch(b, m, "class_A", l, in->live * t);

        if (!within(m, of_B + i * d * entry, d, -class_high, class_high) ||
            (m->c.reweight && !is_square_sum(m, of_A + i * t * entry, d, in->counts[1 + i])))
            return false;
    }
    return !m->c.reweight || adds_up(m, A, fetch(b, m, "class_A", l, in->live * t), t, in->live);
}

static zo_status check_state(const zo_model *m, const zo_bundle *b, struct incoming *in, zo_error *err)
{
    zo_status rc;

    if ((rc = read_counts(m, b, in, err)) != ZO_OK || (rc = check_sizes(m, b, in, err)) != ZO_OK)
        return rc;
    for (size_t l = 0; l < m->n_layers; l++)
        if (!is_plausible(m, b, in, l))
            return damaged(err, "no rows have such sums");
    return ZO_OK;
}

/* ---- merge ---- */

static zo_status enter_classes(zo_model *m, struct incoming *in, zo_error *err)
{
    zo_status rc = ZO_OK;

    for (size_t i = 0; i < in->live && rc == ZO_OK; i++)
        rc = zo_model_class(m, in->labels[i], &in->index[i], err);
    return rc;
}

static void add_into(const zo_model *m, void *to, const void *from, size_t n)
{
    if (!to)
        return;
    if (m->wide) {
        for (size_t i = 0; i < n; i++)
            ((zo_i128 *)to)[i] += entry_at(m, from, i);
    } else {
        for (size_t i = 0; i < n; i++)
            ((int64_t *)to)[i] += ((const int64_t *)from)[i];
    }
}

static void add_state(zo_model *m, const zo_bundle *b, const struct incoming *in)
{
    for (size_t l = 0; l < m->n_layers; l++) {
        const size_t d = m->layers[l].d, k = sums_width(m), entry = sums_entry_bytes(m), t = sums_triangle(d);

        add_into(m, m->total->layers[l].A, fetch(b, m, "A", l, t), t);
        if (m->c.target == ZO_TARGET_REAL) {
            add_into(m, m->total->layers[l].B, fetch(b, m, "B", l, k * d), k * d);
            add_into(m, m->total->layers[l].yy, fetch(b, m, "yy", l, k), k);
        }
        for (size_t i = 0; i < in->live; i++) {
            const char *of_B = fetch(b, m, "class_B", l, in->live * d), *of_A = fetch(b, m, "class_A", l, in->live * t);

            add_into(m, m->classes[in->index[i]].sums->layers[l].B, of_B + i * d * entry, d);
            if (m->c.reweight)
                add_into(m, m->classes[in->index[i]].sums->layers[l].A, of_A + i * t * entry, t);
        }
    }
    m->total->n += in->counts[0];
    for (size_t i = 0; i < in->live; i++)
        m->classes[in->index[i]].n += in->counts[1 + i];
    model_unsolve(m);
}

zo_status zo_model_merge(zo_model *m, const zo_bundle *b, zo_error *err)
{
    struct incoming *in = zo_calloc(1, sizeof *in);
    zo_status rc = in ? check_state(m, b, in, err) : zo_fail_nomem(err);

    if (rc == ZO_OK && (rc = enter_classes(m, in, err)) == ZO_OK)
        add_state(m, b, in);
    zo_free(in);
    return rc;
}
