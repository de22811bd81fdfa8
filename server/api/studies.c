/* Studies: create, list, get, patch, delete.
 *
 * Creation runs on the directory, one at a time, so a name has one holder. When the name is taken and the client said
 * if_exists: get, the specs are compared there and the same request goes on as a GET of the holder. */
#include <stdlib.h>
#include <string.h>

#include "api/cursor.h"
#include "api/handlers.h"
#include "api/study_json.h"
#include "codec/jsonread.h"

/* ---- get ---- */

struct get_cmd {
    api_cmd c;
    const char *if_none_match;
};

static zo_status reply_study(api_cmd *c, zo_ctx *x, unsigned status, zo_error *err)
{
    zo_spec spec;
    zo_json w;
    zo_status rc;

    if ((rc = zo_spec_decode_text(x->row->spec, strlen(x->row->spec), x->scratch, &spec, err)) != ZO_OK ||
        (rc = api_etag(c, x, err)) != ZO_OK)
        return rc;
    zo_json_init(&w);
    if ((rc = api_study_write(x->row, &spec, x->study, api_revision(x), &w, err)) != ZO_OK) {
        zo_json_fini(&w);
        return rc;
    }
    api_reply(c, status, &w);
    return ZO_OK;
}

static zo_status work_get(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const struct get_cmd *g = (const struct get_cmd *)(const void *)c;
    zo_status rc;

    if (g->if_none_match) {
        if ((rc = api_etag(c, x, err)) != ZO_OK)
            return rc;
        if (api_etag_listed(g->if_none_match, c->etag)) {
            api_reply_empty(c, 304);
            return ZO_OK;
        }
    }
    return reply_study(c, x, 200, err);
}

zo_status api_study_get(zo_req *req, zo_error *err)
{
    struct get_cmd *g;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *g, work_get, NULL, 0, &g, err)) != ZO_OK)
        return rc;
    g->if_none_match = zo_req_header(req, "If-None-Match");
    api_submit_study(&g->c);
    return ZO_OK;
}

/* ---- create ---- */

enum { MAX_RESTARTS = 8 };

struct create_cmd {
    struct get_cmd get; /* what it becomes when if_exists finds an equal study */
    bool dry_run;
    const char *existing_id;
    unsigned restarts;
};

/* {"if_exists": ...} is the request's, not the spec's. */
static zo_status take_if_exists(json_t *doc, bool *get_out, zo_error *err)
{
    const json_t *v = json_object_get(doc, "if_exists");
    const char *text;
    zo_status rc;

    *get_out = false;
    if (!v)
        return ZO_OK;
    if ((rc = zo_json_get_string(v, &text, err)) != ZO_OK)
        return api_at(err, rc, "if_exists");
    if (strcmp(text, "get") != 0 && strcmp(text, "fail") != 0)
        return zo_fail(err, ZO_EINVAL, "/if_exists", "must be one of fail, get");
    *get_out = text[0] == 'g';
    json_object_del(doc, "if_exists");
    return ZO_OK;
}

static zo_status encode_spec(const zo_spec *spec, zo_arena *arena, const char **out, zo_error *err)
{
    zo_json w;

    zo_json_init(&w);
    zo_spec_encode(spec, &w);
    return api_take_text(&w, arena, out, err);
}

/* Does the stored spec equal what was asked for? An absent seed equals any. */
static zo_status same_spec(const zo_spec *wanted, const char *stored, zo_arena *arena, bool *out, zo_error *err)
{
    zo_spec spec = *wanted, theirs;
    const char *text;
    zo_status rc;

    if ((rc = zo_spec_decode_text(stored, strlen(stored), arena, &theirs, err)) != ZO_OK)
        return rc;
    if (!wanted->has_seed)
        spec.study.seed = theirs.study.seed;
    if ((rc = encode_spec(&spec, arena, &text, err)) != ZO_OK)
        return rc;
    *out = strcmp(text, stored) == 0;
    return ZO_OK;
}

static zo_status reply_draft(api_cmd *c, const zo_spec *spec, const zo_study *study, zo_error *err)
{
    zo_json w;
    zo_status rc;

    zo_json_init(&w);
    if ((rc = api_study_write(NULL, spec, study, 0, &w, err)) == ZO_OK)
        api_reply(c, 200, &w);
    else
        zo_json_fini(&w);
    return rc;
}

static zo_status taken(struct create_cmd *q, const zo_spec *spec, const zo_study_row *existing, bool get,
                       zo_arena *arena, zo_error *err)
{
    api_cmd *c = &q->get.c;
    bool same = false;
    zo_status rc;

    if (!(c->problem_id = zo_arena_strdup(zo_req_arena(c->req), existing->id)))
        return zo_fail_nomem(err);
    if (!get)
        return err->code;
    if ((rc = same_spec(spec, existing->spec, arena, &same, err)) != ZO_OK)
        return rc;
    if (!same)
        return zo_fail(err, ZO_ECONFLICT, "/name", "the name is taken by study %s, which has another spec",
                       existing->id);
    q->existing_id = c->problem_id;
    c->problem_id = NULL;
    return ZO_OK;
}

