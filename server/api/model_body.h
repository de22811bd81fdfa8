/* Bodies with rows: JSON, or safetensors whose arrays "x", "y" and "labels" stand for the fields of the same names
 * (labels: integers, whose decimal text is the label) beside the rest of the document in the metadata string "json".
 * Read in place, quantised at once. For work functions. */
#ifndef ZO_API_MODEL_BODY_H
#define ZO_API_MODEL_BODY_H

#include "api/command.h"
#include "codec/safetensors.h"

typedef struct api_rows {
    json_t *doc;     /* an object, maybe empty */
    zo_tensors view; /* none of a JSON body */
    zo_learn rows;   /* n, x, y, labels, ids, group, task: what the body had of them */
    bool has_x;
    bool may_overwrite; /* the request's body is read once: its arrays may be quantised where they lie */
    void *owned[6];
    size_t bytes[6], n_owned;
} api_rows;

enum { ROWS_X = 1, ROWS_TARGETS = 2, ROWS_IDS = 4, ROWS_PLACE = 8 /* group, task */ };
/* Reads the fields of the set; those of need must be there. Other members of the document must be among known
 * (NULL-terminated), and are the caller's to read from doc. *out is to be freed with api_rows_fini, also on failure. */
zo_status api_rows_read(const api_cmd *c, const zo_model *m, unsigned fields, unsigned need, const char *const *known,
                        api_rows *out, zo_error *err);
bool api_is_safetensors(const zo_req *req); /* its body, by its Content-Type */
void api_rows_fini(api_rows *r);            /* wiped */
/* An array of strings in arena-like memory of r. */
zo_status api_rows_strings(api_rows *r, const json_t *v, const char *key, const char *const **out, size_t *n_out,
                           zo_error *err);

#endif
