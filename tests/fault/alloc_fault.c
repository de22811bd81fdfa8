/* The allocator of core and server with a countdown: linked as an object it takes the place of core/base/alloc.c. */
#include "fault.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "zeroth/base.h"

static _Atomic uint64_t calls, strike_at; /* strike_at 0: never */
static _Atomic bool persists, struck;

void zo_fault_alloc_arm(uint64_t k, bool persistent)
{
    atomic_store(&strike_at, 0);
    atomic_store(&calls, 0);
    atomic_store(&struck, false);
    atomic_store(&persists, persistent);
    atomic_store(&strike_at, k);
}

bool zo_fault_alloc_disarm(void)
{
    atomic_store(&strike_at, 0);
    return atomic_load(&struck);
}

uint64_t zo_fault_alloc_calls(void)
{
    return atomic_load(&calls);
}

static bool strikes(void)
{
    const uint64_t n = atomic_fetch_add(&calls, 1) + 1, k = atomic_load(&strike_at);

    if (k == 0 || n < k || (n > k && !atomic_load(&persists)))
        return false;
    atomic_store(&struck, true);
    return true;
}

void *zo_malloc(size_t bytes)
{
    return strikes() ? NULL : malloc(bytes ? bytes : 1);
}

void *zo_calloc(size_t count, size_t bytes)
{
    size_t product;

    if (strikes() || __builtin_mul_overflow(count, bytes, &product))
        return NULL;
    return calloc(1, product ? product : 1);
}

void *zo_realloc(void *p, size_t bytes)
{
    return strikes() ? NULL : realloc(p, bytes ? bytes : 1);
}

void *zo_memalign64(size_t bytes)
{
    void *p = NULL;

    return !strikes() && posix_memalign(&p, 64, bytes ? bytes : 1) == 0 ? p : NULL;
}

char *zo_strdup(const char *s)
{
    return strikes() ? NULL : strdup(s);
}

void zo_free(void *p)
{
    free(p);
}

__attribute__((constructor)) static void arm_from_environment(void)
{
    const char *s = getenv("ZEROTH_FAULT_ALLOC");
    char *end;

    if (s) {
        const uint64_t k = strtoull(s, &end, 10);

        zo_fault_alloc_arm(k, *end == '+');
    }
}

__attribute__((destructor)) static void report(void)
{
    const char *file = getenv("ZEROTH_FAULT_REPORT");
    FILE *f = file ? fopen(file, "a") : NULL;

    if (f) {
        fprintf(f, "alloc calls=%llu struck=%d\n", (unsigned long long)atomic_load(&calls), (int)atomic_load(&struck));
        fclose(f);
    }
}
