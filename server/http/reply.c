/* The reply: from what the request holds to the library's response. */
#include "http/internal.h"

#include <string.h>
#include <strings.h>

/* Headers of every reply, unless the handler set its own. The API answers data, never a page. */
static const struct {
    const char *name, *value;
} defaults[] = {
    {"Cache-Control", "no-store"},
    {"X-Content-Type-Options", "nosniff"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
};

static struct MHD_Response *make_response(zo_req *r)
{
    struct MHD_Response *response;

    if (r->stream && !r->head)
        return http_stream_response(r->stream);
    if (!r->reply || r->reply_static)
        return MHD_create_response_from_buffer(r->reply_bytes, r->reply, MHD_RESPMEM_PERSISTENT);
    response = MHD_create_response_from_buffer_with_free_callback(r->reply_bytes, r->reply, zo_free);
    if (response)
        r->reply = NULL; /* the response's; its length stays for the log */
    return response;
}

static bool add(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool has(const zo_req *r, const char *name)
{
    const struct http_pair *p = r->reply_headers;

    while (p && strcasecmp(p->name, name) != 0)
        p = p->next;
    return p != NULL;
}

static bool add_headers(const zo_req *r, struct MHD_Response *response)
{
    bool ok = add(response, "X-Request-Id", r->id);

    for (size_t i = 0; i < ZO_LEN(defaults); i++)
        if (!has(r, defaults[i].name))
            ok &= add(response, defaults[i].name, defaults[i].value);
    if (r->content_type)
        ok &= add(response, "Content-Type", r->content_type);
    for (const struct http_pair *p = r->reply_headers; p; p = p->next)
        ok &= add(response, p->name, p->value);
    if (r->close || r->http->draining)
        ok &= add(response, "Connection", "close");
    return ok;
}

enum MHD_Result http_reply_queue(zo_req *r)
{
    ZO_ASSERT(r->status != 0);
    struct MHD_Response *response = make_response(r);
    enum MHD_Result queued = MHD_NO;

    if (!response)
        return MHD_NO; /* out of memory: the connection ends */
    r->phase = REQ_REPLYING;
    http_conn_busy(r->conn);
    if (add_headers(r, response))
        queued = MHD_queue_response(r->conn->mhd, r->status, response);
    MHD_destroy_response(response);
    return queued;
}
