/* The one place where status codes of the core and the server become HTTP's, and where problems are written. */
#include "http/internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

unsigned zo_status_http(zo_status code)
{
    switch (code) {
    case ZO_OK:
        return 200;
    case ZO_EMALFORMED:
        return 400;
    case ZO_EINVAL:
    case ZO_EUNSUPPORTED:
    case ZO_ENUMERIC:
        return 422;
    case ZO_ENOTFOUND:
        return 404;
    case ZO_ECONFLICT:
        return 409;
    case ZO_EGONE:
        return 410;
    case ZO_EPRECONDITION:
        return 412;
    case ZO_ETOOLARGE:
        return 413;
    case ZO_ELIMIT:
        return 429;
    case ZO_EBUSY:
    case ZO_ESTORE:
    case ZO_ENOMEM:
    case ZO_ECANCELED:
        return 503;
    case ZO_EFULL:
        return 507;
    case ZO_EINTERNAL:
    case ZO_STATUS_COUNT:
        break;
    }
    return 500;
}

/* ---- the problem document, RFC 9457 ---- */

enum { RETRY_SOON_S = 1, RETRY_LATER_S = 5 };

static const char *find_header(const zo_req *r, const char *name)
{
    for (const struct http_pair *p = r->reply_headers; p; p = p->next)
        if (strcasecmp(p->name, name) == 0)
            return p->value;
    return NULL;
}

/* When to come back: soon after a moment's overload, later when the disk or an operator has to act. */
static void set_retry_after(zo_req *r, unsigned status, const char *slug)
{
    const bool is_disk = status == 507 || strcmp(slug, zo_status_slug(ZO_ESTORE)) == 0;
    char seconds[8];

    if ((status != 429 && status != 503 && status != 507) || find_header(r, "Retry-After"))
        return;
    snprintf(seconds, sizeof seconds, "%d", is_disk ? RETRY_LATER_S : RETRY_SOON_S);
    zo_req_header_set(r, "Retry-After", seconds);
}

/* "uri-too-long" to "Uri too long". */
static void write_title(const char *slug, char *title, size_t size)
{
    snprintf(title, size, "%s", slug);
    title[0] = (char)(title[0] >= 'a' && title[0] <= 'z' ? title[0] - 'a' + 'A' : title[0]);
    for (char *p = title; *p; p++)
        if (*p == '-')
            *p = ' ';
}

/* position 0: left out. key and value: one member more, if key is not NULL. */
static void put(zo_req *r, unsigned status, const char *slug, const char *detail, const char *pointer, size_t position,
                const char *key, const char *value)
{
    char type[64], title[40];
    zo_json w;
    size_t bytes;

    snprintf(type, sizeof type, "/errors/%s", slug);
    write_title(slug, title, sizeof title);
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key_string(&w, "type", type);
    zo_json_key_string(&w, "title", title);
    zo_json_key_u64(&w, "status", status);
    zo_json_key_string(&w, "detail", detail);
    zo_json_key_string(&w, "pointer", pointer);
    if (position)
        zo_json_key_u64(&w, "position", position);
    zo_json_key_string(&w, "request_id", r->id);
    if (key)
        zo_json_key_string(&w, key, value);
    zo_json_end_object(&w);
    zo_json_text(&w, "\n", 1);
    set_retry_after(r, status, slug);
    char *text = zo_json_take(&w, &bytes);
    if (text)
        zo_req_reply(r, status, "application/problem+json", text, bytes);
    else
        http_reply_static(r, 503, "application/problem+json",
                          "{\"type\":\"/errors/memory\",\"title\":\"Memory\",\"status\":503,\"detail\":\"out of "
                          "memory\",\"pointer\":\"\","
                          "\"request_id\":\"0000000000000000\"}\n");
}

void zo_req_problem(zo_req *r, const zo_error *e)
{
    zo_req_problem_with(r, e, NULL, NULL);
}

void zo_req_problem_with(zo_req *r, const zo_error *e, const char *key, const char *value)
{
    put(r, zo_status_http(e->code), zo_status_slug(e->code), e->message, e->pointer, e->position, key, value);
}

void zo_req_problem_as(zo_req *r, unsigned status, const char *slug, const char *detail)
{
    put(r, status, slug, detail, "", 0, NULL, NULL);
}
