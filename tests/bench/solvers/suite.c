#include "suite.h"

#include <math.h>
#include <string.h>

static const struct bed_suite *const suites[] = {&bed_suite_bbob};

const struct bed_suite *bed_suite_find(const char *name)
{
    for (size_t i = 0; i < ZO_LEN(suites); i++)
        if (strcmp(suites[i]->name, name) == 0)
            return suites[i];
    return NULL;
}

bool bed_problem_open(struct bed_problem *p, const struct bed_suite *suite, unsigned f, unsigned instance, size_t n)
{
    *p = (struct bed_problem){.suite = suite, .f = f, .instance = instance, .n = n, .unit = n, .low = -5, .high = 5};
    return suite->open(p);
}

void bed_problem_close(struct bed_problem *p)
{
    p->suite->close(p);
}

void bed_targets(struct bed_problem *p, double f_opt, size_t n_targets)
{
    p->n_targets = n_targets;
    for (size_t k = 0; k < n_targets; k++)
        p->target[k] = f_opt + pow(10, 2 - 0.2 * (double)k);
}
