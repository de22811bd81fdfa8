/* GET .../history, .../certificates/{number}, POST .../verify: what a model, or a study that was made to forget, can
 * prove. */
#include <stdio.h>
#include <string.h>

#include "api/cursor.h"
#include "api/handlers.h"
#include "api/model_json.h"
#include "codec/jsonread.h"
#include "models/retained.h"

/* ---- history ---- */

struct list_cmd {
    api_cmd c;
    const char *cursor;
    uint64_t limit;
};

struct page {
    zo_json *w;
    size_t n, limit;
    uint64_t last;
    bool more;
    zo_error *err;
};

static zo_status put_entry(void *ctx, const zo_history *h)
{
    struct page *p = ctx;

    if (p->n == p->limit) {
        p->more = true;
        return ZO_OK;
    }
    p->n++;
    p->last = h->seq;
    return zo_history_write(h, p->w, p->err);
}

static zo_status work_history(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const struct list_cmd *q = (const struct list_cmd *)(const void *)c;
    char list[64], next[API_CURSOR_CHARS];
    api_cursor at = {0};
    zo_json w;
    struct page p = {.w = &w, .limit = (size_t)q->limit, .err = err};
    zo_status rc;

    const bool of_study = x->study != NULL;

    snprintf(list, sizeof list, "history %s", x->row->id);
    if (q->cursor && (rc = api_cursor_decode(q->cursor, list, &at, err)) != ZO_OK)
        return rc;
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key(&w, "history");
    zo_json_begin_array(&w);
    rc = zo_reader_history(x->reader, of_study, x->row->study, at.number[0], UINT64_MAX, (size_t)q->limit + 1,
                           put_entry, &p, err);
    if (rc != ZO_OK) {
        zo_json_fini(&w);
        return rc;
    }
    zo_json_end_array(&w);
    if (p.more) {
        at = (api_cursor){.number = {p.last}};
        api_cursor_encode(&at, list, next);
    }
    zo_json_key_string(&w, "next", p.more ? next : NULL);
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

static zo_status begin_history(zo_req *req, struct list_cmd **out, zo_error *err)
{
    static const char *const allowed[] = {"limit", "cursor"};
    struct list_cmd *q;
    zo_status rc;

    *out = NULL;
    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *q, work_history, allowed, ZO_LEN(allowed), &q, err)) != ZO_OK)
        return rc;
    q->cursor = zo_req_query(req, "cursor");
    q->limit = 100;
    if ((rc = api_query_u64(req, "limit", 1, 1000, &q->limit, err)) == ZO_OK)
        *out = q;
    return rc;
}

zo_status api_model_history(zo_req *req, zo_error *err)
{
    struct list_cmd *q;
    const zo_status rc = begin_history(req, &q, err);

    if (rc == ZO_OK && q)
        api_submit_model(&q->c);
    return rc;
}

zo_status api_forget_requests(zo_req *req, zo_error *err)
{
    struct list_cmd *q;
    const zo_status rc = begin_history(req, &q, err);

    if (rc == ZO_OK && q)
        api_submit_study(&q->c);
    return rc;
}

/* ---- certificates ---- */

struct certificate_cmd {
    api_cmd c;
    uint64_t number;
};

struct pair {
    uint8_t previous[CRYPT_HASH_BYTES];
    uint64_t seq;
    zo_json *w;
    zo_error *err;
};

static zo_status take_pair(void *ctx, const zo_history *h)
{
    struct pair *p = ctx;

    if (h->seq == p->seq)
        return zo_certificate_write(h, p->previous, p->w, p->err);
    memcpy(p->previous, h->hash, sizeof p->previous);
    return ZO_OK;
}

static zo_status work_certificate(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const struct certificate_cmd *q = (const struct certificate_cmd *)(const void *)c;
    struct pair p = {.err = err};
    const bool of_study = x->study != NULL;
    zo_json w;
    zo_status rc;

    if ((rc = zo_reader_request(x->reader, of_study, x->row->study, q->number, &p.seq, err)) != ZO_OK)
        return rc;
    zo_json_init(&w);
    p.w = &w;
    rc = zo_reader_history(x->reader, of_study, x->row->study, p.seq > 1 ? p.seq - 2 : 0, p.seq + 1, 2, take_pair, &p,
                           err);
    if (rc != ZO_OK) {
        zo_json_fini(&w);
        return rc;
    }
    api_reply(c, 200, &w);
    return ZO_OK;
}

