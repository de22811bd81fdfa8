/* Forgetting: what a request means is found out first, then rows leave sums, parts and ledger in one step. */
#include "models/private.h"

#include <string.h>

const char *const zo_scope_names[] = {"ids", "group", "class", "task", "rows", "all", NULL};

/* ---- by cells: group, class, task ---- */

static tag class_tag(const zo_live *l, uint32_t cls)
{
    const char *label = zo_model_class_label(l->model, cls);

    return crypt_tag(l->tag_secret, TAG_CLASS, label, strlen(label) + 1);
}

static zo_status forget_group(zo_live *l, zo_act *a, const tag *name, uint64_t *rows_out, zo_error *err)
{
    const uint32_t g = cells_find_group(l, name);
    zo_status rc = ZO_OK;

    for (uint32_t c = g == NO_SLOT ? NO_SLOT : l->groups[g].cells, next; c != NO_SLOT && rc == ZO_OK; c = next) {
        next = l->cells[c].next;
        rc = rows_remove_cell(l, a, c, rows_out, err);
    }
    return rc;
}

static bool cell_is(const live_cell *c, tag_kind kind, const tag *name, const tag *classes)
{
    return c->used && memcmp(kind == TAG_TASK ? &c->task : &classes[c->cls], name, sizeof *name) == 0;
}

/* Of a task or class, in whatever group. */
static zo_status forget_cells(zo_live *l, zo_act *a, tag_kind kind, const tag *name, uint64_t *rows_out, zo_error *err)
{
    const size_t n_classes = l->spec.model.target == ZO_TARGET_CLASSES ? zo_model_class_count(l->model) : 0;
    tag *classes = zo_malloc((n_classes + 1) * sizeof *classes);
    zo_status rc = ZO_OK;

    if (!classes)
        return zo_fail_nomem(err);
    for (uint32_t i = 0; i < n_classes; i++)
        classes[i] = class_tag(l, i);
    for (uint32_t i = 0; i < l->n_cells && rc == ZO_OK; i++)
        if (cell_is(&l->cells[i], kind, name, classes))
            rc = rows_remove_cell(l, a, i, rows_out, err);
    zo_free(classes);
    return rc;
}

static zo_status forget_all(zo_live *l, zo_act *a, uint64_t *rows_out, zo_error *err)
{
    zo_op *op;

    *rows_out = zo_model_rows(l->model);
    if (!(op = zo_changes_add(a->changes, ZO_OP_PART_DROP, l->key, err)))
        return ZO_ENOMEM;
    for (size_t i = 0; i < l->n_groups && cells_keeps_rows(l); i++) {
        if (l->groups[i].n == 0)
            continue;
        if (!(op = zo_changes_add(a->changes, ZO_OP_KEY_DROP, l->key, err)))
            return ZO_ENOMEM;
        op->u.key.key = l->groups[i].key;
    }
    zo_model_clear(l->model);
    parts_forget_all(l);
    l->uncached = l->loose = 0;
    cells_fini(l);
    cells_init(l);
    ledger_fini(&l->ledger);
    return ZO_OK;
}

/* ---- by ids ---- */

static zo_status forget_ids(zo_live *l, zo_act *a, const tag *ids, size_t n, uint64_t *rows_out, zo_error *err)
{
    uint32_t *entries = zo_malloc((n + 1) * sizeof *entries);
    size_t found = 0;
    zo_status rc;

    if (!entries)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const uint32_t e = tagmap_find(&l->ledger.by_id, &ids[i], NULL, NULL);

        if (e != UINT32_MAX)
            entries[found++] = e;
    }
    rc = rows_remove_picked(l, a, entries, found, err);
    zo_free(entries);
    *rows_out += found;
    return rc;
}

zo_status forget_named(zo_live *l, zo_act *a, tag_kind kind, const tag *names, size_t n, uint64_t *rows_out,
                       zo_error *err)
{
    zo_status rc = ZO_OK;

    switch (kind) {
    case TAG_ID:
        return forget_ids(l, a, names, n, rows_out, err);
    case TAG_GROUP:
        for (size_t i = 0; i < n && rc == ZO_OK; i++)
            rc = forget_group(l, a, &names[i], rows_out, err);
        return rc;
    case TAG_CLASS:
    case TAG_TASK:
        for (size_t i = 0; i < n && rc == ZO_OK; i++)
            rc = forget_cells(l, a, kind, &names[i], rows_out, err);
        return rc;
    case TAG_ALL:
        return forget_all(l, a, rows_out, err);
    case TAG_ROW:
        break;
    }
    return zo_fail(err, ZO_EINTERNAL, "", "rows are not forgotten by name");
}

