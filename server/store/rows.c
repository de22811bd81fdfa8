/* The rows of studies and models: the same columns, two tables. */
#include "internal.h"

#include <stdio.h>

static const struct {
    const char *name, *key, *noun, *prefix;
    zo_sql put, update, mark, by_id, by_name;
} statements[] = {
    [ZO_STUDIES] = {"studies", "study", "study", "st_", ZO_SQL_STUDY_PUT, ZO_SQL_STUDY_UPDATE, ZO_SQL_STUDY_DELETE,
                    ZO_SQL_STUDY_BY_ID, ZO_SQL_STUDY_BY_NAME},
    [ZO_MODELS] = {"models", "model", "model", "md_", ZO_SQL_MODEL_PUT, ZO_SQL_MODEL_UPDATE, ZO_SQL_MODEL_DELETE,
                   ZO_SQL_MODEL_BY_ID, ZO_SQL_MODEL_BY_NAME},
};

/* ---- writing ---- */

zo_status zo_row_create(zo_store *st, zo_table table, const zo_study_row *r, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&st->conn, statements[table].put, &q, err);
    int rc = SQLITE_OK;

    if (s != ZO_OK)
        return s;
    rc = rc ? rc : sqlite3_bind_int64(q, 1, r->study);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, r->tenant);
    rc = rc ? rc : sqlite3_bind_text(q, 3, r->id, -1, SQLITE_STATIC);
    rc = rc ? rc : sqlite3_bind_text(q, 4, r->name, -1, SQLITE_STATIC);
    rc = rc ? rc : sqlite3_bind_text(q, 5, r->title, -1, SQLITE_STATIC);
    rc = rc ? rc : sqlite3_bind_text(q, 6, r->state, -1, SQLITE_STATIC);
    rc = rc ? rc : sqlite3_bind_int64(q, 7, r->created_ms);
    rc = rc ? rc : sqlite3_bind_int64(q, 8, r->updated_ms);
    rc = rc ? rc : sqlite3_bind_int64(q, 9, (int64_t)r->revision);
    rc = rc ? rc : sqlite3_bind_text(q, 10, r->metadata, -1, SQLITE_STATIC);
    rc = rc ? rc : sqlite3_bind_text(q, 11, r->spec, -1, SQLITE_STATIC);
    return zo_conn_finish(&st->conn, q, rc, "create a row", err);
}

zo_status zo_row_update(zo_store *st, zo_table table, int64_t key, const zo_study_row *r, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&st->conn, statements[table].update, &q, err);
    int rc = SQLITE_OK;

    if (s != ZO_OK)
        return s;
    rc = rc ? rc : sqlite3_bind_int64(q, 1, key);
    rc = rc ? rc : sqlite3_bind_text(q, 2, r->title, -1, SQLITE_STATIC);
    rc = rc ? rc : sqlite3_bind_text(q, 3, r->state, -1, SQLITE_STATIC);
    rc = rc || r->updated_ms == 0 ? rc : sqlite3_bind_int64(q, 4, r->updated_ms);
    rc = rc || r->revision == 0 ? rc : sqlite3_bind_int64(q, 5, (int64_t)r->revision);
    rc = rc ? rc : sqlite3_bind_text(q, 6, r->metadata, -1, SQLITE_STATIC);
    return zo_conn_finish(&st->conn, q, rc, "update a row", err);
}

zo_status zo_row_delete(zo_store *st, zo_table table, int64_t key, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    const zo_status s = zo_conn_query(&st->conn, statements[table].mark, &q, err);

    return s == ZO_OK ? zo_conn_finish(&st->conn, q, sqlite3_bind_int64(q, 1, key), "delete a row", err) : s;
}

/* ---- reading ---- */

/* Columns: key, tenant, id, name, title, state, created_ms, updated_ms, revision, metadata, spec, sum. */
enum { C_KEY, C_TENANT, C_ID, C_NAME, C_TITLE, C_STATE, C_CREATED, C_UPDATED, C_REVISION, C_METADATA, C_SPEC, C_SUM };

