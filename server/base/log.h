/* Structured log: one line an event on stderr, logfmt (key=value, values quoted and escaped where needed). Any thread. */
#ifndef ZO_BASE_LOG_H
#define ZO_BASE_LOG_H

#include "zeroth/base.h"

typedef enum zo_log_level { ZO_DEBUG, ZO_INFO, ZO_WARN, ZO_ERROR, ZO_LOG_OFF } zo_log_level;
/* Error: someone must act; warn: it healed; info: one line a request. Never a body, token or sample. */
void zo_log(zo_log_level level, const char *event, const char *fmt, ...) ZO_PRINTF(3, 4);
void zo_log_set_level(zo_log_level level);
bool zo_log_enabled(zo_log_level level);
bool zo_log_level_parse(const char *name, zo_log_level *out);
/* Escape s for use as a logfmt value into buf; returns buf. Control characters and quotes are escaped (no log injection). */
const char *zo_log_quote(char *buf, size_t size, const char *s);

#endif
