/* Schema versions: migrations/NNNN_name.sql are embedded in the binary, applied in order, each in one transaction with
 * the new PRAGMA user_version, never undone. A file's version is the number of the last one applied. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include "embedded.h"

static int number_of(const zo_embedded *m)
{
    return (int)strtol(m->name, NULL, 10);
}

int zo_migrate_latest(void)
{
    return number_of(&zo_embedded_migrations[zo_n_embedded_migrations - 1]);
}

zo_status zo_migrate_version(zo_conn *c, int *out, zo_error *err)
{
    int64_t v = 0;
    zo_status s = zo_conn_int(c, "PRAGMA user_version", &v, err);

    if (s == ZO_OK)
        *out = (int)v;
    return s;
}

static zo_status apply(zo_conn *c, const zo_embedded *m, zo_error *err)
{
    char version[64], what[96];
    zo_error ignored;
    zo_status s;

    snprintf(version, sizeof version, "PRAGMA user_version = %d", number_of(m));
    snprintf(what, sizeof what, "migration %.60s", m->name);
    if ((s = zo_conn_run(c, ZO_SQL_BEGIN, err)) != ZO_OK)
        return s;
    if ((s = zo_conn_exec(c, m->data, what, err)) == ZO_OK && (s = zo_conn_exec(c, version, what, err)) == ZO_OK)
        s = zo_conn_run(c, ZO_SQL_COMMIT, err);
    if (s != ZO_OK && !sqlite3_get_autocommit(c->db))
        (void)zo_conn_run(c, ZO_SQL_ROLLBACK, &ignored);
    return s;
}

zo_status zo_migrate_apply(zo_conn *c, int *from_out, int *to_out, zo_error *err)
{
    int from = 0, to;
    zo_status s = zo_migrate_version(c, &from, err);

    if (s != ZO_OK)
        return s;
    to = from;
    for (size_t i = 0; i < zo_n_embedded_migrations; i++) {
        if (number_of(&zo_embedded_migrations[i]) <= from)
            continue;
        if ((s = apply(c, &zo_embedded_migrations[i], err)) != ZO_OK)
            return s;
        to = number_of(&zo_embedded_migrations[i]);
    }
    if (from_out)
        *from_out = from;
    if (to_out)
        *to_out = to;
    return ZO_OK;
}