/* ---- by rows sent again ---- */

struct wanted {
    const zo_live *l;
    const tag *task; /* NULL: any */
};

static bool is_wanted(const void *ctx, uint32_t e)
{
    const struct wanted *w = ctx;
    const entry *en = &w->l->ledger.entries[e];

    return !en->picked &&
           (!w->task || memcmp(&w->l->cells[w->l->parts[en->part].cell].task, w->task, sizeof *w->task) == 0);
}

/* One entry for every row, or 409 with the first rows that are not live; nothing stays picked then. */
static zo_status pick_rows(zo_live *l, const zo_learn *in, uint32_t *entries, zo_error *err)
{
    const zo_model_config *c = &l->spec.model;
    const tag group = cells_group_tag(l, in->group), task = cells_task_tag(l, in->task);
    const struct wanted w = {l, in->task ? &task : NULL};
    size_t missing = 0, first = 0, n = 0;

    for (size_t i = 0; i < in->n; i++) {
        const tag t = crypt_row_tag(l->tag_secret, &group, in->labels ? in->labels[i] : NULL, in->x + i * c->inputs,
                                    c->inputs, in->y ? in->y + i * c->outputs : NULL, c->outputs);
        const uint32_t e = ledger_find(&l->ledger, &t, is_wanted, &w);

        if (e == UINT32_MAX) {
            first = missing++ ? first : i;
            continue;
        }
        l->ledger.entries[e].picked = true;
        entries[n++] = e;
    }
    if (!missing)
        return ZO_OK;
    for (size_t i = 0; i < n; i++)
        l->ledger.entries[entries[i]].picked = false;
    zo_fail(err, ZO_ECONFLICT, "",
            "%zu of the rows are not live in this model (with this label, group and task); nothing was forgotten",
            missing);
    zo_fail_at(err, "/x/%zu", first);
    return ZO_ECONFLICT;
}

static zo_status shrink_sums(zo_live *l, zo_act *a, uint32_t c, const zo_rows *rows, zo_error *err)
{
    zo_sums *sums = NULL;
    uint32_t slot = l->cells[c].parts;
    part_text t;
    zo_status rc;

    while (slot != NO_SLOT && l->parts[slot].kind != PART_SUMS)
        slot = l->parts[slot].next;
    if (slot == NO_SLOT)
        return zo_fail(err, ZO_ESTORE, "", "the sums of a cell are missing");
    if ((rc = parts_open(l, a, slot, &t, err)) != ZO_OK)
        return rc;
    if ((rc = zo_sums_new(l->model, &sums, err)) == ZO_OK &&
        (rc = zo_sums_read(l->model, t.body, t.body_bytes, sums, err)) == ZO_OK)
        rc = zo_sums_accumulate(l->model, rows, -1, sums, err);
    part_text_fini(&t);
    if (rc == ZO_OK)
        rc = parts_drop(l, a, slot, err);
    if (rc == ZO_OK && zo_sums_rows(sums) > 0)
        rc = rows_add_sums(l, a, c, sums, err);
    zo_sums_free(sums);
    return rc;
}

/* Rows whose entries lie in parts of tags: their numbers are in the request alone. Cell by cell. */
static zo_status subtract_sent(zo_live *l, zo_act *a, const zo_learn *in, const uint32_t *entries, zo_error *err)
{
    const zo_model_config *cfg = &l->spec.model;
    const size_t inputs = cfg->inputs, outputs = in->y ? cfg->outputs : 0;
    bool *done = zo_calloc(in->n + 1, sizeof *done);
    int32_t *x = zo_malloc((in->n * (inputs + outputs) + 1) * sizeof *x), *y = x ? x + in->n * inputs : NULL;
    zo_status rc = done && x ? ZO_OK : zo_fail_nomem(err);

    for (size_t i = 0; i < in->n && rc == ZO_OK; i++) {
        const uint32_t slot = l->ledger.entries[entries[i]].part, c = l->parts[slot].cell;
        size_t n = 0;

        if (done[i] || l->parts[slot].kind != PART_TAGS)
            continue;
        for (size_t k = i; k < in->n; k++) {
            const live_part *p = &l->parts[l->ledger.entries[entries[k]].part];

            if (done[k] || p->kind != PART_TAGS || p->cell != c)
                continue;
            memcpy(x + n * inputs, in->x + k * inputs, inputs * sizeof *x);
            if (outputs)
                memcpy(y + n * outputs, in->y + k * outputs, outputs * sizeof *y);
            done[k] = true;
            n++;
        }
        const zo_rows rows = {.x = x, .y = outputs ? y : NULL, .n = n, .cls = l->cells[c].cls};
        rc = zo_model_accumulate(l->model, &rows, -1, NULL, err);
        if (rc == ZO_OK && l->spec.retention == ZO_RETAIN_GROUPS)
            rc = shrink_sums(l, a, c, &rows, err);
    }
    if (x)
        explicit_bzero(x, in->n * (inputs + outputs) * sizeof *x);
    zo_free(x);
    zo_free(done);
    return rc;
}

