/* Rows into cells and out of them: sums, parts and ledger together. */
#include "models/private.h"

#include <stdlib.h>
#include <string.h>

static size_t numbers(const zo_live *l)
{
    const zo_model_config *c = &l->spec.model;

    return c->inputs + (c->target == ZO_TARGET_REAL ? c->outputs : 0);
}

static void wipe(void *p, size_t bytes)
{
    if (p)
        explicit_bzero(p, bytes);
    zo_free(p);
}

/* ---- writing parts ---- */

/* A chain of parts of one kind and cell, each as large as it should be, and the entries that wait for their part's
 * slot. */
typedef struct chain {
    zo_live *l;
    zo_act *a;
    part_draft draft;
    part_kind kind;
    uint32_t cell;
    size_t per_part;
    uint32_t *waiting; /* [per_part] */
    size_t n_waiting;
} chain;

static zo_status chain_begin(chain *c, zo_live *l, zo_act *a, part_kind kind, uint32_t cell, zo_error *err)
{
    const size_t bytes = parts_row_bytes(l, kind);

    *c = (chain){.l = l, .a = a, .kind = kind, .cell = cell, .per_part = parts_limit(l, kind) / bytes};
    if (c->per_part == 0)
        c->per_part = 1;
    c->waiting = zo_malloc(c->per_part * sizeof *c->waiting);
    return c->waiting ? ZO_OK : zo_fail_nomem(err);
}

