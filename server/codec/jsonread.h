/* JSON reader: bounds first, then jansson, then tables. A body is refused before it can cost more memory than its size warrants;
 * a decoded object has only known fields of the right types. All functions are pure: any thread. */
#ifndef ZO_CODEC_JSONREAD_H
#define ZO_CODEC_JSONREAD_H

#include <jansson.h>

#include "zeroth/arena.h"
#include "zeroth/error.h"
#include "zeroth/space.h"

/* Once, before any thread: jansson allocates through zo_malloc and has its hash seed. */
void zo_json_start(void);

typedef struct zo_json_limits {
    unsigned depth;  /* 0: 32 */
    size_t tokens;   /* 0: 200,000 keys and values */
} zo_json_limits;
/* Linear pre-scan of raw bytes: ZO_EMALFORMED when nested too deep, ZO_ETOOLARGE when there are too many tokens. limits may be NULL.
 * It judges size only: what is no JSON passes, for the parser to refuse. */
zo_status zo_json_scan(const char *body, size_t n, const zo_json_limits *limits, zo_error *err);
/* The one way in: scan, then parse; the top level must be an object (zo_json_parse) or may be anything (zo_json_parse_any).
 * ZO_EMALFORMED with pointer "" and the position in the message: syntax, duplicate keys, trailing text, empty body, numbers beyond
 * double or 64 bits. *out is the caller's reference (json_decref). */
zo_status zo_json_parse(const char *body, size_t n, const zo_json_limits *limits, json_t **out, zo_error *err);
zo_status zo_json_parse_any(const char *body, size_t n, const zo_json_limits *limits, json_t **out, zo_error *err);

/* ---- one value; the pointer of an error is "" for the caller to prefix. ZO_EMALFORMED wrong type, ZO_EINVAL out of range ---- */
#define ZO_JSON_INTEGER_MAX 9007199254740992 /* 2^53: what every client's numbers hold exactly */
zo_status zo_json_get_f64(const json_t *v, double *out, zo_error *err);
zo_status zo_json_get_u64(const json_t *v, uint64_t *out, zo_error *err);  /* 0..2^53; 3.0 and 3e2 are integers too */
zo_status zo_json_get_i64(const json_t *v, int64_t *out, zo_error *err);   /* -2^53..2^53 */
zo_status zo_json_get_bool(const json_t *v, bool *out, zo_error *err);
zo_status zo_json_get_string(const json_t *v, const char **out, zo_error *err); /* lent by v */
/* "90s" "10m" "2h" "1.5h" "7d" "250ms", or a number of seconds; >= 0 */
zo_status zo_json_get_duration(const json_t *v, int64_t *ms_out, zo_error *err);
zo_status zo_duration_parse(const char *text, int64_t *ms_out, zo_error *err);
/* RFC 3339 with Z or an offset: "2026-11-24T15:26:00.123Z". Digits beyond milliseconds are dropped. */
zo_status zo_json_get_time(const json_t *v, int64_t *wall_ms_out, zo_error *err);
zo_status zo_time_parse(const char *text, int64_t *wall_ms_out, zo_error *err);
/* Any value that a parameter may have: null, number, string, boolean, array of numbers. Copied into the arena. An integer beyond 2^53
 * is ZO_EINVAL; the pointer of a wrong array element is /{index}. */
zo_status zo_json_scalar(const json_t *v, zo_arena *arena, zo_scalar *out, zo_error *err);

/* ---- an object, by table ---- */
typedef enum zo_field_type {
    ZO_F_STRING,      /* const char *, lent by the json_t; low, high bound its length in bytes */
    ZO_F_F64,         /* double */
    ZO_F_U64,         /* uint64_t */
    ZO_F_BOOL,        /* bool */
    ZO_F_DURATION_MS, /* int64_t; low, high in milliseconds */
    ZO_F_TIME_MS,     /* int64_t */
    ZO_F_ANY,         /* const json_t *, lent; null too */
    ZO_F_OBJECT,      /* const json_t *, lent */
    ZO_F_ARRAY,       /* const json_t *, lent; low, high bound its length */
} zo_field_type;
typedef struct zo_field {
    const char *name;
    zo_field_type type;
    size_t offset;     /* into the struct at out */
    bool required;
    double low, high;  /* inclusive; both 0: no bounds */
} zo_field;
/* Read obj into the struct at out; absent optional fields leave it as it was. Bit i of *seen_out (may be NULL) is set if field i was
 * there; n <= 64. ZO_EMALFORMED: not an object, unknown field, wrong type, missing field; ZO_EINVAL: out of bounds. The pointer is
 * /{name}. On failure out may be partly written. */
zo_status zo_json_read(const json_t *obj, const zo_field *fields, size_t n, void *out, uint64_t *seen_out, zo_error *err);

#endif
