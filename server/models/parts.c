/* Parts: their text, sealed and opened.
 *
 * Text: version 1, kind, group and task tags, length and bytes of the class's label, count; then count rows of (row
 * tag, id tag, and in PART_ROWS the quantised inputs and targets as little-endian int32), or the body of sums or state.
 */
#include "models/private.h"

#include <string.h>

enum { VERSION = 1, HEAD_BYTES = 1 + 1 + 16 + 16 + 2, ROWS_LIMIT = 16 << 10, GROUP_ROWS_LIMIT = 256 << 10 };
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are copied as they are");

size_t parts_row_bytes(const zo_live *l, part_kind kind)
{
    const zo_model_config *c = &l->spec.model;
    const size_t numbers = c->inputs + (c->target == ZO_TARGET_REAL ? c->outputs : 0);

    return 2 * sizeof(tag) + (kind == PART_ROWS ? numbers * sizeof(int32_t) : 0);
}

/* Rows that are forgotten one by one lie in small parts, for a part is written anew without them. */
size_t parts_limit(const zo_live *l, part_kind kind)
{
    return kind == PART_ROWS && l->spec.retention == ZO_RETAIN_GROUPS ? GROUP_ROWS_LIMIT : ROWS_LIMIT;
}

/* ---- opened ---- */

void part_text_fini(part_text *t)
{
    if (t->plain)
        explicit_bzero(t->plain, t->plain_bytes);
    zo_free(t->plain);
    *t = (part_text){0};
}

part_row part_text_row(const part_text *t, size_t i)
{
    const uint8_t *at = t->rows + i * t->row_bytes;
    part_row r;

    memcpy(&r.row, at, sizeof r.row);
    memcpy(&r.id, at + sizeof r.row, sizeof r.id);
    r.x = t->kind == PART_ROWS ? at + 2 * sizeof(tag) : NULL;
    return r;
}

zo_status part_parse(const zo_live *l, part_kind kind, uint8_t *plain, size_t n, part_text *out, zo_error *err)
{
    part_text t = {.plain = plain, .plain_bytes = n, .kind = kind};
    uint16_t label_bytes;
    uint32_t count;
    size_t at = HEAD_BYTES;

    if (n < HEAD_BYTES + sizeof count || plain[0] != VERSION || plain[1] != kind)
        goto damaged;
    memcpy(&t.group, plain + 2, sizeof t.group);
    memcpy(&t.task, plain + 18, sizeof t.task);
    memcpy(&label_bytes, plain + 34, sizeof label_bytes);
    if (n - at < (size_t)label_bytes + 1 + sizeof count || plain[at + label_bytes] != '\0')
        goto damaged;
    t.label = (const char *)plain + at;
    at += (size_t)label_bytes + 1;
    memcpy(&count, plain + at, sizeof count);
    at += sizeof count;
    t.n = count;
    if (kind == PART_ROWS || kind == PART_TAGS) {
        t.row_bytes = parts_row_bytes(l, kind);
        if ((n - at) / t.row_bytes != count || (n - at) % t.row_bytes)
            goto damaged;
        t.rows = plain + at;
    } else {
        t.body = plain + at;
        t.body_bytes = n - at;
    }
    *out = t;
    return ZO_OK;
damaged:
    part_text_fini(&t);
    return zo_fail(err, ZO_ESTORE, "", "a part of the model is damaged");
}

zo_status part_unseal(const zo_live *l, part_kind kind, const uint8_t *secret, const void *sealed, size_t bytes,
                      part_text *out, zo_error *err)
{
    const size_t n = crypt_plain_bytes(bytes);
    uint8_t *plain = n == SIZE_MAX ? NULL : zo_malloc(n + 1);

    if (!plain && n != SIZE_MAX)
        return zo_fail_nomem(err);
    if (!plain || !crypt_open(secret, l->id, zo_model_team(l->model), sealed, bytes, plain)) {
        zo_free(plain);
        return zo_fail(err, ZO_ESTORE, "", "a part of the model can't be opened: it is damaged");
    }
    return part_parse(l, kind, plain, n, out, err);
}

static const uint8_t *secret_of(const zo_live *l, const live_part *p)
{
    return p->kind == PART_STATE ? l->secret : l->groups[l->cells[p->cell].group].secret;
}

static int64_t key_of(const zo_live *l, const live_part *p)
{
    return p->kind == PART_STATE ? l->secret_key : l->groups[l->cells[p->cell].group].key;
}

zo_status parts_open(zo_live *l, zo_act *a, uint32_t slot, part_text *out, zo_error *err)
{
    const live_part *p = &l->parts[slot];
    void *body = NULL;
    const uint8_t *sealed = p->sealed;
    size_t n = p->sealed_bytes;
    uint32_t kind;
    int64_t key;
    zo_status rc;

    if (!sealed) {
        if ((rc = zo_reader_part(a->reader, l->key, p->id, &kind, &key, &body, &n, err)) != ZO_OK)
            return rc == ZO_ENOTFOUND ? zo_fail(err, ZO_ESTORE, "", "a part of the model is missing") : rc;
        sealed = body;
    }
    rc = part_unseal(l, p->kind, secret_of(l, p), sealed, n, out, err);
    zo_free(body);
    return rc;
}