static zo_status create(struct create_cmd *q, zo_ctx *x, zo_spec *spec, bool get, zo_error *err)
{
    api_cmd *c = &q->get.c;
    zo_arena *arena = zo_req_arena(c->req);
    zo_study_row row = {.name = spec->name, .title = spec->title, .metadata = spec->metadata}, existing = {0};
    zo_study *study = NULL;
    char path[64] = "/v1/studies/";
    zo_json w;
    zo_status rc;

    if ((rc = zo_study_new(&spec->study, x->now, q->dry_run ? NULL : x->events, &study, err)) != ZO_OK)
        return rc;
    if (q->dry_run) {
        rc = reply_draft(c, spec, study, err);
        zo_study_free(study);
        return rc;
    }
    if ((rc = encode_spec(spec, arena, &row.spec, err)) != ZO_OK ||
        (rc = zo_ctx_create(x, &row, study, &existing, err)) != ZO_OK) {
        zo_study_free(study);
        return rc == ZO_ECONFLICT && existing.id ? taken(q, spec, &existing, get, x->scratch, err) : rc;
    }
    /* the new actor can't run before this turn is over, so the study may still be read */
    strncat(path, row.id, sizeof path - strlen(path) - 1);
    c->location = zo_arena_strdup(arena, path);
    const zo_ctx as_study = {.study = study, .row = &row};
    if (!c->location || (rc = api_etag(c, &as_study, err)) != ZO_OK)
        return zo_fail_nomem(err);
    zo_json_init(&w);
    if ((rc = api_study_write(&row, spec, study, api_revision(&as_study), &w, err)) != ZO_OK) {
        zo_json_fini(&w);
        return rc;
    }
    api_reply(c, 201, &w);
    return ZO_OK;
}

static zo_status work_create(api_cmd *c, zo_ctx *x, zo_error *err)
{
    struct create_cmd *q = (struct create_cmd *)(void *)c;
    zo_spec spec;
    json_t *doc;
    bool get;
    zo_status rc;

    if ((rc = api_parse(c, &doc, err)) != ZO_OK)
        return rc;
    if ((rc = take_if_exists(doc, &get, err)) == ZO_OK)
        rc = zo_spec_decode(doc, zo_req_arena(c->req), &spec, err);
    json_decref(doc);
    if (rc == ZO_OK && !spec.has_seed)
        rc = api_draw_seed(&spec.study.seed, err);
    return rc == ZO_OK ? create(q, x, &spec, get, err) : rc;
}

static void finish_create(api_cmd *c);
static void finish_as_get(api_cmd *c);

static void go_on_as_get(api_cmd *c)
{
    const struct create_cmd *q = (const struct create_cmd *)(const void *)c;

    c->work = work_get;
    c->finish = finish_as_get;
    api_resubmit(c, ZO_STUDIES, q->existing_id);
}

static void start_again(api_cmd *c)
{
    struct create_cmd *q = (struct create_cmd *)(void *)c;

    q->existing_id = NULL;
    c->etag = c->location = NULL;
    c->work = work_create;
    c->finish = finish_create;
    api_resubmit_directory(c, ZO_STUDIES);
}

static void finish_create(api_cmd *c)
{
    const struct create_cmd *q = (const struct create_cmd *)(const void *)c;

    if (c->cmd.status == ZO_OK && q->existing_id)
        api_hop(c, go_on_as_get);
    else
        zo_req_done(&c->req, 1);
}

/* The study that was found may have been deleted since: then the name is free. */
static void finish_as_get(api_cmd *c)
{
    struct create_cmd *q = (struct create_cmd *)(void *)c;

    if (c->cmd.status == ZO_ENOTFOUND && q->restarts++ < MAX_RESTARTS)
        api_hop(c, start_again);
    else
        zo_req_done(&c->req, 1);
}

zo_status api_study_create(zo_req *req, zo_error *err)
{
    static const char *const allowed[] = {"dry_run"};
    struct create_cmd *q;
    bool dry_run = false;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *q, work_create, allowed, ZO_LEN(allowed), &q, err)) != ZO_OK ||
        (rc = api_query_bool(req, "dry_run", &dry_run, err)) != ZO_OK ||
        (rc = api_hop_open(zo_req_app(req), err)) != ZO_OK)
        return rc;
    q->get.c.finish = finish_create;
    q->dry_run = dry_run;
    if (dry_run) {
        q->get.c.cmd.idempotency_key = NULL;
        q->get.c.cmd.is_write = false;
        api_submit_query(&q->get.c);
    } else {
        api_submit_directory(&q->get.c, ZO_STUDIES);
    }
    return ZO_OK;
}

