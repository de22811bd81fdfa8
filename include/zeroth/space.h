/* Search space: domains, transforms, conditions, linear constraints.
 *
 * A point has three forms.
 *   named   what a client writes: {"C": 1.7, "kernel": "rbf"}          zo_named[]
 *   vector  natural units, one double per dimension: number, or index of the choice; the log keeps this one.
 *           Inactive coordinates are present too (default or middle for outside points).
 *   unit    what a solver sees: [0,1] per dimension. Level k of L (int, ordinal, categorical, bool, stepped float)
 *           is the cell [k/L, (k+1)/L); encoding gives the cell's centre, decoding accepts the whole cell.
 * A fixed parameter has no dimension; a vector parameter of size s has s.
 * All functions are pure; a zo_space is immutable after zo_space_new and may be read from any thread. */
#ifndef ZEROTH_SPACE_H
#define ZEROTH_SPACE_H

#include "zeroth/error.h"
#include "zeroth/rng.h"

/* A scalar or vector as it crosses the wire. Strings and vectors are lent. */
typedef enum zo_kind { ZO_NULL, ZO_NUMBER, ZO_STRING, ZO_BOOLEAN, ZO_NUMBERS } zo_kind;
typedef struct zo_scalar {
    zo_kind kind;
    bool integral;       /* ZO_NUMBER: written without fraction or exponent, |number| <= 2^53: print as an integer */
    bool boolean;
    double number;
    const char *string;
    const double *numbers; /* ZO_NUMBERS */
    size_t n_numbers;
} zo_scalar;
bool zo_scalar_equal(const zo_scalar *a, const zo_scalar *b); /* same kind, same value; 1 equals 1.0, true equals only true */
typedef struct zo_named { const char *name; zo_scalar value; } zo_named;

typedef enum zo_type { ZO_FLOAT, ZO_INT, ZO_CATEGORICAL, ZO_ORDINAL, ZO_BOOL, ZO_FIXED, ZO_VECTOR } zo_type;
typedef enum zo_scale { ZO_LINEAR, ZO_LOG, ZO_REVERSE_LOG } zo_scale;

typedef struct zo_when { const char *parent; const zo_scalar *values; size_t n_values; } zo_when;
typedef struct zo_param_spec {
    const char *name;
    zo_type type;
    zo_scale scale;
    double low, high, step;         /* FLOAT, INT, VECTOR; step 0: none (INT: 1) */
    size_t size;                    /* VECTOR */
    const zo_scalar *choices;       /* CATEGORICAL, ORDINAL: 1..1000 distinct strings, numbers or booleans */
    size_t n_choices;
    zo_scalar fixed;                /* FIXED */
    bool has_default;
    zo_scalar default_value;
    const zo_when *when;            /* AND over parents, OR inside values */
    size_t n_when;
} zo_param_spec;
typedef enum zo_relation { ZO_LE, ZO_GE, ZO_EQ } zo_relation;
typedef struct zo_term { const char *name; double coef; } zo_term;
typedef struct zo_linear_spec { const zo_term *terms; size_t n_terms; zo_relation op; double rhs; } zo_linear_spec;
typedef struct zo_space_spec {
    const zo_param_spec *params;
    size_t n_params;
    const zo_linear_spec *linear;
    size_t n_linear;
} zo_space_spec;

/* What a solver knows of one dimension. */
typedef enum zo_dim_kind { ZO_DIM_REAL, ZO_DIM_LEVELS /* ordered: int, ordinal, stepped */, ZO_DIM_CATEGORY /* unordered */ } zo_dim_kind;
typedef struct zo_dim {
    zo_dim_kind kind;
    uint64_t levels;     /* LEVELS, CATEGORY: >= 1; REAL: 0 */
    size_t param;        /* index of its parameter */
    bool conditional;
} zo_dim;

typedef struct zo_space zo_space;

