/* See crypt.h. */
#include "models/crypt.h"

#include <sodium.h>
#include <string.h>

enum { NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, MAC = crypto_aead_xchacha20poly1305_ietf_ABYTES };
_Static_assert((int)CRYPT_NONCE_BYTES == (int)NONCE && CRYPT_SEAL_BYTES == NONCE + MAC, "a nonce before, a tag behind");
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

void crypt_seal(const uint8_t key[ZO_KEY_BYTES], const char *id, const void *plain, size_t n, void *out)
{
    uint8_t *nonce = out;

    randombytes_buf(nonce, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE, NULL, plain, n, (const uint8_t *)id, strlen(id), NULL,
                                               nonce, key);
}

bool crypt_open(const uint8_t key[ZO_KEY_BYTES], const char *id, const void *sealed, size_t n, void *plain)
{
    const uint8_t *nonce = sealed;

    return n >= CRYPT_SEAL_BYTES &&
           crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, nonce + NONCE, n - NONCE, (const uint8_t *)id,
                                                      strlen(id), nonce, key) == 0;
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
