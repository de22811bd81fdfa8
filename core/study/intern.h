/* Interned byte strings: workers and provenance repeat over millions of trials, so a row holds a small number instead. Entries are
 * never dropped; 0 is no string. */
#ifndef ZO_STUDY_INTERN_H
#define ZO_STUDY_INTERN_H

#include "zeroth/base.h"

struct intern_entry {
    uint64_t hash;
    const char *p;      /* n bytes and a final NUL */
    uint32_t n;
};
struct intern_chunk;
struct intern {
    struct intern_entry *items;
    uint32_t *table;    /* index + 1, 0: free */
    size_t n, cap, n_table;
    struct intern_chunk *chunks;
    size_t bytes;
};
void intern_fini(struct intern *in);
void intern_wipe(struct intern *in); /* overwrite all bytes, before intern_fini */
/* Room for count new strings of bytes in all: that many intern_add calls can't fail. */
ZO_NODISCARD bool intern_reserve(struct intern *in, size_t count, size_t bytes);
uint32_t intern_add(struct intern *in, const char *p, size_t n);    /* number of the string, >= 1 */
uint32_t intern_find(const struct intern *in, const char *p, size_t n); /* 0: not there */
static inline const char *intern_get(const struct intern *in, uint32_t i)
{
    return i ? in->items[i - 1].p : NULL;
}

#endif