/* ---- patch and delete ---- */

struct change_cmd {
    api_cmd c;
    const char *if_match;
};

struct patch_in {
    const json_t *title, *metadata, *budget;
    bool paused;
};
enum { P_TITLE, P_METADATA, P_BUDGET, P_PAUSED };
static const zo_field patch_fields[] = {
    [P_TITLE] = {"title", ZO_F_ANY, offsetof(struct patch_in, title), false, 0, 0},
    [P_METADATA] = {"metadata", ZO_F_ANY, offsetof(struct patch_in, metadata), false, 0, 0},
    [P_BUDGET] = {"budget", ZO_F_ANY, offsetof(struct patch_in, budget), false, 0, 0},
    [P_PAUSED] = {"paused", ZO_F_BOOL, offsetof(struct patch_in, paused), false, 0, 0},
};

static zo_status check_match(const struct change_cmd *q, zo_ctx *x, zo_error *err)
{
    zo_status rc;
    api_cmd copy = q->c;

    if (!q->if_match)
        return ZO_OK;
    if ((rc = api_etag(&copy, x, err)) != ZO_OK)
        return rc;
    if (strstr(q->if_match, "W/") || !api_etag_listed(q->if_match, copy.etag)) /* If-Match compares strongly */
        return zo_fail(err, ZO_EPRECONDITION, "", "the study has changed: its ETag is %s now", copy.etag);
    return ZO_OK;
}

static zo_status read_patch(const json_t *doc, zo_ctx *x, zo_patch *patch, const char **title, const char **metadata,
                            zo_error *err)
{
    struct patch_in in = {0};
    uint64_t seen;
    zo_status rc;

    if ((rc = zo_json_read(doc, patch_fields, ZO_LEN(patch_fields), &in, &seen, err)) != ZO_OK)
        return rc;
    if (in.title) {
        *title = "";
        if (!json_is_null(in.title)) {
            if ((rc = zo_json_get_string(in.title, title, err)) != ZO_OK)
                return api_at(err, rc, "title");
            if (json_string_length(in.title) > ZO_TITLE_MAX_BYTES)
                return zo_fail(err, ZO_EINVAL, "/title", "a title has at most %d bytes", ZO_TITLE_MAX_BYTES);
        }
    }
    if (in.metadata) {
        *metadata = "{}";
        if (!json_is_null(in.metadata) &&
            (rc = zo_spec_decode_metadata(in.metadata, x->scratch, metadata, err)) != ZO_OK)
            return api_at(err, rc, "metadata");
    }
    if (in.budget) {
        patch->has_budget = true;
        if (!json_is_null(in.budget)) {
            patch->budget = zo_study_budget(x->study);
            rc = json_is_object(in.budget) ? zo_spec_decode_budget(in.budget, true, &patch->budget, err)
                                           : zo_fail(err, ZO_EMALFORMED, "", "must be an object or null");
            if (rc != ZO_OK)
                return api_at(err, rc, "budget");
        }
    }
    patch->has_paused = seen >> P_PAUSED & 1;
    patch->paused = in.paused;
    return ZO_OK;
}

static zo_status work_patch(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const struct change_cmd *q = (const struct change_cmd *)(const void *)c;
    zo_patch patch = {0};
    const char *title = NULL, *metadata = NULL;
    json_t *doc;
    zo_status rc;

    if ((rc = api_parse(c, &doc, err)) != ZO_OK)
        return rc;
    if ((rc = read_patch(doc, x, &patch, &title, &metadata, err)) == ZO_OK && (rc = check_match(q, x, err)) == ZO_OK &&
        (patch.has_budget || patch.has_paused))
        rc = zo_study_patch(x->study, &patch, x->now, x->events, err);
    if (rc == ZO_OK && (title || metadata))
        rc = zo_ctx_update_row(x, title, metadata, err);
    json_decref(doc);
    return rc == ZO_OK ? reply_study(c, x, 200, err) : rc;
}

static zo_status work_delete(api_cmd *c, zo_ctx *x, zo_error *err)
{
    zo_status rc;

    if ((rc = check_match((const struct change_cmd *)(const void *)c, x, err)) != ZO_OK ||
        (rc = zo_ctx_delete(x, err)) != ZO_OK)
        return rc;
    api_reply_empty(c, 204);
    return ZO_OK;
}

static zo_status change(zo_req *req, zo_status (*work)(api_cmd *, zo_ctx *, zo_error *), zo_error *err)
{
    struct change_cmd *q;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *q, work, NULL, 0, &q, err)) != ZO_OK)
        return rc;
    q->if_match = zo_req_header(req, "If-Match");
    api_submit_study(&q->c);
    return ZO_OK;
}

