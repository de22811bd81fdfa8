/* The history: a chain of entries, each hashed with the one before. An entry says that, when and how much was learned
 * or forgotten, and commits to the state after it by a salted MAC: with the salt, which goes with the next change, the
 * digest can be checked against it; without, the old digest can't be used to test a guess at what was forgotten. */
#include "models/private.h"

#include <string.h>

zo_status history_note(zo_live *l, const change *c, zo_error *err)
{
    if (l->n_open == l->cap_open) {
        const size_t cap = l->cap_open ? 2 * l->cap_open : 16;
        change *open = zo_realloc(l->open, cap * sizeof *open);

        if (!open)
            return zo_fail_nomem(err);
        l->open = open;
        l->cap_open = cap;
    }
    l->open[l->n_open++] = *c;
    l->sequence++;
    return ZO_OK;
}

bool zo_live_is_sealed(const zo_live *l)
{
    return l->n_open == 0;
}

static zo_status append(zo_live *l, zo_act *a, const change *c, uint64_t sequence, bool newest,
                        const uint8_t digest[CRYPT_HASH_BYTES], const uint8_t config[CRYPT_HASH_BYTES], zo_error *err)
{
    const zo_link link = {.owner = l->key,
                          .id = l->id,
                          .event = c->event,
                          .scope = c->scope,
                          .method = "exact integer subtraction",
                          .request = c->request,
                          .sequence = sequence,
                          .rows = c->rows,
                          .rows_after = c->rows_after,
                          .subjects = c->subjects,
                          .at_ms = c->at_ms,
                          .fade = l->shown,
                          .newest = newest};
    const zo_status rc = zo_chain_append(a->changes, &link, digest, config, l->hash, NULL, err);

    if (rc == ZO_OK)
        l->shown = newest ? sequence : 0;
    return rc;
}

zo_status zo_live_seal(zo_live *l, zo_act *a, zo_error *err)
{
    uint8_t digest[CRYPT_HASH_BYTES], config[CRYPT_HASH_BYTES];
    const size_t n = l->n_open;
    zo_status rc;

    if (n == 0)
        return ZO_OK;
    memcpy(l->before, l->hash, sizeof l->before);
    if ((rc = live_save_state(l, a, err)) == ZO_OK && (rc = zo_live_digest(l, digest, err)) == ZO_OK)
        rc = crypt_config_digest(l->model, config, err);
    for (size_t i = 0; i < n && rc == ZO_OK; i++)
        rc = append(l, a, &l->open[i], l->sequence - (n - 1 - i), i + 1 == n, digest, config, err);
    if (rc != ZO_OK)
        a->undo = true;
    l->n_sealed = n;
    l->n_open = 0;
    return rc;
}

zo_status zo_live_certificate(const zo_live *l, const zo_act *a, uint64_t sequence, zo_json *w, zo_error *err)
{
    const uint8_t *previous = l->before;

    for (const zo_op *op = a->changes->first; op; op = op->next) {
        if (op->kind != ZO_OP_HISTORY || op->study != l->key)
            continue;
        if (op->u.history.entry->seq == sequence)
            return zo_certificate_write(op->u.history.entry, previous, w, err);
        if (op->u.history.entry->seq > l->sequence - l->n_sealed)
            previous = op->u.history.entry->hash;
    }
    return zo_fail(err, ZO_EINTERNAL, "", "the history has no entry %llu", (unsigned long long)sequence);
}
