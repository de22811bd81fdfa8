/* What the files of this room share. Everything here belongs to the loop thread unless a comment says otherwise.
 *
 * The way of a request: MHD's target callback makes it (request.c), its first handler call guards and routes it
 * (guard.c, router.c), the body is collected (body.c), the route's handler replies, fails or keeps it; a kept
 * request is suspended until inbox.c hands it back; reply.c queues the reply and the completed callback ends it. */
#ifndef ZO_HTTP_INTERNAL_H
#define ZO_HTTP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <microhttpd.h>

#include "base/metrics.h"
#include "http/http.h"

enum {
    HTTP_TARGET_MAX = 4096,      /* longer: 414. These two stay below the library's pool: the answer is ours */
    HTTP_HEADERS_MAX = 8192,     /* longer: 431 */
    HTTP_POOL_BYTES = 16384,     /* the library's memory of a connection */
    HTTP_DRAIN_BODY_MAX = 65536, /* a refused body of at most this is read, to keep the connection */
    HTTP_QUERY_MAX = 32,         /* parameters of one query */
    HTTP_CAPTURES_MAX = 4,       /* {captures} of one route */
    HTTP_REQUESTS_POOLED = 256,  /* finished requests kept for reuse */
    HTTP_BODY_POOLED = 4096,     /* a body buffer of at most this stays with its pooled request */
    HTTP_ARRAYS_MAX = 8 << 20,   /* arrays, where the route takes no large ones */
};

/* ---- requests ---- */

typedef enum http_phase {
    REQ_HEAD,     /* its request line has arrived */
    REQ_BODY,     /* waiting for the rest of its body */
    REQ_HANDLED,  /* in its handler */
    REQ_KEPT,     /* another thread's, its connection suspended */
    REQ_REPLYING, /* the reply is queued */
} http_phase;

/* Headers that handlers may read, in the order of http_kept_headers. */
enum {
    KEPT_CONTENT_TYPE,
    KEPT_ACCEPT,
    KEPT_AUTHORIZATION,
    KEPT_IDEMPOTENCY_KEY,
    KEPT_IF_MATCH,
    KEPT_IF_NONE_MATCH,
    KEPT_HEADERS
};

struct http_pair {
    struct http_pair *next; /* of the reply's headers */
    const char *name, *value;
};

/* What the guard found in the head. */
struct http_head {
    bool chunked, expects_continue;
    bool has_length;
    uint64_t length;
};

struct zo_req {
    zo_http *http;
    struct http_conn *conn; /* NULL for an orphan: the server was closed while another thread had it */
    zo_req *next;           /* in the pool or the inbox */
    zo_arena *arena;
    char id[17];
    http_phase phase;
    bool keep, active; /* zo_req_keep was called; counted in http->n_active */
    bool head, close;  /* a HEAD; the connection ends with the reply */
    bool refused;      /* the reply is a refusal of the head: the body is dropped */

    const char *method;      /* as sent, for the log */
    char *path, *query_text; /* the raw target, cut at '?'; query_text is NULL without one */
    size_t target_bytes;     /* its length as sent; path is "" when it is too long to keep */
    const zo_route *route;
    size_t route_index; /* in http->routes; n_routes when none matched */
    const char *captures[HTTP_CAPTURES_MAX];
    struct http_pair *query;
    size_t n_query;
    const char *headers[KEPT_HEADERS];

    struct http_head frame;
    char *body;
    bool body_mapped; /* body is pages of the system's, not heap */
    size_t body_bytes, body_cap, body_limit;
    size_t dropped_bytes, dropped_limit; /* of a refused body: all that came, and may come */
    size_t charged_bytes;                /* of http->inflight_bytes */
    int64_t start_ms, body_ms;           /* request line seen, body begun; loop time */
    int64_t start_ns;                    /* request line seen, for the latency */

    unsigned status;
    const char *content_type;
    char *reply; /* zo_malloc'd, or static text when reply_static */
    size_t reply_bytes;
    bool reply_static;
    struct http_pair *reply_headers;
    zo_stream *stream;

    void (*gone)(zo_req *r, void *ctx);
    void *gone_ctx;
    struct gone_watch *watch;
};

/* request.c */
zo_req *http_request_new(struct http_conn *c, const char *target); /* NULL when out of memory */
void http_request_release(zo_req *r);                              /* [loop] to the pool */
void http_request_free(zo_req *r);                                 /* [any owner] */
void http_reply_static(zo_req *r, unsigned status, const char *content_type, const char *text);
extern const char *const http_kept_headers[KEPT_HEADERS];

/* body.c */
bool http_has_body(const zo_req *r);                            /* it says that one follows its head */
bool http_body_begin(zo_req *r);                                /* false: refused, the problem is set */
bool http_body_take(zo_req *r, const char *data, size_t bytes); /* false: it never stops; close the connection */
void http_body_refuse(zo_req *r);                               /* what comes from now on is counted and dropped */
void http_body_drop(zo_req *r);                                 /* wiped or freed; it no longer counts */
void http_body_uncharge(zo_req *r);                             /* it no longer counts as in memory */
void http_body_free(zo_req *r);                                 /* [any owner] */
bool http_body_is_large(const zo_req *r);                       /* beyond what an ordinary route takes */

/* query.c: splits and percent-decodes text in place. */
zo_status http_query_parse(char *text, zo_arena *arena, struct http_pair **out, size_t *n_out, zo_error *err);

/* ---- router.c ---- */

