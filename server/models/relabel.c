/* Relabelling: rows keep their inputs, ids, group and task, and move to the cells of their new labels (or get new
 * targets). */
#include "models/private.h"

#include <string.h>

/* Rows on their way out of the old cells and into the new ones. */
typedef struct moving {
    size_t n;
    int32_t *x;
    tag *id, *group, *task;
} moving;

static void moving_fini(const zo_live *l, moving *m)
{
    if (m->x)
        explicit_bzero(m->x, m->n * l->spec.model.inputs * sizeof *m->x);
    zo_free(m->x);
    zo_free(m->id);
    zo_free(m->group);
    zo_free(m->task);
    *m = (moving){0};
}

static zo_status moving_init(const zo_live *l, moving *m, size_t n, zo_error *err)
{
    *m = (moving){.n = n};
    m->x = zo_malloc((n * l->spec.model.inputs + 1) * sizeof *m->x);
    m->id = zo_malloc((n + 1) * sizeof *m->id);
    m->group = zo_malloc((n + 1) * sizeof *m->group);
    m->task = zo_malloc((n + 1) * sizeof *m->task);
    if (m->x && m->id && m->group && m->task)
        return ZO_OK;
    m->n = m->x ? n : 0;
    moving_fini(l, m);
    return zo_fail_nomem(err);
}

static zo_status find(zo_live *l, const zo_relabel *in, uint32_t *entries, zo_error *err)
{
    for (size_t i = 0; i < in->n; i++) {
        const tag id = crypt_tag(l->tag_secret, TAG_ID, in->ids[i], strlen(in->ids[i]));

        entries[i] = tagmap_find(&l->ledger.by_id, &id, NULL, NULL);
        if (entries[i] == UINT32_MAX) {
            zo_fail(err, ZO_ENOTFOUND, "", "this id is not known to the model");
            return zo_fail_at(err, "/ids/%zu", i);
        }
        for (size_t k = 0; k < i; k++)
            if (entries[k] == entries[i]) {
                zo_fail(err, ZO_ECONFLICT, "", "the same id twice in one request");
                return zo_fail_at(err, "/ids/%zu", i);
            }
    }
    return ZO_OK;
}

/* The inputs of every entry, from its part. */
static zo_status fetch(zo_live *l, zo_act *a, const uint32_t *entries, moving *m, zo_error *err)
{
    const size_t inputs = l->spec.model.inputs;

    for (size_t i = 0; i < m->n; i++) {
        const entry *e = &l->ledger.entries[entries[i]];
        const live_part *p = &l->parts[e->part];
        const live_cell *c = &l->cells[p->cell];
        part_text t;
        zo_status rc = parts_open(l, a, e->part, &t, err);
        bool found = false;

        if (rc != ZO_OK)
            return rc;
        for (size_t k = 0; k < t.n && !found; k++) {
            const part_row r = part_text_row(&t, k);

            if (memcmp(&r.id, &e->id, sizeof r.id) == 0) {
                memcpy(m->x + i * inputs, r.x, inputs * sizeof *m->x);
                found = true;
            }
        }
        part_text_fini(&t);
        if (!found)
            return zo_fail(err, ZO_ESTORE, "", "the model's ledger and its rows differ");
        m->id[i] = e->id;
        m->group[i] = l->groups[c->group].name;
        m->task[i] = c->task;
    }
    return ZO_OK;
}

static zo_status classes(zo_live *l, const zo_relabel *in, uint32_t *out, zo_error *err)
{
    for (size_t i = 0; in->labels && i < in->n; i++)
        if (zo_model_class(l->model, in->labels[i], &out[i], err) != ZO_OK)
            return zo_fail_at(err, "/labels/%zu", i);
    return ZO_OK;
}

/* One row at a time: relabelling is for corrections, not for bulk. */
static zo_status put_back(zo_live *l, zo_act *a, const zo_relabel *in, const moving *m, const uint32_t *cls,
                          zo_error *err)
{
    const zo_model_config *c = &l->spec.model;
    zo_status rc = ZO_OK;

    for (size_t i = 0; i < m->n && rc == ZO_OK; i++) {
        const int32_t *x = m->x + i * c->inputs, *y = in->y ? in->y + i * c->outputs : NULL;
        const tag row =
            crypt_row_tag(l->tag_secret, &m->group[i], in->labels ? in->labels[i] : NULL, x, c->inputs, y, c->outputs);
        const row_set set = {.n = 1, .x = x, .y = y, .row = &row, .id = &m->id[i], .cls = in->labels ? cls[i] : 0};
        uint32_t group;

        if ((rc = cells_group(l, a, &m->group[i], &group, err)) == ZO_OK)
            rc = rows_add(l, a, group, &m->task[i], &set, err);
    }
    return rc;
}

zo_status zo_live_relabel(zo_live *l, zo_act *a, const zo_relabel *in, uint64_t *sequence_out, zo_error *err)
{
    const size_t n = in->n;
    uint32_t *entries, *cls;
    moving m = {0};
    bool changed = false;
    zo_status rc;

    if (l->spec.retention != ZO_RETAIN_ROWS)
        return zo_fail(err, ZO_EUNSUPPORTED, "/ids",
                       "a model with retention %s keeps no rows: forget them by sending them with the old labels, and "
                       "learn them with the new ones",
                       zo_retention_words[l->spec.retention]);
    entries = zo_malloc((n + 1) * sizeof *entries);
    cls = zo_malloc((n + 1) * sizeof *cls);
    rc = entries && cls ? ZO_OK : zo_fail_nomem(err);
    if (rc == ZO_OK && (rc = find(l, in, entries, err)) == ZO_OK && (rc = classes(l, in, cls, err)) == ZO_OK &&
        (rc = moving_init(l, &m, n, err)) == ZO_OK && (rc = fetch(l, a, entries, &m, err)) == ZO_OK) {
        const change c = {.event = "relabel", .rows = n, .rows_after = zo_model_rows(l->model), .at_ms = a->now_ms};

        changed = true;
        if ((rc = rows_remove_picked(l, a, entries, n, err)) == ZO_OK &&
            (rc = put_back(l, a, in, &m, cls, err)) == ZO_OK && (rc = live_changed(l, a, err)) == ZO_OK)
            rc = history_note(l, &c, err);
    }
    moving_fini(l, &m);
    zo_free(entries);
    zo_free(cls);
    if (rc != ZO_OK)
        a->undo = a->undo || changed;
    else
        *sequence_out = l->sequence;
    return rc;
}
