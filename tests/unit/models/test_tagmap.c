/* Tag map against a plain list: tags whose first bytes agree, several indices of one tag, chains that go round the end
 * of the table and are broken in their middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "models/tagmap.h"

enum { INDICES = 400, TAGS = 60, STEPS = 20000 };

static tag tags[INDICES];

static const tag *key(const void *owner, uint32_t i)
{
    return &((const tag *)owner)[i];
}

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* One of TAGS tags, whose homes are only a few slots at either end of the table. */
static tag tag_of(unsigned which)
{
    static const uint64_t homes[] = {0, 1, 2, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 7};
    tag t = {{0}};

    memcpy(t.b, &homes[which % 6], sizeof homes[0]);
    t.b[8] = (uint8_t)which;
    return t;
}

static bool is_even(const void *ctx, uint32_t index)
{
    (void)ctx;
    return index % 2 == 0;
}

/* What find may answer is what is in the list under that tag. */
static void assert_finds(const tagmap *m, const bool *in, unsigned which)
{
    const tag t = tag_of(which);
    const uint32_t any = tagmap_find(m, &t, NULL, NULL), even = tagmap_find(m, &t, is_even, NULL);
    bool some = false, some_even = false;

    for (uint32_t i = 0; i < INDICES; i++)
        if (in[i] && memcmp(&tags[i], &t, sizeof t) == 0) {
            some = true;
            some_even |= i % 2 == 0;
        }
    assert_int_equal(any != UINT32_MAX, some);
    assert_int_equal(even != UINT32_MAX, some_even);
    if (some)
        assert_true(in[any] && memcmp(&tags[any], &t, sizeof t) == 0);
    if (some_even)
        assert_true(in[even] && even % 2 == 0 && memcmp(&tags[even], &t, sizeof t) == 0);
}

static void is_a_list_with_an_index(void **state)
{
    static bool in[INDICES];
    uint64_t s = 88172645463325252u;
    size_t n = 0, most = 0;
    tagmap m;

    (void)state;
    tagmap_init(&m, key, tags);
    assert_int_equal(tagmap_find(&m, &tags[0], NULL, NULL), UINT32_MAX);
    for (int step = 0; step < STEPS; step++) {
        const uint32_t i = (uint32_t)(next(&s) % INDICES);
        const bool fill = step / 2000 % 2 == 0; /* grows for a while, shrinks for a while */

        if (!in[i] && (fill || next(&s) % 4 == 0)) {
            tags[i] = tag_of((unsigned)(next(&s) % TAGS));
            assert_int_equal(tagmap_reserve(&m, 1, NULL), ZO_OK);
            tagmap_put(&m, i);
            in[i] = true;
            n++;
        } else if (in[i] && (!fill || next(&s) % 4 == 0)) {
            tagmap_remove(&m, i);
            in[i] = false;
            n--;
        }
        most = n > most ? n : most;
        assert_int_equal(m.used, n);
        if (step % 16 == 0)
            for (unsigned t = 0; t < TAGS; t++)
                assert_finds(&m, in, t);
    }
    assert_true(most > INDICES / 2);
    tagmap_fini(&m);
}

/* Every index is still found when the others of its chain have gone, in whatever order. */
static void a_chain_survives_any_removal(void **state)
{
    enum { CHAIN = 9 };
    tagmap m;

    (void)state;
    tagmap_init(&m, key, tags);
    for (uint32_t order = 0; order < 1000; order++) {
        uint64_t s = 2654435761u * (order + 1);
        uint32_t left[CHAIN];
        unsigned first = (unsigned)(next(&s) % 6);

        assert_int_equal(tagmap_reserve(&m, CHAIN, NULL), ZO_OK);
        for (uint32_t i = 0; i < CHAIN; i++) {
            tags[i] = tag_of(first + 6 * i % 12 + (next(&s) % 2 ? 1 : 0));
            tags[i].b[9] = (uint8_t)i; /* each its own */
            tagmap_put(&m, i);
            left[i] = i;
        }
        for (uint32_t n = CHAIN; n > 0; n--) {
            const uint32_t at = (uint32_t)(next(&s) % n);

            tagmap_remove(&m, left[at]);
            assert_int_equal(tagmap_find(&m, &tags[left[at]], NULL, NULL), UINT32_MAX);
            left[at] = left[n - 1];
            for (uint32_t i = 0; i < n - 1; i++)
                assert_int_equal(tagmap_find(&m, &tags[left[i]], NULL, NULL), left[i]);
        }
    }
    tagmap_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_a_list_with_an_index),
                                       cmocka_unit_test(a_chain_survives_any_removal)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
