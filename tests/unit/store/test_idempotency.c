/* Remembered replies: same request, same reply; another request is refused; a day; ten thousand; nothing readable on
 * the disk. */
#include "unit/store/store_fx.h"

enum { DAY_MS = 24 * 3600 * 1000 };
static const int64_t T0 = 4000000000000; /* far ahead: not expired by the wall clock */
static const char route[] = "POST /v1/studies/{study}/ask /v1/studies/svm/ask";

static zo_idempotency reply_of(const char *key, int64_t at_ms)
{
    return (zo_idempotency){.tenant = 1,
                            .key = key,
                            .route = route,
                            .body = "{\"count\":1}",
                            .body_bytes = 11,
                            .status = 201,
                            .headers = "Location: /v1/studies/x\n",
                            .reply = "{\"trials\":[]}",
                            .reply_bytes = 13,
                            .at_ms = at_ms};
}

static zo_status put(fx *f, const zo_idempotency *r)
{
    zo_op op = {.kind = ZO_OP_IDEMPOTENCY, .u.idempotency = r};
    zo_write w = {.ops = &op};

    return fx_commit(f, &w);
}

static zo_status get(fx *f, const char *key, const char *body, int64_t now_ms, zo_idempotency *out)
{
    zo_error err = {0};

    return zo_reader_idempotency(f->r, 1, key, route, body, strlen(body), now_ms, f->arena, out, &err);
}

static void the_same_request_gets_the_same_reply(void **state)
{
    fx *f = *state;
    zo_idempotency r = reply_of("key-1", T0), got;

    assert_int_equal(get(f, "key-1", "{\"count\":1}", T0, &got), ZO_ENOTFOUND);
    assert_int_equal(put(f, &r), ZO_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get(f, "key-1", "{\"count\":1}", T0 + 5, &got), ZO_OK);
        assert_int_equal(got.status, 201);
        assert_string_equal(got.headers, r.headers);
        assert_int_equal(got.reply_bytes, 13);
        assert_memory_equal(got.reply, r.reply, 13);
        assert_int_equal(got.at_ms, T0);
        fx_reopen(f); /* also after a restart */
    }
    r = reply_of("no-headers", T0);
    r.headers = NULL;
    r.reply = NULL;
    r.reply_bytes = 0;
    assert_int_equal(put(f, &r), ZO_OK);
    assert_int_equal(get(f, "no-headers", "{\"count\":1}", T0, &got), ZO_OK);
    assert_null(got.headers);
    assert_int_equal(got.reply_bytes, 0);
}

static void another_request_under_the_same_key_is_invalid(void **state)
{
    fx *f = *state;
    zo_idempotency r = reply_of("key-1", T0), got;
    zo_error err = {0};

    assert_int_equal(put(f, &r), ZO_OK);
    assert_int_equal(get(f, "key-1", "{\"count\":2}", T0, &got), ZO_EINVAL);
    assert_int_equal(get(f, "key-1", "", T0, &got), ZO_EINVAL);
    assert_int_equal(
        zo_reader_idempotency(f->r, 1, "key-1", "POST /v1/studies", "{\"count\":1}", 11, T0, f->arena, &got, &err),
        ZO_EINVAL);
    /* route and body are parted: moving a byte between them is another request */
    assert_int_equal(zo_reader_idempotency(f->r, 1, "key-1", "POST /v1/studies/{study}/ask /v1/studies/svm/ask{",
                                           "\"count\":1}", 10, T0, f->arena, &got, &err),
                     ZO_EINVAL);
    assert_int_equal(zo_reader_idempotency(f->r, 2, "key-1", route, "{\"count\":1}", 11, T0, f->arena, &got, &err),
                     ZO_ENOTFOUND);
    assert_int_equal(put(f, &r), ZO_ECONFLICT); /* never twice */
}

static void a_key_is_forgotten_after_a_day(void **state)
{
    fx *f = *state;
    zo_idempotency r = reply_of("key-1", T0), got;

    assert_int_equal(put(f, &r), ZO_OK);
    assert_int_equal(get(f, "key-1", "{\"count\":1}", T0 + DAY_MS - 1, &got), ZO_OK);
    assert_int_equal(get(f, "key-1", "{\"count\":1}", T0 + DAY_MS, &got), ZO_ENOTFOUND);
    assert_int_equal(get(f, "key-1", "{\"count\":3}", T0 + DAY_MS, &got), ZO_ENOTFOUND);
    r = reply_of("key-1", T0 + DAY_MS); /* and may be used anew, though its row may still be there */
    r.status = 200;
    assert_int_equal(put(f, &r), ZO_OK);
    assert_int_equal(get(f, "key-1", "{\"count\":1}", T0 + DAY_MS, &got), ZO_OK);
    assert_int_equal(got.status, 200);
}

