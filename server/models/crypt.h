/* Cryptography of models, all of it libsodium's: tags, sealed parts, digests, commitments. */
#ifndef ZO_MODELS_CRYPT_H
#define ZO_MODELS_CRYPT_H

#include "store/store.h"
#include "zeroth/model.h"

enum { CRYPT_HASH_BYTES = 32, CRYPT_NONCE_BYTES = 24, CRYPT_SEGMENT_BYTES = 128 << 10 };

/* What a tag is of. Part of tags' values: append only. */
typedef enum tag_kind { TAG_ID = 1, TAG_GROUP, TAG_CLASS, TAG_TASK, TAG_ROW, TAG_ALL } tag_kind;
typedef struct tag {
    uint8_t b[ZO_TAG_BYTES];
} tag;

/* Keyed BLAKE2b of 16 bytes: without the model's key it says nothing, not even whether a guess is right. */
tag crypt_tag(const uint8_t key[ZO_KEY_BYTES], tag_kind kind, const void *bytes, size_t n);
/* Of a row: its group, its class's label (NULL for real targets), its quantised inputs and targets. */
tag crypt_row_tag(const uint8_t key[ZO_KEY_BYTES], const tag *group, const char *label, const int32_t *x, size_t inputs,
                  const int32_t *y, size_t outputs);

/* Sealed: a random nonce, the text in segments of XChaCha20-Poly1305, so that a team can share them, and their tags.
 * A segment's nonce is the first one's plus its number; id, number and count of the segments are authenticated with it.
 * plain may be in out already, at CRYPT_NONCE_BYTES, and is then replaced. team may be NULL. */
size_t crypt_sealed_bytes(size_t plain_bytes);
size_t crypt_plain_bytes(size_t sealed_bytes); /* SIZE_MAX: nothing that was sealed is that long */
void crypt_seal(const uint8_t key[ZO_KEY_BYTES], const char *id, const zo_team *team, const void *plain, size_t n,
                void *out /* [crypt_sealed_bytes(n)] */);
/* False: not sealed with this key and id, or damaged; plain is then all zeros. */
bool crypt_open(const uint8_t key[ZO_KEY_BYTES], const char *id, const zo_team *team, const void *sealed,
                size_t sealed_bytes, void *plain /* [crypt_plain_bytes(sealed_bytes)] */);

/* SHA-256 over the BLAKE2b-256 of each leaf of the state (zo_model_digest), in order: BLAKE2b because the sums are
 * megabytes, leaves so that a team can share them. A leaf put in one piece must stay where it is until the end. */
typedef void crypt_put_fn(void *ctx, const void *bytes, size_t n, bool ends_leaf);
zo_status crypt_digest(zo_status (*leaves)(const void *of, crypt_put_fn *put, void *ctx, zo_error *err), const void *of,
                       const zo_team *team, uint8_t out[CRYPT_HASH_BYTES], zo_error *err);
zo_status crypt_state_digest(const zo_model *m, uint8_t out[CRYPT_HASH_BYTES], zo_error *err);
zo_status crypt_config_digest(const zo_model *m, uint8_t out[CRYPT_HASH_BYTES], zo_error *err);
/* HMAC-SHA-256 of the digest under the salt. */
void crypt_commit(const uint8_t salt[CRYPT_HASH_BYTES], const uint8_t digest[CRYPT_HASH_BYTES],
                  uint8_t out[CRYPT_HASH_BYTES]);
/* SHA-256 of previous and text. */
void crypt_chain(const uint8_t previous[CRYPT_HASH_BYTES], const char *text, uint8_t out[CRYPT_HASH_BYTES]);
void crypt_random(void *out, size_t n);
void crypt_hex(const uint8_t *bytes, size_t n, char *out /* [2n + 1] */);
bool crypt_equal(const uint8_t a[CRYPT_HASH_BYTES], const uint8_t b[CRYPT_HASH_BYTES]); /* in constant time */

#endif
