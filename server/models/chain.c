/* See chain.h. */
#include "models/chain.h"

#include <string.h>

static void put_hex(zo_json *w, const char *key, const uint8_t *bytes)
{
    char hex[2 * CRYPT_HASH_BYTES + 1];

    crypt_hex(bytes, CRYPT_HASH_BYTES, hex);
    zo_json_key_string(w, key, hex);
}

/* Canonical JSON: keys sorted, no blanks, integers and strings only, so that any language can write the same bytes
 * again. */
static char *write_body(const zo_link *c, const uint8_t commitment[CRYPT_HASH_BYTES],
                        const uint8_t config[CRYPT_HASH_BYTES])
{
    const bool forgets = c->request != 0;
    zo_json w;

    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key_i64(&w, "at_ms", c->at_ms);
    put_hex(&w, "commitment", commitment);
    put_hex(&w, "config_digest", config);
    zo_json_key_string(&w, "event", c->event);
    if (forgets)
        zo_json_key_string(&w, "method", c->method);
    if (!c->of_study)
        zo_json_key_string(&w, "model", c->id);
    if (forgets && c->reason)
        zo_json_key_string(&w, "reason", c->reason);
    if (forgets)
        zo_json_key_u64(&w, "request", c->request);
    zo_json_key_u64(&w, "rows", c->rows);
    zo_json_key_u64(&w, "rows_after", c->rows_after);
    if (forgets)
        zo_json_key_string(&w, "scope", c->scope);
    zo_json_key_u64(&w, "sequence", c->sequence);
    if (c->of_study)
        zo_json_key_string(&w, "study", c->id);
    if (forgets)
        zo_json_key_u64(&w, "subjects", c->subjects);
    zo_json_key_string(&w, "version", ZO_VERSION);
    zo_json_end_object(&w);
    return zo_json_take(&w, NULL);
}

zo_status zo_chain_append(zo_changes *changes, const zo_link *link, const uint8_t digest[CRYPT_HASH_BYTES],
                          const uint8_t config[CRYPT_HASH_BYTES], uint8_t hash_io[CRYPT_HASH_BYTES],
                          const zo_history **entry_out, zo_error *err)
{
    zo_arena *arena = zo_changes_arena(changes, err);
    zo_history *h = arena ? zo_arena_alloc(arena, sizeof *h) : NULL;
    uint8_t *own = h ? zo_arena_alloc(arena, 3 * CRYPT_HASH_BYTES) : NULL; /* hash, digest, salt */
    uint8_t commitment[CRYPT_HASH_BYTES], salt[CRYPT_HASH_BYTES];
    char *body;
    zo_op *op;

    if (!own)
        return zo_fail_nomem(err);
    crypt_random(salt, sizeof salt);
    crypt_commit(salt, digest, commitment);
    if (!(body = write_body(link, commitment, config)))
        return zo_fail_nomem(err);
    crypt_chain(hash_io, body, own);
    *h = (zo_history){.of_study = link->of_study,
                      .owner = link->owner,
                      .seq = link->sequence,
                      .request = link->request,
                      .at_ms = link->at_ms,
                      .body = body,
                      .hash = own};
    if (link->newest) {
        memcpy(own + CRYPT_HASH_BYTES, digest, CRYPT_HASH_BYTES);
        memcpy(own + 2 * CRYPT_HASH_BYTES, salt, CRYPT_HASH_BYTES);
        h->digest = own + CRYPT_HASH_BYTES;
        h->salt = own + 2 * CRYPT_HASH_BYTES;
    }
    explicit_bzero(salt, sizeof salt);
    if (zo_changes_take(changes, body, err) != ZO_OK ||
        !(op = zo_changes_add(changes, ZO_OP_HISTORY, link->owner, err)))
        return ZO_ENOMEM;
    op->u.history.entry = h;
    op->u.history.fade = link->fade;
    memcpy(hash_io, own, CRYPT_HASH_BYTES);
    if (entry_out)
        *entry_out = h;
    return ZO_OK;
}

/* ---- checked ---- */

struct follower {
    uint8_t hash[CRYPT_HASH_BYTES];
    zo_chain_facts *facts;
    bool shows; /* the last entry has its digest and salt, as the newest of all has */
};

static bool commits_to_its_digest(const zo_history *h)
{
    uint8_t commitment[CRYPT_HASH_BYTES];
    char hex[2 * CRYPT_HASH_BYTES + 1];

    crypt_commit(h->salt, h->digest, commitment);
    crypt_hex(commitment, sizeof commitment, hex);
    return strstr(h->body, hex) != NULL;
}

static zo_status follow(void *ctx, const zo_history *h)
{
    struct follower *f = ctx;
    zo_chain_facts *facts = f->facts;
    uint8_t hash[CRYPT_HASH_BYTES];

    if (facts->broken)
        return ZO_OK;
    crypt_chain(f->hash, h->body, hash);
    f->shows = h->digest && h->salt;
    if (h->seq != facts->entries + 1 || !crypt_equal(hash, h->hash) || (f->shows && !commits_to_its_digest(h)))
        facts->broken = h->seq;
    memcpy(f->hash, h->hash, sizeof f->hash);
    facts->entries++;
    return ZO_OK;
}

zo_status zo_chain_verify(zo_reader *r, bool of_study, int64_t owner, zo_chain_facts *out, zo_error *err)
{
    enum { PAGE = 1000 };
    zo_chain_facts facts = {.entries = 0};
    struct follower f = {.facts = &facts};
    uint64_t before;
    zo_status rc;

    do { /* in pages: an old transaction would keep the log from starting over */
        before = facts.entries;
        rc = zo_reader_history(r, of_study, owner, before, UINT64_MAX, PAGE, follow, &f, err);
    } while (rc == ZO_OK && facts.entries == before + PAGE && !facts.broken);
    if (rc != ZO_OK)
        return rc;
    if (facts.entries && !facts.broken && !f.shows) /* the newest is gone */
        facts.broken = facts.entries + 1;
    *out = facts;
    return ZO_OK;
}

/* ---- as JSON ---- */

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