zo_status api_study_patch(zo_req *req, zo_error *err)
{
    return change(req, work_patch, err);
}

zo_status api_study_delete(zo_req *req, zo_error *err)
{
    return change(req, work_delete, err);
}

/* ---- list ---- */

struct list_cmd {
    api_cmd c;
    zo_study_filter filter;
    char list[256]; /* what a cursor belongs to */
};

static zo_status work_list(api_cmd *c, zo_ctx *x, zo_error *err)
{
    struct list_cmd *q = (struct list_cmd *)(void *)c;
    const size_t limit = q->filter.limit;
    char next[API_CURSOR_CHARS];
    zo_study_row *rows;
    zo_json w;
    size_t n;
    zo_status rc;

    q->filter.limit = limit + 1; /* is there more? */
    rc = zo_reader_studies(x->reader, &q->filter, x->scratch, &rows, &n, err);
    q->filter.limit = limit;
    if (rc != ZO_OK)
        return rc;
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key(&w, "studies");
    zo_json_begin_array(&w);
    for (size_t i = 0; i < n && i < limit; i++)
        api_summary_write(&rows[i], &w);
    zo_json_end_array(&w);
    if (n > limit) {
        const zo_study_row *last = &rows[limit - 1];
        api_cursor at = {
            .number = {(uint64_t)last->study,
                       (uint64_t)(q->filter.sort == ZO_SORT_UPDATED ? last->updated_ms : last->created_ms)}};
        if (q->filter.sort == ZO_SORT_NAME && last->name) {
            strncpy(at.text, last->name, sizeof at.text - 1);
            at.number[2] = 1;
        }
        api_cursor_encode(&at, q->list, next);
    }
    zo_json_key_string(&w, "next", n > limit ? next : NULL);
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

static zo_status read_order(const zo_req *req, zo_study_filter *f, zo_error *err)
{
    static const char *const words[] = {"created", "name", "updated"};
    const char *sort = zo_req_query(req, "sort"), *state = zo_req_query(req, "state");

    f->state = state;
    if (state) {
        bool known = false;
        for (int i = ZO_STUDY_ACTIVE; i <= ZO_STUDY_INFEASIBLE; i++)
            known = known || strcmp(state, zo_study_state_name((zo_study_state)i)) == 0;
        if (!known)
            return zo_fail(err, ZO_EINVAL, "",
                           "query parameter state must be active, paused, done, stalled or infeasible");
    }
    if (!sort)
        return ZO_OK;
    f->descending = sort[0] == '-';
    for (size_t i = 0; i < ZO_LEN(words); i++)
        if (strcmp(sort + f->descending, words[i]) == 0) {
            f->sort = i == 0 ? ZO_SORT_CREATED : i == 1 ? ZO_SORT_NAME : ZO_SORT_UPDATED;
            return ZO_OK;
        }
    return zo_fail(err, ZO_EINVAL, "",
                   "query parameter sort must be created, name or updated, with - before it for descending");
}

zo_status api_study_list(zo_req *req, zo_error *err)
{
    static const char *const allowed[] = {"state", "name_prefix", "sort", "limit", "cursor"};
    const char *cursor = zo_req_query(req, "cursor"), *prefix = zo_req_query(req, "name_prefix");
    uint64_t limit = 100;
    struct list_cmd *q;
    api_cursor at;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *q, work_list, allowed, ZO_LEN(allowed), &q, err)) != ZO_OK ||
        (rc = api_query_u64(req, "limit", 1, 1000, &limit, err)) != ZO_OK ||
        (rc = read_order(req, &q->filter, err)) != ZO_OK)
        return rc;
    if (prefix && strlen(prefix) > 64)
        return zo_fail(err, ZO_EINVAL, "", "query parameter name_prefix has at most 64 bytes");
    q->filter.tenant = API_TENANT;
    q->filter.name_prefix = prefix;
    q->filter.limit = (size_t)limit;
    snprintf(q->list, sizeof q->list, "studies %d%d %s %s", (int)q->filter.sort, q->filter.descending,
             q->filter.state ? q->filter.state : "", prefix ? prefix : "");
    if (cursor) {
        if ((rc = api_cursor_decode(cursor, q->list, &at, err)) != ZO_OK)
            return rc;
        q->filter.has_after = true;
        q->filter.after_study = (int64_t)at.number[0];
        q->filter.after_time = (int64_t)at.number[1];
        q->filter.after_name = at.number[2] ? zo_arena_strdup(zo_req_arena(req), at.text) : NULL;
        if (at.number[2] && !q->filter.after_name)
            return zo_fail_nomem(err);
    }
    api_submit_query(&q->c);
    return ZO_OK;
}