/* Deep-copies and checks the spec. Errors point to /space/{i}/{field} or /linear_constraints/{i}/...: ZO_EINVAL for empty
 * ranges, log of low <= 0, duplicate names, unknown or cyclic parents, defaults out of range, an infeasible polytope;
 * ZO_ENOMEM. Cost O(size) plus one phase-1 feasibility solve when there are linear constraints. */
zo_status zo_space_new(const zo_space_spec *spec, zo_space **out, zo_error *err);
void zo_space_free(zo_space *s);

size_t zo_space_n_dims(const zo_space *s);
const zo_dim *zo_space_dims(const zo_space *s);      /* [n_dims], lent for the space's life */
size_t zo_space_n_params(const zo_space *s);
const zo_param_spec *zo_space_param(const zo_space *s, size_t i);
size_t zo_space_find(const zo_space *s, const char *name); /* its index, or SIZE_MAX */
/* Where parameter i lies in a vector: its first coordinate, and how many it has (a fixed one none). */
size_t zo_space_place(const zo_space *s, size_t i, size_t *first_out);
bool zo_space_has_linear(const zo_space *s);
bool zo_space_has_conditions(const zo_space *s);
/* Complete default point (every parameter that is active under the defaults has one): writes v, returns true. */
bool zo_space_default(const zo_space *s, double *v);

/* named -> vector. params [n] in any order. Refused with pointer /{name}: unknown, missing active, inactive given, wrong type
 * (ZO_EMALFORMED), out of range, off the step by more than 1e-9*step, linear constraint violated by more than 1e-9*scale
 * (ZO_EINVAL, pointer ""). Fixed parameters may be left out. v [n_dims] written on success only. */
zo_status zo_space_encode(const zo_space *s, const zo_named *params, size_t n, double *v, zo_error *err);
/* vector -> named, one parameter at a time: false when parameter i is inactive at v. out->numbers points into v. */
bool zo_space_get(const zo_space *s, const double *v, size_t i, zo_scalar *out);
/* A vector read from disk is checked again: every coordinate finite, inside, on its level. */
zo_status zo_space_check(const zo_space *s, const double *v, zo_error *err);

/* vector <-> unit. from_unit clips, rounds to levels/steps (printed at 15 digits); to_unit(from_unit(u)) is idempotent. */
void zo_space_to_unit(const zo_space *s, const double *v, double *u);
void zo_space_from_unit(const zo_space *s, const double *u, double *v);
/* Derivatives by the natural coordinates at v -> derivatives by the unit ones, by the chain rule; out may be dv. Of real dimensions
 * only: the space must have no others. A product beyond the largest double is cut to it. */
void zo_space_gradient_to_unit(const zo_space *s, const double *v, const double *dv, double *du);

/* Make v satisfy the linear constraints (no-op without any): projection in natural units scaled by the ranges, levels kept.
 * Deterministic given rng. Always ends in a feasible v (falls back to a feasible sample). */
void zo_space_repair(const zo_space *s, zo_rng *rng, double *v);
/* Uniform over the encoded cube; with linear constraints a fixed-length hit-and-run inside the polytope. Always feasible. */
void zo_space_sample(const zo_space *s, zo_rng *rng, double *v);

/* Equality and hash over active coordinates only (exact duplicates). */
bool zo_space_same(const zo_space *s, const double *a, const double *b);
uint64_t zo_space_hash(const zo_space *s, const double *v);
/* Number of distinct points, saturating at UINT64_MAX: when a real dimension can be active, and also when parameters with several
 * parents make more combinations than can be walked through. Linear constraints are not counted out. */
uint64_t zo_space_cardinality(const zo_space *s);
/* Walk through a space without real dimensions. u: the point the walk stands at, a cell's centre in each dimension (the first cells to
 * begin with); v: the same in natural units. Moves u to the next point; false after the last one, u is then back at the first. Each
 * distinct point comes once, linear constraints aside. */
bool zo_space_walk(const zo_space *s, const double *v, double *u);

#endif