static int64_t count_rows(fx *f)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    int64_t n;

    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM replies", -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return n;
}

static void old_rows_go_at_start(void **state)
{
    fx *f = *state;
    zo_idempotency r = reply_of("key-1", 1000000); /* in 1970 */

    assert_int_equal(put(f, &r), ZO_OK);
    fx_reopen(f);
    for (int i = 0; i < 200 && count_rows(f) > 0; i++)
        usleep(10000);
    assert_int_equal(count_rows(f), 0);
}

static void ten_thousand_are_kept(void **state)
{
    fx *f = *state;
    enum { N = 10050, PER = 50 };
    static zo_write w[PER];
    static zo_op op[PER];
    static zo_idempotency r[PER];
    static char key[PER][16];
    zo_idempotency got;
    const int64_t base = (int64_t)4e12; /* far ahead: not expired by the wall clock */

    for (int i = 0; i < N; i += PER) {
        for (int k = 0; k < PER; k++) {
            snprintf(key[k], sizeof key[k], "k%d", i + k);
            r[k] = reply_of(key[k], base + i + k);
            op[k] = (zo_op){.kind = ZO_OP_IDEMPOTENCY, .u.idempotency = &r[k]};
            w[k] = (zo_write){.ops = &op[k], .next = k + 1 < PER ? &w[k + 1] : NULL};
        }
        assert_int_equal(fx_commit(f, &w[0]), ZO_OK);
        if (i == 5000)
            fx_reopen(f); /* the count is found again */
    }
    assert_int_equal(count_rows(f), 10000);
    assert_int_equal(get(f, "k49", "{\"count\":1}", base + N, &got), ZO_ENOTFOUND);
    assert_int_equal(get(f, "k50", "{\"count\":1}", base + N, &got), ZO_OK);
    assert_int_equal(get(f, "k10049", "{\"count\":1}", base + N, &got), ZO_OK);
}

static void neither_key_nor_request_is_on_the_disk(void **state)
{
    fx *f = *state;
    static const char *const secret[] = {"MARKER-key", "MARKER-route", "MARKER-body"};
    zo_idempotency r = {.tenant = 1,
                        .key = secret[0],
                        .route = secret[1],
                        .body = secret[2],
                        .body_bytes = 11,
                        .status = 200,
                        .reply = "MARKER-reply",
                        .reply_bytes = 12,
                        .at_ms = (int64_t)4e12};
    struct stat sb;
    bool reply_found = false;

    assert_int_equal(put(f, &r), ZO_OK);
    zo_reader_close(f->r);
    f->r = NULL;
    assert_int_equal(zo_store_close(f->st), ZO_OK);
    f->st = NULL;
    int fd = open(f->path, O_RDONLY);
    assert_int_equal(fstat(fd, &sb), 0);
    char *all = malloc((size_t)sb.st_size);
    assert_int_equal(read(fd, all, (size_t)sb.st_size), sb.st_size);
    close(fd);
    for (size_t i = 0; i < 3; i++)
        assert_null(memmem(all, (size_t)sb.st_size, secret[i], strlen(secret[i])));
    reply_found = memmem(all, (size_t)sb.st_size, "MARKER-reply", 12) != NULL;
    free(all);
    assert_true(reply_found); /* the search works */
}

static void a_damaged_reply_is_not_repeated(void **state)
{
    fx *f = *state;
    zo_idempotency r = reply_of("key-1", (int64_t)4e12), got;

    assert_int_equal(put(f, &r), ZO_OK);
    zo_reader_close(f->r);
    f->r = NULL;
    zo_store_close(f->st);
    f->st = NULL;
    fx_sql(f->path, "UPDATE replies SET status = 200");
    fx_reopen(f);
    assert_int_equal(get(f, "key-1", "{\"count\":1}", (int64_t)4e12, &got), ZO_ESTORE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)
    const struct CMUnitTest tests[] = {
        T(the_same_request_gets_the_same_reply),
        T(another_request_under_the_same_key_is_invalid),
        T(a_key_is_forgotten_after_a_day),
        T(old_rows_go_at_start),
        T(ten_thousand_are_kept),
        T(neither_key_nor_request_is_on_the_disk),
        T(a_damaged_reply_is_not_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