/* ---- requests ---- */

static zo_status unsupported(const zo_live *l, zo_scope_kind by, zo_error *err)
{
    char pointer[16];

    pointer[0] = '/';
    strcpy(pointer + 1, zo_scope_names[by]);
    return zo_fail(err, ZO_EUNSUPPORTED, pointer,
                   "a model with retention %s can't forget by %s: it keeps no rows; send the rows again",
                   zo_retention_words[l->spec.retention], zo_scope_names[by]);
}

static zo_status unknown(const zo_live *l, tag_kind kind, const tag *name, const char *what, zo_error *err)
{
    const uint64_t request = graves_request(l, kind, name);

    if (request)
        return zo_fail(err, ZO_ECONFLICT, "", "this %s was forgotten by request %llu", what,
                       (unsigned long long)request);
    return zo_fail(err, ZO_ENOTFOUND, "", "this %s is not known to the model", what);
}

static tag_kind kind_of(zo_scope_kind by)
{
    static const tag_kind kinds[] = {
        [ZO_BY_IDS] = TAG_ID,    [ZO_BY_GROUP] = TAG_GROUP, [ZO_BY_CLASS] = TAG_CLASS,
        [ZO_BY_TASK] = TAG_TASK, [ZO_BY_ROWS] = TAG_ROW,    [ZO_BY_ALL] = TAG_ALL,
    };

    return kinds[by];
}

static bool any_cell(const zo_live *l, tag_kind kind, const tag *name)
{
    const size_t n_classes = l->spec.model.target == ZO_TARGET_CLASSES ? zo_model_class_count(l->model) : 0;

    if (kind == TAG_GROUP)
        return cells_find_group(l, name) != UINT32_MAX;
    for (uint32_t i = 0; kind == TAG_CLASS && i < n_classes; i++) {
        const tag t = class_tag(l, i);

        if (zo_model_class_rows(l->model, i) > 0 && memcmp(&t, name, sizeof t) == 0)
            return true;
    }
    for (size_t i = 0; kind == TAG_TASK && i < l->n_cells; i++)
        if (l->cells[i].used && l->cells[i].n > 0 && memcmp(&l->cells[i].task, name, sizeof *name) == 0)
            return true;
    return false;
}

/* Tags of what is named, all of it live. */
static zo_status find_named(zo_live *l, const zo_forget *in, tag *names, size_t *n_out, zo_error *err)
{
    const tag_kind kind = kind_of(in->by);

    switch (in->by) {
    case ZO_BY_IDS:
        if (l->spec.retention != ZO_RETAIN_ROWS)
            return unsupported(l, in->by, err);
        for (size_t i = 0; i < in->n_ids; i++) {
            names[i] = crypt_tag(l->tag_secret, TAG_ID, in->ids[i], strlen(in->ids[i]));
            if (tagmap_find(&l->ledger.by_id, &names[i], NULL, NULL) == UINT32_MAX) {
                unknown(l, kind, &names[i], "id", err);
                return zo_fail_at(err, "/ids/%zu", i);
            }
        }
        *n_out = in->n_ids;
        return ZO_OK;
    case ZO_BY_GROUP:
    case ZO_BY_CLASS:
    case ZO_BY_TASK:
        if (!cells_keeps_rows(l))
            return unsupported(l, in->by, err);
        if (in->by == ZO_BY_CLASS && l->spec.model.target == ZO_TARGET_REAL)
            return zo_fail(err, ZO_EUNSUPPORTED, "/class", "a model of real targets has no classes");
        names[0] = crypt_tag(l->tag_secret, kind, in->name, strlen(in->name) + 1);
        if (!any_cell(l, kind, &names[0])) {
            unknown(l, kind, &names[0], zo_scope_names[in->by], err);
            return zo_fail_at(err, "/%s", zo_scope_names[in->by]);
        }
        *n_out = 1;
        return ZO_OK;
    case ZO_BY_ALL:
        names[0] = (tag){{0}};
        *n_out = 1;
        return ZO_OK;
    case ZO_BY_ROWS:
        break;
    }
    *n_out = 0;
    return ZO_OK;
}