/* ---- drafts ---- */

static uint8_t *draft_text(const part_draft *d)
{
    return d->room + CRYPT_NONCE_BYTES;
}

static zo_status reserve(part_draft *d, size_t more, zo_error *err)
{
    size_t cap = d->cap ? 2 * d->cap : 1024;
    uint8_t *room;

    if (d->n + more <= d->cap)
        return ZO_OK;
    if (cap < d->n + more)
        cap = d->n + more;
    if (!(room = zo_malloc(crypt_sealed_bytes(cap))))
        return zo_fail_nomem(err);
    if (d->n) {
        memcpy(room + CRYPT_NONCE_BYTES, draft_text(d), d->n);
        explicit_bzero(draft_text(d), d->n);
    }
    zo_free(d->room);
    d->room = room;
    d->cap = cap;
    return ZO_OK;
}

static void append(part_draft *d, const void *p, size_t n)
{
    memcpy(draft_text(d) + d->n, p, n);
    d->n += n;
}

void draft_fini(part_draft *d)
{
    if (d->room)
        explicit_bzero(draft_text(d), d->n);
    zo_free(d->room);
    *d = (part_draft){0};
}

zo_status draft_begin(zo_live *l, part_draft *d, part_kind kind, uint32_t c, size_t more_bytes, zo_error *err)
{
    const bool whole = kind == PART_STATE, classes = l->spec.model.target == ZO_TARGET_CLASSES;
    const tag none = {{0}};
    const char *label = whole || !classes ? "" : zo_model_class_label(l->model, l->cells[c].cls);
    const uint16_t label_bytes = (uint16_t)strlen(label);
    const uint8_t head[2] = {VERSION, (uint8_t)kind};
    const uint32_t count = 0;
    zo_status rc;

    *d = (part_draft){.kind = kind, .cell = c};
    if ((rc = reserve(d, HEAD_BYTES + label_bytes + 1u + sizeof count + more_bytes, err)) != ZO_OK)
        return rc;
    append(d, head, sizeof head);
    append(d, whole ? &none : &l->groups[l->cells[c].group].name, sizeof none);
    append(d, whole ? &none : &l->cells[c].task, sizeof none);
    append(d, &label_bytes, sizeof label_bytes);
    append(d, label, (size_t)label_bytes + 1);
    append(d, &count, sizeof count);
    return ZO_OK;
}

zo_status draft_row(zo_live *l, part_draft *d, const tag *row, const tag *id, const void *x, size_t bytes,
                    zo_error *err)
{
    const zo_status rc = reserve(d, 2 * sizeof(tag) + bytes, err);

    (void)l;
    if (rc != ZO_OK)
        return rc;
    append(d, row, sizeof *row);
    append(d, id, sizeof *id);
    if (bytes)
        append(d, x, bytes);
    d->rows++;
    return ZO_OK;
}

void *draft_body(part_draft *d, size_t n, zo_error *err)
{
    if (reserve(d, n, err) != ZO_OK)
        return NULL;
    d->n += n;
    return draft_text(d) + d->n - n;
}

/* ---- slots ---- */

zo_status parts_slot(zo_live *l, uint32_t *out, zo_error *err)
{
    if (l->n_free_parts) {
        *out = l->free_parts[--l->n_free_parts];
        return ZO_OK;
    }
    if (l->n_parts == l->cap_parts) {
        const size_t cap = l->cap_parts ? 2 * l->cap_parts : 64;
        live_part *parts = zo_realloc(l->parts, cap * sizeof *parts);
        uint32_t *free_parts;

        if (!parts)
            return zo_fail_nomem(err);
        l->parts = parts;
        if (!(free_parts = zo_realloc(l->free_parts, cap * sizeof *free_parts))) /* so that dropping never fails */
            return zo_fail_nomem(err);
        l->free_parts = free_parts;
        l->cap_parts = cap;
    }
    *out = (uint32_t)l->n_parts++;
    l->parts[*out] = (live_part){0};
    return ZO_OK;
}

/* New parts go to the front, so who walks the list doesn't meet what it puts. */
void parts_join(zo_live *l, uint32_t slot, uint32_t cell)
{
    live_part *p = &l->parts[slot];

    p->cell = cell;
    p->prev = NO_SLOT;
    p->next = l->cells[cell].parts;
    l->cells[cell].parts = slot;
    if (p->next != NO_SLOT)
        l->parts[p->next].prev = slot;
}

static void leave_cell(zo_live *l, const live_part *p)
{
    if (p->next != NO_SLOT)
        l->parts[p->next].prev = p->prev;
    if (p->prev != NO_SLOT)
        l->parts[p->prev].next = p->next;
    else
        l->cells[p->cell].parts = p->next;
}

static void free_slot(zo_live *l, uint32_t slot)
{
    live_part *p = &l->parts[slot];

    if (p->cell != NO_SLOT)
        leave_cell(l, p);
    zo_free(p->sealed);
    *p = (live_part){0};
    l->free_parts[l->n_free_parts++] = slot;
}

