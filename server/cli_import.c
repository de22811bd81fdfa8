/* zerothd import: studies from JSON lines, as export writes them, into a file. Each study comes with all its trials in
 * one transaction or not at all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/import.h"
#include "cli.h"
#include "codec/jsonread.h"
#include "codec/spec.h"
#include "offline.h"

struct import_cmd {
    zo_offline_cmd c;
    const char *head, *lines; /* the study's line; its trials' */
    size_t head_bytes, lines_bytes;
    size_t head_line; /* from 1 */
    size_t imported, skipped;
    char name[96];
};

static zo_status read_all(FILE *from, char **out, size_t *bytes_out, zo_error *err)
{
    size_t n = 0, cap = 1 << 16, got;
    char *text = zo_malloc(cap);

    while (text && (got = fread(text + n, 1, cap - n, from)) > 0) {
        n += got;
        if (n == cap) {
            char *more = zo_realloc(text, cap *= 2);
            if (!more)
                zo_free(text);
            text = more;
        }
    }
    if (!text)
        return zo_fail_nomem(err);
    if (ferror(from)) {
        zo_free(text);
        return zo_fail(err, ZO_ESTORE, "", "standard input: %s", strerror(errno));
    }
    *out = text;
    *bytes_out = n;
    return ZO_OK;
}

static bool is_head(const char *line, size_t n)
{
    static const char start[] = "{\"study\":";

    return n >= sizeof start - 1 && memcmp(line, start, sizeof start - 1) == 0;
}

/* Put the line's number into the message, and the pointer: there is no other place for it on a terminal. */
static zo_status at_line(zo_error *err, zo_status rc, size_t line, const char *pointer)
{
    const zo_error e = *err;

    return zo_fail(err, rc, e.pointer, "line %zu: %.180s%s%.48s", line, e.message, *pointer ? " at " : "", pointer);
}

/* pointer: /{index of the line}/... */
static zo_status at_trial(zo_error *err, zo_status rc, size_t first_line)
{
    char pointer[sizeof err->pointer];
    char *rest = pointer;
    size_t index = 0;

    memcpy(pointer, err->pointer, sizeof pointer);
    if (pointer[0] == '/')
        index = strtoul(pointer + 1, &rest, 10);
    return at_line(err, rc, first_line + index, rest);
}

static zo_status read_head(const struct import_cmd *q, zo_arena *arena, zo_spec *spec, zo_error *err)
{
    static const zo_field fields[] = {{"study", ZO_F_OBJECT, 0, true, 0, 0}};
    const json_t *study = NULL;
    json_t *doc;
    zo_status rc;

    if ((rc = zo_json_parse(q->head, q->head_bytes, NULL, &doc, err)) != ZO_OK)
        return rc;
    if ((rc = zo_json_read(doc, fields, ZO_LEN(fields), &study, NULL, err)) == ZO_OK)
        rc = zo_spec_decode(study, arena, spec, err);
    json_decref(doc);
    if (rc == ZO_OK && !spec->has_seed)
        rc = zo_fail(err, ZO_EMALFORMED, "/seed", "this field is missing");
    return rc;
}

static zo_status encode(const zo_spec *spec, zo_arena *arena, const char **out, zo_error *err)
{
    zo_json w;
    size_t n;

    zo_json_init(&w);
    zo_spec_encode(spec, &w);
    char *text = zo_json_take(&w, &n);
    *out = text ? zo_arena_memdup(arena, text, n + 1) : NULL;
    zo_free(text);
    return *out ? ZO_OK : zo_fail_nomem(err);
}

static zo_status fill(struct import_cmd *q, zo_ctx *x, zo_study *study, zo_arena *arena, zo_error *err)
{
    api_lines l;
    zo_status rc;

    if ((rc = api_lines_read(q->lines, q->lines_bytes, SIZE_MAX, study, arena, &l, err)) != ZO_OK ||
        (rc = api_lines_tell(&l, study, x->now, x->events, err)) != ZO_OK)
        return at_trial(err, rc, q->head_line + 1);
    q->imported = l.n;
    q->skipped = l.skipped;
    return ZO_OK;
}

