/* Merging: the live rows of another model of the same configuration are learned, as they are kept there: rows again as
 * rows, sums as sums. Names and rows have the same tags in all models of a store, so what was another model's group or
 * id can be forgotten here. */
#include "models/private.h"

#include <string.h>

#include "codec/safetensors.h"

static zo_status check_same(const zo_live *l, const zo_live *from, zo_error *err)
{
    uint8_t a[CRYPT_HASH_BYTES], b[CRYPT_HASH_BYTES];
    zo_status rc;

    if (l->key == from->key)
        return zo_fail(err, ZO_ECONFLICT, "/from", "a model can't be merged into itself");
    if ((rc = crypt_config_digest(l->model, a, err)) != ZO_OK ||
        (rc = crypt_config_digest(from->model, b, err)) != ZO_OK)
        return rc;
    if (!crypt_equal(a, b) || l->spec.retention != from->spec.retention)
        return zo_fail(err, ZO_ECONFLICT, "/from",
                       "its configuration is another: models merge when all but name and metadata is equal");
    if (zo_model_rows(from->model) > l->spec.model.capacity - zo_model_rows(l->model))
        return zo_fail(err, ZO_EINVAL, "/from", "together they have more rows than the capacity of %llu",
                       (unsigned long long)l->spec.model.capacity);
    return ZO_OK;
}

/* What may not be learned may not be merged. */
static zo_status check_names(const zo_live *l, const zo_live *from, zo_error *err)
{
    zo_status rc = ZO_OK;

    for (size_t i = 0; i < from->ledger.n_entries && rc == ZO_OK; i++) {
        const entry *e = &from->ledger.entries[i];

        if (e->part != UINT32_MAX && !tag_is_zero(&e->id))
            rc = learn_may_id(l, &e->id, err);
    }
    for (size_t i = 0; i < from->n_groups && rc == ZO_OK; i++)
        if (from->groups[i].n > 0)
            rc = learn_may_group(l, &from->groups[i].name, err);
    return rc == ZO_OK || rc == ZO_ENOMEM ? rc : zo_fail_at(err, "/from");
}

static zo_status merge_rows(zo_live *l, zo_act *a, uint32_t group, uint32_t cls, const part_text *t, zo_error *err)
{
    tag *tags = zo_malloc((2 * t->n + 1) * sizeof *tags);
    zo_rows rows;
    int32_t *x = rows_unpack(l, t, &rows);
    zo_status rc = ZO_ENOMEM;

    if (tags && x) {
        for (size_t i = 0; i < t->n; i++) {
            const part_row r = part_text_row(t, i);

            tags[i] = r.row;
            tags[t->n + i] = r.id;
        }
        const row_set set = {.n = t->n, .x = rows.x, .y = rows.y, .row = tags, .id = tags + t->n, .cls = cls};
        rc = rows_add(l, a, group, &t->task, &set, err);
    } else {
        rc = zo_fail_nomem(err);
    }
    if (x)
        explicit_bzero(x, t->n * (t->row_bytes - 2 * sizeof(tag)));
    zo_free(x);
    zo_free(tags);
    return rc;
}

static zo_status merge_sums(zo_live *l, zo_act *a, uint32_t cell, const part_text *t, zo_error *err)
{
    zo_sums *sums = NULL;
    zo_status rc;

    if ((rc = zo_sums_new(l->model, &sums, err)) == ZO_OK &&
        (rc = zo_sums_read(l->model, t->body, t->body_bytes, sums, err)) == ZO_OK &&
        (rc = zo_model_add_sums(l->model, l->cells[cell].cls, sums, 1, err)) == ZO_OK &&
        (rc = rows_add_sums(l, a, cell, sums, err)) == ZO_OK)
        cells_joined(l, cell, zo_sums_rows(sums));
    zo_sums_free(sums);
    return rc;
}

