/* One axis of a separable function: the values known along it, and where to look next. Values are differences to that
 * of the context, the point whose other coordinates they share: for a separable function they do not depend on these.
 */
#ifndef ZO_AXIS_LINE_H
#define ZO_AXIS_LINE_H

#include "zeroth/bundle.h"

enum { AXIS_MOST_POINTS = 4096 }; /* of a line; a full one proposes nothing */

typedef struct axis_line {
    size_t size, cap;
    double *t;        /* [cap] places in [0,1], rising */
    double *v;        /* [cap] value less the context's; +inf: none */
    double *w;        /* [cap] the values alone, rising */
    size_t at;        /* the context */
    uint64_t n_local; /* local proposals asked for */
    double curvature; /* largest second derivative around a minimum, over a bracket that is not yet tiny */
} axis_line;

/* l: zeroed. */
zo_status zo_axis_line_init(axis_line *l, zo_error *err);
void zo_axis_line_fini(axis_line *l);
/* Room for more points; on ZO_ENOMEM nothing has changed. */
zo_status zo_axis_line_reserve(axis_line *l, size_t more, zo_error *err);

/* Add a point, there must be room. The first one is the context. */
void zo_axis_line_add(axis_line *l, double t, double v);
bool zo_axis_line_knows(const axis_line *l, double t);
/* The least value; the context, unless another one is less. */
size_t zo_axis_line_best(const axis_line *l);
/* Point k becomes the context. */
void zo_axis_line_move(axis_line *l, size_t k);
/* Greatest less least value, of those there are. */
double zo_axis_line_spread(const axis_line *l);

/* Vertex of the parabola through the first three points, at most `most` from the context; downhill as far as that where
 * they are not convex. */
double zo_axis_line_vertex(const axis_line *l, double most);
/* The next place near the best point, or NaN: there is none. */
double zo_axis_line_local(axis_line *l);
/* The middle of the interval where the least curvature leads to a better value, or NaN: all are too small. */
double zo_axis_line_step(const axis_line *l);
/* The best point is bracketed closely, and a better one elsewhere would take more curvature than was seen. */
bool zo_axis_line_is_spent(const axis_line *l);

/* n lines. */
void zo_axis_lines_visit(axis_line *lines, size_t n, zo_visit *v);

#endif
