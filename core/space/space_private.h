/* What the files of core/space share: a space compiled from its spec. */
#ifndef ZO_SPACE_PRIVATE_H
#define ZO_SPACE_PRIVATE_H

#include "zeroth/arena.h"
#include "zeroth/space.h"

enum {
    MAX_PARAMS = 10000,
    MAX_DIMS = 100000,
    MAX_CHOICES = 1000,
    MAX_NAME = 64,          /* characters */
    MAX_NESTING = 100,      /* of conditions */
    MAX_LINEAR = 1000,      /* constraints */
    MAX_LINEAR_CELLS = 100000, /* constraints x parameters in them: bounds the dense phase-1 solve */
    PARAM_WORDS = MAX_PARAMS / 64 + 1 /* of a bitmap over the parameters */
};
#define MAX_INTEGER 9007199254740992.0 /* 2^53: larger ones have no exact neighbour */

/* The values one dimension can take, in natural units. Choices count as levels 0..levels-1: base 0, step 1. */
struct domain {
    zo_scale scale;
    double low, high;         /* the first and the last value */
    double base, step;        /* level k is base + k*step; step 0: real */
    uint64_t levels;          /* 0: real */
    double log_low, log_high; /* of the ends of the log map: of the outer cell borders where there are levels */
    bool stepped_float;       /* levels are printed at 15 digits */
};

/* One parent's part of a `when`: holds if the parent's natural value is one of these. */
struct condition {
    size_t parent;
    double *values; /* ascending; for a FIXED parent {0} if it holds, else empty */
    size_t n_values;
};
struct param {
    struct domain domain; /* unused by FIXED */
    size_t first_dim, n_dims;
    struct condition *when;
    size_t n_when;
    uint32_t *by_value;     /* [n_choices] the choices in the order of choice_compare */
    double *default_values; /* [n_dims], NULL without default */
};

struct polytope;

struct zo_space {
    zo_arena *arena;
    zo_param_spec *specs; /* [n_params] deep copies */
    struct param *params;
    size_t n_params;
    zo_dim *dims; /* [n_dims] */
    size_t n_dims;
    uint32_t *by_name;       /* [n_params] parameters in the order of their names */
    uint32_t *order, *rank;  /* [n_params] every parent before its children, and where each parameter stands in that */
    bool has_conditions;
    uint64_t cardinality;
    struct polytope *linear; /* NULL without linear constraints */
};

static inline bool bit_get(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static inline void bit_set(uint64_t *bits, size_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

/* domain.c: spec fields checked, pointers relative to the parameter. */
zo_status domain_init(struct domain *d, const zo_param_spec *spec, zo_error *err);
double domain_from_unit(const struct domain *d, double u);
double domain_to_unit(const struct domain *d, double v);
double domain_scale_derivative(const struct domain *d, double v, double dv); /* d/du of what has d/dv = dv at v; real */
/* Nearest value of a domain with levels; *off_out: its distance from v, in steps. */
double domain_snap(const struct domain *d, double v, double *off_out);
double domain_level(const struct domain *d, double k);

/* named.c */
zo_status names_init(zo_space *s, zo_error *err);                 /* sorts by_name, refuses duplicates */
zo_status choices_init(zo_space *s, size_t i, zo_error *err);     /* sorts by_value, refuses duplicates; pointer /choices/{k} */
size_t space_find(const zo_space *s, const char *name);           /* SIZE_MAX: unknown */
/* One parameter's value; v [its n_dims]. */
zo_status space_read(const zo_space *s, size_t i, const zo_scalar *given, double *v, zo_error *err);

/* condition.c */
zo_status conditions_init(zo_space *s, zo_error *err);
bool space_active(const zo_space *s, const double *v, size_t i);
void space_activity(const zo_space *s, const double *v, uint64_t *active); /* all at once; [PARAM_WORDS] or as many as needed */

/* count.c */
zo_status count_points(const zo_space *s, uint64_t *out, zo_error *err);

/* linear.c */
zo_status linear_init(zo_space *s, const zo_linear_spec *specs, size_t n, zo_error *err);
zo_status linear_check(const zo_space *s, const double *v, zo_error *err); /* ZO_EINVAL with pointer "" */
void linear_repair(const zo_space *s, zo_rng *rng, double *v);
void linear_sample(const zo_space *s, zo_rng *rng, double *v); /* the other coordinates of v are left alone */

#endif
