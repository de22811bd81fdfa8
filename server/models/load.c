/* Loading a live model: keys and tombstones from FILE-keys, then its parts, each counted into the sums and the ledger.
 * A file that is older than its tombstones is an old copy: what they name is forgotten again. */
#include "models/private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"

typedef struct key_row {
    int64_t key;
    uint8_t secret[ZO_KEY_BYTES];
} key_row;
typedef struct load {
    zo_live *l;
    zo_error *err;
    key_row *keys;
    size_t n_keys, cap_keys;
    int64_t cache; /* part number of the cache of sums; 0: none */
    uint64_t last; /* newest request in the history */
    row_batch batch;
    bool outdated; /* tombstones are newer than the history: the file is an old copy */
} load;

static zo_status take_key(void *ctx, int64_t key, const uint8_t secret[ZO_KEY_BYTES])
{
    load *ld = ctx;

    if (key & ZO_KEY_OF_MODEL) {
        ld->l->secret_key = key;
        memcpy(ld->l->secret, secret, ZO_KEY_BYTES);
    }
    if (ld->n_keys == ld->cap_keys) {
        const size_t cap = ld->cap_keys ? 2 * ld->cap_keys : 16;
        key_row *keys = zo_malloc(cap * sizeof *keys);

        if (!keys)
            return zo_fail_nomem(ld->err);
        if (ld->n_keys) {
            memcpy(keys, ld->keys, ld->n_keys * sizeof *keys);
            explicit_bzero(ld->keys, ld->n_keys * sizeof *keys);
        }
        zo_free(ld->keys);
        ld->keys = keys;
        ld->cap_keys = cap;
    }
    ld->keys[ld->n_keys] = (key_row){.key = key};
    memcpy(ld->keys[ld->n_keys++].secret, secret, ZO_KEY_BYTES);
    return ZO_OK;
}

static int by_key(const void *a, const void *b)
{
    const int64_t x = ((const key_row *)a)->key, y = ((const key_row *)b)->key;

    return (x > y) - (x < y);
}

static zo_status take_tombstone(void *ctx, const zo_tombstone *t)
{
    load *ld = ctx;
    tag name;

    memcpy(name.b, t->tag, sizeof name.b);
    ld->outdated = ld->outdated || t->request > ld->last;
    return graves_enter(ld->l, (tag_kind)t->kind, &name, t->request, ld->err);
}

static zo_status take_last(void *ctx, const zo_history *h)
{
    load *ld = ctx;
    zo_live *l = ld->l;

    memcpy(l->hash, h->hash, CRYPT_HASH_BYTES);
    if (h->digest) {
        memcpy(l->digest, h->digest, CRYPT_HASH_BYTES);
        l->shown = h->seq;
    }
    return ZO_OK;
}

static zo_status enter_cell(load *ld, const part_text *t, int64_t key, const uint8_t *secret, uint32_t *out)
{
    zo_live *l = ld->l;
    uint32_t group = cells_find_group(l, &t->group), cls = 0;
    zo_status rc = ZO_OK;

    if (group == UINT32_MAX)
        rc = cells_enter_group(l, &t->group, key, secret, &group, ld->err);
    if (rc == ZO_OK && l->spec.model.target == ZO_TARGET_CLASSES)
        rc = zo_model_class(l->model, t->label, &cls, ld->err);
    return rc == ZO_OK ? cells_cell(l, group, &t->task, cls, out, ld->err) : rc;
}

/* Its sums are in the cache already if it is older than that. */
static zo_status count_in(load *ld, const part_text *t, uint32_t c, bool is_cached)
{
    zo_live *l = ld->l;
    const uint32_t cls = l->cells[c].cls;
    zo_sums *sums = NULL;
    uint64_t n;
    zo_status rc = ZO_OK;

    switch (t->kind) {
    case PART_ROWS:
        for (size_t i = 0; i < t->n && !is_cached && rc == ZO_OK; i++)
            rc = batch_add(&ld->batch, cls, part_text_row(t, i).x, ld->err);
        l->uncached += is_cached ? 0 : t->n;
        cells_loose(l, c, l->cells[c].loose + t->n);
        cells_joined(l, c, t->n);
        break;
    case PART_SUMS:
        if ((rc = zo_sums_new(l->model, &sums, ld->err)) == ZO_OK &&
            (rc = zo_sums_read(l->model, t->body, t->body_bytes, sums, ld->err)) == ZO_OK) {
            n = zo_sums_rows(sums);
            if (!is_cached)
                rc = zo_model_add_sums(l->model, cls, sums, 1, ld->err);
            cells_joined(l, c, n);
        }
        zo_sums_free(sums);
        break;
    case PART_TAGS:
        if (!cells_keeps_rows(l))
            cells_joined(l, c, t->n);
        break;
    case PART_STATE:
        break;
    }
    return rc;
}

