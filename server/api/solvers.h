/* The catalogue of solvers as JSON: {"solvers": [{"name", "version", "summary", "reference", "traits", "options": [...]}]}. */
#ifndef ZO_API_SOLVERS_H
#define ZO_API_SOLVERS_H

#include "codec/jsonwrite.h"
#include "zeroth/solver.h"

/* An option of a solver or a kind of model. */
void zo_api_option_write(const zo_opt *o, zo_json *w);
void zo_api_solvers_write(zo_json *w); /* one object, GET /v1/solvers and `zerothd solvers --json` */

#endif
