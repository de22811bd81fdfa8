/* The ledger against a plain list of rows, while one allocation in three fails: a reservation is whole or changes
 * nothing, and after it neither entering nor removing rows needs memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fault/fault.h"
#include "models/private.h"

enum { ROWS = 3000, STEPS = 6000, CONTENTS = 700, PARTS = 9 };

typedef struct row {
    bool in;
    tag content, id;
    uint32_t part, entry;
} row;

static row rows[ROWS];

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static tag tag_of(uint64_t n)
{
    tag t = {{0}};

    n = (n + 1) * 0x9e3779b97f4a7c15u;
    memcpy(t.b, &n, sizeof n);
    return t;
}

/* Rows of the same content may be many, also in one part; an id is one row's. */
static void assert_agrees(const ledger *g, uint64_t content, uint32_t part)
{
    const tag t = tag_of(content);
    const uint32_t e = ledger_in_part(g, &t, part);
    bool some = false;

    for (int i = 0; i < ROWS; i++)
        if (rows[i].in && rows[i].part == part && memcmp(&rows[i].content, &t, sizeof t) == 0)
            some = true;
    assert_int_equal(e != UINT32_MAX, some);
    if (some)
        assert_true(g->entries[e].part == part && memcmp(&g->entries[e].row, &t, sizeof t) == 0);
}

static void assert_ids(const ledger *g)
{
    for (int i = 0; i < ROWS; i++) {
        if (tag_is_zero(&rows[i].id))
            continue;
        assert_int_equal(tagmap_find(&g->by_id, &rows[i].id, NULL, NULL), rows[i].in ? rows[i].entry : UINT32_MAX);
    }
}

static size_t enter(ledger *g, uint64_t *s, size_t most)
{
    size_t n = 0;

    for (int i = 0; i < ROWS && n < most; i++) {
        row *r = &rows[i];

        if (r->in)
            continue;
        *r = (row){.in = true, .content = tag_of(next(s) % CONTENTS), .part = (uint32_t)(next(s) % PARTS)};
        if (i % 3)
            r->id = tag_of((uint64_t)i + 1000000);
        r->entry = ledger_put(g, &r->content, &r->id, r->part);
        n++;
    }
    return n;
}

static void is_a_list_of_rows(void **state)
{
    uint64_t s = 88172645463325252u;
    size_t live = 0, refused = 0, most = 0;
    zo_error err = {0};
    ledger g;

    (void)state;
    ledger_init(&g);
    for (int step = 0; step < STEPS; step++) {
        const size_t n = next(&s) % 40;

        if (live + n <= ROWS && step / 500 % 2 == 0) {
            zo_fault_alloc_arm(next(&s) % 3 + 1, true);
            const zo_status rc = ledger_reserve(&g, n, &err);
            zo_fault_alloc_disarm();
            zo_fault_alloc_arm(1, true); /* none is needed from here on */
            if (rc == ZO_OK)
                live += enter(&g, &s, n);
            else
                refused += rc == ZO_ENOMEM;
            assert_false(zo_fault_alloc_disarm());
        }
        zo_fault_alloc_arm(1, true);
        for (size_t k = 0; k < n && live; k++) {
            row *r = &rows[next(&s) % ROWS];

            if (!r->in || (step / 500 % 2 == 0 && k % 2))
                continue;
            ledger_remove(&g, r->entry);
            r->in = false;
            live--;
        }
        assert_false(zo_fault_alloc_disarm());
        most = live > most ? live : most;
        assert_int_equal(g.n_entries - g.n_free, live);
        assert_true(g.by_row.used <= CONTENTS);
        assert_agrees(&g, next(&s) % CONTENTS, (uint32_t)(next(&s) % PARTS));
        if (step % 100 == 0)
            assert_ids(&g);
    }
    assert_true(refused > 3 && most > 1000);
    ledger_fini(&g);
}

/* At every number of rows, also where an array is just full. */
static void one_more_always_has_room(void **state)
{
    const tag none = {{0}};
    ledger g;

    (void)state;
    ledger_init(&g);
    for (uint32_t i = 0; i < 5000; i++) {
        const tag t = tag_of(i);

        assert_int_equal(ledger_reserve(&g, 1, NULL), ZO_OK);
        assert_true(g.n_entries < g.cap_entries && g.n_entries < g.cap_free);
        assert_int_equal(ledger_put(&g, &t, &none, 0), i);
    }
    assert_int_equal(g.by_id.used, 0);
    ledger_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_a_list_of_rows), cmocka_unit_test(one_more_always_has_room)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