static zo_status chain_flush(chain *c, zo_error *err)
{
    uint32_t slot;
    zo_status rc;

    if (c->n_waiting == 0)
        return ZO_OK;
    if ((rc = draft_put(c->l, c->a, &c->draft, &slot, err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < c->n_waiting; i++)
        c->l->ledger.entries[c->waiting[i]].part = slot;
    c->n_waiting = 0;
    return ZO_OK;
}

/* The entry is in motion until its part is put. x: the row's numbers; NULL for tags. */
static zo_status chain_add(chain *c, uint32_t e, const void *x, zo_error *err)
{
    const entry *en = &c->l->ledger.entries[e];
    const size_t bytes = x ? numbers(c->l) * sizeof(int32_t) : 0;
    zo_status rc;

    if (c->n_waiting == 0 && (rc = draft_begin(c->l, &c->draft, c->kind, c->cell, 0, err)) != ZO_OK)
        return rc;
    if ((rc = draft_row(c->l, &c->draft, &en->row, &en->id, x, bytes, err)) != ZO_OK)
        return rc;
    c->waiting[c->n_waiting++] = e;
    return c->n_waiting == c->per_part ? chain_flush(c, err) : ZO_OK;
}

static void chain_end(chain *c)
{
    draft_fini(&c->draft);
    zo_free(c->waiting);
}

static zo_status differ(zo_error *err)
{
    return zo_fail(err, ZO_ESTORE, "", "the model's ledger and its rows differ");
}

/* ---- unpacking ---- */

int32_t *rows_unpack(const zo_live *l, const part_text *t, zo_rows *out)
{
    const zo_model_config *c = &l->spec.model;
    const size_t outputs = c->target == ZO_TARGET_REAL ? c->outputs : 0;
    int32_t *x = zo_malloc(t->n * numbers(l) * sizeof *x), *y = x ? x + t->n * c->inputs : NULL;

    for (size_t i = 0; x && i < t->n; i++) {
        const uint8_t *from = part_text_row(t, i).x;

        memcpy(x + i * c->inputs, from, c->inputs * sizeof *x);
        if (outputs)
            memcpy(y + i * outputs, from + c->inputs * sizeof *x, outputs * sizeof *y);
    }
    *out = (zo_rows){.x = x, .y = outputs ? y : NULL, .n = t->n};
    return x;
}

/* ---- folding: rows of a cell that need not be kept become sums and tags ---- */

static zo_status fold_rows(zo_live *l, zo_act *a, uint32_t slot, row_batch *batch, chain *tags, zo_error *err)
{
    part_text t;
    zo_status rc = parts_open(l, a, slot, &t, err);

    if (rc != ZO_OK)
        return rc;
    for (size_t i = 0; i < t.n && rc == ZO_OK; i++) {
        const part_row r = part_text_row(&t, i);
        const uint32_t e = ledger_in_part(&l->ledger, &r.row, slot);

        if (e == UINT32_MAX) {
            rc = differ(err);
            break;
        }
        l->ledger.entries[e].part = IN_MOTION;
        if ((rc = batch_add(batch, l->cells[l->parts[slot].cell].cls, r.x, err)) == ZO_OK)
            rc = chain_add(tags, e, NULL, err);
    }
    part_text_fini(&t);
    return rc == ZO_OK ? parts_drop(l, a, slot, err) : rc;
}

static zo_status fold_sums(zo_live *l, zo_act *a, uint32_t slot, zo_sums *sums, zo_error *err)
{
    part_text t;
    zo_sums *old = NULL;
    zo_status rc = parts_open(l, a, slot, &t, err);

    if (rc != ZO_OK)
        return rc;
    if ((rc = zo_sums_new(l->model, &old, err)) == ZO_OK &&
        (rc = zo_sums_read(l->model, t.body, t.body_bytes, old, err)) == ZO_OK)
        zo_sums_add(sums, old, 1);
    zo_sums_free(old);
    part_text_fini(&t);
    return rc == ZO_OK ? parts_drop(l, a, slot, err) : rc;
}

zo_status rows_add_sums(zo_live *l, zo_act *a, uint32_t c, const zo_sums *sums, zo_error *err)
{
    const size_t bytes = zo_sums_bytes(l->model);
    part_draft d;
    uint32_t slot;
    void *body;
    zo_status rc;

    if ((rc = draft_begin(l, &d, PART_SUMS, c, bytes, err)) != ZO_OK)
        return rc;
    if (!(body = draft_body(&d, bytes, err))) {
        draft_fini(&d);
        return ZO_ENOMEM;
    }
    zo_sums_write(sums, body);
    return draft_put(l, a, &d, &slot, err);
}

/* sums holds the new rows, tags has them waiting; what the cell has on disk joins them. */
static zo_status fold(zo_live *l, zo_act *a, uint32_t c, zo_sums *sums, chain *tags, zo_error *err)
{
    row_batch batch;
    zo_status rc = batch_begin(&batch, l, sums, 1, l->cells[c].loose, err);

    for (uint32_t i = l->cells[c].parts, next; i != NO_SLOT && rc == ZO_OK; i = next) {
        next = l->parts[i].next;
        if (l->parts[i].kind == PART_ROWS)
            rc = fold_rows(l, a, i, &batch, tags, err);
        else if (l->parts[i].kind == PART_SUMS)
            rc = fold_sums(l, a, i, sums, err);
    }
    if (rc == ZO_OK && (rc = batch_flush(&batch, err)) == ZO_OK)
        rc = chain_flush(tags, err);
    batch_end(&batch);
    if (rc == ZO_OK)
        rc = rows_add_sums(l, a, c, sums, err);
    cells_loose(l, c, 0);
    return rc;
}

/* ---- in ---- */

static size_t picked(const row_set *r, size_t i)
{
    return r->pick ? r->pick[i] : i;
}

static zo_status add_entries(zo_live *l, const row_set *r, chain *c, bool with_numbers, zo_error *err)
{
    const zo_model_config *cfg = &l->spec.model;
    const size_t outputs = r->y ? cfg->outputs : 0, n = cfg->inputs + outputs;
    static const tag none;
    int32_t *both = NULL;
    zo_status rc = ZO_OK;

    if (outputs && with_numbers && !(both = zo_malloc(n * sizeof *both)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < r->n && rc == ZO_OK; i++) {
        const size_t k = picked(r, i);
        const uint32_t e = ledger_put(&l->ledger, &r->row[k], r->id ? &r->id[k] : &none, IN_MOTION);
        const void *x = r->x + k * cfg->inputs;

        if (both) {
            memcpy(both, x, cfg->inputs * sizeof *both);
            memcpy(both + cfg->inputs, r->y + k * outputs, outputs * sizeof *both);
            x = both;
        }
        rc = chain_add(c, e, with_numbers ? x : NULL, err);
    }
    wipe(both, n * sizeof *both);
    return rc;
}

zo_status rows_add(zo_live *l, zo_act *a, uint32_t g, const tag *task, const row_set *r, zo_error *err)
{
    const zo_rows rows = {.x = r->x, .y = r->y, .n = r->n, .cls = r->cls, .pick = r->pick};
    const size_t d = zo_model_features(l->model);
    zo_sums *sums = NULL;
    uint32_t c = 0;
    chain ch = {0};
    zo_status rc;

    if ((rc = cells_cell(l, g, task, r->cls, &c, err)) != ZO_OK ||
        (rc = ledger_reserve(&l->ledger, r->n, err)) != ZO_OK)
        return rc;
    const bool folds = l->spec.retention == ZO_RETAIN_GROUPS && (l->cells[c].loose + r->n) * 4 >= d;
    const bool keeps = cells_keeps_rows(l) && !folds;
    if (folds && (rc = zo_sums_new(l->model, &sums, err)) != ZO_OK)
        return rc;
    if ((rc = zo_model_accumulate(l->model, &rows, 1, sums, err)) == ZO_OK &&
        (rc = chain_begin(&ch, l, a, keeps ? PART_ROWS : PART_TAGS, c, err)) == ZO_OK &&
        (rc = add_entries(l, r, &ch, keeps, err)) == ZO_OK)
        rc = folds ? fold(l, a, c, sums, &ch, err) : chain_flush(&ch, err);
    if (rc == ZO_OK) {
        cells_joined(l, c, r->n);
        cells_loose(l, c, l->cells[c].loose + (keeps ? r->n : 0));
        l->uncached += keeps ? r->n : 0;
        l->cache_stale = l->cache_stale || folds;
    }
    chain_end(&ch);
    zo_sums_free(sums);
    return rc;
}

zo_status rows_add_tags(zo_live *l, zo_act *a, uint32_t c, const part_text *tags, zo_error *err)
{
    chain ch;
    zo_status rc = ledger_reserve(&l->ledger, tags->n, err);

    if (rc != ZO_OK || (rc = chain_begin(&ch, l, a, PART_TAGS, c, err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < tags->n && rc == ZO_OK; i++) {
        const part_row r = part_text_row(tags, i);

        rc = chain_add(&ch, ledger_put(&l->ledger, &r.row, &r.id, IN_MOTION), NULL, err);
    }
    if (rc == ZO_OK)
        rc = chain_flush(&ch, err);
    chain_end(&ch);
    return rc;
}

/* ---- out ---- */

struct of_part {
    const zo_live *l;
    uint32_t part;
    bool picked;
};

static bool fits(const void *ctx, uint32_t e)
{
    const struct of_part *p = ctx;
    const entry *en = &p->l->ledger.entries[e];

    return en->part == p->part && en->picked == p->picked && tag_is_zero(&en->id);
}

/* The entry of a part's row: by its id, else any of those alike without one, the picked ones first. NO_SLOT: none. */
static uint32_t entry_of(const zo_live *l, uint32_t slot, const part_row *r)
{
    struct of_part want = {l, slot, true};
    uint32_t e;

    if (!tag_is_zero(&r->id)) {
        e = tagmap_find(&l->ledger.by_id, &r->id, NULL, NULL);
        return e != NO_SLOT && l->ledger.entries[e].part == slot ? e : NO_SLOT;
    }
    if ((e = ledger_find(&l->ledger, &r->row, fits, &want)) != NO_SLOT)
        return e;
    want.picked = false;
    return ledger_find(&l->ledger, &r->row, fits, &want);
}

/* Splits an opened part: picked rows to the batch (rows of tags have no numbers), the others to the chain. */
static zo_status split(zo_live *l, uint32_t slot, const part_text *t, row_batch *out, chain *kept, uint32_t *gone,
                       size_t *n_out, zo_error *err)
{
    const uint32_t cls = l->cells[l->parts[slot].cell].cls;
    zo_status rc = ZO_OK;

    *n_out = 0;
    for (size_t i = 0; i < t->n && rc == ZO_OK; i++) {
        const part_row r = part_text_row(t, i);
        const uint32_t e = entry_of(l, slot, &r);

        if (e == NO_SLOT)
            return differ(err);
        if (l->ledger.entries[e].picked) {
            gone[(*n_out)++] = e;
            rc = r.x ? batch_add(out, cls, r.x, err) : ZO_OK;
        } else {
            rc = chain_add(kept, e, r.x, err);
        }
        l->ledger.entries[e].part = IN_MOTION;
    }
    return rc;
}

static zo_status remove_from_part(zo_live *l, zo_act *a, uint32_t slot, row_batch *out, zo_error *err)
{
    const live_part p = l->parts[slot];
    part_text t;
    uint32_t *gone = NULL;
    size_t n = 0;
    chain kept = {0};
    zo_status rc = parts_open(l, a, slot, &t, err);

    if (rc != ZO_OK)
        return rc;
    if (!(gone = zo_malloc((t.n + 1) * sizeof *gone)))
        rc = zo_fail_nomem(err);
    if (rc == ZO_OK && (rc = chain_begin(&kept, l, a, p.kind, p.cell, err)) == ZO_OK &&
        (rc = split(l, slot, &t, out, &kept, gone, &n, err)) == ZO_OK && (rc = chain_flush(&kept, err)) == ZO_OK &&
        (rc = parts_drop(l, a, slot, err)) == ZO_OK) {
        for (size_t i = 0; i < n; i++)
            ledger_remove(&l->ledger, gone[i]);
        if (p.kind == PART_ROWS)
            cells_loose(l, p.cell, l->cells[p.cell].loose - n);
        rc = cells_left(l, a, p.cell, n, err);
    }
    chain_end(&kept);
    zo_free(gone);
    part_text_fini(&t);
    return rc;
}

/* Parts of one class one after the other, so that they make one batch. */
typedef struct part_place {
    uint32_t cls, slot;
} part_place;

static int by_place(const void *a, const void *b)
{
    const part_place *x = a, *y = b;

    return x->cls != y->cls ? (x->cls > y->cls) - (x->cls < y->cls) : (x->slot > y->slot) - (x->slot < y->slot);
}

zo_status rows_remove_picked(zo_live *l, zo_act *a, const uint32_t *entries, size_t n, zo_error *err)
{
    part_place *parts = zo_malloc((n + 1) * sizeof *parts);
    row_batch out = {0};
    zo_status rc = parts ? batch_begin(&out, l, NULL, -1, n, err) : zo_fail_nomem(err);

    if (rc == ZO_OK)
        l->cache_stale = true;
    for (size_t i = 0; i < n && rc == ZO_OK; i++) {
        entry *e = &l->ledger.entries[entries[i]];

        e->picked = true;
        parts[i] = (part_place){l->cells[l->parts[e->part].cell].cls, e->part};
    }
    if (rc == ZO_OK && n)
        qsort(parts, n, sizeof *parts, by_place);
    for (size_t i = 0; i < n && rc == ZO_OK; i++)
        if (i == 0 || parts[i].slot != parts[i - 1].slot)
            rc = remove_from_part(l, a, parts[i].slot, &out, err);
    if (rc == ZO_OK)
        rc = batch_flush(&out, err);
    batch_end(&out);
    zo_free(parts);
    return rc;
}

static zo_status remove_sums(zo_live *l, uint32_t cls, const part_text *t, uint64_t *rows_io, zo_error *err)
{
    zo_sums *sums;
    zo_status rc = zo_sums_new(l->model, &sums, err);

    if (rc != ZO_OK)
        return rc;
    if ((rc = zo_sums_read(l->model, t->body, t->body_bytes, sums, err)) == ZO_OK) {
        rc = zo_model_add_sums(l->model, cls, sums, -1, err);
        *rows_io += zo_sums_rows(sums);
    }
    zo_sums_free(sums);
    return rc;
}

/* All of a part leaves. */
static zo_status remove_part(zo_live *l, zo_act *a, uint32_t slot, row_batch *out, uint64_t *rows_io, zo_error *err)
{
    const uint32_t cls = l->cells[l->parts[slot].cell].cls;
    part_text t;
    zo_status rc = parts_open(l, a, slot, &t, err);

    if (rc != ZO_OK)
        return rc;
    if (t.kind == PART_SUMS)
        rc = remove_sums(l, cls, &t, rows_io, err);
    for (size_t i = 0; (t.kind == PART_ROWS || t.kind == PART_TAGS) && i < t.n && rc == ZO_OK; i++) {
        const part_row r = part_text_row(&t, i);
        const uint32_t e = ledger_in_part(&l->ledger, &r.row, slot);

        if (e == UINT32_MAX) {
            rc = differ(err);
            break;
        }
        ledger_remove(&l->ledger, e);
        if (r.x) { /* what tags stand for is in the cell's sums */
            rc = batch_add(out, cls, r.x, err);
            ++*rows_io;
        }
    }
    part_text_fini(&t);
    return rc == ZO_OK ? parts_drop(l, a, slot, err) : rc;
}

zo_status rows_remove_cell(zo_live *l, zo_act *a, uint32_t c, uint64_t *rows_io, zo_error *err)
{
    row_batch out;
    uint64_t rows = 0;
    zo_status rc = batch_begin(&out, l, NULL, -1, l->cells[c].loose, err);

    l->cache_stale = true;
    for (uint32_t i = l->cells[c].parts, next; i != NO_SLOT && rc == ZO_OK; i = next) {
        next = l->parts[i].next;
        rc = remove_part(l, a, i, &out, &rows, err);
    }
    if (rc == ZO_OK)
        rc = batch_flush(&out, err);
    batch_end(&out);
    if (rc != ZO_OK)
        return rc;
    cells_loose(l, c, 0);
    *rows_io += rows;
    return rows ? cells_left(l, a, c, rows, err) : ZO_OK;
}
