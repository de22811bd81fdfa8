/* A live model's life: made, saved, freed. Loading is in load.c. */
#include "models/private.h"

#include <stdio.h>
#include <string.h>
#include "codec/safetensors.h"

static const tag *grave_name(const void *owner, uint32_t i)
{
    return &((const zo_live *)owner)->graves[i].name;
}

zo_status live_make(const zo_study_row *row, zo_store *store, zo_live **out, zo_error *err)
{
    zo_live *l = zo_calloc(1, sizeof *l);
    zo_status rc;

    if (!l)
        return zo_fail_nomem(err);
    l->key = row->study;
    l->state_part = NO_SLOT;
    snprintf(l->id, sizeof l->id, "%s", row->id);
    cells_init(l);
    ledger_init(&l->ledger);
    tagmap_init(&l->by_grave, grave_name, l);
    if (!(l->arena = zo_arena_new(0)))
        rc = zo_fail_nomem(err);
    else if ((rc = zo_model_spec_decode_text(row->spec, strlen(row->spec), l->arena, &l->spec, err)) == ZO_OK &&
             (rc = zo_model_new(&l->spec.model, &l->model, err)) == ZO_OK)
        rc = zo_store_tag_key(store, l->tag_secret, err);
    if (rc == ZO_OK)
        *out = l;
    else
        zo_live_free(l);
    return rc;
}

void zo_live_free(zo_live *l)
{
    if (!l)
        return;
    parts_forget_all(l);
    cells_fini(l);
    ledger_fini(&l->ledger);
    tagmap_fini(&l->by_grave);
    zo_free(l->parts);
    zo_free(l->free_parts);
    zo_free(l->flying);
    zo_free(l->graves);
    zo_free(l->open);
    zo_model_free(l->model);
    zo_arena_free(l->arena);
    explicit_bzero(l, sizeof *l);
    zo_free(l);
}

zo_status zo_live_new(const zo_study_row *row, zo_act *a, zo_live **out, zo_error *err)
{
    zo_live *l;
    zo_op *op;
    zo_status rc = live_make(row, a->store, &l, err);

    if (rc != ZO_OK)
        return rc;
    l->secret_key = zo_store_next_key(a->store, true);
    crypt_random(l->secret, sizeof l->secret);
    const change c = {.event = "create", .at_ms = a->now_ms};
    if ((op = zo_changes_add(a->changes, ZO_OP_KEY_PUT, l->key, err)) != NULL) {
        op->u.key.key = l->secret_key;
        memcpy(op->u.key.secret, l->secret, ZO_KEY_BYTES);
        l->state_dirty = true;
        rc = history_note(l, &c, err);
    } else {
        rc = ZO_ENOMEM;
    }
    if (rc == ZO_OK)
        *out = l;
    else
        zo_live_free(l);
    return rc;
}

/* ---- keeping the sums ---- */

zo_status live_add_state(zo_live *l, const void *bytes, size_t n, zo_error *err)
{
    zo_bundle b;
    zo_status rc = zo_safetensors_read(bytes, n, &b, err);

    if (rc != ZO_OK)
        return rc;
    rc = zo_model_merge(l->model, &b, err);
    zo_bundle_fini(&b);
    return rc;
}

zo_status live_changed(zo_live *l, zo_act *a, zo_error *err)
{
    zo_status rc = ZO_OK;

    l->digest_known = false;
    if (!cells_keeps_rows(l))
        l->state_dirty = true;
    else if (l->cache_stale && l->state_part != NO_SLOT) {
        rc = parts_drop(l, a, l->state_part, err);
        l->state_part = NO_SLOT;
        l->uncached = l->loose;
        l->uncached_since = l->sequence;
    }
    l->cache_stale = false;
    return rc;
}

/* Sums that are all there is of a model are written over. Those that only save time must not: their number tells which
 * parts they have in them. There the old ones leave first, so that the new ones take their pages. */
