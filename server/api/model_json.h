/* Pieces of a model's JSON that several handlers write. */
#ifndef ZO_API_MODEL_JSON_H
#define ZO_API_MODEL_JSON_H

#include "api/command.h"

void api_model_classes(zo_model *m, zo_json *w);                            /* "classes": [{label, rows}] */
zo_status api_model_digest(zo_live *l, zo_json *w, zo_error *err);          /* "state_digest": hex */

#endif
