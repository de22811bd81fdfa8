/* A database file without HTTP: the store and the runtime on a loop of our own, for commands that read or make studies while no daemon
 * holds the file. One command at a time, run to its durable end. Main thread. */
#ifndef ZO_SERVER_OFFLINE_H
#define ZO_SERVER_OFFLINE_H

#include "runtime/runtime.h"

typedef struct zo_offline zo_offline;
typedef struct zo_offline_cmd zo_offline_cmd;
struct zo_offline_cmd {          /* embed first; zero-initialise, set work */
    zo_cmd cmd;
    zo_status (*work)(zo_offline_cmd *c, zo_ctx *x, zo_error *err); /* [worker] */
    zo_offline *in;
    zo_status status;
    zo_error err;
    _Atomic bool finished;
};

zo_status zo_offline_open(const char *path, bool create, zo_offline **out, zo_error *err);
void zo_offline_close(zo_offline *o); /* NULL is fine */
/* Each returns work's failure, or that of its commit. */
zo_status zo_offline_study(zo_offline *o, const char *id_or_name, zo_offline_cmd *c, zo_error *err);
zo_status zo_offline_directory(zo_offline *o, zo_offline_cmd *c, zo_error *err);
zo_status zo_offline_query(zo_offline *o, zo_offline_cmd *c, zo_error *err);

#endif
