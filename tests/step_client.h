/* The client of a directional problem, for tests: it holds x, moves it as records say, and answers probes with a loss
 * of the test's. */
#ifndef ZO_TESTS_STEP_CLIENT_H
#define ZO_TESTS_STEP_CLIENT_H

#include <stdlib.h>
#include <string.h>

#include "zeroth/solver.h"

enum { CLIENT_ANSWERS_MAX = 2 * ZO_STEP_DIRECTIONS_MAX + 1 };

struct step_client {
    zo_steps steps;
    zo_step_plan plan;
    size_t n, n_terms;  /* dimension; terms of the last move */
    double *x, *at, *z; /* [n] */
    double **records;   /* of all steps so far */
    size_t n_records, cap;
    zo_step_term *terms; /* [ZO_STEP_TERMS_MAX] */
};
/* f at x, or where z is given, its derivative along z. */
typedef double step_loss(const void *arg, size_t n, const double *x, const double *z);

static inline void *client_alloc(size_t n, size_t bytes)
{
    void *p = calloc(n ? n : 1, bytes);

    if (!p)
        abort();
    return p;
}

static inline void client_open(struct step_client *c, uint64_t seed, const zo_directional *space,
                               const zo_step_plan *plan)
{
    const size_t n = (size_t)space->dimension;

    *c = (struct step_client){.steps = {.seed = seed, .space = space}, .plan = *plan, .n = n};
    c->steps.plan = &c->plan;
    c->x = client_alloc(n, sizeof *c->x);
    c->at = client_alloc(n, sizeof *c->at);
    c->z = client_alloc(n, sizeof *c->z);
    c->terms = client_alloc(ZO_STEP_TERMS_MAX, sizeof *c->terms);
}

static inline void client_close(struct step_client *c)
{
    for (size_t i = 0; i < c->n_records; i++)
        free(c->records[i]);
    free(c->records);
    free(c->x);
    free(c->at);
    free(c->z);
    free(c->terms);
}

static inline void client_add(struct step_client *c, size_t n_terms, double *x)
{
    for (size_t k = 0; k < n_terms; k++) {
        zo_step_direction(&c->steps, &c->terms[k], 0, c->n, c->z);
        for (size_t i = 0; i < c->n; i++)
            x[i] += c->terms[k].scale * c->z[i];
    }
}

/* The next step's record: kept, and x moves as it says. Returns the copy. */
static inline const double *client_take(struct step_client *c, const double *record)
{
    const size_t words = zo_step_words(c->steps.plan);
    const double *window[ZO_STEP_WINDOW_MAX] = {0};
    double *copy = client_alloc(words, sizeof *copy);

    if (c->n_records == c->cap && !(c->records = realloc(c->records, (c->cap = 2 * c->cap + 64) * sizeof *c->records)))
        abort();
    memcpy(copy, record, words * sizeof *copy);
    c->records[c->n_records++] = copy;
    for (size_t k = 0; k < c->steps.plan->window && k < c->n_records; k++)
        window[k] = c->records[c->n_records - 1 - k];
    c->n_terms = zo_step_move(&c->steps, window, c->terms);
    client_add(c, c->n_terms, c->x);
    return copy;
}

/* Returns the number of answers. */
static inline size_t client_answer(struct step_client *c, const double *record, step_loss *loss, const void *arg,
                                   double *answers)
{
    const size_t n = zo_step_n_probes(c->steps.plan, record);

    for (size_t i = 0; i < n; i++) {
        const size_t n_terms = zo_step_probe(&c->steps, record, i, c->terms);
        if (c->steps.plan->derivatives) {
            zo_step_direction(&c->steps, c->terms, 0, c->n, c->z);
            answers[i] = c->terms[0].scale * loss(arg, c->n, c->x, c->z);
        } else {
            memcpy(c->at, c->x, c->n * sizeof *c->at);
            client_add(c, n_terms, c->at);
            answers[i] = loss(arg, c->n, c->at, NULL);
        }
    }
    return n;
}

#endif