static void patch_count(part_draft *d)
{
    uint8_t *text = draft_text(d);
    uint16_t label_bytes;
    const uint32_t count = (uint32_t)d->rows;

    memcpy(&label_bytes, text + 34, sizeof label_bytes);
    memcpy(text + HEAD_BYTES + label_bytes + 1, &count, sizeof count);
}

/* What readers can't see yet and may be asked for: not the state, which is opened when a model is loaded only. */
static zo_status keep_sealed(live_part *p, const uint8_t *body, size_t bytes, zo_error *err)
{
    if (p->kind == PART_STATE)
        return ZO_OK;
    if (!(p->sealed = zo_malloc(bytes)))
        return zo_fail_nomem(err);
    memcpy(p->sealed, body, bytes);
    p->sealed_bytes = bytes;
    return ZO_OK;
}

static zo_status reserve_flying(zo_live *l, zo_error *err)
{
    const size_t cap = l->cap_flying ? 2 * l->cap_flying : 16;
    uint32_t *flying;

    if (l->n_flying < l->cap_flying)
        return ZO_OK;
    if (!(flying = zo_realloc(l->flying, cap * sizeof *flying)))
        return zo_fail_nomem(err);
    l->flying = flying;
    l->cap_flying = cap;
    return ZO_OK;
}

static zo_status seal(zo_live *l, zo_act *a, part_draft *d, live_part *p, bool over, zo_error *err)
{
    const size_t bytes = crypt_sealed_bytes(d->n);
    uint8_t *body = d->room;
    zo_op *op = NULL;
    zo_status rc;

    patch_count(d);
    crypt_seal(secret_of(l, p), l->id, zo_model_team(l->model), draft_text(d), d->n, body);
    *d = (part_draft){0};
    if ((rc = keep_sealed(p, body, bytes, err)) != ZO_OK) {
        zo_free(body);
    } else if ((rc = zo_changes_take(a->changes, body, err)) == ZO_OK) {
        op = zo_changes_add(a->changes, ZO_OP_PART_PUT, l->key, err);
        rc = op ? ZO_OK : ZO_ENOMEM;
    }
    if (rc != ZO_OK)
        return rc;
    op->u.part.part = p->id;
    op->u.part.key = key_of(l, p);
    op->u.part.kind = p->kind;
    op->u.part.over = over;
    op->u.part.body = body;
    op->u.part.bytes = bytes;
    return ZO_OK;
}

zo_status draft_put(zo_live *l, zo_act *a, part_draft *d, uint32_t *slot_out, zo_error *err)
{
    uint32_t slot = 0;
    live_part *p;
    zo_status rc = reserve_flying(l, err);

    if (rc != ZO_OK || (rc = parts_slot(l, &slot, err)) != ZO_OK) {
        draft_fini(d);
        return rc;
    }
    p = &l->parts[slot];
    *p = (live_part){.id = zo_store_next_part(a->store),
                     .cell = NO_SLOT,
                     .n = (uint32_t)d->rows,
                     .kind = d->kind,
                     .used = true,
                     .transaction = l->transaction};
    if (d->kind != PART_STATE)
        parts_join(l, slot, d->cell);
    l->flying[l->n_flying++] = slot;
    if ((rc = seal(l, a, d, p, false, err)) != ZO_OK) {
        free_slot(l, slot);
        return rc;
    }
    *slot_out = slot;
    return ZO_OK;
}

zo_status draft_put_over(zo_live *l, zo_act *a, part_draft *d, uint32_t slot, zo_error *err)
{
    live_part *p = &l->parts[slot];
    const zo_status rc = reserve_flying(l, err);

    ZO_ASSERT(p->kind == PART_STATE && d->kind == PART_STATE); /* of others the sealed body is kept, too */
    if (rc != ZO_OK) {
        draft_fini(d);
        return rc;
    }
    p->transaction = l->transaction;
    l->flying[l->n_flying++] = slot;
    return seal(l, a, d, p, true, err);
}

zo_status parts_drop(zo_live *l, zo_act *a, uint32_t slot, zo_error *err)
{
    zo_op *op = zo_changes_add(a->changes, ZO_OP_PART_DROP, l->key, err);

    if (!op)
        return ZO_ENOMEM;
    op->u.part.part = l->parts[slot].id;
    free_slot(l, slot);
    return ZO_OK;
}

void parts_settled(zo_live *l, uint64_t transaction)
{
    size_t left = 0;

    for (size_t i = 0; i < l->n_flying; i++) {
        live_part *p = &l->parts[l->flying[i]];

        if (p->transaction > transaction) {
            l->flying[left++] = l->flying[i];
            continue;
        }
        p->transaction = 0;
        zo_free(p->sealed);
        p->sealed = NULL;
        p->sealed_bytes = 0;
    }
    l->n_flying = left;
}

void parts_forget_all(zo_live *l)
{
    for (size_t i = 0; i < l->n_parts; i++)
        zo_free(l->parts[i].sealed);
    l->n_parts = l->n_free_parts = l->n_flying = 0;
    l->state_part = NO_SLOT;
}
