/* Export: all trials of a study, streamed in pages.
 *
 * Each page is a command of its own on the study, made when the client has taken the page before: a slow reader holds
 * nothing up, and nothing is in memory but one page. The stream and its one page under way share a heap object with two
 * owners at most; the last one frees it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "api/trial_json.h"

enum { PAGE_BYTES = 65536, PAGE_LOOKED_AT = 20000 };

struct form {
    const char *word, *type;
    void (*head)(const zo_study *s, zo_json *w); /* NULL: none */
    void (*line)(const zo_study *s, const zo_trial *t, zo_json *w);
};

/* ---- JSON lines ---- */

static void put_json_line(const zo_study *s, const zo_trial *t, zo_json *w)
{
    zo_api_trial_write(s, t, ZO_TRIAL_ORACLE, w);
    zo_json_text(w, "\n", 1);
}

/* ---- CSV: RFC 4180, lines end with LF ---- */

static void put_cell(zo_json *w, const char *text, size_t n)
{
    bool quote = n > 0 && (text[0] == ' ' || text[n - 1] == ' ');

    for (size_t i = 0; i < n; i++)
        quote = quote || text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
    if (!quote) {
        zo_json_text(w, text, n);
        return;
    }
    zo_json_text(w, "\"", 1);
    for (size_t i = 0; i < n; i++)
        zo_json_text(w, text[i] == '"' ? "\"\"" : text + i, text[i] == '"' ? 2 : 1);
    zo_json_text(w, "\"", 1);
}

static void put_number(zo_json *w, double v)
{
    char text[ZO_DOUBLE_CHARS];

    if (!isnan(v))
        zo_json_text(w, text, zo_double_print(v, text));
}

static void put_next(zo_json *w, const char *text)
{
    zo_json_text(w, ",", 1);
    if (text)
        put_cell(w, text, strlen(text));
}

static void put_next_time(zo_json *w, int64_t wall_ms)
{
    char text[ZO_TIME_CHARS];

    zo_json_text(w, ",", 1);
    if (wall_ms)
        zo_json_text(w, text, zo_time_print(wall_ms, text));
}

static void put_next_number(zo_json *w, double v)
{
    zo_json_text(w, ",", 1);
    put_number(w, v);
}

static void put_next_scalar(zo_json *w, const zo_scalar *x)
{
    zo_json_text(w, ",", 1);
    switch (x->kind) {
    case ZO_NULL:
        break;
    case ZO_NUMBER:
        put_number(w, x->number);
        break;
    case ZO_STRING:
        put_cell(w, x->string, strlen(x->string));
        break;
    case ZO_BOOLEAN:
        zo_json_textf(w, "%s", x->boolean ? "true" : "false");
        break;
    case ZO_NUMBERS: /* a JSON array, quoted: it has commas */
        zo_json_text(w, "\"[", 2);
        for (size_t i = 0; i < x->n_numbers; i++) {
            zo_json_text(w, ",", i > 0);
            put_number(w, x->numbers[i]);
        }
        zo_json_text(w, "]\"", 2);
        break;
    }
}