/* A taken name is the input's fault: trying again does not help, as it does where a daemon holds the file. */
static zo_status claim(struct import_cmd *q, zo_ctx *x, zo_study_row *row, zo_study *study, zo_error *err)
{
    zo_study_row existing = {0};
    const zo_status rc = zo_ctx_create(x, row, study, &existing, err);

    return rc == ZO_ECONFLICT
               ? zo_fail(err, ZO_EINVAL, "", "line %zu: the file has a study \"%s\" already", q->head_line, row->name)
               : rc;
}

static zo_status create(struct import_cmd *q, zo_ctx *x, zo_arena *arena, zo_error *err)
{
    zo_study_row row = {0};
    zo_study *study = NULL;
    zo_spec spec;
    zo_status rc;

    if ((rc = read_head(q, arena, &spec, err)) != ZO_OK ||
        (rc = zo_study_new(&spec.study, x->now, x->events, &study, err)) != ZO_OK)
        return at_line(err, rc, q->head_line, err->pointer);
    row = (zo_study_row){.name = spec.name, .title = spec.title, .metadata = spec.metadata};
    if ((rc = fill(q, x, study, arena, err)) != ZO_OK || (rc = encode(&spec, arena, &row.spec, err)) != ZO_OK ||
        (rc = claim(q, x, &row, study, err)) != ZO_OK) {
        zo_study_free(study);
        return rc;
    }
    snprintf(q->name, sizeof q->name, "%s", row.name ? row.name : row.id);
    return ZO_OK;
}

static zo_status work_import(zo_offline_cmd *c, zo_ctx *x, zo_error *err)
{
    struct import_cmd *q = (struct import_cmd *)(void *)c;
    zo_arena *arena = zo_arena_new(0);
    zo_status rc;

    if (!arena)
        return zo_fail_nomem(err);
    rc = create(q, x, arena, err);
    zo_arena_free(arena);
    return rc;
}

/* The study that begins at *at; moves *at and *line behind it. */
static zo_status next_study(const char **at, const char *end, size_t *line, struct import_cmd *q, zo_error *err)
{
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));

    *q = (struct import_cmd){.c.work = work_import, .head = *at, .head_line = *line};
    q->head_bytes = (size_t)((stop ? stop : end) - *at);
    if (!is_head(q->head, q->head_bytes))
        return zo_fail(err, ZO_EMALFORMED, "", "line %zu: a study's line {\"study\": {...}} is expected", *line);
    q->lines = *at = stop ? stop + 1 : end;
    ++*line;
    while (*at < end && !is_head(*at, (size_t)(end - *at))) {
        stop = memchr(*at, '\n', (size_t)(end - *at));
        *at = stop ? stop + 1 : end;
        ++*line;
    }
    q->lines_bytes = (size_t)(*at - q->lines);
    return ZO_OK;
}

static zo_status import_all(zo_offline *o, const char *text, size_t bytes, zo_error *err)
{
    const char *at = text, *const end = text + bytes;
    struct import_cmd q;
    size_t line = 1;
    zo_status rc;

    while (at < end) {
        if ((rc = next_study(&at, end, &line, &q, err)) != ZO_OK || (rc = zo_offline_directory(o, &q.c, err)) != ZO_OK)
            return rc;
        printf("%s: %zu trials", q.name, q.imported);
        if (q.skipped)
            printf(", and %zu queued or running ones left out", q.skipped);
        putchar('\n');
    }
    return ZO_OK;
}

int zo_cli_import(int argc, char **argv)
{
    const int stop = zo_cli_operands(argc, argv, 1, 1,
                                     "usage: zerothd import FILE < LINES\n\n"
                                     "Read studies, as zerothd export writes them, from standard input into a database "
                                     "file that no daemon holds; it is made if\n"
                                     "missing. Each study comes whole or not at all; a name that is taken stops the "
                                     "import. Prints one line a study.\n");
    zo_offline *o = NULL;
    zo_error err = {0};
    char *text = NULL;
    size_t bytes = 0;
    zo_status rc;

    if (stop >= 0)
        return stop;
    if ((rc = read_all(stdin, &text, &bytes, &err)) == ZO_OK &&
        (rc = zo_offline_open(argv[1], true, &o, &err)) == ZO_OK)
        rc = import_all(o, text, bytes, &err);
    zo_offline_close(o);
    zo_free(text);
    return rc == ZO_OK ? ZO_EXIT_OK : zo_cli_fail("import", &err);
}
