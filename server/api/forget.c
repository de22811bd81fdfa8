/* POST .../forget of a study: finished trials leave it as if they had never been told. */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "codec/jsonread.h"
#include "models/chain.h"
#include "models/retained.h"

enum { MAX_FORGET = 100000, MAX_REASON = 256 };

/* ---- the request ---- */

struct wanted {
    uint64_t *numbers;
    size_t n;
    const char *reason;
};

static zo_status read_request(const api_cmd *c, json_t *doc, struct wanted *out, zo_error *err)
{
    struct {
        const json_t *trials;
        const char *reason;
    } in = {0};
    static const zo_field fields[] = {
        {"trials", ZO_F_ARRAY, offsetof(__typeof__(in), trials), true, 1, MAX_FORGET},
        {"reason", ZO_F_STRING, offsetof(__typeof__(in), reason), false, 0, MAX_REASON},
    };
    zo_status rc;

    if ((rc = zo_json_read(doc, fields, ZO_LEN(fields), &in, NULL, err)) != ZO_OK)
        return rc;
    out->n = json_array_size(in.trials);
    if (!(out->numbers = zo_arena_array(zo_req_arena(c->req), out->n, sizeof *out->numbers)) ||
        (in.reason && !(out->reason = zo_arena_strdup(zo_req_arena(c->req), in.reason))))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < out->n; i++)
        if ((rc = zo_json_get_u64(json_array_get(in.trials, i), &out->numbers[i], err)) != ZO_OK) {
            zo_fail_at(err, "/trials/%zu", i);
            return rc;
        }
    return ZO_OK;
}

struct tip { /* of the history so far */
    uint64_t seq, request, shown;
    uint8_t hash[CRYPT_HASH_BYTES];
};

static zo_status take_tip(void *ctx, const zo_history *h)
{
    struct tip *t = ctx;

    memcpy(t->hash, h->hash, sizeof t->hash);
    t->shown = h->digest ? h->seq : 0;
    return ZO_OK;
}

/* What is in flight can't be a forget: after one, nothing runs before it is durable. */
static zo_status read_tip(zo_ctx *x, struct tip *out, zo_error *err)
{
    zo_status rc = zo_reader_history_last(x->reader, true, x->row->study, &out->seq, &out->request, err);

    if (rc == ZO_OK && out->seq)
        rc = zo_reader_history(x->reader, true, x->row->study, out->seq - 1, UINT64_MAX, 1, take_tip, out, err);
    return rc;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static zo_status add_ops(zo_ctx *x, const struct wanted *w, zo_error *err)
{
    zo_arena *arena = zo_changes_arena(x->act->changes, err);
    uint64_t *numbers = arena ? zo_arena_memdup(arena, w->numbers, w->n * sizeof *numbers) : NULL;
    zo_op *op;

    if (!numbers)
        return zo_fail_nomem(err);
    qsort(numbers, w->n, sizeof *numbers, by_number);
    if (!(op = zo_changes_add(x->act->changes, ZO_OP_SCRUB, x->row->study, err)))
        return ZO_ENOMEM;
    op->u.scrub.numbers = numbers;
    op->u.scrub.n = w->n;
    return zo_changes_add(x->act->changes, ZO_OP_REPLIES_DROP, -x->row->study, err) ? ZO_OK : ZO_ENOMEM;
}

static void put_reply(zo_json *w, const zo_link *link)
{
    zo_json_begin_object(w);
    zo_json_key_u64(w, "request", link->request);
    zo_json_key_string(w, "state", "done");
    zo_json_key_u64(w, "forgotten", link->rows);
    zo_json_key_u64(w, "trials", link->rows_after);
}

static zo_status reply(api_cmd *c, const zo_link *link, const uint8_t digest[CRYPT_HASH_BYTES], const zo_history *h,
                       const uint8_t previous[CRYPT_HASH_BYTES], zo_error *err)
{
    char hex[2 * CRYPT_HASH_BYTES + 1];
    zo_json w;
    zo_status rc;

    zo_json_init(&w);
    if (c->cmd.idempotency_key) { /* a repetition gets no digest: they are not kept */
        put_reply(&w, link);
        zo_json_end_object(&w);
        zo_json_text(&w, "\n", 1);
        if ((rc = api_take_text(&w, zo_req_arena(c->req), &c->repeated, err)) != ZO_OK)
            return rc;
    }
    put_reply(&w, link);
    crypt_hex(digest, CRYPT_HASH_BYTES, hex);
    zo_json_key_string(&w, "state_digest", hex);
    zo_json_key(&w, "certificate");
    if ((rc = zo_certificate_write(h, previous, &w, err)) != ZO_OK) {
        zo_json_fini(&w);
        return rc;
    }
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

static zo_status forget(api_cmd *c, zo_ctx *x, const struct wanted *w, zo_error *err)
{
    struct tip tip = {0};
    uint8_t digest[CRYPT_HASH_BYTES], config[CRYPT_HASH_BYTES], previous[CRYPT_HASH_BYTES];
    const zo_history *entry;
    zo_status rc;

    if ((rc = read_tip(x, &tip, err)) != ZO_OK ||
        (rc = zo_study_forget(x->study, w->numbers, w->n, tip.request + 1, x->now, x->events, err)) != ZO_OK)
        return rc;
    const zo_link link = {.of_study = true,
                          .owner = x->row->study,
                          .id = x->row->id,
                          .event = "forget",
                          .scope = "trials",
                          .method = "rebuilt from the retained trials",
                          .reason = w->reason,
                          .request = tip.request + 1,
                          .sequence = tip.seq + 1,
                          .rows = w->n,
                          .rows_after = zo_retained_trials(x->study),
                          .subjects = w->n,
                          .at_ms = x->now.wall_ms,
                          .fade = tip.shown,
                          .newest = true};
    memcpy(previous, tip.hash, sizeof previous);
    if ((rc = zo_retained_digest(x->row->spec, x->study, digest, err)) == ZO_OK &&
        (rc = zo_retained_config(x->row->spec, config, err)) == ZO_OK && (rc = add_ops(x, w, err)) == ZO_OK &&
        (rc = zo_chain_append(x->act->changes, &link, digest, config, tip.hash, &entry, err)) == ZO_OK)
        rc = reply(c, &link, digest, entry, previous, err);
    if (rc == ZO_OK)
        zo_ctx_reload(x);
    else
        zo_ctx_undo(x); /* its event is in the record */
    return rc;
}

static zo_status work_forget(api_cmd *c, zo_ctx *x, zo_error *err)
{
    struct wanted w = {0};
    json_t *doc;
    zo_status rc;

    if ((rc = api_parse(c, &doc, err)) != ZO_OK)
        return rc;
    if ((rc = read_request(c, doc, &w, err)) == ZO_OK)
        rc = forget(c, x, &w, err);
    json_decref(doc);
    return rc;
}

zo_status api_study_forget(zo_req *req, zo_error *err)
{
    api_cmd *c;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work_forget, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    api_submit_study(c);
    return ZO_OK;
}
