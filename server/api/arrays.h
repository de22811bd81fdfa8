/* Bodies whose arrays are apart, as application/vnd.safetensors: the same document as in JSON, as the one string __metadata__.json,
 * without the vectors. Each vector parameter of all results or trials is one array, a row for each, in their order:
 *
 *   tell:      params/{parameter}, gradients/{value}/{parameter}     its reply: params/{parameter}, best/params/{parameter}
 *   ask:       none                                                   its reply: params/{parameter}
 *   exchange:  tell/... as for tell                                   its reply: tell/..., ask/...
 *
 * Names in a path are escaped as in a JSON pointer. F64 and F32 are read, F64 is written. The functions are for work functions. */
#ifndef ZO_API_ARRAYS_H
#define ZO_API_ARRAYS_H

#include "api/command.h"

/* 406 by replying, as api_accepts; *apart_out: the client prefers safetensors to JSON. */
bool api_accepts_arrays(zo_req *r, bool *apart_out);

typedef struct api_body {
    json_t *doc;       /* NULL for an empty body on a route that allows one */
    zo_bundle arrays;  /* none of a JSON body */
} api_body;
/* The request's body, in either form. To be freed with api_body_fini on success. */
zo_status api_body_read(const api_cmd *c, api_body *out, zo_error *err);
void api_body_fini(api_body *b);
/* ZO_EMALFORMED: an array whose name does not begin with prefix; NULL: any array. */
zo_status api_body_arrays_below(const api_body *b, const char *prefix, zo_error *err);

#define API_POINT SIZE_MAX
/* One array that stands where a vector of the document would. */
typedef struct api_array {
    const zo_array *data;
    const char *path;    /* its name, without the prefix of the body's part */
    size_t value, param; /* indices: of the value that it is the gradient of, or API_POINT; of the parameter */
    bool is_read;
} api_array;
typedef struct api_arrays {
    api_array *list;
    size_t n;
} api_arrays;

/* The arrays of b, all below prefix ("" or "tell/"), for n_rows results. Refused: what has an unknown name, a dtype that is no F64 or
 * F32, or another shape than [n_rows][size], or [size] where n_rows is 1. The pointer is the array's path. b is lent to out. */
zo_status api_arrays_bind(const zo_bundle *b, const char *prefix, size_t n_rows, const zo_study *s, zo_arena *arena,
                          api_arrays *out, zo_error *err);
/* One row, to [size]. ZO_EINVAL with pointer /{index}: not finite. */
zo_status api_array_row(api_array *a, size_t row, double *to, zo_error *err);
/* ZO_EMALFORMED: an array of which no result read a row. */
zo_status api_arrays_check(const api_arrays *a, zo_error *err);

/* A reply in the making: a document, and arrays beside it where the client wants them apart. Memory that runs out is found by
 * api_out_reply, which then answers 503: what the command did stands. */
typedef struct api_out {
    api_cmd *c;
    zo_json w;
    zo_bundle arrays;
    unsigned parts; /* for zo_api_trial_write */
    zo_error err;   /* of the arrays */
} api_out;
void api_out_init(api_out *o, api_cmd *c);
void api_out_fini(api_out *o);
/* {prefix}params/{parameter} of these trials' points: [n][size], NaN where it is inactive. Nothing where the client wants plain JSON. */
void api_out_points(api_out *o, const zo_study *s, const uint64_t *numbers, size_t n, const char *prefix);
void api_out_reply(api_out *o, unsigned status); /* and fini */

#endif