typedef struct http_router http_router;
struct http_match {
    const zo_route *route; /* NULL: no such path, or not for this method */
    const char *allow;     /* "GET, HEAD, OPTIONS"; NULL: no such path */
    const char *start[HTTP_CAPTURES_MAX];
    size_t bytes[HTTP_CAPTURES_MAX];
    size_t n;
};
zo_status http_router_new(const zo_route *routes, size_t n, http_router **out, zo_error *err);
void http_router_free(http_router *t);
/* method is 0 for one that no route can have. */
void http_router_match(const http_router *t, unsigned method, const char *path, struct http_match *out);
const char *http_router_allow_all(const http_router *t); /* of OPTIONS * */

/* ---- guard.c: false when refused; the problem is set, and r->close where the framing can't be trusted ---- */
bool http_guard(zo_req *r, struct MHD_Connection *c, const char *method, const char *version);

/* ---- dispatch.c ---- */
void *http_on_target(void *cls, const char *target, struct MHD_Connection *c);
enum MHD_Result http_on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_bytes, void **state);
void http_on_completed(void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode how);

/* ---- reply.c: queue the reply that the request holds ---- */
enum MHD_Result http_reply_queue(zo_req *r);

/* ---- connections and deadlines: deadlines.c ---- */

typedef enum conn_list {
    CONN_FRESH, /* no complete request yet; oldest first */
    CONN_IDLE,  /* between requests, or in the middle of a later one; longest idle first */
    CONN_BUSY,  /* a complete request is being answered */
    CONN_CUT,   /* shut down, waiting for the library to notice */
    CONN_LISTS,
} conn_list;

struct http_conn {
    zo_http *http;
    struct MHD_Connection *mhd;
    int fd;
    conn_list list;
    struct http_conn *prev, *next;
    int64_t deadline; /* loop time; INT64_MAX: none */
    bool suspended;   /* the library does not look at it, and no deadline holds */
    bool settled;     /* looked for a half-close since it last moved */
    zo_req *req;
};

void http_on_connection(void *cls, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode code);
void http_conn_busy(struct http_conn *c); /* its request is complete */
/* Hold the connection back, from inside one of its callbacks; and let it go on, from outside: http_pump must follow. */
void http_conn_suspend(struct http_conn *c);
void http_conn_resume(struct http_conn *c);
void http_conn_replying(struct http_conn *c); /* a reply, or a stream's next chunk, is on its way */
void http_conn_idle(struct http_conn *c);     /* the reply has been sent */
void http_conn_moved(struct http_conn *c);    /* a request line or a piece of a body has come */
void http_reap(uv_timer_t *t);

/* ---- inbox.c: from any thread to the loop ---- */
void http_on_wake(uv_async_t *a);
void http_inbox_add_stream(zo_stream *s); /* lock held */
/* [loop] From now on kept requests have no connection: the threads that give them back free them. What is in the inbox
 * is the loop's. */
void http_inbox_close(zo_http *h);

/* ---- stream.c ---- */
struct zo_stream {
    zo_http *http;
    zo_req *req;
    void (*more)(zo_stream *s, void *ctx);
    void (*closed)(zo_stream *s, void *ctx);
    void *ctx;
    char *chunk; /* being sent; the loop's */
    size_t bytes, sent;
    bool last;
    zo_stream *taken; /* the loop's list of what it took from the inbox */
    /* under http->lock */
    zo_stream *next;
    char *pushed;
    size_t pushed_bytes;
    bool pushed_last, pushed_abort, has_push, queued, owed, detached;
    bool abort; /* the loop's */
};
struct MHD_Response *http_stream_response(zo_stream *s);
void http_stream_deliver(zo_stream *s); /* [loop] a chunk has been pushed */
void http_stream_close(
    zo_stream *s); /* [loop, or the last owner of an orphan] ends it; freed now or with the push still owed */

/* ---- gone.c ---- */
void http_gone_start(zo_req *r);
void http_gone_stop(zo_req *r);

/* ---- record.c: the access log and the counters of each route ---- */
enum { HTTP_STATUSES = 32 };
struct http_route_metrics {
    uint64_t count[HTTP_STATUSES];
    zo_histogram us;
};
void http_record(zo_req *r, bool sent);

/* ---- listen.c ---- */
zo_status http_listen(const char *text, int *fd_out, char *url, size_t url_size, zo_error *err);

/* ---- pump.c ---- */
zo_status http_pump_open(zo_http *h, zo_error *err);
void http_pump(zo_http *h); /* never from inside MHD_run */
void http_pump_stop(zo_http *h);

/* ---- http.c ---- */

struct zo_http {
    zo_http_opts o;
    char url[96];
    uv_loop_t *loop;
    struct MHD_Daemon *mhd;
    http_router *router;
    atomic_size_t refs; /* the opener, each open uv handle, each kept request and each stream */

    uv_poll_t poll;
    uv_idle_t idle;
    uv_timer_t pump_timer, reaper, drain_timer;
    uv_async_t wake;
    bool need_run, in_run;

    struct {
        struct http_conn *first, *last;
    } conns[CONN_LISTS];
    size_t n_conns, n_active; /* open connections; requests whose head has been accepted */
    size_t inflight_bytes;
    zo_req *pool;
    size_t n_pool;
    uint64_t id_seed, id_count;

    bool draining, drained_called;
    void (*drained)(void *ctx);
    void *drained_ctx;

    struct http_route_metrics *metrics; /* [n_routes + 1]: the last is for requests without a route */

    pthread_mutex_t lock; /* the fields below, and those of streams that say so */
    bool closed;
    zo_req *done_first, *done_last;
    zo_stream *streams;
};

void http_ref(zo_http *h);
void http_unref(zo_http *h);                  /* [any] */
void http_handle_closed(uv_handle_t *handle); /* uv_close's callback for handles whose data is the zo_http */
void http_check_drained(zo_http *h);

#endif