/* Text of a column into the arena; NULL stays NULL. false: out of memory. */
static bool take_text(sqlite3_stmt *q, int column, zo_arena *arena, const char **out)
{
    const char *text;

    if (sqlite3_column_type(q, column) == SQLITE_NULL) {
        *out = NULL;
        return true;
    }
    text = (const char *)sqlite3_column_text(q, column);
    *out = text ? zo_arena_strdup(arena, text) : NULL;
    return *out != NULL;
}

/* Over all columns of the table, deleted (0) among them, as STUDY_PUT has them. */
static int64_t sum_of_row(sqlite3_stmt *q)
{
    zo_sum s = ZO_SUM_START;

    zo_sum_int(&s, sqlite3_column_int64(q, C_KEY));
    zo_sum_int(&s, sqlite3_column_int64(q, C_TENANT));
    for (int i = C_ID; i <= C_STATE; i++)
        zo_sum_text(&s, (const char *)sqlite3_column_text(q, i));
    for (int i = C_CREATED; i <= C_REVISION; i++)
        zo_sum_int(&s, sqlite3_column_int64(q, i));
    zo_sum_int(&s, 0);
    zo_sum_text(&s, (const char *)sqlite3_column_text(q, C_METADATA));
    zo_sum_text(&s, (const char *)sqlite3_column_text(q, C_SPEC));
    return zo_sum_end(&s);
}

static zo_status take_row(zo_reader *r, sqlite3_stmt *q, zo_table table, bool with_spec, zo_arena *arena,
                          zo_study_row *out, zo_error *err)
{
    zo_study_row row = {
        .study = sqlite3_column_int64(q, C_KEY),
        .tenant = sqlite3_column_int64(q, C_TENANT),
        .created_ms = sqlite3_column_int64(q, C_CREATED),
        .updated_ms = sqlite3_column_int64(q, C_UPDATED),
        .revision = (uint64_t)sqlite3_column_int64(q, C_REVISION),
    };
    const int64_t sum = sum_of_row(q);

    if (sqlite3_errcode(r->conn.db) == SQLITE_NOMEM) /* of a column's text: then the sum says nothing */
        return zo_fail_nomem(err);
    if (sqlite3_column_int64(q, C_SUM) != sum)
        return zo_reader_damaged(r, table == ZO_MODELS ? "a model's row" : "a study's row", row.study, err);
    if (!take_text(q, C_ID, arena, &row.id) || !take_text(q, C_NAME, arena, &row.name) ||
        !take_text(q, C_TITLE, arena, &row.title) || !take_text(q, C_STATE, arena, &row.state) ||
        !take_text(q, C_METADATA, arena, &row.metadata) || (with_spec && !take_text(q, C_SPEC, arena, &row.spec)))
        return zo_fail_nomem(err);
    *out = row;
    return ZO_OK;
}

static zo_status find_row(zo_reader *r, zo_table table, int64_t tenant, const char *id_or_name, zo_arena *arena,
                          zo_study_row *out, zo_error *err)
{
    const char *prefix = statements[table].prefix;
    const bool is_id = strlen(id_or_name) == 29 && strncmp(id_or_name, prefix, 3) == 0; /* no name starts so */
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, is_id ? statements[table].by_id : statements[table].by_name, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int64(q, 1, tenant);
    rc = rc ? rc : sqlite3_bind_text(q, 2, id_or_name, -1, SQLITE_STATIC);
    rc = rc ? rc : sqlite3_step(q);
    if (rc == SQLITE_ROW)
        s = take_row(r, q, table, true, arena, out, err);
    else if (rc == SQLITE_DONE)
        s = zo_fail(err, ZO_ENOTFOUND, "", "there is no %s \"%.64s\"", statements[table].noun, id_or_name);
    else
        s = zo_reader_fail(r, rc, "look up a row", err);
    zo_conn_done(q);
    return s;
}

zo_status zo_reader_study(zo_reader *r, int64_t tenant, const char *id_or_name, zo_arena *arena, zo_study_row *out,
                          zo_error *err)
{
    return find_row(r, ZO_STUDIES, tenant, id_or_name, arena, out, err);
}

zo_status zo_reader_model(zo_reader *r, int64_t tenant, const char *id_or_name, zo_arena *arena, zo_study_row *out,
                          zo_error *err)
{
    return find_row(r, ZO_MODELS, tenant, id_or_name, arena, out, err);
}

