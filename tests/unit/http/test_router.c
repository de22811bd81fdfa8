/* The router against a table judged by hand, and against a brute-force matcher over random tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "http/internal.h"

static zo_status nothing(zo_req *r, zo_error *err)
{
    (void)r;
    (void)err;
    return ZO_OK;
}

static const zo_route table[] = {
    {ZO_GET, "/", ZO_SCOPE_PUBLIC, nothing, 0, 0},
    {ZO_GET, "/a", ZO_SCOPE_PUBLIC, nothing, 0, 0},
    {ZO_POST, "/a", ZO_SCOPE_PUBLIC, nothing, 0, 0},
    {ZO_GET, "/a/{x}", ZO_SCOPE_PUBLIC, nothing, 0, 0},
    {ZO_GET, "/a/list", ZO_SCOPE_PUBLIC, nothing, 0, 0},
    {ZO_PATCH, "/a/{x}/b", ZO_SCOPE_PUBLIC, nothing, 0, 0},
    {ZO_PUT, "/a/{x}/b/{y}", ZO_SCOPE_PUBLIC, nothing, 0, 0},
    {ZO_DELETE, "/a/list/c", ZO_SCOPE_PUBLIC, nothing, 0, 0},
    {ZO_GET, "/file.yaml", ZO_SCOPE_PUBLIC, nothing, 0, 0},
};

static const struct {
    unsigned method;
    const char *path;
    int route;              /* index in the table; -1: none */
    const char *allow;      /* NULL: no such path */
    const char *x, *y;
} cases[] = {
    {ZO_GET, "/", 0, "GET, HEAD, OPTIONS", NULL, NULL},
    {ZO_POST, "/", -1, "GET, HEAD, OPTIONS", NULL, NULL},
    {ZO_GET, "/a", 1, "GET, HEAD, POST, OPTIONS", NULL, NULL},
    {ZO_POST, "/a", 2, "GET, HEAD, POST, OPTIONS", NULL, NULL},
    {ZO_GET, "/a/", -1, NULL, NULL, NULL},
    {ZO_GET, "/A", -1, NULL, NULL, NULL},
    {ZO_GET, "/a/q", 3, "GET, HEAD, OPTIONS", "q", NULL},
    {ZO_GET, "/a/list", 4, "GET, HEAD, OPTIONS", NULL, NULL},
    {ZO_GET, "/a/lis", 3, "GET, HEAD, OPTIONS", "lis", NULL},
    {ZO_GET, "/a/listx", 3, "GET, HEAD, OPTIONS", "listx", NULL},
    {ZO_PATCH, "/a/list/b", 5, "PATCH, OPTIONS", "list", NULL},
    {ZO_DELETE, "/a/list/c", 7, "DELETE, OPTIONS", NULL, NULL},
    {ZO_GET, "/a/q/c", -1, NULL, NULL, NULL},
    {ZO_PUT, "/a/q/b/r", 6, "PUT, OPTIONS", "q", "r"},
    {0, "/a/q/b/r", -1, "PUT, OPTIONS", "q", "r"},
    {ZO_PUT, "/a/q/b/", -1, NULL, NULL, NULL},
    {ZO_PUT, "/a/q/b/r/s", -1, NULL, NULL, NULL},
    {ZO_GET, "/a/{x}", -1, NULL, NULL, NULL},
    {ZO_GET, "/a/b.c", -1, NULL, NULL, NULL},
    {ZO_GET, "/a/b~", -1, NULL, NULL, NULL},
    {ZO_GET, "/a/b:c", -1, NULL, NULL, NULL},
    {ZO_GET, "/a/-_9Z", 3, "GET, HEAD, OPTIONS", "-_9Z", NULL},
    {ZO_GET, "/file.yaml", 8, "GET, HEAD, OPTIONS", NULL, NULL},
    {ZO_GET, "/file", -1, NULL, NULL, NULL},
    {ZO_GET, "", -1, NULL, NULL, NULL},
    {ZO_GET, "*", -1, NULL, NULL, NULL},
};

static void check_capture(const struct http_match *m, size_t i, const char *want)
{
    if (!want)
        return;
    assert_true(m->n > i);
    assert_int_equal(m->bytes[i], strlen(want));
    assert_memory_equal(m->start[i], want, m->bytes[i]);
}

