/* The one place where status codes of the core and the server become HTTP's. */
#include "http/request.h"

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
