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

/* Canonical JSON: keys sorted, no blanks, integers and strings only, so that any language can write the same bytes
 * again. */
static char *write_body(const zo_live *l, const change *c, uint64_t sequence,
                        const uint8_t commitment[CRYPT_HASH_BYTES], const uint8_t config[CRYPT_HASH_BYTES])
{
    char hex[2 * CRYPT_HASH_BYTES + 1];
    zo_json w;

    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key_i64(&w, "at_ms", c->at_ms);
    crypt_hex(commitment, CRYPT_HASH_BYTES, hex);
    zo_json_key_string(&w, "commitment", hex);
    crypt_hex(config, CRYPT_HASH_BYTES, hex);
    zo_json_key_string(&w, "config_digest", hex);
    zo_json_key_string(&w, "event", c->event);
    if (c->request)
        zo_json_key_string(&w, "method", "exact integer subtraction");
    zo_json_key_string(&w, "model", l->id);
    if (c->request)
        zo_json_key_u64(&w, "request", c->request);
    zo_json_key_u64(&w, "rows", c->rows);
    zo_json_key_u64(&w, "rows_after", c->rows_after);
    if (c->scope)
        zo_json_key_string(&w, "scope", c->scope);
    zo_json_key_u64(&w, "sequence", sequence);
    if (c->request)
        zo_json_key_u64(&w, "subjects", c->subjects);
    zo_json_key_string(&w, "version", ZO_VERSION);
    zo_json_end_object(&w);
    return zo_json_take(&w, NULL);
}

static zo_status append(zo_live *l, zo_act *a, const change *c, uint64_t sequence, bool newest,
                        const uint8_t digest[CRYPT_HASH_BYTES], const uint8_t config[CRYPT_HASH_BYTES], zo_error *err)
{
    zo_arena *arena = zo_changes_arena(a->changes, err);
    zo_history *h = arena ? zo_arena_alloc(arena, sizeof *h) : NULL;
    uint8_t *own = h ? zo_arena_alloc(arena, 3 * CRYPT_HASH_BYTES) : NULL; /* hash, digest, salt */
    uint8_t commitment[CRYPT_HASH_BYTES], salt[CRYPT_HASH_BYTES];
    char *body;
    zo_op *op;

    if (!own)
        return zo_fail_nomem(err);
    crypt_random(salt, sizeof salt);
    crypt_commit(salt, digest, commitment);
    if (!(body = write_body(l, c, sequence, commitment, config)))
        return zo_fail_nomem(err);
    crypt_chain(l->hash, body, own);
    *h = (zo_history){
        .owner = l->key, .seq = sequence, .request = c->request, .at_ms = c->at_ms, .body = body, .hash = own};
    if (newest) {
        memcpy(own + CRYPT_HASH_BYTES, digest, CRYPT_HASH_BYTES);
        memcpy(own + 2 * CRYPT_HASH_BYTES, salt, CRYPT_HASH_BYTES);
        h->digest = own + CRYPT_HASH_BYTES;
        h->salt = own + 2 * CRYPT_HASH_BYTES;
    }
    explicit_bzero(salt, sizeof salt);
    if (zo_changes_take(a->changes, body, err) != ZO_OK ||
        !(op = zo_changes_add(a->changes, ZO_OP_HISTORY, l->key, err)))
        return ZO_ENOMEM;
    op->u.history.entry = h;
    op->u.history.fade = l->shown;
    memcpy(l->hash, own, CRYPT_HASH_BYTES);
    l->shown = newest ? sequence : 0;
    return ZO_OK;
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

/* ---- as JSON ---- */

static void put_hex(zo_json *w, const char *key, const uint8_t *bytes)
{
    char hex[2 * CRYPT_HASH_BYTES + 1];

    crypt_hex(bytes, CRYPT_HASH_BYTES, hex);
    zo_json_key_string(w, key, hex);
}

static void put_storage(const zo_history *h, zo_json *w)
{
    zo_json_key(w, "storage");
    zo_json_begin_object(w);
    zo_json_key_string(w, "state", h->erased_ms ? "done" : "pending");
    if (h->erased_ms)
        zo_json_key_time(w, "erased_at", h->erased_ms);
    zo_json_key_bool(w, "overwritten", true); /* secure_delete, set and held on every writing connection */
    zo_json_key_bool(w, "log_truncated", h->erased_ms != 0);
    zo_json_key_bool(w, "snapshots_purged", true); /* in the transaction of the forget */
    zo_json_key_bool(w, "weights_purged", true);   /* none is ever stored */
    zo_json_end_object(w);
}

zo_status zo_history_write(const zo_history *h, zo_json *w, zo_error *err)
{
    (void)err;
    zo_json_begin_object(w);
    zo_json_key_u64(w, "sequence", h->seq);
    zo_json_key_time(w, "at", h->at_ms);
    zo_json_key(w, "entry");
    zo_json_raw(w, h->body, strlen(h->body));
    put_hex(w, "hash", h->hash);
    if (h->request)
        put_storage(h, w);
    zo_json_end_object(w);
    return ZO_OK;
}

zo_status zo_certificate_write(const zo_history *h, const uint8_t previous[CRYPT_HASH_BYTES], zo_json *w, zo_error *err)
{
    (void)err;
    zo_json_begin_object(w);
    zo_json_key_string(w, "format", "zeroth-forget-certificate-1");
    zo_json_key_u64(w, "request", h->request);
    zo_json_key(w, "entry");
    zo_json_raw(w, h->body, strlen(h->body));
    put_hex(w, "previous_hash", previous);
    put_hex(w, "hash", h->hash);
    if (h->digest && h->salt) { /* while it is the newest */
        put_hex(w, "state_digest", h->digest);
        put_hex(w, "salt", h->salt);
    }
    put_storage(h, w);
    zo_json_end_object(w);
    return ZO_OK;
}
