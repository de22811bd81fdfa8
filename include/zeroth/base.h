/* Small things every file needs: array length, assertions, format checking, the allocator. */
#ifndef ZEROTH_BASE_H
#define ZEROTH_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZO_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define ZO_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define ZO_NODISCARD __attribute__((warn_unused_result))

/* For our own mistakes only: cheap, on in release. Logs the expression on stderr and aborts; the event log replays. */
#define ZO_ASSERT(expr) ((expr) ? (void)0 : zo_assert_failed(#expr, __FILE__, __LINE__))
#ifdef NDEBUG
#define ZO_ASSERT_SLOW(expr) ((void)0)
#else
#define ZO_ASSERT_SLOW(expr) ZO_ASSERT(expr)
#endif
_Noreturn void zo_assert_failed(const char *expr, const char *file, int line);

static inline double zo_clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* The one allocator of core and server. Fault tests replace this whole translation unit (core/base/alloc.c) at link
 * time to make the k-th call fail, so nothing else may call malloc. Like their libc namesakes; free accepts NULL. */
ZO_NODISCARD void *zo_malloc(size_t bytes);
ZO_NODISCARD void *zo_calloc(size_t count, size_t bytes); /* zeroed; NULL if count*bytes overflows */
ZO_NODISCARD void *zo_realloc(void *p, size_t bytes);
ZO_NODISCARD void *zo_memalign64(size_t bytes); /* 64-byte aligned; freed with zo_free */
ZO_NODISCARD char *zo_strdup(const char *s);
void zo_free(void *p);

#endif
