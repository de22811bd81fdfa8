/* Rows on their way into sums or out of them. A product of a few rows costs nearly what one of hundreds does, and parts
 * are small where rows can be forgotten one by one: so rows of one class are gathered from many parts. */
#include "models/private.h"

#include <string.h>

enum { MOST_ROWS = 512, MOST_BYTES = 4 << 20 };

static size_t n_outputs(const zo_live *l)
{
    return l->spec.model.target == ZO_TARGET_REAL ? l->spec.model.outputs : 0;
}

static size_t row_bytes(const zo_live *l)
{
    return (l->spec.model.inputs + n_outputs(l)) * sizeof(int32_t);
}

zo_status batch_begin(row_batch *b, zo_live *l, zo_sums *sums, int sign, size_t most, zo_error *err)
{
    const size_t fit = MOST_BYTES / row_bytes(l), cap = most < MOST_ROWS ? most : MOST_ROWS;

    *b = (row_batch){.l = l, .sums = sums, .sign = sign, .cap = cap < fit ? cap : fit};
    b->cap = b->cap ? b->cap : 1;
    b->x = zo_malloc(b->cap * row_bytes(l));
    return b->x ? ZO_OK : zo_fail_nomem(err);
}

zo_status batch_flush(row_batch *b, zo_error *err)
{
    const zo_model_config *c = &b->l->spec.model;
    const zo_rows rows = {.x = b->x, .y = n_outputs(b->l) ? b->x + b->cap * c->inputs : NULL, .n = b->n, .cls = b->cls};

    b->n = 0;
    if (rows.n == 0)
        return ZO_OK;
    return b->sums ? zo_sums_accumulate(b->l->model, &rows, b->sign, b->sums, err)
                   : zo_model_accumulate(b->l->model, &rows, b->sign, NULL, err);
}

zo_status batch_add(row_batch *b, uint32_t cls, const uint8_t *row, zo_error *err)
{
    const size_t inputs = b->l->spec.model.inputs, outputs = n_outputs(b->l);
    zo_status rc;

    if ((b->n == b->cap || b->cls != cls) && (rc = batch_flush(b, err)) != ZO_OK)
        return rc;
    b->cls = cls;
    memcpy(b->x + b->n * inputs, row, inputs * sizeof *b->x);
    if (outputs)
        memcpy(b->x + b->cap * inputs + b->n * outputs, row + inputs * sizeof *b->x, outputs * sizeof *b->x);
    b->n++;
    return ZO_OK;
}

void batch_end(row_batch *b)
{
    if (b->x)
        explicit_bzero(b->x, b->cap * row_bytes(b->l));
    zo_free(b->x);
    *b = (row_batch){0};
}
