/* Status codes and the one error a call reports. A function that can fail returns zo_status and fills the zo_error its
 * caller passed. Codes tell the caller what to do, the message tells a person, the pointer tells a client where. */
#ifndef ZEROTH_ERROR_H
#define ZEROTH_ERROR_H

#include "zeroth/base.h"

/* code, slug of the problem type */
#define ZO_STATUS_LIST(X)                                                                                     \
    X(EMALFORMED, "malformed")       /* not what the grammar or schema allows: bad JSON, wrong type (400) */   \
    X(EINVAL, "invalid")             /* well formed, but out of range or inconsistent (422) */                 \
    X(EUNSUPPORTED, "unsupported")   /* the named part can't do what was asked (422) */                        \
    X(ENOTFOUND, "not-found")        /* 404 */                                                                 \
    X(ECONFLICT, "conflict")         /* the current state forbids it (409) */                                  \
    X(EGONE, "gone")                 /* 410 */                                                                 \
    X(EPRECONDITION, "precondition") /* If-Match does not hold (412) */                                        \
    X(ETOOLARGE, "too-large")        /* 413 */                                                                 \
    X(ELIMIT, "limit")               /* a quota is used up: try again later (429) */                           \
    X(EBUSY, "busy")                 /* overloaded or draining: try again later (503) */                       \
    X(EFULL, "full")                 /* the disk is full (507) */                                              \
    X(ESTORE, "store")               /* the store failed or is read-only (503) */                              \
    X(ENUMERIC, "numeric")           /* the data defeat the arithmetic (422) */                                \
    X(ENOMEM, "memory")              /* 503 */                                                                 \
    X(ECANCELED, "canceled")         /* 503 */                                                                 \
    X(EINTERNAL, "internal")         /* our bug, contained (500) */
#define X(code, slug) ZO_##code,
typedef enum zo_status { ZO_OK = 0, ZO_STATUS_LIST(X) ZO_STATUS_COUNT } zo_status;
#undef X

typedef struct zo_error {
    zo_status code;
    char message[512]; /* one line, fit for a client, holding no sample data */
    char pointer[128]; /* RFC 6901 JSON Pointer to the field at fault; "" is the whole body */
    size_t position;   /* of a syntax error, in bytes of the text; 0: none */
} zo_error;

/* Both return err->code; err may be NULL (then only the code is returned). zo_fail_at prefixes the pointer: the callee
 * knows what, the caller where: zo_fail(err, ZO_EINVAL, "/high", ...) then zo_fail_at(err, "/space/%zu", i). With a NULL err
 * zo_fail_at cannot know the code and returns ZO_EINTERNAL: where the code matters, pass an error. */
zo_status zo_fail(zo_error *err, zo_status code, const char *pointer, const char *fmt, ...) ZO_PRINTF(4, 5);
zo_status zo_fail_at(zo_error *err, const char *prefix_fmt, ...) ZO_PRINTF(2, 3);
zo_status zo_fail_nomem(zo_error *err);
/* Slug of a code ("invalid"); "ok" for ZO_OK. Static string. */
const char *zo_status_slug(zo_status code);
/* Append key to pointer as one RFC 6901 token (escapes ~ and /), truncating at size. */
void zo_pointer_append(char *pointer, size_t size, const char *key);

#endif
