/* The solver catalogue as JSON: {"solvers": [{"name", "version", "summary", "reference", "traits", "options": [...]}]}. */
#ifndef ZO_API_SOLVERS_H
#define ZO_API_SOLVERS_H

#include "codec/jsonwrite.h"

void zo_api_solvers_write(zo_json *w); /* one object, GET /v1/solvers and `zerothd solvers --json` */

#endif
