/* The API: one file per resource, JSON to command and back. No SQL, no libmicrohttpd.
 *
 * A handler [loop] copies what it needs of the request into a command (in the request's arena), keeps the request and submits; the
 * command's run [worker] parses the body, calls the engine and writes the reply; zo_api_finished gives requests back in batches. */
#ifndef ZO_API_API_H
#define ZO_API_API_H

#include "http/http.h"
#include "runtime/runtime.h"

typedef struct zo_app {
    zo_runtime *runtime;
    zo_store *store;
    zo_http *http;               /* set once open */
    uv_loop_t *loop;
    size_t max_trials_page;      /* 1000 */
    /* the API's own; zero-initialise */
    uv_async_t hop;
    bool hop_is_open;
    _Atomic(struct api_cmd *) hops;
} zo_app;

extern const zo_route zo_api_routes[];
extern const size_t zo_api_n_routes;

void zo_api_finished(zo_cmd *list, void *app); /* [any] the runtime's finished callback */

#endif