static zo_status duplicates(const tag *names, size_t n, zo_error *err)
{
    tagmap seen;
    zo_status rc;

    tagmap_init(&seen, tag_at, names);
    if ((rc = tagmap_reserve(&seen, n, err)) != ZO_OK)
        return rc;
    for (uint32_t i = 0; i < n && rc == ZO_OK; i++) {
        if (tagmap_find(&seen, &names[i], NULL, NULL) != UINT32_MAX) {
            zo_fail(err, ZO_ECONFLICT, "", "the same id twice in one request");
            rc = zo_fail_at(err, "/ids/%u", i);
        } else {
            tagmap_put(&seen, i);
        }
    }
    tagmap_fini(&seen);
    return rc;
}

static zo_status bury(zo_live *l, zo_act *a, tag_kind kind, const tag *names, size_t n, uint64_t request, zo_error *err)
{
    zo_status rc = ZO_OK;

    for (size_t i = 0; i < n && rc == ZO_OK; i++)
        rc = graves_dig(l, a, kind, &names[i], request, err);
    return rc;
}

static zo_status forget_rows(zo_live *l, zo_act *a, const zo_forget *in, uint64_t request, uint64_t *rows_out,
                             zo_error *err)
{
    uint32_t *entries = zo_malloc((in->rows.n + 1) * sizeof *entries);
    tag *tags = zo_malloc((in->rows.n + 1) * sizeof *tags);
    zo_status rc = entries && tags ? pick_rows(l, &in->rows, entries, err) : zo_fail_nomem(err);

    if (rc == ZO_OK) {
        for (size_t i = 0; i < in->rows.n; i++)
            tags[i] = l->ledger.entries[entries[i]].row;
        if ((rc = subtract_sent(l, a, &in->rows, entries, err)) != ZO_OK ||
            (rc = rows_remove_picked(l, a, entries, in->rows.n, err)) != ZO_OK ||
            (rc = bury(l, a, TAG_ROW, tags, in->rows.n, request, err)) != ZO_OK)
            a->undo = true;
        *rows_out = in->rows.n;
    }
    zo_free(entries);
    zo_free(tags);
    return rc;
}

static zo_status drop_replies(zo_live *l, zo_act *a, zo_error *err)
{
    return zo_changes_add(a->changes, ZO_OP_REPLIES_DROP, l->key, err) ? ZO_OK : ZO_ENOMEM;
}

zo_status zo_live_forget(zo_live *l, zo_act *a, const zo_forget *in, zo_forgotten *out, zo_error *err)
{
    const tag_kind kind = kind_of(in->by);
    const size_t cap = in->by == ZO_BY_IDS ? in->n_ids : 1;
    const uint64_t request = l->request + 1;
    tag *names = zo_malloc((cap + 1) * sizeof *names);
    uint64_t rows = 0;
    size_t n = 0;
    zo_status rc;

    if (!names)
        return zo_fail_nomem(err);
    if ((rc = find_named(l, in, names, &n, err)) != ZO_OK ||
        (in->by == ZO_BY_IDS && (rc = duplicates(names, n, err)) != ZO_OK)) {
        zo_free(names);
        return rc;
    }
    if (in->by == ZO_BY_ROWS) {
        rc = forget_rows(l, a, in, request, &rows, err);
        n = in->rows.n;
    } else if ((rc = forget_named(l, a, kind, names, n, &rows, err)) != ZO_OK ||
               (rc = bury(l, a, kind, names, n, request, err)) != ZO_OK) {
        a->undo = true;
    }
    zo_free(names);
    if (rc != ZO_OK)
        return rc;
    const change c = {.event = "forget",
                      .scope = zo_scope_names[in->by],
                      .request = request,
                      .rows = rows,
                      .rows_after = zo_model_rows(l->model),
                      .subjects = n,
                      .at_ms = a->now_ms};
    l->request = request;
    if ((rc = live_changed(l, a, err)) != ZO_OK || (rc = drop_replies(l, a, err)) != ZO_OK ||
        (rc = history_note(l, &c, err)) != ZO_OK) {
        a->undo = true;
        return rc;
    }
    *out = (zo_forgotten){.request = request, .sequence = l->sequence, .rows = rows};
    return ZO_OK;
}
