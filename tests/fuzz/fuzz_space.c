/* Search spaces from bytes: a space is refused or works. What works gives points that are on their levels, meet the
 * linear constraints, and survive being written out and read back. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "zeroth/space.h"

enum { MAX_P = 8, MAX_ROWS = 4 };

struct bytes {
    const uint8_t *at;
    size_t left;
};

static uint8_t take(struct bytes *b)
{
    if (b->left == 0)
        return 0;
    b->left--;
    return *b->at++;
}

/* Mostly small numbers with few digits, sometimes any double. */
static double number(struct bytes *b)
{
    const uint8_t kind = take(b);
    double any = 0;

    if (kind < 200)
        return (double)(int8_t)take(b) * (kind % 4 == 0 ? 0.1 : kind % 4 == 1 ? 1000 : 1);
    for (size_t k = 0; k < sizeof any; k++)
        ((uint8_t *)&any)[k] = take(b);
    return any;
}

static const char *const names[MAX_P] = {"a", "b", "c", "d", "e", "f", "g", "h"};

struct input {
    zo_param_spec params[MAX_P];
    zo_scalar choices[MAX_P][3], values[MAX_P][2];
    zo_when when[MAX_P];
    zo_linear_spec rows[MAX_ROWS];
    zo_term terms[MAX_ROWS][MAX_P];
    zo_space_spec spec;
};

static void read_param(struct bytes *b, struct input *in, size_t i)
{
    zo_param_spec *p = &in->params[i];

    *p = (zo_param_spec){.name = names[i], .type = (zo_type)(take(b) % 7), .scale = (zo_scale)(take(b) % 3)};
    if (take(b) % 2) {
        p->low = number(b);
        p->high = number(b);
        p->step = take(b) % 2 ? number(b) : 0;
    } else {
        p->low = p->scale != ZO_LINEAR;
        p->high = p->low + 1 + take(b);
    }
    p->size = 1 + take(b) % 3;
    for (size_t k = 0; k < 3; k++)
        in->choices[i][k] = (zo_scalar){.kind = ZO_NUMBER, .number = take(b) % 4 ? (double)k : number(b)};
    if (p->type == ZO_CATEGORICAL || p->type == ZO_ORDINAL) {
        p->choices = in->choices[i];
        p->n_choices = take(b) % 4;
    }
    p->fixed = in->choices[i][1];
    p->has_default = take(b) % 8 == 0;
    p->default_value = in->choices[i][2];
    if (take(b) % 4 == 0) {
        for (size_t k = 0; k < 2; k++)
            in->values[i][k] =
                (zo_scalar){.kind = take(b) % 4 ? ZO_NUMBER : ZO_BOOLEAN, .boolean = true, .number = take(b) % 4};
        in->when[i] = (zo_when){names[take(b) % MAX_P], in->values[i], 1 + take(b) % 2};
        p->when = &in->when[i];
        p->n_when = 1;
    }
}

static void read_input(struct bytes *b, struct input *in)
{
    in->spec = (zo_space_spec){in->params, 1 + take(b) % MAX_P, in->rows, take(b) % (MAX_ROWS + 1)};
    for (size_t i = 0; i < in->spec.n_params; i++)
        read_param(b, in, i);
    for (size_t i = 0; i < in->spec.n_linear; i++) {
        const size_t n = 1 + take(b) % MAX_P;
        for (size_t k = 0; k < n; k++)
            in->terms[i][k] = (zo_term){names[take(b) % MAX_P], number(b)};
        in->rows[i] = (zo_linear_spec){in->terms[i], n, (zo_relation)(take(b) % 3), number(b)};
    }
}

/* Written out and read back it is the same point; encode checks the linear constraints too. */
static void check_point(const zo_space *s, const double *v)
{
    zo_named given[MAX_P];
    double w[3 * MAX_P];
    size_t n = 0;

    ZO_ASSERT(zo_space_check(s, v, NULL) == ZO_OK);
    for (size_t i = 0; i < zo_space_n_params(s); i++)
        if (zo_space_get(s, v, i, &given[n].value))
            given[n++].name = zo_space_param(s, i)->name;
    ZO_ASSERT(zo_space_encode(s, given, n, w, NULL) == ZO_OK);
    ZO_ASSERT(zo_space_same(s, v, w) && zo_space_hash(s, v) == zo_space_hash(s, w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, size};
    struct input in = {0};
    zo_space *s;
    zo_error err = {0};
    double u[3 * MAX_P], v[3 * MAX_P];

    read_input(&b, &in);
    if (zo_space_new(&in.spec, &s, &err) != ZO_OK) {
        ZO_ASSERT(err.message[0] != '\0');
        return 0;
    }
    for (uint64_t i = 0; i < 4; i++) {
        zo_rng rng = zo_rng_make(i, ZO_PURPOSE_ASK, i);
        zo_space_sample(s, &rng, v);
        check_point(s, v);
        for (size_t j = 0; j < zo_space_n_dims(s); j++)
            u[j] = take(&b) / 255.0;
        zo_space_from_unit(s, u, v);
        zo_space_repair(s, &rng, v);
        check_point(s, v);
    }
    (void)zo_space_cardinality(s);
    if (zo_space_default(s, v))
        check_point(s, v);
    zo_space_free(s);
    return 0;
}