static zo_status merge_part(zo_live *l, zo_act *a, const part_text *t, zo_error *err)
{
    uint32_t group, cell, cls = 0;
    zo_status rc;

    if (t->kind == PART_STATE)
        return cells_keeps_rows(l) ? ZO_OK : live_add_state(l, t->body, t->body_bytes, err);
    if ((rc = cells_group(l, a, &t->group, &group, err)) != ZO_OK)
        return rc;
    if (l->spec.model.target == ZO_TARGET_CLASSES && (rc = zo_model_class(l->model, t->label, &cls, err)) != ZO_OK)
        return rc;
    if (t->kind == PART_ROWS)
        return merge_rows(l, a, group, cls, t, err);
    if ((rc = cells_cell(l, group, &t->task, cls, &cell, err)) != ZO_OK)
        return rc;
    if (t->kind == PART_SUMS)
        return merge_sums(l, a, cell, t, err);
    if ((rc = rows_add_tags(l, a, cell, t, err)) == ZO_OK && !cells_keeps_rows(l))
        cells_joined(l, cell, t->n);
    return rc;
}

static zo_status merge_parts(zo_live *l, zo_act *a, zo_live *from, zo_error *err)
{
    zo_status rc = ZO_OK;

    for (uint32_t i = 0; i < from->n_parts && rc == ZO_OK; i++) {
        part_text t;

        if (!from->parts[i].used || (rc = parts_open(from, a, i, &t, err)) != ZO_OK)
            continue;
        rc = merge_part(l, a, &t, err);
        part_text_fini(&t);
    }
    return rc;
}

static zo_status note(zo_live *l, zo_act *a, uint64_t rows, zo_error *err)
{
    const change c = {.event = "merge", .rows = rows, .rows_after = zo_model_rows(l->model), .at_ms = a->now_ms};
    const zo_status rc = live_changed(l, a, err);

    return rc == ZO_OK ? history_note(l, &c, err) : rc;
}

static zo_status ended(zo_live *l, zo_act *a, zo_status rc, uint64_t *sequence_out)
{
    if (rc != ZO_OK)
        a->undo = true;
    else
        *sequence_out = l->sequence;
    return rc;
}

zo_status zo_live_merge(zo_live *l, zo_act *a, zo_live *from, uint64_t *rows_out, uint64_t *sequence_out, zo_error *err)
{
    zo_status rc;

    if ((rc = check_same(l, from, err)) != ZO_OK || (rc = check_names(l, from, err)) != ZO_OK)
        return rc;
    *rows_out = zo_model_rows(from->model);
    if ((rc = merge_parts(l, a, from, err)) == ZO_OK)
        rc = note(l, a, *rows_out, err);
    return ended(l, a, rc, sequence_out);
}

static zo_status check_config(const zo_live *l, const char *given, zo_error *err)
{
    uint8_t ours[CRYPT_HASH_BYTES];
    char hex[2 * CRYPT_HASH_BYTES + 1];
    const zo_status rc = crypt_config_digest(l->model, ours, err);

    if (rc != ZO_OK)
        return rc;
    crypt_hex(ours, sizeof ours, hex);
    return given && strcmp(given, hex) == 0
               ? ZO_OK
               : zo_fail(err, ZO_ECONFLICT, "",
                         "the state is of another configuration, or not what GET .../state gives");
}

zo_status zo_live_merge_state(zo_live *l, zo_act *a, const void *state, size_t n, uint64_t *rows_out,
                              uint64_t *sequence_out, zo_error *err)
{
    const uint64_t before = zo_model_rows(l->model);
    zo_bundle b;
    zo_status rc;

    if (cells_keeps_rows(l))
        return zo_fail(err, ZO_EUNSUPPORTED, "",
                       "this model can forget each group, and a state does not say whose rows are in it: only a model "
                       "with retention none takes one");
    if ((rc = zo_safetensors_read(state, n, &b, err)) != ZO_OK)
        return rc;
    if ((rc = check_config(l, zo_bundle_meta(&b, "config_digest"), err)) == ZO_OK)
        rc = zo_model_merge(l->model, &b, err);
    zo_bundle_fini(&b);
    if (rc != ZO_OK)
        return rc; /* nothing was added */
    *rows_out = zo_model_rows(l->model) - before;
    return ended(l, a, note(l, a, *rows_out, err), sequence_out);
}
