/* Finished trials from JSON lines: POST .../import and `zerothd import`. */
#ifndef ZO_API_IMPORT_H
#define ZO_API_IMPORT_H

#include "zeroth/study.h"

typedef struct api_lines {
    zo_tell_item *items;         /* of lines with a result */
    size_t *line;                /* [n] the line of each, from 0 */
    uint64_t *numbers;           /* [n] for the engine to fill */
    size_t n, skipped;           /* skipped: queued or running trials */
} api_lines;

/* text: lines of JSON, blank ones allowed. All that is kept is copied into the arena. An error's pointer begins with the line's
 * index. ZO_ETOOLARGE: more than max_lines. */
zo_status api_lines_read(const char *text, size_t bytes, size_t max_lines, const zo_study *s, zo_arena *arena, api_lines *out, zo_error *err);
/* All or nothing; pointers as above. */
zo_status api_lines_tell(const api_lines *l, zo_study *s, zo_now now, zo_events *ev, zo_error *err);

#endif
