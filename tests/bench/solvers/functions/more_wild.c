#include "functions/more_wild.h"

#include <math.h>
#include "functions/residuals.h"

struct row {
    unsigned char function, n, m, tens; /* the start is multiplied by 10^tens */
};
static const struct row rows[MORE_WILD_PROBLEMS] = {
    {1, 9, 45, 0},   {1, 9, 45, 1},   {2, 7, 35, 0},   {2, 7, 35, 1},   {3, 7, 35, 0},   {3, 7, 35, 1},
    {4, 2, 2, 0},    {4, 2, 2, 1},    {5, 3, 3, 0},    {5, 3, 3, 1},    {6, 4, 4, 0},    {6, 4, 4, 1},
    {7, 2, 2, 0},    {7, 2, 2, 1},    {8, 3, 15, 0},   {8, 3, 15, 1},   {9, 4, 11, 0},   {10, 3, 16, 0},
    {11, 6, 31, 0},  {11, 6, 31, 1},  {11, 9, 31, 0},  {11, 9, 31, 1},  {11, 12, 31, 0}, {11, 12, 31, 1},
    {12, 3, 10, 0},  {13, 2, 10, 0},  {14, 4, 20, 0},  {14, 4, 20, 1},  {15, 6, 6, 0},   {15, 7, 7, 0},
    {15, 8, 8, 0},   {15, 9, 9, 0},   {15, 10, 10, 0}, {15, 11, 11, 0}, {16, 10, 10, 0}, {17, 5, 33, 0},
    {18, 11, 65, 0}, {18, 11, 65, 1}, {19, 8, 8, 0},   {19, 10, 12, 0}, {19, 11, 14, 0}, {19, 12, 16, 0},
    {20, 5, 5, 0},   {20, 6, 6, 0},   {20, 8, 8, 0},   {21, 5, 5, 0},   {21, 5, 5, 1},   {21, 8, 8, 0},
    {21, 10, 10, 0}, {21, 12, 12, 0}, {21, 12, 12, 1}, {22, 8, 8, 0},   {22, 8, 8, 1},
};
static const double best[MORE_WILD_PROBLEMS] = {
#include "functions/more_wild_best.inc"
};

static const struct residuals *residuals_of(unsigned function)
{
    /* Which table, and where in it. */
    static const struct {
        const struct residuals *table;
        size_t at;
    } places[] = {
        {residuals_small, 0}, {residuals_small, 1}, {residuals_small, 2}, {residuals_small, 3}, {residuals_small, 4},
        {residuals_small, 5}, {residuals_small, 6}, {residuals_fits, 0},  {residuals_fits, 1},  {residuals_fits, 2},
        {residuals_sized, 0}, {residuals_small, 7}, {residuals_small, 8}, {residuals_small, 9}, {residuals_sized, 1},
        {residuals_sized, 2}, {residuals_fits, 3},  {residuals_fits, 4},  {residuals_sized, 3}, {residuals_sized, 4},
        {residuals_sized, 5}, {residuals_sized, 6},
    };

    return &places[function - 1].table[places[function - 1].at];
}

const char *more_wild_name(unsigned function)
{
    return residuals_of(function)->name;
}

bool more_wild_init(struct more_wild *p, unsigned problem)
{
    *p = (struct more_wild){0};
    if (problem < 1 || problem > MORE_WILD_PROBLEMS)
        return false;
    const struct row *row = &rows[problem - 1];
    const struct residuals *r = residuals_of(row->function);
    *p = (struct more_wild){.function = row->function, .n = row->n, .m = row->m, .f_best = best[problem - 1]};
    if (r->start_of != NULL)
        r->start_of(p->n, p->x0);
    for (size_t j = 0; j < p->n; j++) {
        if (r->start_of == NULL)
            p->x0[j] = r->start != NULL ? r->start[j] : r->start_all;
        p->x0[j] *= row->tens > 0 ? 10 : 1;
    }
    return true;
}

void more_wild_residuals(const struct more_wild *p, const double *x, double *r)
{
    residuals_of(p->function)->at(p->n, p->m, x, r);
}

double more_wild_eval(const struct more_wild *p, const double *x)
{
    double r[MORE_WILD_MAX_M], sum = 0;

    more_wild_residuals(p, x, r);
    for (size_t i = 0; i < p->m; i++)
        sum += r[i] * r[i];
    return sum;
}
