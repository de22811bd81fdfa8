/* SQLite's memory comes from the one allocator, so that a fault test reaches it too. SQLite asks for a block's size now
 * and then, which zo_malloc can't tell: each block is preceded by it. */
#include "internal.h"

#include <limits.h>
#include <stdalign.h>

enum { HEAD = alignof(max_align_t) };
_Static_assert(HEAD >= sizeof(size_t), "the size fits before the block");

static void *block_new(int bytes)
{
    unsigned char *p = bytes > 0 ? zo_malloc((size_t)bytes + HEAD) : NULL;

    if (!p)
        return NULL;
    *(size_t *)(void *)p = (size_t)bytes;
    return p + HEAD;
}

static void block_free(void *p)
{
    if (p)
        zo_free((unsigned char *)p - HEAD);
}

static void *block_resize(void *p, int bytes)
{
    unsigned char *q = zo_realloc((unsigned char *)p - HEAD, (size_t)bytes + HEAD);

    if (!q)
        return NULL;
    *(size_t *)(void *)q = (size_t)bytes;
    return q + HEAD;
}

static int block_bytes(void *p)
{
    return p ? (int)*(size_t *)(void *)((unsigned char *)p - HEAD) : 0;
}

static int block_round(int bytes)
{
    return bytes > INT_MAX - 8 ? bytes : (bytes + 7) & ~7;
}

static int memory_init(void *data)
{
    (void)data;
    return SQLITE_OK;
}

static void memory_shutdown(void *data)
{
    (void)data;
}

static void init_library(void)
{
    static sqlite3_mem_methods methods = {
        .xMalloc = block_new,
        .xFree = block_free,
        .xRealloc = block_resize,
        .xSize = block_bytes,
        .xRoundup = block_round,
        .xInit = memory_init,
        .xShutdown = memory_shutdown,
    };

    /* SQLITE_MISUSE: somebody started SQLite before us. Then its defaults serve; only counted faults would miss it. */
    (void)sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* else every allocation of every thread takes one mutex */
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

void zo_conn_init_library(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, init_library);
}
