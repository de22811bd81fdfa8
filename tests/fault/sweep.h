/* n-th failure sweeps: a script is run once to count the points at which it may fail, then once for each point, which
 * fails then, alone or with all that come after it. ZEROTH_DEEP=1 takes every point, else a sample of them. */
#ifndef ZO_TESTS_FAULT_SWEEP_H
#define ZO_TESTS_FAULT_SWEEP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fault/fault.h"

static inline bool deep(void)
{
    const char *s = getenv("ZEROTH_DEEP");

    return s && strcmp(s, "1") == 0;
}

typedef struct sweep {
    const char *name;
    unsigned ops; /* ZO_FAULT_... of files */
    zo_fault_how how;
    bool persistent, alloc; /* alloc: allocations fail, not files */
} sweep;

/* What SQLite is to use. */
static inline const char *sweep_vfs(const sweep *w)
{
    return w->alloc ? NULL : ZO_FAULT_VFS;
}

static inline void sweep_arm(const sweep *w, uint64_t k)
{
    if (w->alloc)
        zo_fault_alloc_arm(k, w->persistent);
    else
        zo_fault_vfs_arm(w->ops, w->how, k, w->persistent);
}

/* Did it strike? */
static inline bool sweep_disarm(const sweep *w, uint64_t *points_out)
{
    *points_out = w->alloc ? zo_fault_alloc_calls() : zo_fault_vfs_calls();
    return w->alloc ? zo_fault_alloc_disarm() : zo_fault_vfs_disarm();
}

/* run makes and judges one run whose k-th point fails; true when there was such a point. */
static inline void sweep_points(const sweep *w, uint64_t sampled,
                                bool (*run)(const sweep *w, uint64_t k, uint64_t *points_out))
{
    uint64_t points = 0, now, runs = 0, strikes = 0;

    run(w, UINT64_MAX, &points); /* count */
    const uint64_t step = deep() || points <= sampled ? 1 : points / sampled;
    for (uint64_t k = 1; k <= points;
         k += step == 1 ? 1 : 1 + (k * 2654435761u >> 7) % (2 * step - 1)) { /* on average */
        if (getenv("ZO_TEST_LOG"))
            print_message("%s %llu\n", w->name, (unsigned long long)k);
        strikes += run(w, k, &now);
        runs++;
    }
    print_message("%-28s %5llu points, %4llu runs, %4llu struck\n", w->name, (unsigned long long)points,
                  (unsigned long long)runs, (unsigned long long)strikes);
    assert_true(strikes * 10 >= runs * 8); /* threads make the count vary a little */
}

#endif
