/* Sealed parts: against libsodium's own one-piece form where there is one segment, against every flipped bit and every
 * other length, key and name where there are more; and the lengths are each other's inverse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>
#include "models/crypt.h"

static const uint8_t key[ZO_KEY_BYTES] = {1, 2, 3}, other_key[ZO_KEY_BYTES] = {1, 2, 4};
static const char id[] = "md_abcdefghijklmnopqrstuvwxyz";

static void backwards(const zo_team *t, zo_piece *piece, void *ctx, size_t n)
{
    (void)t;
    while (n-- > 0)
        piece(ctx, n, 0);
}

static const zo_team team = {.width = 2, .run = backwards};

static uint8_t *text_of(size_t n)
{
    uint8_t *p = malloc(n + 1);

    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 7 + (i >> 9));
    return p;
}

static void lengths_are_inverse(void **state)
{
    size_t last = 0;

    (void)state;
    for (size_t n = 0; n < 5 * CRYPT_SEGMENT_BYTES; n += n % 1000 < 3 ? 1 : 61) {
        const size_t sealed = crypt_sealed_bytes(n);

        assert_int_equal(crypt_plain_bytes(sealed), n);
        for (size_t between = last + 1; between < sealed && last; between++) {
            const size_t plain = crypt_plain_bytes(between);

            assert_true(plain == SIZE_MAX || crypt_sealed_bytes(plain) == between);
        }
        last = sealed;
    }
    for (size_t n = 0; n < crypt_sealed_bytes(0); n++)
        assert_true(crypt_plain_bytes(n) == SIZE_MAX);
}

static void one_segment_is_xchacha20_poly1305(void **state)
{
    const size_t n = 1000;
    uint8_t *text = text_of(n), sealed[1100], plain[1000], bound[8 + sizeof id - 1] = {0};

    (void)state;
    bound[4] = 1; /* segment 0 of 1 */
    memcpy(bound + 8, id, sizeof id - 1);
    crypt_seal(key, id, NULL, text, n, sealed);
    assert_int_equal(crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed + CRYPT_NONCE_BYTES, n + 16,
                                                                bound, sizeof bound, sealed, key),
                     0);
    assert_memory_equal(plain, text, n);
    free(text);
}

static void what_is_sealed_opens(void **state)
{
    static const size_t sizes[] = {
        0, 1, CRYPT_SEGMENT_BYTES - 1, CRYPT_SEGMENT_BYTES, CRYPT_SEGMENT_BYTES + 1, 3 * CRYPT_SEGMENT_BYTES + 17};

    (void)state;
    for (size_t i = 0; i < ZO_LEN(sizes); i++) {
        const size_t n = sizes[i], sealed_bytes = crypt_sealed_bytes(n);
        uint8_t *text = text_of(n), *sealed = malloc(sealed_bytes), *plain = malloc(n + 1);

        assert_true(sealed && plain);
        memcpy(sealed + CRYPT_NONCE_BYTES, text, n); /* in place, by a team */
        crypt_seal(key, id, &team, sealed + CRYPT_NONCE_BYTES, n, sealed);
        assert_true(crypt_open(key, id, NULL, sealed, sealed_bytes, plain));
        assert_memory_equal(plain, text, n);
        crypt_seal(key, id, NULL, text, n, sealed);
        assert_true(crypt_open(key, id, &team, sealed, sealed_bytes, plain));
        assert_memory_equal(plain, text, n);
        free(text);
        free(sealed);
        free(plain);
    }
}

static void assert_refused(const uint8_t *with, const char *name, const uint8_t *sealed, size_t bytes, uint8_t *plain)
{
    const size_t n = crypt_plain_bytes(bytes);

    assert_false(crypt_open(with, name, NULL, sealed, bytes, plain));
    for (size_t i = 0; n != SIZE_MAX && i < n; i++) /* nothing of it comes out */
        assert_int_equal(plain[i], 0);
}

