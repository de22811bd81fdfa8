/* Cursors of lists: a few numbers and a text as opaque base64url. A cursor holds a check over itself and over the list it belongs to, so
 * that a damaged one, or one of another list, is refused; it grants nothing that the list's other parameters do not. */
#ifndef ZO_API_CURSOR_H
#define ZO_API_CURSOR_H

#include "zeroth/arena.h"
#include "zeroth/error.h"

enum { API_CURSOR_NUMBERS = 3, API_CURSOR_TEXT = 128, API_CURSOR_CHARS = 256 };
typedef struct api_cursor {
    uint64_t number[API_CURSOR_NUMBERS];
    char text[API_CURSOR_TEXT];      /* NUL-terminated */
} api_cursor;

/* list: route, filter and order, as one string. */
void api_cursor_encode(const api_cursor *c, const char *list, char out[API_CURSOR_CHARS]);
zo_status api_cursor_decode(const char *text, const char *list, api_cursor *out, zo_error *err); /* ZO_EMALFORMED */

#endif
