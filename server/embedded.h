/* Files compiled into the binary (migrations, the OpenAPI document). Each data is followed by a NUL not counted in bytes. */
#ifndef ZO_SERVER_EMBEDDED_H
#define ZO_SERVER_EMBEDDED_H

#include <stddef.h>

typedef struct zo_embedded {
    const char *name, *data;
    size_t bytes;
} zo_embedded;
extern const zo_embedded zo_embedded_migrations[]; /* sorted by name */
extern const size_t zo_n_embedded_migrations;
extern const zo_embedded zo_embedded_openapi[];
extern const size_t zo_n_embedded_openapi;

#endif
