/* The points of a space of levels, one after the other: an odometer whose fastest digits are the children of
 * conditions. So parents stand still while a child turns, and a parameter that is inactive keeps its first level: no
 * point comes twice. */
#include "space/space_private.h"

#include <math.h>

bool zo_space_walk(const zo_space *s, const double *v, double *u)
{
    for (size_t r = s->n_params; r-- > 0;) {
        const struct param *p = &s->params[s->order[r]];
        if (p->n_dims > 0 && !space_active(s, v, s->order[r]))
            continue;
        for (size_t i = p->first_dim; i < p->first_dim + p->n_dims; i++) {
            const double n = (double)s->dims[i].levels, level = floor(u[i] * n) + 1;
            ZO_ASSERT_SLOW(s->dims[i].kind != ZO_DIM_REAL);
            u[i] = level < n ? (level + 0.5) / n : 0.5 / n;
            if (level < n)
                return true;
        }
    }
    return false;
}
