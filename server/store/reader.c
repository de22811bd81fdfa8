/* Reading studies and their logs. A reader is one read-only connection for one thread; it sees committed rows only.
 * Each call is a read transaction of its own, and never longer than a page: an old transaction would keep the log from
 * starting over. */
#include "internal.h"

#include <stdio.h>

zo_status zo_reader_judge(zo_reader *r, zo_status s, const zo_error *err)
{
    if (s == ZO_ESTORE) {
        zo_error e = {0};

        zo_fail(&e, s, "", "%s", err ? err->message : "a read failed");
        zo_store_break(r->st, &e);
    }
    return s;
}

zo_status zo_reader_fail(zo_reader *r, int rc, const char *what, zo_error *err)
{
    zo_error e = {0};
    const zo_status s = zo_conn_fail(&r->conn, rc, what, &e);

    if (err)
        *err = e;
    return zo_reader_judge(r, s, &e);
}

zo_status zo_reader_damaged(zo_reader *r, const char *what, int64_t study, zo_error *err)
{
    zo_error e = {0};

    zo_fail(&e, ZO_ESTORE, "", "%s is damaged (study %lld): restore a backup", what, (long long)study);
    if (err)
        *err = e;
    return zo_reader_judge(r, ZO_ESTORE, &e);
}

zo_status zo_reader_open(zo_store *st, zo_reader **out, zo_error *err)
{
    zo_reader *r = zo_calloc(1, sizeof *r);
    zo_status s;

    if (!r)
        return zo_fail_nomem(err);
    r->st = st;
    if ((s = zo_conn_open(&r->conn, st->path, st->vfs, ZO_CONN_READ, st->busy_ms, err)) != ZO_OK) {
        zo_free(r);
        return s;
    }
    *out = r;
    return ZO_OK;
}

void zo_reader_close(zo_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < ZO_LEN(r->lists); i++)
        sqlite3_finalize(r->lists[i]);
    zo_conn_close(&r->conn);
    zo_free(r->page);
    zo_free(r);
}

/* ---- studies ---- */

/* Columns: study, tenant, id, name, title, state, created_ms, updated_ms, revision, metadata, spec, sum. */
enum { C_STUDY, C_TENANT, C_ID, C_NAME, C_TITLE, C_STATE, C_CREATED, C_UPDATED, C_REVISION, C_METADATA, C_SPEC, C_SUM };

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

    zo_sum_int(&s, sqlite3_column_int64(q, C_STUDY));
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

static zo_status take_row(zo_reader *r, sqlite3_stmt *q, bool with_spec, zo_arena *arena, zo_study_row *out,
                          zo_error *err)
{
    zo_study_row row = {
        .study = sqlite3_column_int64(q, C_STUDY),
        .tenant = sqlite3_column_int64(q, C_TENANT),
        .created_ms = sqlite3_column_int64(q, C_CREATED),
        .updated_ms = sqlite3_column_int64(q, C_UPDATED),
        .revision = (uint64_t)sqlite3_column_int64(q, C_REVISION),
    };
    const int64_t sum = sum_of_row(q);

    if (sqlite3_errcode(r->conn.db) == SQLITE_NOMEM) /* of a column's text: then the sum says nothing */
        return zo_fail_nomem(err);
    if (sqlite3_column_int64(q, C_SUM) != sum)
        return zo_reader_damaged(r, "a study's row", row.study, err);
    if (!take_text(q, C_ID, arena, &row.id) || !take_text(q, C_NAME, arena, &row.name) ||
        !take_text(q, C_TITLE, arena, &row.title) || !take_text(q, C_STATE, arena, &row.state) ||
        !take_text(q, C_METADATA, arena, &row.metadata) || (with_spec && !take_text(q, C_SPEC, arena, &row.spec)))
        return zo_fail_nomem(err);
    *out = row;
    return ZO_OK;
}

zo_status zo_reader_study(zo_reader *r, int64_t tenant, const char *id_or_name, zo_arena *arena, zo_study_row *out,
                          zo_error *err)
{
    const bool is_id = strlen(id_or_name) == 29 && strncmp(id_or_name, "st_", 3) == 0; /* no name starts so */
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, is_id ? ZO_SQL_STUDY_BY_ID : ZO_SQL_STUDY_BY_NAME, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int64(q, 1, tenant);
    rc = rc ? rc : sqlite3_bind_text(q, 2, id_or_name, -1, SQLITE_STATIC);
    rc = rc ? rc : sqlite3_step(q);
    if (rc == SQLITE_ROW)
        s = take_row(r, q, true, arena, out, err);
    else if (rc == SQLITE_DONE)
        s = zo_fail(err, ZO_ENOTFOUND, "", "there is no study \"%.64s\"", id_or_name);
    else
        s = zo_reader_fail(r, rc, "look up a study", err);
    zo_conn_done(q);
    return s;
}

