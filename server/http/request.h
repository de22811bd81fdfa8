/* A request as the API sees it: no connection, no libmicrohttpd.
 *
 * A handler runs on the loop thread. It either fails (the dispatcher writes the problem), replies at once, or keeps the request
 * (zo_req_keep) and hands it to another thread; that thread then owns it, may read the body and set the reply, and gives it
 * back with zo_req_done. Exactly one zo_req_done per kept request. */
#ifndef ZO_HTTP_REQUEST_H
#define ZO_HTTP_REQUEST_H

#include "zeroth/arena.h"
#include "zeroth/error.h"
#include "codec/jsonwrite.h"

typedef struct zo_req zo_req;
typedef enum zo_method { ZO_GET = 1, ZO_POST = 2, ZO_PATCH = 4, ZO_DELETE = 8, ZO_PUT = 16 } zo_method; /* HEAD follows GET */
/* What a key must allow; keys come later, the column exists from the first day. */
typedef enum zo_scope { ZO_SCOPE_PUBLIC, ZO_SCOPE_READ, ZO_SCOPE_WRITE, ZO_SCOPE_ADMIN } zo_scope;

typedef zo_status (*zo_handler)(zo_req *req, zo_error *err); /* [loop] */
enum { ZO_ROUTE_BODY_JSON = 1 /* 415 unless application/json (parameters allowed) when a body is present */,
       ZO_ROUTE_BODY_LINES = 2 /* application/x-ndjson or application/jsonl, also application/json */,
       ZO_ROUTE_BODY_ARRAYS = 8 /* application/vnd.safetensors as well, of up to 8 MiB */,
       ZO_ROUTE_BODY_LARGE = 16 /* with ARRAYS: of up to the daemon's max_large_bytes */,
       ZO_ROUTE_BODY_OPTIONAL = 4 /* an empty body is fine (POST without Content-Length is then fine too) */ };
typedef struct zo_route {
    zo_method method;
    const char *pattern;     /* "/v1/studies/{study}/trials/{number}"; literal segments win over {captures} */
    zo_scope scope;
    zo_handler handler;
    uint32_t flags;
    size_t max_body_bytes;   /* 0: the daemon's JSON limit (1 MiB) */
} zo_route;

/* ---- reading: [loop] in the handler, or the owner after zo_req_keep ---- */
void *zo_req_app(const zo_req *r);                                  /* what zo_http_open was given */
const zo_route *zo_req_route(const zo_req *r);
const char *zo_req_param(const zo_req *r, const char *name);        /* path capture; asserts that the route has it */
/* Query parameter, percent-decoded; NULL if absent. A parameter outside `allowed` is refused by zo_req_query_check:
 * ZO_EMALFORMED "unknown query parameter", pointer "". Duplicates are refused too. */
const char *zo_req_query(const zo_req *r, const char *name);
zo_status zo_req_query_check(const zo_req *r, const char *const *allowed, size_t n, zo_error *err);
const char *zo_req_header(const zo_req *r, const char *name);       /* kept: Idempotency-Key, If-Match, If-None-Match, Accept, Content-Type, Authorization; NULL if absent */
const char *zo_req_body(const zo_req *r, size_t *bytes_out);        /* NUL-terminated, lent until done */
zo_arena *zo_req_arena(zo_req *r);                                  /* dies with the reply */

/* ---- replying ---- */
void zo_req_header_set(zo_req *r, const char *name, const char *value);  /* ETag, Location, Retry-After...; copied */
/* Set the reply; body is zo_malloc'd and taken (NULL, 0 for none). Any thread that owns the request. */
void zo_req_reply(zo_req *r, unsigned status, const char *content_type, char *body, size_t bytes);
/* Take the writer's text, and an end of line, as application/json; a writer that ran out of memory becomes a 503 problem. */
void zo_req_reply_json(zo_req *r, unsigned status, zo_json *w);
/* application/problem+json from an error; adds Retry-After for ELIMIT/EBUSY/ESTORE. Status from the code (http/problem.c). */
void zo_req_problem(zo_req *r, const zo_error *e);
/* The same with one string member more; key NULL: without. */
void zo_req_problem_with(zo_req *r, const zo_error *e, const char *key, const char *value);
/* A problem that is HTTP's own, with a slug that is no status code's. */
void zo_req_problem_as(zo_req *r, unsigned status, const char *slug, const char *detail);
unsigned zo_req_status(const zo_req *r);                            /* of the reply set so far; 0: none */
void zo_req_replied_body(const zo_req *r, const char **body, size_t *bytes); /* to store with an Idempotency-Key */
unsigned zo_status_http(zo_status code);

/* ---- asynchronous ---- */
void zo_req_keep(zo_req *r);                          /* [loop] the reply comes later */
/* [loop] Called on the loop when the client goes away while the request is kept (long-poll); NULL to unset. The request must still
 * be finished with zo_req_done. Set it only for requests that really wait: it costs a watcher. */
void zo_req_on_gone(zo_req *r, void (*gone)(zo_req *r, void *ctx), void *ctx);
/* [any] Hand back n kept requests, replies set: one lock and one wake-up for all. */
void zo_req_done(zo_req *const *reqs, size_t n);

/* ---- streams (export): chunks made by another thread ---- */
typedef struct zo_stream zo_stream;
/* [loop or owner] Reply with status 200 and a chunked body. `more` is called on the loop each time the last chunk has been sent:
 * the callee makes the next one on any thread and calls zo_stream_push once. `closed` is called once on the loop at the end
 * or when the client has gone; no push may follow it... except the one still owed, which is then dropped. The request must be
 * given back with zo_req_done if it was kept. HEAD gets headers only (more is never called). */
zo_stream *zo_req_stream(zo_req *r, const char *content_type, void (*more)(zo_stream *s, void *ctx),
                         void (*closed)(zo_stream *s, void *ctx), void *ctx);
/* [any] Next chunk (zo_malloc'd, taken); last ends the body. abort: a broken chunked body tells the client that it is not whole. */
void zo_stream_push(zo_stream *s, char *data, size_t bytes, bool last);
void zo_stream_abort(zo_stream *s);

#endif
