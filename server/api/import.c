/* Import of finished trials: one result a line, all or nothing. See import.h. */
#include "api/import.h"

#include <string.h>
#include <strings.h>
#include "api/handlers.h"
#include "api/tell.h"
#include "codec/jsonread.h"

enum { MAX_LINES = 100000 };

static bool is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

static size_t count_lines(const char *text, size_t bytes)
{
    size_t n = bytes > 0;

    for (const char *p = text;
         (p = memchr(p, '\n', bytes - (size_t)(p - text))) != NULL && (size_t)(++p - text) < bytes;)
        n++;
    return n;
}

static zo_status reserve(api_lines *l, size_t n, zo_arena *arena, zo_error *err)
{
    *l = (api_lines){.items = zo_arena_array(arena, n, sizeof *l->items),
                     .line = zo_arena_array(arena, n, sizeof *l->line),
                     .numbers = zo_arena_array(arena, n, sizeof *l->numbers)};
    return l->items && l->line && l->numbers ? ZO_OK : zo_fail_nomem(err);
}

static zo_status read_line(const char *text, size_t n, size_t index, const zo_study *s, zo_arena *arena, api_lines *l,
                           zo_error *err)
{
    bool skip = false;
    json_t *doc;
    zo_status rc = zo_json_parse(text, n, NULL, &doc, err);

    if (rc == ZO_OK) {
        rc = api_line_read(doc, s, arena, &l->items[l->n], &skip, err);
        json_decref(doc);
    }
    if (rc != ZO_OK) {
        zo_fail_at(err, "/%zu", index);
        return rc;
    }
    l->line[l->n] = index;
    l->n += !skip;
    l->skipped += skip;
    return ZO_OK;
}

zo_status api_lines_read(const char *text, size_t bytes, size_t max_lines, const zo_study *s, zo_arena *arena,
                         api_lines *out, zo_error *err)
{
    const size_t n_lines = count_lines(text, bytes);
    const char *at = text, *const end = text + bytes;
    api_lines l;
    zo_status rc;

    if (n_lines > max_lines)
        return zo_fail(err, ZO_ETOOLARGE, "", "%zu lines; at most %zu in one request", n_lines, max_lines);
    if ((rc = reserve(&l, n_lines, arena, err)) != ZO_OK)
        return rc;
    for (size_t i = 0; at < end; i++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const size_t n = (size_t)((stop ? stop : end) - at);
        if (!is_blank(at, n) && (rc = read_line(at, n, i, s, arena, &l, err)) != ZO_OK)
            return rc;
        at += n + 1;
    }
    *out = l;
    return ZO_OK;
}

zo_status api_lines_tell(const api_lines *l, zo_study *s, zo_now now, zo_events *ev, zo_error *err)
{
    size_t failed_at = SIZE_MAX;
    zo_status rc;

    if (l->n == 0)
        return ZO_OK;
    rc = zo_study_tell(s, l->items, l->n, now, ev, l->numbers, &failed_at, err);
    if (rc != ZO_OK && rc != ZO_ENOMEM && failed_at < l->n)
        zo_fail_at(err, "/%zu", l->line[failed_at]);
    return rc;
}

static zo_status read_body(const api_cmd *c, const zo_study *s, zo_arena *arena, api_lines *out, zo_error *err)
{
    const char *type = zo_req_header(c->req, "Content-Type"), *body;
    size_t n;
    zo_status rc;

    body = zo_req_body(c->req, &n);
    if (!type || strncasecmp(type, "application/json", 16) != 0 || type[16] == 'l')
        return api_lines_read(body, n, MAX_LINES, s, arena, out, err);
    /* one object, however it is laid out */
    return (rc = reserve(out, 1, arena, err)) != ZO_OK ? rc : read_line(body, n, 0, s, arena, out, err);
}

static void write_reply(const api_lines *l, const zo_study *s, zo_json *w)
{
    uint64_t first = UINT64_MAX;

    for (size_t i = 0; i < l->n; i++)
        first = l->numbers[i] < first ? l->numbers[i] : first;
    zo_json_begin_object(w);
    zo_json_key_u64(w, "imported", l->n);
    zo_json_key_u64(w, "skipped", l->skipped);
    if (l->n)
        zo_json_key_u64(w, "first", first);
    else
        zo_json_key_null(w, "first");
    zo_json_key_u64(w, "next", zo_study_n_trials(s));
    zo_json_end_object(w);
}

static zo_status work_import(api_cmd *c, zo_ctx *x, zo_error *err)
{
    api_lines l;
    zo_json w;
    zo_status rc;

    if ((rc = read_body(c, x->study, x->scratch, &l, err)) != ZO_OK ||
        (rc = api_lines_tell(&l, x->study, x->now, x->events, err)) != ZO_OK)
        return rc;
    zo_json_init(&w);
    write_reply(&l, x->study, &w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

zo_status api_import(zo_req *req, zo_error *err)
{
    api_cmd *c;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work_import, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    api_submit_study(c);
    return ZO_OK;
}