static zo_status begin_certificate(zo_req *req, struct certificate_cmd **out, zo_error *err)
{
    struct certificate_cmd *q;
    zo_status rc;

    *out = NULL;
    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *q, work_certificate, NULL, 0, &q, err)) != ZO_OK)
        return rc;
    if (api_path_number(req, &q->number, err) != ZO_OK)
        return zo_fail(err, ZO_ENOTFOUND, "", "no such forget request: they are numbered from 1");
    *out = q;
    return ZO_OK;
}

zo_status api_model_certificate(zo_req *req, zo_error *err)
{
    struct certificate_cmd *q;
    const zo_status rc = begin_certificate(req, &q, err);

    if (rc == ZO_OK && q)
        api_submit_model(&q->c);
    return rc;
}

zo_status api_study_certificate(zo_req *req, zo_error *err)
{
    struct certificate_cmd *q;
    const zo_status rc = begin_certificate(req, &q, err);

    if (rc == ZO_OK && q)
        api_submit_study(&q->c);
    return rc;
}

/* ---- verify ---- */

static zo_status digest_now(const zo_ctx *x, uint8_t out[CRYPT_HASH_BYTES], zo_error *err)
{
    return x->live ? zo_live_digest(x->live, out, err) : zo_retained_digest(x->row->spec, x->study, out, err);
}

static zo_status work_verify(api_cmd *c, zo_ctx *x, zo_error *err)
{
    static const zo_field fields[] = {{"digest", ZO_F_STRING, 0, true, 2 * CRYPT_HASH_BYTES, 2 * CRYPT_HASH_BYTES}};
    uint8_t digest[CRYPT_HASH_BYTES];
    char hex[2 * CRYPT_HASH_BYTES + 1];
    const char *given;
    zo_chain_facts k;
    json_t *doc;
    zo_json w;
    zo_status rc;

    if ((rc = api_parse(c, &doc, err)) != ZO_OK)
        return rc;
    if ((rc = zo_json_read(doc, fields, ZO_LEN(fields), &given, NULL, err)) != ZO_OK ||
        (rc = digest_now(x, digest, err)) != ZO_OK ||
        (rc = zo_chain_verify(x->reader, x->study != NULL, x->row->study, &k, err)) != ZO_OK)
        goto done;
    crypt_hex(digest, sizeof digest, hex);
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key_bool(&w, "match", strcmp(hex, given) == 0);
    if (x->live) {
        zo_json_key_u64(&w, "sequence", zo_live_sequence(x->live));
        zo_json_key_u64(&w, "rows", zo_model_rows(zo_live_model(x->live)));
    } else
        zo_json_key_u64(&w, "trials", zo_retained_trials(x->study));
    zo_json_key_string(&w, "chain", k.broken ? "broken" : "intact");
    if (k.broken)
        zo_json_key_u64(&w, "broken_at", k.broken);
    zo_json_key_u64(&w, "entries", k.entries);
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
done:
    json_decref(doc);
    return rc;
}

static zo_status begin_verify(zo_req *req, api_cmd **out, zo_error *err)
{
    zo_status rc;

    *out = NULL;
    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof **out, work_verify, NULL, 0, out, err)) == ZO_OK)
        (*out)->cmd.is_write = false;
    return rc;
}

zo_status api_model_verify(zo_req *req, zo_error *err)
{
    api_cmd *c;
    const zo_status rc = begin_verify(req, &c, err);

    if (rc == ZO_OK && c)
        api_submit_model(c);
    return rc;
}

zo_status api_study_verify(zo_req *req, zo_error *err)
{
    api_cmd *c;
    const zo_status rc = begin_verify(req, &c, err);

    if (rc == ZO_OK && c)
        api_submit_study(c);
    return rc;
}
