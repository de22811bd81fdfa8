/* See crypt.h. */
#include "models/crypt.h"

#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

enum { NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, MAC = crypto_aead_xchacha20poly1305_ietf_ABYTES };
_Static_assert((int)CRYPT_NONCE_BYTES == (int)NONCE, "a nonce before the text");
_Static_assert(ZO_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "one size of keys");

static void begin(crypto_generichash_state *h, const uint8_t *key, tag_kind kind)
{
    const uint8_t k = (uint8_t)kind;

    crypto_generichash_init(h, key, ZO_KEY_BYTES, ZO_TAG_BYTES);
    crypto_generichash_update(h, &k, 1);
}

tag crypt_tag(const uint8_t key[ZO_KEY_BYTES], tag_kind kind, const void *bytes, size_t n)
{
    crypto_generichash_state h;
    tag t;

    begin(&h, key, kind);
    if (n)
        crypto_generichash_update(&h, bytes, n);
    crypto_generichash_final(&h, t.b, sizeof t.b);
    sodium_memzero(&h, sizeof h);
    return t;
}

tag crypt_row_tag(const uint8_t key[ZO_KEY_BYTES], const tag *group, const char *label, const int32_t *x, size_t inputs,
                  const int32_t *y, size_t outputs)
{
    crypto_generichash_state h;
    tag t;

    begin(&h, key, TAG_ROW);
    crypto_generichash_update(&h, group->b, sizeof group->b);
    if (label)
        crypto_generichash_update(&h, (const uint8_t *)label, strlen(label) + 1);
    crypto_generichash_update(&h, (const uint8_t *)x, inputs * sizeof *x);
    if (y)
        crypto_generichash_update(&h, (const uint8_t *)y, outputs * sizeof *y);
    crypto_generichash_final(&h, t.b, sizeof t.b);
    sodium_memzero(&h, sizeof h); /* it holds the row's last block */
    return t;
}

/* ---- sealing ---- */

static size_t segments_of(size_t n)
{
    return n == 0 ? 1 : (n - 1) / CRYPT_SEGMENT_BYTES + 1;
}

size_t crypt_sealed_bytes(size_t n)
{
    return NONCE + n + segments_of(n) * MAC;
}

size_t crypt_plain_bytes(size_t sealed_bytes)
{
    if (sealed_bytes < NONCE + MAC)
        return SIZE_MAX;
    const size_t body = sealed_bytes - NONCE, count = (body - 1) / (CRYPT_SEGMENT_BYTES + MAC) + 1,
                 n = body - count * MAC;

    return segments_of(n) == count ? n : SIZE_MAX;
}

struct sealing {
    const uint8_t *key, *nonce;
    const char *id;
    const uint8_t *from; /* the text when it is sealed, what was sealed when it is opened */
    uint8_t *to, *macs;
    size_t n, count;
    _Atomic bool failed;
};

enum { BOUND_BYTES = 8 + 64 }; /* number and count of the segments, id */

static size_t bind(const struct sealing *s, uint32_t i, uint8_t nonce[NONCE], uint8_t bound[BOUND_BYTES])
{
    const uint32_t count = (uint32_t)s->count;
    const size_t id_bytes = strnlen(s->id, BOUND_BYTES - 8);
    uint32_t low;

    memcpy(nonce, s->nonce, NONCE);
    memcpy(&low, nonce + NONCE - sizeof low, sizeof low);
    low += i;
    memcpy(nonce + NONCE - sizeof low, &low, sizeof low);
    memcpy(bound, &i, sizeof i);
    memcpy(bound + 4, &count, sizeof count);
    memcpy(bound + 8, s->id, id_bytes);
    return 8 + id_bytes;
}

static size_t segment_bytes(const struct sealing *s, size_t i)
{
    return i + 1 < s->count ? CRYPT_SEGMENT_BYTES : s->n - i * CRYPT_SEGMENT_BYTES;
}

static void seal_segment(void *ctx, size_t i, unsigned member)
{
    const struct sealing *s = ctx;
    const size_t at = i * CRYPT_SEGMENT_BYTES;
    uint8_t nonce[NONCE], bound[BOUND_BYTES];
    const size_t bound_bytes = bind(s, (uint32_t)i, nonce, bound);

    (void)member;
    crypto_aead_xchacha20poly1305_ietf_encrypt_detached(s->to + at, s->macs + i * MAC, NULL, s->from + at,
                                                        segment_bytes(s, i), bound, bound_bytes, NULL, nonce, s->key);
}

void crypt_seal(const uint8_t key[ZO_KEY_BYTES], const char *id, const zo_team *team, const void *plain, size_t n,
                void *out)
{
    uint8_t *nonce = out;
    struct sealing s = {.key = key,
                        .nonce = nonce,
                        .id = id,
                        .from = plain,
                        .to = nonce + NONCE,
                        .macs = nonce + NONCE + n,
                        .n = n,
                        .count = segments_of(n)};

    randombytes_buf(nonce, NONCE);
    zo_team_run(team, seal_segment, &s, s.count);
}

static void open_segment(void *ctx, size_t i, unsigned member)
{
    struct sealing *s = ctx;
    const size_t at = i * CRYPT_SEGMENT_BYTES;
    uint8_t nonce[NONCE], bound[BOUND_BYTES];
    const size_t bound_bytes = bind(s, (uint32_t)i, nonce, bound);

    (void)member;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(s->to + at, NULL, s->from + at, segment_bytes(s, i),
                                                            s->macs + i * MAC, bound, bound_bytes, nonce, s->key) != 0)
        atomic_store_explicit(&s->failed, true, memory_order_relaxed);
}

