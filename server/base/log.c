/* See log.h. One write(2) a line, so lines of several threads do not mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic int log_level = ZO_INFO;
static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

void zo_log_set_level(zo_log_level level)
{
    atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

bool zo_log_enabled(zo_log_level level)
{
    return (int)level >= atomic_load_explicit(&log_level, memory_order_relaxed);
}

bool zo_log_level_parse(const char *name, zo_log_level *out)
{
    for (size_t i = 0; i < ZO_LEN(level_names); i++)
        if (strcmp(name, level_names[i]) == 0) {
            *out = (zo_log_level)i;
            return true;
        }
    return false;
}

void zo_log(zo_log_level level, const char *event, const char *fmt, ...)
{
    char line[1024];
    struct timespec now;
    struct tm utc;
    va_list args;

    if (!zo_log_enabled(level) || level == ZO_LOG_OFF)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(line, sizeof line, "time=%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ level=%s event=%s ", now.tv_nsec / 1000000, level_names[level], event);
    va_start(args, fmt);
    const int rest = vsnprintf(line + n, sizeof line - n, fmt, args);
    va_end(args);
    n = rest < 0 ? n : n + (size_t)rest < sizeof line - 1 ? n + (size_t)rest : sizeof line - 2; /* a line too long is cut */
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0) {
        /* nowhere left to say so */
    }
}

const char *zo_log_quote(char *buf, size_t size, const char *s)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;

    ZO_ASSERT(size >= 8);
    buf[n++] = '"';
    for (; *s != '\0' && n + 6 < size; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') {
            buf[n++] = '\\';
            buf[n++] = (char)c;
        } else if (c < 0x20 || c >= 0x7f) {
            buf[n++] = '\\';
            buf[n++] = 'x';
            buf[n++] = hex[c >> 4];
            buf[n++] = hex[c & 15];
        } else {
            buf[n++] = (char)c;
        }
    }
    buf[n++] = '"';
    buf[n] = '\0';
    return buf;
}