static zo_status put_state(zo_live *l, zo_act *a, zo_error *err)
{
    part_draft d = {0};
    zo_tensors_plan plan = {0};
    zo_bundle b;
    void *body;
    uint32_t slot;
    zo_status rc;

    zo_bundle_init(&b);
    if ((rc = zo_model_save(l->model, &b, err)) != ZO_OK || (rc = zo_safetensors_plan(&b, &plan, err)) != ZO_OK ||
        (rc = draft_begin(l, &d, PART_STATE, NO_SLOT, plan.bytes, err)) != ZO_OK)
        goto done;
    if (!(body = draft_body(&d, plan.bytes, err))) {
        rc = ZO_ENOMEM;
        goto done;
    }
    zo_safetensors_fill(&b, &plan, body);
    if (l->state_part != NO_SLOT && !cells_keeps_rows(l)) {
        rc = draft_put_over(l, a, &d, l->state_part, err);
        goto done;
    }
    if (l->state_part != NO_SLOT) {
        if ((rc = parts_drop(l, a, l->state_part, err)) != ZO_OK)
            goto done;
        l->state_part = NO_SLOT;
    }
    if ((rc = draft_put(l, a, &d, &slot, err)) == ZO_OK)
        l->state_part = slot;
done:
    draft_fini(&d);
    zo_tensors_plan_fini(&plan);
    zo_bundle_fini(&b);
    return rc;
}

zo_status live_save_state(zo_live *l, zo_act *a, zo_error *err)
{
    zo_status rc;

    if (cells_keeps_rows(l) || !l->state_dirty)
        return ZO_OK;
    if ((rc = put_state(l, a, err)) == ZO_OK)
        l->state_dirty = false;
    return rc;
}

/* Adding a row costs about d^2 multiplications. A forget drops the cache, so one that is written at once after it would
 * double what each of a series of forgets writes. */
bool zo_live_wants_cache(const zo_live *l, bool leaving)
{
    enum { CHANGES_BETWEEN = 64 };
    const double d = (double)zo_model_features(l->model), seconds = (double)l->uncached * d * d / 2e10;

    return cells_keeps_rows(l) && l->n_open == 0 &&
           (leaving ? seconds > 0.05 : seconds > 2.0 && l->sequence - l->uncached_since >= CHANGES_BETWEEN);
}

zo_status zo_live_save_cache(zo_live *l, zo_act *a, zo_error *err)
{
    const zo_status rc = put_state(l, a, err);

    if (rc == ZO_OK)
        l->uncached = 0;
    return rc;
}

zo_status zo_live_delete(zo_live *l, zo_act *a, zo_error *err)
{
    zo_op *op = zo_changes_add(a->changes, ZO_OP_KEY_DROP, l->key, err); /* key 0: all of them, and the tombstones */

    return op && zo_changes_add(a->changes, ZO_OP_REPLIES_DROP, l->key, err) ? ZO_OK : ZO_ENOMEM;
}

/* ---- small things ---- */

size_t zo_live_bytes(const zo_live *l)
{
    return sizeof *l + zo_model_memory_bytes(l->model) + l->ledger.cap_entries * (sizeof(entry) + 4) +
           (l->ledger.by_row.n_slots + l->ledger.by_id.n_slots) * sizeof(uint32_t) +
           l->cap_parts * (sizeof(live_part) + 4) + l->cap_flying * sizeof *l->flying +
           l->cap_cells * sizeof(live_cell) + l->cap_groups * sizeof(live_group) + l->cap_graves * sizeof(grave);
}

void zo_live_settled(zo_live *l, uint64_t transaction)
{
    parts_settled(l, transaction);
}

void zo_live_begin(zo_live *l, uint64_t transaction)
{
    l->transaction = transaction;
}

zo_model *zo_live_model(zo_live *l)
{
    return l->model;
}

const zo_model_spec *zo_live_spec(const zo_live *l)
{
    return &l->spec;
}

uint64_t zo_live_sequence(const zo_live *l)
{
    return l->sequence;
}

size_t zo_live_groups(const zo_live *l)
{
    return l->live_groups;
}

zo_status zo_live_digest(zo_live *l, uint8_t out[CRYPT_HASH_BYTES], zo_error *err)
{
    zo_status rc;

    if (!l->digest_known) {
        if ((rc = crypt_state_digest(l->model, l->digest, err)) != ZO_OK)
            return rc;
        l->digest_known = true;
    }
    memcpy(out, l->digest, CRYPT_HASH_BYTES);
    return ZO_OK;
}