bool crypt_open(const uint8_t key[ZO_KEY_BYTES], const char *id, const zo_team *team, const void *sealed,
                size_t sealed_bytes, void *plain)
{
    const size_t n = crypt_plain_bytes(sealed_bytes);
    const uint8_t *nonce = sealed;
    struct sealing s = {.key = key, .nonce = nonce, .id = id, .from = nonce + NONCE, .to = plain, .n = n};

    if (n == SIZE_MAX)
        return false;
    s.macs = (uint8_t *)(uintptr_t)(s.from + n); /* only read */
    s.count = segments_of(n);
    zo_team_run(team, open_segment, &s, s.count);
    if (s.failed)
        sodium_memzero(plain, n);
    return !s.failed;
}

/* ---- digests ---- */

enum { LEAVES = 64 }; /* that wait for one call of the team */

struct leaf {
    const void *bytes; /* NULL: hashed already */
    size_t n;
    uint8_t hash[CRYPT_HASH_BYTES];
};

struct digest {
    crypto_hash_sha256_state all;
    crypto_generichash_state open; /* the leaf that comes in pieces */
    bool is_open;
    const zo_team *team;
    size_t n;
    struct leaf leaves[LEAVES];
};

static void hash_leaf(void *ctx, size_t i, unsigned member)
{
    struct leaf *l = &((struct digest *)ctx)->leaves[i];

    (void)member;
    if (l->bytes)
        crypto_generichash(l->hash, sizeof l->hash, l->bytes, l->n, NULL, 0);
}

static void hash_all(struct digest *d)
{
    zo_team_run(d->team, hash_leaf, d, d->n);
    for (size_t i = 0; i < d->n; i++)
        crypto_hash_sha256_update(&d->all, d->leaves[i].hash, CRYPT_HASH_BYTES);
    d->n = 0;
}

static void put(void *ctx, const void *bytes, size_t n, bool ends_leaf)
{
    struct digest *d = ctx;
    struct leaf *l = &d->leaves[d->n];

    if (!d->is_open && !ends_leaf)
        crypto_generichash_init(&d->open, NULL, 0, CRYPT_HASH_BYTES);
    if ((d->is_open || !ends_leaf) && n)
        crypto_generichash_update(&d->open, bytes, n);
    if (ends_leaf) {
        *l = (struct leaf){.bytes = d->is_open ? NULL : bytes, .n = n};
        if (d->is_open)
            crypto_generichash_final(&d->open, l->hash, sizeof l->hash);
        if (++d->n == LEAVES)
            hash_all(d);
    }
    d->is_open = !ends_leaf;
}

zo_status crypt_digest(zo_status (*leaves)(const void *of, crypt_put_fn *put, void *ctx, zo_error *err), const void *of,
                       const zo_team *team, uint8_t out[CRYPT_HASH_BYTES], zo_error *err)
{
    struct digest d = {.team = team};
    zo_status rc;

    crypto_hash_sha256_init(&d.all);
    if ((rc = leaves(of, put, &d, err)) == ZO_OK) {
        hash_all(&d);
        crypto_hash_sha256_final(&d.all, out);
    }
    sodium_memzero(&d, sizeof d);
    return rc;
}

static zo_status state_leaves(const void *of, crypt_put_fn *to, void *ctx, zo_error *err)
{
    return zo_model_digest(of, to, ctx, err);
}

static zo_status config_leaves(const void *of, crypt_put_fn *to, void *ctx, zo_error *err)
{
    return zo_model_config_leaf(of, to, ctx, err);
}

zo_status crypt_state_digest(const zo_model *m, uint8_t out[CRYPT_HASH_BYTES], zo_error *err)
{
    return crypt_digest(state_leaves, m, zo_model_team(m), out, err);
}

zo_status crypt_config_digest(const zo_model *m, uint8_t out[CRYPT_HASH_BYTES], zo_error *err)
{
    return crypt_digest(config_leaves, m, NULL, out, err);
}

void crypt_commit(const uint8_t salt[CRYPT_HASH_BYTES], const uint8_t digest[CRYPT_HASH_BYTES],
                  uint8_t out[CRYPT_HASH_BYTES])
{
    crypto_auth_hmacsha256(out, digest, CRYPT_HASH_BYTES, salt);
}

void crypt_chain(const uint8_t previous[CRYPT_HASH_BYTES], const char *text, uint8_t out[CRYPT_HASH_BYTES])
{
    crypto_hash_sha256_state h;

    crypto_hash_sha256_init(&h);
    crypto_hash_sha256_update(&h, previous, CRYPT_HASH_BYTES);
    crypto_hash_sha256_update(&h, (const uint8_t *)text, strlen(text));
    crypto_hash_sha256_final(&h, out);
}

void crypt_random(void *out, size_t n)
{
    randombytes_buf(out, n);
}

void crypt_hex(const uint8_t *bytes, size_t n, char *out)
{
    sodium_bin2hex(out, 2 * n + 1, bytes, n);
}

bool crypt_equal(const uint8_t a[CRYPT_HASH_BYTES], const uint8_t b[CRYPT_HASH_BYTES])
{
    return sodium_memcmp(a, b, CRYPT_HASH_BYTES) == 0;
}
