/* See cursor.h. Layout before base64url: check u32, numbers u64 each, text; little-endian. */
#include "api/cursor.h"

#include <string.h>

enum { HEAD_BYTES = 4 + 8 * API_CURSOR_NUMBERS, MAX_BYTES = HEAD_BYTES + API_CURSOR_TEXT };
_Static_assert((MAX_BYTES * 4 + 2) / 3 < API_CURSOR_CHARS, "a cursor's text fits");

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* FNV-1a over the list's name and the bytes after the check. */
static uint32_t check(const char *list, const uint8_t *bytes, size_t n)
{
    uint32_t h = 2166136261u;

    for (; *list; list++)
        h = (h ^ (uint8_t)*list) * 16777619u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ bytes[i]) * 16777619u;
    return h ^ h >> 15;
}

void api_cursor_encode(const api_cursor *c, const char *list, char out[API_CURSOR_CHARS])
{
    uint8_t bytes[MAX_BYTES + 2] = {0};
    const size_t n = HEAD_BYTES + strnlen(c->text, API_CURSOR_TEXT - 1);
    size_t k = 0;

    for (size_t i = 0; i < API_CURSOR_NUMBERS; i++)
        for (size_t b = 0; b < 8; b++)
            bytes[4 + 8 * i + b] = (uint8_t)(c->number[i] >> 8 * b);
    memcpy(bytes + HEAD_BYTES, c->text, n - HEAD_BYTES);
    const uint32_t h = check(list, bytes + 4, n - 4);
    for (size_t b = 0; b < 4; b++)
        bytes[b] = (uint8_t)(h >> 8 * b);
    for (size_t i = 0; i < n; i += 3) {
        const uint32_t v = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        const size_t chars = n - i >= 3 ? 4 : n - i + 1;
        for (size_t j = 0; j < chars; j++)
            out[k++] = alphabet[v >> (18 - 6 * j) & 63];
    }
    out[k] = '\0';
}

zo_status api_cursor_decode(const char *text, const char *list, api_cursor *out, zo_error *err)
{
    uint8_t bytes[MAX_BYTES + 3] = {0};
    const size_t len = strnlen(text, API_CURSOR_CHARS);
    size_t n = 0;
    uint32_t v = 0, h = 0;
    bool good = len < API_CURSOR_CHARS && len % 4 != 1 && len * 3 / 4 >= HEAD_BYTES && len * 3 / 4 <= MAX_BYTES;

    for (size_t i = 0; good && i < len; i++) {
        const char *at = strchr(alphabet, text[i]);
        good = at != NULL;
        v = v << 6 | (good ? (uint32_t)(at - alphabet) : 0);
        if (i % 4 != 0) /* after 2, 3, 4 characters one more byte is whole */
            bytes[n++] = (uint8_t)(v >> (6 - 2 * (i % 4)));
    }
    if (good) {
        for (size_t b = 0; b < 4; b++)
            h |= (uint32_t)bytes[b] << 8 * b;
        good = h == check(list, bytes + 4, n - 4) && !memchr(bytes + HEAD_BYTES, 0, n - HEAD_BYTES) && n < MAX_BYTES;
    }
    if (!good)
        return zo_fail(err, ZO_EMALFORMED, "", "this cursor is not one of this list");
    *out = (api_cursor){0};
    for (size_t i = 0; i < API_CURSOR_NUMBERS; i++)
        for (size_t b = 0; b < 8; b++)
            out->number[i] |= (uint64_t)bytes[4 + 8 * i + b] << 8 * b;
    memcpy(out->text, bytes + HEAD_BYTES, n - HEAD_BYTES);
    return ZO_OK;
}
