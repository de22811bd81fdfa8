/* Row checksums: SQLite keeps none, so a bit that flips on the disk would be served as data. A row's sum is over all
 * its columns in order, each with its type; integers are one word, strings and blobs their length and their bytes by
 * words. Each step, h <- mix((h ^ word) * odd), is a bijection of h and of the word, so one wrong word always changes
 * the 64 bits; 31 of them are kept (SQLite then needs four bytes), and other damage passes with probability 2^-31.
 * Against accidents, not people. */
#include "internal.h"

static void word(zo_sum *s, uint64_t x)
{
    s->h = (s->h ^ x) * 0xff51afd7ed558ccdu;
    s->h ^= s->h >> 32;
}

void zo_sum_int(zo_sum *s, int64_t x)
{
    word(s, 1);
    word(s, (uint64_t)x);
}

void zo_sum_bytes(zo_sum *s, const void *p, size_t bytes)
{
    const uint8_t *b = p;
    uint64_t x;

    word(s, 2);
    word(s, bytes);
    for (; bytes >= 8; b += 8, bytes -= 8) {
        memcpy(&x, b, 8);
        word(s, x);
    }
    if (bytes > 0) {
        x = 0;
        memcpy(&x, b, bytes);
        word(s, x);
    }
}

void zo_sum_text(zo_sum *s, const char *text)
{
    if (text)
        zo_sum_bytes(s, text, strlen(text));
    else
        word(s, 3);
}

int64_t zo_sum_end(const zo_sum *s)
{
    return (int64_t)((s->h ^ s->h >> 29) & 0x7fffffff);
}

int64_t zo_sum_event(int64_t study, const zo_event *e)
{
    zo_sum s = ZO_SUM_START;

    zo_sum_int(&s, study);
    zo_sum_int(&s, (int64_t)e->seq);
    zo_sum_int(&s, (int64_t)e->kind);
    zo_sum_int(&s, e->at_ms);
    zo_sum_bytes(&s, e->body, e->body_bytes);
    return zo_sum_end(&s);
}

int64_t zo_sum_snapshot(int64_t study, uint32_t part, uint64_t seq, const void *body, size_t bytes)
{
    zo_sum s = ZO_SUM_START;

    zo_sum_int(&s, study);
    zo_sum_int(&s, part);
    zo_sum_int(&s, (int64_t)seq);
    zo_sum_bytes(&s, body, bytes);
    return zo_sum_end(&s);
}

static void sum_values(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    zo_sum s = ZO_SUM_START;

    for (int i = 0; i < n; i++)
        switch (sqlite3_value_type(v[i])) {
        case SQLITE_INTEGER:
            zo_sum_int(&s, sqlite3_value_int64(v[i]));
            break;
        case SQLITE_NULL:
            zo_sum_text(&s, NULL);
            break;
        default: { /* no column holds a real number */
            const void *p = sqlite3_value_blob(v[i]);
            const size_t bytes = (size_t)sqlite3_value_bytes(v[i]);

            if (bytes > 0 && !p) {
                sqlite3_result_error_nomem(ctx);
                return;
            }
            zo_sum_bytes(&s, p, bytes);
        }
        }
    sqlite3_result_int64(ctx, zo_sum_end(&s));
}

int zo_sum_register(sqlite3 *db)
{
    return sqlite3_create_function_v2(db, "zo_sum", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                      sum_values, NULL, NULL, NULL);
}
