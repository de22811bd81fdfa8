/* JSON writer: appends to a growing buffer. Commas are placed by the writer. Running out of memory sets a sticky flag that is
 * checked once, at zo_json_take: every other call may be made blindly. One owner at a time, any thread. */
#ifndef ZO_CODEC_JSONWRITE_H
#define ZO_CODEC_JSONWRITE_H

#include "zeroth/base.h"
#include "zeroth/space.h"

typedef struct zo_json {
    char *text;          /* not terminated until taken */
    size_t len, cap;
    bool comma, failed;  /* the next value needs a comma first; out of memory */
} zo_json;

void zo_json_init(zo_json *w);
void zo_json_fini(zo_json *w);
/* The finished text, NUL-terminated, zo_malloc'd and the caller's; NULL if memory ran out. The writer is empty afterwards and may be
 * used again. bytes_out may be NULL. */
ZO_NODISCARD char *zo_json_take(zo_json *w, size_t *bytes_out);
bool zo_json_failed(const zo_json *w);
/* Drop the text, keep the buffer and forget a failure. */
void zo_json_reset(zo_json *w);

void zo_json_begin_object(zo_json *w);
void zo_json_end_object(zo_json *w);
void zo_json_begin_array(zo_json *w);
void zo_json_end_array(zo_json *w);
void zo_json_key(zo_json *w, const char *key);
void zo_json_string(zo_json *w, const char *s);                 /* NULL writes null; bytes that are no UTF-8 become U+FFFD */
void zo_json_string_n(zo_json *w, const char *s, size_t n);     /* may hold NUL */
void zo_json_u64(zo_json *w, uint64_t v);
void zo_json_i64(zo_json *w, int64_t v);
void zo_json_bool(zo_json *w, bool v);
void zo_json_null(zo_json *w);
/* Shortest text that parses back to v. Whole numbers up to 2^53 have no fraction or exponent; non-finite values become null. */
void zo_json_double(zo_json *w, double v);
void zo_json_raw(zo_json *w, const char *text, size_t n);       /* a value that is JSON already */
void zo_json_time(zo_json *w, int64_t wall_ms);                 /* "2026-11-24T15:26:00.123Z" */
void zo_json_duration(zo_json *w, int64_t ms);                  /* "10m": the largest of d h m s ms that divides it */
void zo_json_scalar_write(zo_json *w, const zo_scalar *s);      /* a parameter's value */

/* key and value in one call */
void zo_json_key_string(zo_json *w, const char *key, const char *s);
void zo_json_key_u64(zo_json *w, const char *key, uint64_t v);
void zo_json_key_i64(zo_json *w, const char *key, int64_t v);
void zo_json_key_bool(zo_json *w, const char *key, bool v);
void zo_json_key_double(zo_json *w, const char *key, double v);
void zo_json_key_time(zo_json *w, const char *key, int64_t wall_ms);
void zo_json_key_null(zo_json *w, const char *key);

/* Text outside the grammar, with no comma before or after it: line ends of JSON lines, metrics text, event streams. */
void zo_json_text(zo_json *w, const char *text, size_t n);
void zo_json_textf(zo_json *w, const char *fmt, ...) ZO_PRINTF(2, 3);

/* The numbers alone. They return the length and do not terminate. */
enum { ZO_DOUBLE_CHARS = 26, ZO_TIME_CHARS = 30 };
size_t zo_u64_print(uint64_t v, char text[20]);
size_t zo_double_print(double v, char text[ZO_DOUBLE_CHARS]);   /* v finite */
size_t zo_time_print(int64_t wall_ms, char text[ZO_TIME_CHARS]); /* years 0 to 9999; others are clamped */

#endif