static zo_status enter_rows(load *ld, const part_text *t, uint32_t slot)
{
    zo_live *l = ld->l;
    zo_status rc;

    if (t->kind != PART_ROWS && t->kind != PART_TAGS)
        return ZO_OK;
    if ((rc = ledger_reserve(&l->ledger, t->n, ld->err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < t->n; i++) {
        const part_row r = part_text_row(t, i);

        ledger_put(&l->ledger, &r.row, &r.id, slot);
    }
    return ZO_OK;
}

static zo_status no_key(const load *ld, int64_t key)
{
    if (ld->outdated) /* shredded: the group was forgotten after this copy was made */
        return ZO_OK;
    return zo_fail(ld->err, ZO_ESTORE, "",
                   "a part of the model was sealed with key %" PRId64
                   ", which FILE-keys has not: it is older than the database, or not its own",
                   key);
}

static zo_status take_part(void *ctx, int64_t id, uint32_t kind, int64_t key, const void *body, size_t bytes)
{
    load *ld = ctx;
    zo_live *l = ld->l;
    const key_row *k =
        ld->n_keys ? bsearch(&(key_row){.key = key}, ld->keys, ld->n_keys, sizeof *ld->keys, by_key) : NULL;
    uint32_t slot, c = 0;
    part_text t;
    zo_status rc;

    if ((rc = parts_slot(l, &slot, ld->err)) != ZO_OK)
        return rc;
    l->parts[slot] = (live_part){.id = id, .kind = (part_kind)kind, .used = true, .cell = NO_SLOT};
    if (!k)
        return no_key(ld, key); /* the slot stays, to be dropped */
    if ((rc = part_unseal(l, (part_kind)kind, k->secret, body, bytes, &t, ld->err)) != ZO_OK)
        return rc;
    if (kind == PART_STATE) {
        l->state_part = slot;
    } else if ((rc = enter_cell(ld, &t, key, k->secret, &c)) == ZO_OK) {
        parts_join(l, slot, c);
        l->parts[slot].n = (uint32_t)t.n;
        if ((rc = count_in(ld, &t, c, id < ld->cache)) == ZO_OK)
            rc = enter_rows(ld, &t, slot);
    }
    part_text_fini(&t);
    return rc;
}

/* The sums as they were saved, before the parts that came later. */
static zo_status load_state(load *ld, zo_act *a)
{
    zo_live *l = ld->l;
    uint32_t kind;
    int64_t key;
    void *body;
    size_t bytes;
    part_text t;
    zo_status rc;

    if ((rc = zo_reader_part_of_kind(a->reader, l->key, PART_STATE, &ld->cache, ld->err)) != ZO_OK || !ld->cache)
        return rc;
    if ((rc = zo_reader_part(a->reader, l->key, ld->cache, &kind, &key, &body, &bytes, ld->err)) != ZO_OK)
        return rc;
    rc = part_unseal(l, PART_STATE, l->secret, body, bytes, &t, ld->err);
    zo_free(body);
    if (rc != ZO_OK)
        return rc;
    rc = live_add_state(l, t.body, t.body_bytes, ld->err);
    part_text_fini(&t);
    return rc;
}

/* Tombstones that this file's history has not: it is an older copy. What they name is forgotten again. */
static zo_status forget_row_tags(load *ld, zo_act *a, const tag *row, uint64_t *rows)
{
    zo_live *l = ld->l;
    const uint32_t e = tagmap_find(&l->ledger.by_row, row, NULL, NULL);

    if (e == UINT32_MAX)
        return ZO_OK;
    if (l->parts[l->ledger.entries[e].part].kind != PART_ROWS)
        return zo_fail(
            ld->err, ZO_ECONFLICT, "",
            "the database is older than a forget request whose rows only the client has: restore a newer copy");
    ++*rows;
    return rows_remove_picked(l, a, &e, 1, ld->err);
}

static int by_request(const void *a, const void *b)
{
    const uint64_t x = ((const grave *)a)->request, y = ((const grave *)b)->request;

    return (x > y) - (x < y);
}

static zo_status drop_unopened(zo_live *l, zo_act *a, zo_error *err)
{
    zo_status rc = ZO_OK;

    for (uint32_t i = 0; i < l->n_parts && rc == ZO_OK; i++)
        if (l->parts[i].used && l->parts[i].cell == NO_SLOT && l->parts[i].kind != PART_STATE)
            rc = parts_drop(l, a, i, err);
    return rc;
}

static zo_status catch_up(load *ld, zo_act *a)
{
    zo_live *l = ld->l;
    grave *sorted = zo_malloc((l->n_graves + 1) * sizeof *sorted);
    zo_status rc = sorted ? drop_unopened(l, a, ld->err) : zo_fail_nomem(ld->err);

    if (sorted && l->n_graves) {
        memcpy(sorted, l->graves, l->n_graves * sizeof *sorted);
        qsort(sorted, l->n_graves, sizeof *sorted, by_request);
    }
    for (size_t i = 0; i < l->n_graves && rc == ZO_OK;) {
        const uint64_t request = sorted[i].request;
        change c = {.event = "forget", .scope = "restored", .request = request, .at_ms = a->now_ms};

        for (; i < l->n_graves && sorted[i].request == request && rc == ZO_OK; i++) {
            if (request <= ld->last)
                continue;
            c.subjects++;
            rc = sorted[i].kind == TAG_ROW ? forget_row_tags(ld, a, &sorted[i].name, &c.rows)
                                           : forget_named(l, a, sorted[i].kind, &sorted[i].name, 1, &c.rows, ld->err);
        }
        if (rc == ZO_OK && request > ld->last) {
            c.rows_after = zo_model_rows(l->model);
            l->request = request;
            rc = history_note(l, &c, ld->err);
        }
    }
    zo_free(sorted);
    if (rc == ZO_OK)
        zo_log(ZO_WARN, "restored", "model=%s forgotten_again_through=%" PRIu64, l->id, l->request);
    return rc == ZO_OK ? live_changed(l, a, ld->err) : rc;
}

static zo_status compare_digest(zo_live *l, zo_error *err)
{
    uint8_t now[CRYPT_HASH_BYTES];
    zo_status rc;

    if (!l->shown)
        return zo_fail(err, ZO_ESTORE, "", "the newest entry of the model's history is missing: restore a backup");
    if ((rc = crypt_state_digest(l->model, now, err)) != ZO_OK)
        return rc;
    if (!crypt_equal(now, l->digest))
        return zo_fail(err, ZO_ESTORE, "", "the model's sums are not those that its history names: restore a backup");
    l->digest_known = true;
    return ZO_OK;
}

static zo_status load_all(load *ld, zo_act *a)
{
    zo_live *l = ld->l;
    zo_status rc;

    if ((rc = zo_reader_history_last(a->reader, false, l->key, &l->sequence, &l->request, ld->err)) != ZO_OK)
        return rc;
    ld->last = l->request;
    if (l->sequence && (rc = zo_reader_history(a->reader, false, l->key, l->sequence - 1, UINT64_MAX, 1, take_last, ld,
                                               ld->err)) != ZO_OK)
        return rc;
    if ((rc = zo_reader_keys(a->reader, l->key, take_key, take_tombstone, ld, ld->err)) != ZO_OK)
        return rc;
    if (!l->secret_key)
        return zo_fail(ld->err, ZO_EGONE, "",
                       "the model's key is not in FILE-keys: the model was deleted after this copy of the database was "
                       "made, or FILE-keys is missing");
    if (ld->n_keys)
        qsort(ld->keys, ld->n_keys, sizeof *ld->keys, by_key);
    if ((rc = batch_begin(&ld->batch, l, NULL, 1, SIZE_MAX, ld->err)) != ZO_OK || (rc = load_state(ld, a)) != ZO_OK ||
        (rc = zo_reader_parts(a->reader, l->key, take_part, ld, ld->err)) != ZO_OK ||
        (rc = batch_flush(&ld->batch, ld->err)) != ZO_OK)
        return rc;
    if (ld->outdated)
        return catch_up(ld, a);
    return compare_digest(l, ld->err);
}

zo_status zo_live_load(const zo_study_row *row, zo_act *a, zo_live **out, zo_error *err)
{
    zo_error own = {0};
    load ld = {.err = err ? err : &own};
    zo_status rc = live_make(row, a->store, &ld.l, ld.err);

    if (rc != ZO_OK)
        return rc;
    rc = load_all(&ld, a);
    batch_end(&ld.batch);
    if (ld.keys)
        explicit_bzero(ld.keys, ld.n_keys * sizeof *ld.keys);
    zo_free(ld.keys);
    if (rc == ZO_OK)
        *out = ld.l;
    else
        zo_live_free(ld.l);
    return rc;
}
