/* What every command of the API shares: the way of a request from the loop to a worker and back.
 *
 * A handler [loop] makes a command in the request's arena (api_begin), reads path, query and headers, and submits it. The work function
 * [worker] parses the body, calls the engine and sets the reply; or fails, and the failure becomes a problem document. A reply to a
 * request with an Idempotency-Key is remembered in the same transaction as its effect. */
#ifndef ZO_API_COMMAND_H
#define ZO_API_COMMAND_H

#include <jansson.h>
#include "api/api.h"
#include "base/metrics.h"

enum { API_TENANT = 1 };

typedef struct api_cmd api_cmd;
struct api_cmd {
    zo_cmd cmd;                  /* first: the runtime's view */
    zo_req *req;                 /* NULL for a command of ours (a stream's page): finish sees to its end */
    zo_app *app;
    zo_status (*work)(api_cmd *c, zo_ctx *x, zo_error *err); /* [worker] */
    /* Set by a model's work that changed something: makes the reply when the history of the turn is written. */
    zo_status (*after)(api_cmd *c, zo_ctx *x, zo_error *err); /* [worker] */
    const char *repeated;        /* by after: the reply that a repetition gets, where it is another (no digests are kept) */
    void (*finish)(api_cmd *c);  /* [any] in place of giving the request back; NULL: the usual end */
    bool may_wait;               /* set by the handler of a long-poll */
    bool wait;                   /* out of work: nothing to give yet, park */
    bool apart;                  /* set by the handler: the reply's arrays go apart, as safetensors */
    zo_histogram *histogram;     /* of the time from dispatch to durable end; may be NULL */
    int64_t start_ns;
    const char *location, *etag; /* reply headers, also for a repeated reply */
    const char *problem_id;      /* extra member "id" of the problem that work fails with */
    api_cmd *hop_next;           /* api_hop */
    void (*hop)(api_cmd *c);
};

/* [loop] A zeroed command of `bytes` bytes with api_cmd first. Checks the query against `allowed` (n_allowed may be 0) and, on POST, the
 * Idempotency-Key. */
zo_status api_begin(zo_req *req, size_t bytes, zo_status (*work)(api_cmd *, zo_ctx *, zo_error *), const char *const *allowed,
                    size_t n_allowed, void *out, zo_error *err);
/* [loop] Hand the command over; the request is kept until it is finished. */
void api_submit_study(api_cmd *c);
void api_submit_model(api_cmd *c);
void api_submit_directory(api_cmd *c, zo_table table);
void api_submit_query(api_cmd *c);

/* [any] Call fn(c) on the loop. api_hop_open [loop] must have been called before, in the handler: it costs nothing the second time. */
void api_hop(api_cmd *c, void (*fn)(api_cmd *c));
zo_status api_hop_open(zo_app *app, zo_error *err);
/* [loop] Submit a finished command again. */
void api_resubmit(api_cmd *c, zo_table table, const char *id);
void api_resubmit_directory(api_cmd *c, zo_table table);

/* ---- for work functions ---- */
/* The body as a JSON object; *out is NULL for an empty body on a route that allows one. The caller decrefs. */
zo_status api_parse(const api_cmd *c, json_t **out, zo_error *err);
/* Set the reply, with the command's location and etag. w is taken. */
void api_reply(api_cmd *c, unsigned status, zo_json *w);
void api_reply_empty(api_cmd *c, unsigned status);
zo_status api_etag(api_cmd *c, const zo_ctx *x, zo_error *err); /* set c->etag to the study's revision */
uint64_t api_revision(const zo_ctx *x);                         /* of x->study: rises with every change */

bool api_etag_listed(const char *header, const char *etag);      /* among the values of If-None-Match */

/* ---- for handlers ---- */
/* Query parameters: ZO_EMALFORMED when not of the type, ZO_EINVAL when out of range; absent ones leave *io. */
zo_status api_query_u64(const zo_req *r, const char *name, uint64_t low, uint64_t high, uint64_t *io, zo_error *err);
zo_status api_query_bool(const zo_req *r, const char *name, bool *io, zo_error *err);
/* The {number} of the path; ZO_ENOTFOUND when it can't be a trial's. */
zo_status api_path_number(const zo_req *r, uint64_t *out, zo_error *err);
/* 406 by replying when Accept allows none of the types listed (NULL-terminated); *index_out is the best one's. False: replied. */
bool api_accepts(zo_req *r, const char *const *types, size_t *index_out);
extern const char *const api_json_type[];   /* {"application/json", NULL} */
extern const char *const api_array_types[]; /* {"application/json", "application/vnd.safetensors", NULL} */
enum { API_AS_JSON, API_AS_ARRAYS };        /* their indices */

/* A duration's text or number; a string that is none is ZO_EINVAL: it has the right JSON type. */
zo_status api_read_lease(const json_t *v, uint64_t *ms_out, zo_error *err);
/* A seed for who gave none: below 2^53, which every client's numbers hold. */
zo_status api_draw_seed(uint64_t *out, zo_error *err);
/* What was written, as text that lives as long as the arena. w is taken, also on failure. */
zo_status api_take_text(zo_json *w, zo_arena *arena, const char **out, zo_error *err);
/* Prefix err->pointer with /key. */
zo_status api_at(zo_error *err, zo_status rc, const char *key);

#endif