static zo_status list_query(zo_reader *r, const zo_study_filter *f, sqlite3_stmt **out, zo_error *err)
{
    static const char *const keys[] = {
        [ZO_SORT_CREATED] = "created_ms", [ZO_SORT_NAME] = "coalesce(name, '')", [ZO_SORT_UPDATED] = "updated_ms"};
    const size_t slot = (size_t)f->table * 24 + (size_t)f->sort * 8 + (f->descending ? 4 : 0) + (f->has_after ? 2 : 0) +
                        (f->name_prefix ? 1 : 0);
    const char *own = statements[f->table].key, *key = keys[f->sort], *order = f->descending ? "DESC" : "ASC",
               *past = f->descending ? "<" : ">";
    char sql[1024], after[160] = "";
    int rc;

    if (!r->lists[slot]) {
        if (f->has_after)
            snprintf(after, sizeof after, " AND %s %s= ?5 AND (%s %s ?5 OR %s %s ?6)", key, past, key, past, own, past);
        snprintf(sql, sizeof sql,
                 "SELECT %s, " ZO_SQL_ROW_COLUMNS " FROM %s"
                 " WHERE tenant = ?1 AND deleted = 0 AND (?2 IS NULL OR state = ?2)%s%s ORDER BY %s %s, %s %s LIMIT ?7",
                 own, statements[f->table].name,
                 f->name_prefix ? " AND coalesce(name, '') >= ?3 AND coalesce(name, '') < ?4" : "", after, key, order,
                 own, order);
        rc = sqlite3_prepare_v3(r->conn.db, sql, -1, SQLITE_PREPARE_PERSISTENT, &r->lists[slot], NULL);
        if (rc != SQLITE_OK)
            return zo_reader_fail(r, rc, "prepare", err);
    }
    *out = r->lists[slot];
    return ZO_OK;
}

zo_status zo_reader_studies(zo_reader *r, const zo_study_filter *f, zo_arena *arena, zo_study_row **rows_out,
                            size_t *n_out, zo_error *err)
{
    enum { FIRST = 32 };
    zo_study_row *rows = NULL;
    sqlite3_stmt *q = NULL;
    char past_prefix[80];
    size_t n = 0, cap = 0;
    zo_status s;
    int rc = SQLITE_OK;

    if ((s = list_query(r, f, &q, err)) != ZO_OK)
        return s;
    rc = rc ? rc : sqlite3_bind_int64(q, 1, f->tenant);
    rc = rc ? rc : sqlite3_bind_text(q, 2, f->state, -1, SQLITE_STATIC);
    if (f->name_prefix) {
        snprintf(past_prefix, sizeof past_prefix, "%.64s\x7f", f->name_prefix); /* above every character of a name */
        rc = rc ? rc : sqlite3_bind_text(q, 3, f->name_prefix, -1, SQLITE_STATIC);
        rc = rc ? rc : sqlite3_bind_text(q, 4, past_prefix, -1, SQLITE_STATIC);
    }
    if (f->has_after) {
        if (f->sort == ZO_SORT_NAME)
            rc = rc ? rc : sqlite3_bind_text(q, 5, f->after_name ? f->after_name : "", -1, SQLITE_STATIC);
        else
            rc = rc ? rc : sqlite3_bind_int64(q, 5, f->after_time);
        rc = rc ? rc : sqlite3_bind_int64(q, 6, f->after_study);
    }
    rc = rc ? rc : sqlite3_bind_int64(q, 7, (int64_t)f->limit);
    while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        if (n == cap) {
            const size_t more = cap ? 2 * cap : FIRST;
            zo_study_row *bigger = zo_arena_array(arena, more, sizeof *rows);

            if (!bigger) {
                s = zo_fail_nomem(err);
                goto done;
            }
            if (n > 0)
                memcpy(bigger, rows, n * sizeof *rows);
            rows = bigger;
            cap = more;
        }
        if ((s = take_row(r, q, f->table, false, arena, &rows[n], err)) != ZO_OK)
            goto done;
        n++;
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE) {
        s = zo_reader_fail(r, rc, "list rows", err);
        goto done;
    }
    *rows_out = rows;
    *n_out = n;
done:
    zo_conn_done(q);
    return s;
}