static void all_else_is_refused(void **state)
{
    const size_t n = 2 * CRYPT_SEGMENT_BYTES + 50, bytes = crypt_sealed_bytes(n), seg = CRYPT_SEGMENT_BYTES;
    uint8_t *text = text_of(n), *sealed = malloc(bytes), *plain = malloc(n + 1), *swap = malloc(bytes);

    (void)state;
    assert_true(sealed && plain && swap);
    crypt_seal(key, id, NULL, text, n, sealed);
    assert_refused(other_key, id, sealed, bytes, plain);
    assert_refused(key, "md_bbcdefghijklmnopqrstuvwxyz", sealed, bytes, plain);
    for (size_t bit = 0; bit < 8 * bytes; bit += bit < 8 * CRYPT_NONCE_BYTES || bit > 8 * (bytes - 48) ? 1 : 20011) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_refused(key, id, sealed, bytes, plain);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t cut = 1; cut < bytes; cut += cut < 100 ? 1 : 9973)
        assert_refused(key, id, sealed, bytes - cut, plain);
    /* Whole segments in another order, and a text cut at a segment's end, tags and all. */
    memcpy(swap, sealed, bytes);
    memcpy(swap + CRYPT_NONCE_BYTES, sealed + CRYPT_NONCE_BYTES + seg, seg);
    memcpy(swap + CRYPT_NONCE_BYTES + seg, sealed + CRYPT_NONCE_BYTES, seg);
    memcpy(swap + CRYPT_NONCE_BYTES + n, sealed + CRYPT_NONCE_BYTES + n + 16, 16);
    memcpy(swap + CRYPT_NONCE_BYTES + n + 16, sealed + CRYPT_NONCE_BYTES + n, 16);
    assert_refused(key, id, swap, bytes, plain);
    memcpy(swap, sealed, CRYPT_NONCE_BYTES + seg);
    memcpy(swap + CRYPT_NONCE_BYTES + seg, sealed + CRYPT_NONCE_BYTES + n, 16);
    assert_refused(key, id, swap, crypt_sealed_bytes(seg), plain);
    free(text);
    free(sealed);
    free(plain);
    free(swap);
}

static void tags_keep_kinds_and_keys_apart(void **state)
{
    const int32_t x[3] = {1, 2, 3}, y[1] = {9};
    const tag group = crypt_tag(key, TAG_GROUP, "g", 1), other = crypt_tag(key, TAG_GROUP, "h", 1);
    const tag tags[] = {
        crypt_tag(key, TAG_ID, "a", 1),
        crypt_tag(key, TAG_GROUP, "a", 1),
        crypt_tag(key, TAG_CLASS, "a", 1),
        crypt_tag(key, TAG_TASK, "a", 1),
        crypt_tag(key, TAG_ID, "b", 1),
        crypt_tag(key, TAG_ID, "a", 2),
        crypt_tag(other_key, TAG_ID, "a", 1),
        crypt_tag(key, TAG_ALL, NULL, 0),
        crypt_row_tag(key, &group, "a", x, 3, NULL, 0),
        crypt_row_tag(key, &group, "b", x, 3, NULL, 0),
        crypt_row_tag(key, &group, NULL, x, 3, NULL, 0),
        crypt_row_tag(key, &group, NULL, x, 3, y, 1),
        crypt_row_tag(key, &group, NULL, x, 2, NULL, 0),
        crypt_row_tag(key, &other, "a", x, 3, NULL, 0),
        crypt_row_tag(other_key, &group, "a", x, 3, NULL, 0),
    };
    uint8_t judge[ZO_TAG_BYTES], text[2] = {TAG_ID, 'a'};

    (void)state;
    crypto_generichash(judge, sizeof judge, text, sizeof text, key, sizeof key);
    assert_memory_equal(tags[0].b, judge, sizeof judge);
    for (size_t i = 0; i < ZO_LEN(tags); i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(tags[i].b, tags[j].b, ZO_TAG_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_inverse),
        cmocka_unit_test(one_segment_is_xchacha20_poly1305),
        cmocka_unit_test(what_is_sealed_opens),
        cmocka_unit_test(all_else_is_refused),
        cmocka_unit_test(tags_keep_kinds_and_keys_apart),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