static void put_column(zo_json *w, const char *prefix, const char *name)
{
    char text[160];
    const int n = snprintf(text, sizeof text, "%s.%s", prefix, name);

    zo_json_text(w, ",", 1);
    put_cell(w, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

static void put_csv_head(const zo_study *s, zo_json *w)
{
    const zo_space *space = zo_study_space(s);
    const size_t n_values = zo_study_n_named(s);

    zo_json_textf(w, "number,state");
    for (size_t i = 0; space && i < zo_space_n_params(space); i++)
        put_column(w, "params", zo_space_param(space, i)->name);
    for (size_t i = 0; i < n_values; i++)
        put_column(w, "values", zo_study_value_name(s, i));
    for (size_t i = 0; i < n_values; i++)
        put_column(w, "stderr", zo_study_value_name(s, i));
    zo_json_textf(w, ",cost,feasible,origin,attempt,worker,created_at,finished_at,reason\n");
}

static void put_csv_line(const zo_study *s, const zo_trial *t, zo_json *w)
{
    const zo_space *space = zo_study_space(s);
    const size_t n_values = zo_study_n_named(s);
    zo_scalar x;

    zo_json_textf(w, "%llu,%s", (unsigned long long)t->number, zo_trial_state_name(t->state));
    for (size_t i = 0; space && i < zo_space_n_params(space); i++) {
        if (t->state == ZO_TRIAL_FORGOTTEN || !zo_space_get(space, t->v, i, &x))
            x = (zo_scalar){.kind = ZO_NULL};
        put_next_scalar(w, &x);
    }
    for (size_t i = 0; i < n_values; i++)
        put_next_number(w, t->values ? t->values[i] : NAN);
    for (size_t i = 0; i < n_values; i++)
        put_next_number(w, t->std_errors ? t->std_errors[i] : NAN);
    put_next_number(w, t->cost);
    put_next(w, t->state == ZO_TRIAL_COMPLETE ? (t->feasible ? "true" : "false") : NULL);
    put_next(w, zo_origin_name(t->origin));
    zo_json_textf(w, ",%u", t->attempt);
    put_next(w, t->worker);
    put_next_time(w, t->created_ms);
    put_next_time(w, t->finished_ms);
    put_next(w, t->reason);
    zo_json_text(w, "\n", 1);
}

static const struct form forms[] = {
    {"jsonl", "application/x-ndjson", NULL, put_json_line},
    {"csv", "text/csv; charset=utf-8", put_csv_head, put_csv_line},
};

/* ---- pages ---- */

struct export
{
    api_cmd c;          /* the page under way; of no request */
    _Atomic int owners; /* the stream, and a page under way */
    zo_stream *stream;
    const struct form *form;
    char id[32];
    uint64_t next;
    zo_json text; /* of this page */
    bool last;
};

static void release(struct export *e)
{
    if (atomic_fetch_sub(&e->owners, 1) > 1)
        return;
    zo_json_fini(&e->text);
    zo_free(e);
}

static zo_step run_page(zo_cmd *cmd, zo_ctx *x)
{
    struct export *e = (struct export *)(void *)cmd;
    const uint64_t n = zo_study_n_trials(x->study);
    zo_trial t;

    zo_json_init(&e->text);
    if (e->next == 0 && e->form->head)
        e->form->head(x->study, &e->text);
    for (size_t looked = 0; e->next < n && looked < PAGE_LOOKED_AT && e->text.len < PAGE_BYTES; looked++, e->next++)
        if (zo_study_trial(x->study, e->next, &t) && !t.withdrawn)
            e->form->line(x->study, &t, &e->text);
    e->last = e->next >= n;
    return ZO_STEP_DONE;
}

/* [any] The page is durable, or there is none: the study is gone, or the daemon too busy. Then the broken body says so.
 */
static void finish_page(api_cmd *c)
{
    struct export *e = (struct export *)(void *)c;
    size_t n = 0;
    char *text = c->cmd.status == ZO_OK ? zo_json_take(&e->text, &n) : NULL;

    if (text)
        zo_stream_push(e->stream, text, n, e->last);
    else
        zo_stream_abort(e->stream);
    release(e);
}

static void next_page(zo_stream *stream, void *ctx)
{
    struct export *e = ctx;

    e->stream = stream;
    e->c.cmd = (zo_cmd){.run = run_page, .bytes = PAGE_BYTES};
    e->c.finish = finish_page;
    atomic_fetch_add(&e->owners, 1);
    zo_runtime_submit(e->c.app->runtime, ZO_STUDIES, API_TENANT, e->id, &e->c.cmd);
}

static void stream_closed(zo_stream *stream, void *ctx)
{
    (void)stream;
    release(ctx);
}

/* ---- the request: is there such a study, and which ---- */

struct open_cmd {
    api_cmd c;
    const struct form *form;
    char id[32];
};

static zo_status work_open(api_cmd *c, zo_ctx *x, zo_error *err)
{
    struct open_cmd *q = (struct open_cmd *)(void *)c;

    (void)err;
    snprintf(q->id, sizeof q->id, "%s", x->row->id);
    return ZO_OK;
}

static void open_stream(struct open_cmd *q)
{
    struct export *e = zo_calloc(1, sizeof *e);
    zo_error err;

    if (e) {
        e->c.app = q->c.app;
        e->form = q->form;
        e->owners = 1;
        zo_json_init(&e->text);
        memcpy(e->id, q->id, sizeof e->id);
        if (zo_req_stream(q->c.req, q->form->type, next_page, stream_closed, e))
            return;
        release(e);
    }
    zo_fail_nomem(&err);
    zo_req_problem(q->c.req, &err);
}

static void finish_open(api_cmd *c)
{
    struct open_cmd *q = (struct open_cmd *)(void *)c;

    if (c->cmd.status == ZO_OK && q->id[0])
        open_stream(q);
    zo_req_done(&c->req, 1);
}

/* The form that `format` names, or else the one that Accept likes best. *out is NULL when a 406 is set. */
static zo_status choose_form(zo_req *req, const struct form **out, zo_error *err)
{
    static const char *const types[] = {"application/x-ndjson", "text/csv", NULL};
    const char *format = zo_req_query(req, "format");
    size_t i = 0;

    *out = NULL;
    if (!format) {
        if (api_accepts(req, types, &i))
            *out = &forms[i];
        return ZO_OK;
    }
    while (i < ZO_LEN(forms) && strcmp(format, forms[i].word) != 0)
        i++;
    if (i == ZO_LEN(forms))
        return zo_fail(err, ZO_EINVAL, "", "query parameter format must be jsonl or csv");
    if (api_accepts(req, (const char *const[]){types[i], NULL}, NULL))
        *out = &forms[i];
    return ZO_OK;
}

zo_status api_export(zo_req *req, zo_error *err)
{
    static const char *const allowed[] = {"format"};
    const struct form *form;
    struct open_cmd *q;
    zo_status rc;

    if ((rc = api_begin(req, sizeof *q, work_open, allowed, ZO_LEN(allowed), &q, err)) != ZO_OK)
        return rc;
    if ((rc = choose_form(req, &form, err)) != ZO_OK || !form)
        return rc;
    q->form = form;
    q->c.finish = finish_open;
    api_submit_study(&q->c);
    return ZO_OK;
}