static zo_status list_query(zo_reader *r, const zo_study_filter *f, sqlite3_stmt **out, zo_error *err)
{
    static const char *const keys[] = {
        [ZO_SORT_CREATED] = "created_ms", [ZO_SORT_NAME] = "coalesce(name, '')", [ZO_SORT_UPDATED] = "updated_ms"};
    const size_t slot =
        (size_t)f->sort * 8 + (f->descending ? 4 : 0) + (f->has_after ? 2 : 0) + (f->name_prefix ? 1 : 0);
    const char *key = keys[f->sort], *order = f->descending ? "DESC" : "ASC", *past = f->descending ? "<" : ">";
    char sql[1024], after[160] = "";
    int rc;

    if (!r->lists[slot]) {
        if (f->has_after)
            snprintf(after, sizeof after, " AND %s %s= ?5 AND (%s %s ?5 OR study %s ?6)", key, past, key, past, past);
        snprintf(
            sql, sizeof sql,
            "SELECT study, tenant, id, name, title, state, created_ms, updated_ms, revision, metadata, spec, sum FROM "
            "studies"
            " WHERE tenant = ?1 AND deleted = 0 AND (?2 IS NULL OR state = ?2)%s%s ORDER BY %s %s, study %s LIMIT ?7",
            f->name_prefix ? " AND coalesce(name, '') >= ?3 AND coalesce(name, '') < ?4" : "", after, key, order,
            order);
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
        if ((s = take_row(r, q, false, arena, &rows[n], err)) != ZO_OK)
            goto done;
        n++;
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE) {
        s = zo_reader_fail(r, rc, "list studies", err);
        goto done;
    }
    *rows_out = rows;
    *n_out = n;
done:
    zo_conn_done(q);
    return s;
}

/* ---- events ---- */

static bool reserve_page(zo_reader *r, size_t bytes)
{
    uint8_t *p;

    if (bytes <= r->page_cap)
        return true;
    bytes = bytes > 2 * r->page_cap ? bytes : 2 * r->page_cap;
    if (!(p = zo_realloc(r->page, bytes)))
        return false;
    r->page = p;
    r->page_cap = bytes;
    return true;
}

/* A gap is damage, unless the study was deleted and is being purged from its start. */
static zo_status gap(zo_reader *r, int64_t study, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, ZO_SQL_LAST_SEQ, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int64(q, 1, study);
    rc = rc ? rc : sqlite3_step(q);
    if (rc == SQLITE_DONE || (rc == SQLITE_ROW && sqlite3_column_int(q, 0) != 0))
        s = zo_fail(err, ZO_ENOTFOUND, "", "study %lld was deleted", (long long)study);
    else if (rc == SQLITE_ROW)
        s = zo_reader_damaged(r, "an event log", study, err);
    else
        s = zo_reader_fail(r, rc, "read events", err);
    zo_conn_done(q);
    return s;
}

/* Copy up to a page of events after seq into r->items: the callback may take its time, and a transaction must not. */
static zo_status read_page(zo_reader *r, int64_t study, uint64_t after, size_t *n_out, zo_error *err)
{
    size_t n = 0, used = 0;
    bool is_gap = false;
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, ZO_SQL_EVENTS, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int64(q, 1, study);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, (int64_t)after);
    rc = rc ? rc : sqlite3_bind_int(q, 3, ZO_PAGE_EVENTS);
    while (rc == SQLITE_OK && used < ZO_PAGE_BYTES && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const void *blob = sqlite3_column_blob(q, 3);
        zo_event *e = &r->items[n];

        *e = (zo_event){.seq = (uint64_t)sqlite3_column_int64(q, 0),
                        .kind = (zo_event_kind)sqlite3_column_int(q, 1),
                        .at_ms = sqlite3_column_int64(q, 2),
                        .body = blob,
                        .body_bytes = (size_t)sqlite3_column_bytes(q, 3)};
        if (e->body_bytes > 0 && !blob) {
            rc = sqlite3_errcode(r->conn.db);
            break;
        }
        if ((is_gap = e->seq != after + n + 1)) {
            rc = SQLITE_DONE;
            break;
        }
        if (sqlite3_column_int64(q, 4) != zo_sum_event(study, e)) {
            s = zo_reader_damaged(r, "an event", study, err);
            goto done;
        }
        if (!reserve_page(r, used + e->body_bytes + 1)) {
            s = zo_fail_nomem(err);
            goto done;
        }
        if (e->body_bytes > 0)
            memcpy(r->page + used, blob, e->body_bytes);
        used += e->body_bytes;
        n++;
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_OK && rc != SQLITE_DONE) {
        s = zo_reader_fail(r, rc, "read events", err);
        goto done;
    }
    used = 0;
    for (size_t i = 0; i < n; i++) { /* the page may have moved while it grew */
        r->items[i].body = r->page + used;
        used += r->items[i].body_bytes;
    }
    *n_out = n;
done:
    zo_conn_done(q);
    return s == ZO_OK && is_gap ? gap(r, study, err) : s;
}

zo_status zo_reader_events(zo_reader *r, int64_t study, uint64_t after, zo_status (*each)(void *ctx, const zo_event *e),
                           void *ctx, zo_error *err)
{
    size_t n = 0;
    zo_status s;

    do {
        if ((s = read_page(r, study, after, &n, err)) != ZO_OK)
            return s;
        for (size_t i = 0; i < n; i++)
            if ((s = each(ctx, &r->items[i])) != ZO_OK)
                return s;
        after += n;
    } while (n > 0);
    return ZO_OK;
}

zo_status zo_reader_last_rebase(zo_reader *r, int64_t study, uint64_t *seq_out, zo_error *err)
{
    _Static_assert(ZO_EVENT_REBASED == 11, "the literal in LAST_REBASE and in the index events_rebased");
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, ZO_SQL_LAST_REBASE, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int64(q, 1, study);
    rc = rc ? rc : sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *seq_out = (uint64_t)sqlite3_column_int64(q, 0);
    else
        s = zo_reader_fail(r, rc, "find the last rebase", err);
    zo_conn_done(q);
    return s;
}