static void paths_find_their_route(void **state)
{
    http_router *t;
    zo_error err;

    (void)state;
    assert_int_equal(http_router_new(table, ZO_LEN(table), &t, &err), ZO_OK);
    for (size_t i = 0; i < ZO_LEN(cases); i++) {
        struct http_match m;
        http_router_match(t, cases[i].method, cases[i].path, &m);
        if (m.route != (cases[i].route < 0 ? NULL : &table[cases[i].route]))
            fail_msg("%s", cases[i].path);
        if (!cases[i].allow) {
            assert_null(m.allow);
            continue;
        }
        assert_non_null(m.allow);
        assert_string_equal(m.allow, cases[i].allow);
        assert_int_equal(m.n, (cases[i].x != NULL) + (cases[i].y != NULL));
        check_capture(&m, 0, cases[i].x);
        check_capture(&m, 1, cases[i].y);
    }
    assert_string_equal(http_router_allow_all(t), "GET, HEAD, POST, PATCH, DELETE, PUT, OPTIONS");
    http_router_free(t);
}

static void a_route_with_too_many_captures_is_refused(void **state)
{
    static const zo_route deep[] = {{ZO_GET, "/{a}/{b}/{c}/{d}/{e}", ZO_SCOPE_PUBLIC, nothing, 0, 0}};
    http_router *t = NULL;
    zo_error err;

    (void)state;
    assert_int_equal(http_router_new(deep, 1, &t, &err), ZO_EINTERNAL);
    assert_null(t);
}

static void a_route_listed_twice_is_refused(void **state)
{
    static const zo_route twice[] = {{ZO_GET, "/a/{x}", ZO_SCOPE_PUBLIC, nothing, 0, 0}, {ZO_GET, "/a/{y}", ZO_SCOPE_PUBLIC, nothing, 0, 0}};
    http_router *t = NULL;
    zo_error err;

    (void)state;
    assert_int_equal(http_router_new(twice, 2, &t, &err), ZO_EINTERNAL);
    assert_null(t);
}

/* ---- brute force: split both, compare segment by segment, prefer literals from the left ---- */

static bool agrees(const char *pattern, const char *path, unsigned *literals)
{
    *literals = 0;
    for (unsigned depth = 0;; depth++) {
        const size_t a = strcspn(pattern, "/"), b = strcspn(path, "/");
        if (pattern[0] == '{') {
            if (b == 0)
                return false;
        } else if (a != b || memcmp(pattern, path, a) != 0) {
            return false;
        } else {
            *literals |= 1U << (31 - depth); /* earlier segments weigh more */
        }
        pattern += a;
        path += b;
        if (*pattern != *path)
            return false;
        if (*pattern == '\0')
            return true;
        pattern++;
        path++;
    }
}

static const zo_route *brute(const zo_route *routes, size_t n, const char *path)
{
    const zo_route *best = NULL;
    unsigned most = 0, literals;

    for (size_t i = 0; i < n; i++)
        if (agrees(routes[i].pattern + 1, path + 1, &literals) && (!best || literals > most)) {
            best = &routes[i];
            most = literals;
        }
    return best;
}

static unsigned next(unsigned *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 16;
}

static void write_path(unsigned *seed, bool pattern, char *out)
{
    static const char *const segments[] = {"a", "b", "ab", "{x}"};
    const unsigned depth = 1 + next(seed) % 4;

    out[0] = '\0';
    for (unsigned i = 0; i < depth; i++) {
        strcat(out, "/");
        strcat(out, segments[next(seed) % (pattern ? 4 : 3)]);
    }
}

static void random_tables_agree_with_brute_force(void **state)
{
    char patterns[20][64], path[64];
    zo_route routes[20];
    unsigned seed = 1, found = 0;

    (void)state;
    for (int round = 0; round < 300; round++) {
        http_router *t;
        zo_error err;
        size_t n = 0;
        while (n < 12) {
            write_path(&seed, true, patterns[n]);
            size_t k = 0;
            while (k < n && strcmp(patterns[k], patterns[n]) != 0)
                k++;
            if (k < n)
                continue;
            routes[n] = (zo_route){ZO_GET, patterns[n], ZO_SCOPE_PUBLIC, nothing, 0, 0};
            n++;
        }
        assert_int_equal(http_router_new(routes, n, &t, &err), ZO_OK);
        for (int k = 0; k < 50; k++) {
            struct http_match m;
            write_path(&seed, false, path);
            http_router_match(t, ZO_GET, path, &m);
            const zo_route *want = brute(routes, n, path);
            if (m.route != want)
                fail_msg("%s: %s, not %s", path, m.route ? m.route->pattern : "none", want ? want->pattern : "none");
            found += want != NULL;
        }
        http_router_free(t);
    }
    assert_true(found > 1000); /* the paths do hit */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_their_route),
        cmocka_unit_test(a_route_with_too_many_captures_is_refused),
        cmocka_unit_test(a_route_listed_twice_is_refused),
        cmocka_unit_test(random_tables_agree_with_brute_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
