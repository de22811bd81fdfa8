/* The one allocator: thin names over libc, alone in this file so that a fault test can replace the whole translation unit
 * by its own six functions and make the k-th allocation fail. Nothing else in core or server calls malloc. */
#include "zeroth/base.h"

#include <stdlib.h>
#include <string.h>

void *zo_malloc(size_t bytes)
{
    return malloc(bytes ? bytes : 1);
}

void *zo_calloc(size_t count, size_t bytes)
{
    size_t product;

    /* checked here: sanitizers abort on an overflow instead of returning NULL */
    if (__builtin_mul_overflow(count, bytes, &product))
        return NULL;
    return calloc(1, product ? product : 1);
}

void *zo_realloc(void *p, size_t bytes)
{
    return realloc(p, bytes ? bytes : 1);
}

void *zo_memalign64(size_t bytes)
{
    void *p = NULL;

    /* Not aligned_alloc: that wants a size that is a multiple of the alignment, and rounding hides overruns. */
    return posix_memalign(&p, 64, bytes ? bytes : 1) == 0 ? p : NULL;
}

char *zo_strdup(const char *s)
{
    return strdup(s);
}

void zo_free(void *p)
{
    free(p);
}
