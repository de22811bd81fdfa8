/* The one allocator: thin names over libc, alone in this file so that a fault test can replace the whole translation
 * unit by its own six functions and make the k-th allocation fail. Nothing else in core or server calls malloc.
 *
 * glibc can be told to overwrite what is freed (zerothd does so), but leaves a block's last word: it lies in the next
 * block's head. That word is cleared here, so that nothing at all stays behind. */
#include "zeroth/base.h"

#include <malloc.h>
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

/* Where a block's last word begins, and what was in it. */
struct last_word {
    size_t at;
    uint64_t was;
};

static bool take_last_word(void *p, struct last_word *w)
{
    const size_t bytes = p ? malloc_usable_size(p) : 0;

    if (bytes < sizeof w->was)
        return false;
    w->at = bytes - sizeof w->was;
    memcpy(&w->was, (char *)p + w->at, sizeof w->was);
    explicit_bzero((char *)p + w->at, sizeof w->was);
    return true;
}

/* The block may move, and a shrunk one gives its end back: the word is put back where there is still room for it. */
void *zo_realloc(void *p, size_t bytes)
{
    struct last_word w;
    const bool taken = take_last_word(p, &w);
    void *q = realloc(p, bytes ? bytes : 1);

    if (taken && !q)
        memcpy((char *)p + w.at, &w.was, sizeof w.was);
    else if (taken && bytes > w.at)
        memcpy((char *)q + w.at, &w.was, bytes - w.at < sizeof w.was ? bytes - w.at : sizeof w.was);
    return q;
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
    struct last_word w;

    take_last_word(p, &w);
    free(p);
}
