/* Models: closed-form learners that take rows in batches, in any order, and can exactly forget any of them.
 *
 * The truth of a model is sums of integers. Inputs are rounded once to multiples of a power of two, features are made
 * from those integers exactly, and A = sum f f', B = sum f y', y'y and counts are kept as int64 (int128 where the
 * declared capacity needs it). Adding and subtracting integers is exactly associative, so the state is a function of
 * the rows that are live, of nothing else: not of their order, batches, threads, processor, nor of what was learned and
 * forgotten in between. Weights are computed from the sums when they are wanted.
 *
 * Core knows rows, classes and sums. What ids, groups and tasks are called, which rows a forget means, and what is on
 * disk is the server's. One caller at a time, any thread. */
#ifndef ZEROTH_MODEL_H
#define ZEROTH_MODEL_H

#include "zeroth/bundle.h"
#include "zeroth/solver.h"
#include "zeroth/team.h"

typedef struct zo_model zo_model;
typedef struct zo_model_kind zo_model_kind;
typedef struct zo_sums zo_sums;

typedef enum zo_target { ZO_TARGET_CLASSES, ZO_TARGET_REAL } zo_target;
typedef enum zo_retention { ZO_RETAIN_ROWS, ZO_RETAIN_GROUPS, ZO_RETAIN_NONE } zo_retention;
typedef enum zo_expansion { ZO_EXPAND_NONE, ZO_EXPAND_RELU, ZO_EXPAND_RFF, ZO_EXPAND_RBF } zo_expansion;
typedef enum zo_gamma_rule { ZO_GAMMA_FIXED, ZO_GAMMA_EVIDENCE, ZO_GAMMA_GCV } zo_gamma_rule;

enum {
    ZO_MODEL_MAX_INPUTS = 16384,
    ZO_MODEL_MAX_FEATURES = 4096,
    ZO_MODEL_MAX_OUTPUTS = 1024,
    ZO_MODEL_MAX_CLASSES = 4096,
    ZO_MODEL_MAX_LABEL = 256, /* bytes of a class's label */
    ZO_MODEL_DEFAULT_QUANT = 20,
    ZO_MODEL_DEFAULT_CAPACITY = 8388607 /* 2^23 - 1: at 20 bits the sums then fit int64 */
};

/* Everything that is fixed at creation; nothing of it is learned from data. Lent to zo_model_new, which copies. */
typedef struct zo_model_config {
    const zo_model_kind *kind;
    size_t inputs;
    zo_target target;
    size_t outputs;             /* real targets: numbers per row, >= 1 */
    const char *const *classes; /* declared: the list is fixed; NULL: it grows and shrinks with the rows */
    size_t n_classes;
    double gamma;             /* > 0; multiplies I once, never n */
    zo_gamma_rule gamma_rule; /* other than FIXED: gamma is not used */
    const double *range;      /* [1] or [inputs], powers of two: |x_j| <= range_j */
    size_t n_range;
    double target_range; /* real targets: power of two */
    unsigned quant;      /* bits, 8..24 */
    uint64_t capacity;   /* rows at most */
    zo_expansion expansion;
    size_t features; /* of the expansion; NONE: ignored */
    double scale;    /* RFF, RBF: length scale of the kernel, inputs being taken in units of their range */
    uint64_t seed;   /* of the expansion, and of what a kind draws */
    bool bias, reweight,
        fast;            /* reweight: sums per class, each class weighs the same; fast: LAPACK solves, bits vary */
    const void *options; /* the kind's struct, filled by zo_opts_read */
    /* label-bilinear: description rows [n_described][description_size] of classes by label */
    const char *const *described;
    const double *descriptions;
    size_t n_described, description_size;
} zo_model_config;

/* What of a configuration a kind can use; what it can't is refused at creation. */
enum {
    ZO_MODEL_REWEIGHT = 1 << 0,
    ZO_MODEL_GAMMA_RULE = 1 << 1,  /* can choose gamma itself */
    ZO_MODEL_FAST = 1 << 2,        /* solves systems, so LAPACK could */
    ZO_MODEL_DESCRIPTIONS = 1 << 3 /* classes by description; scores labels never seen */
};
struct zo_model_kind {
    const char *name; /* "analytic-ridge" */
    const char *summary, *reference;
    unsigned targets; /* 1 << ZO_TARGET_... */
    unsigned traits;  /* ZO_MODEL_... */
    const zo_opt *opts;
    size_t n_opts, opts_bytes;
    const struct zo_model_ops *ops; /* core/models/kind.h */
};
size_t zo_model_kind_count(void);
const zo_model_kind *zo_model_kind_at(size_t i);
const zo_model_kind *zo_model_kind_find(const char *name); /* NULL: none */

/* ---- life ---- */
/* ZO_EINVAL, ZO_EUNSUPPORTED with the field's pointer; ZO_ENOMEM. */
zo_status zo_model_new(const zo_model_config *c, zo_model **out, zo_error *err);
void zo_model_free(zo_model *m);
const zo_model_config *zo_model_configuration(const zo_model *m); /* the copy; defaults filled in */
size_t zo_model_memory_bytes(const zo_model *m);
/* Who helps with sums and solves from now on; lent. NULL, as at first: nobody. The results are the same bits. */
void zo_model_set_team(zo_model *m, const zo_team *t);
const zo_team *zo_model_team(const zo_model *m);
uint64_t zo_model_rows(const zo_model *m);
size_t zo_model_features(const zo_model *m); /* of the first layer, with bias */
size_t zo_model_outputs(const zo_model *m);  /* real: outputs; classes: live classes (or declared ones) */

/* ---- classes: an index is stable while the model is in memory; labels are copied ---- */
/* Index of a label, entered if it is new and may be. ZO_EINVAL: not among the declared ones. ZO_ETOOLARGE: too many. A
 * class that no row belongs to is not live and not part of the state. */
zo_status zo_model_class(zo_model *m, const char *label, uint32_t *out, zo_error *err);
size_t zo_model_class_count(const zo_model *m); /* indices, live or not */
const char *zo_model_class_label(const zo_model *m, uint32_t i);
uint64_t zo_model_class_rows(const zo_model *m, uint32_t i);
/* Output columns of scores, in order of the labels' bytes: live classes, or all declared ones. NULL-terminated use is
 * not promised. */
size_t zo_model_live_classes(const zo_model *m, uint32_t *indices /* [class_count] or NULL */);

/* ---- quantising: exact and the same everywhere; x row-major [n][inputs], unaligned is fine ---- */
/* ZO_EINVAL: not finite or beyond the range, pointer /{row}/{column}; ZO_ENOMEM. t is ZO_F64 or ZO_F32; out may be
 * where x is, if that is F32. */
zo_status zo_model_quantise(const zo_model *m, const void *x, zo_dtype t, size_t n, int32_t *out, zo_error *err);
zo_status zo_model_quantise_targets(const zo_model *m, const void *y, zo_dtype t, size_t n, int32_t *out,
                                    zo_error *err);

/* ---- rows of one class (real targets: cls is 0 and y [n][outputs] is given) ---- */
typedef struct zo_rows {
    const int32_t *x; /* [n][inputs], quantised */
    const int32_t *y; /* [n][outputs]; NULL for classes */
    size_t n;
    uint32_t cls;
    const uint32_t *pick; /* [n]: which rows of x and y; NULL: the first n */
} zo_rows;
/* Add (sign +1) or subtract (-1) rows; also (may be NULL) always gets them added. That rows are live is the caller's to
 * know. Cost: n d^2 flops + d^2/2 additions. ZO_ETOOLARGE pointer "": beyond capacity; ZO_ENOMEM: nothing is changed.
 */
zo_status zo_model_accumulate(zo_model *m, const zo_rows *r, int sign, zo_sums *also, zo_error *err);
/* The same by sums made before. */
zo_status zo_model_add_sums(zo_model *m, uint32_t cls, const zo_sums *s, int sign, zo_error *err);
/* Everything to zero. */
void zo_model_clear(zo_model *m);

/* ---- sums of some rows of one class ---- */
zo_status zo_sums_new(const zo_model *m, zo_sums **out, zo_error *err);
/* s += sign * rows; the model itself is not changed. */
zo_status zo_sums_accumulate(const zo_model *m, const zo_rows *r, int sign, zo_sums *s, zo_error *err);
void zo_sums_free(zo_sums *s); /* wiped */
uint64_t zo_sums_rows(const zo_sums *s);
/* to += sign * s; both of one model. */
void zo_sums_add(zo_sums *to, const zo_sums *s, int sign);
/* Plain form: little-endian count, then each layer's A (upper triangle by rows), B, y'y, 8 or 16 bytes an entry. */
size_t zo_sums_bytes(const zo_model *m);
void zo_sums_write(const zo_sums *s, void *out);
zo_status zo_sums_read(const zo_model *m, const void *bytes, size_t n, zo_sums *s,
                       zo_error *err); /* ZO_EINVAL: another size */

/* ---- the whole state as bytes: for retention none, the cache of sums, export and merging ---- */
/* Fields "rows", "classes" (labels in metadata class.{i}), "counts", "A", "B", "yy" of each layer; wide entries as
 * pairs of U64. The large arrays are lent: they hold until the model changes. */
zo_status zo_model_save(const zo_model *m, zo_bundle *b, zo_error *err);
/* Adds what b holds: into an empty model it loads, into another it merges, exactly and in any order. ZO_EINVAL: of
 * another configuration or damaged; ZO_ETOOLARGE: beyond capacity. Unchanged on failure. */
zo_status zo_model_merge(zo_model *m, const zo_bundle *b, zo_error *err);
/* Feeds parts of the state, in a fixed order, to put: each leaf is to be hashed on its own, the digest is over the
 * leaves' hashes in order. Leaves: the configuration; "rows" and live classes with counts; each array, in pieces of 128
 * KiB and a rest, which stay where they are until the model changes. Equal live rows give equal leaves. */
zo_status zo_model_digest(const zo_model *m, void (*put)(void *ctx, const void *bytes, size_t n, bool ends_leaf),
                          void *ctx, zo_error *err);
/* The configuration alone, canonical: what two models must share to be merged. */
zo_status zo_model_config_leaf(const zo_model *m, void (*put)(void *ctx, const void *bytes, size_t n, bool ends_leaf),
                               void *ctx, zo_error *err);

/* ---- weights and predictions ---- */
/* Computes weights if the sums have changed. ZO_ENUMERIC: the sums defeat the arithmetic (raise gamma). Cost: d^3/3 +
 * d^2 C. */
zo_status zo_model_solve(zo_model *m, zo_error *err);
bool zo_model_is_solved(const zo_model *m);
/* The sums have changed since the weights were last asked for: a solve in idle time saves whoever asks next the wait. It
 * can't be broken off, so not where it takes more than about 0.1 s: the next change would wait for it. */
bool zo_model_wants_solve(const zo_model *m);
/* That solve. Two are wanted for each time that weights are asked for, as learn, forget and predict often come in turn;
 * what only changes is not solved over and over. */
zo_status zo_model_solve_ahead(zo_model *m, zo_error *err);
/* What zo_model_solve found, row-major, in natural units. */
zo_status zo_model_weights(zo_model *m, zo_bundle *b, zo_error *err);
typedef struct zo_scores {
    size_t outputs;   /* columns: as zo_model_live_classes, or real outputs, or the described labels of the request */
    double *scores;   /* [n][outputs], the caller's */
    double *variance; /* [n][outputs] or NULL; ZO_EUNSUPPORTED where the kind has none */
    /* label-bilinear: score these description rows [n_described][description_size] in place of the classes */
    const double *descriptions;
    size_t n_described;
} zo_scores;
size_t zo_model_score_columns(const zo_model *m, const zo_scores *s);
/* Solves if need be. Equal states and rows give equal bits, whatever the batch (unless fast). */
zo_status zo_model_predict(zo_model *m, const int32_t *x, size_t n, zo_scores *io, zo_error *err);
/* What the sums tell: gamma used, residual sum of squares, log evidence and GCV by gamma. names and values are the
 * model's, until its next change. */
typedef struct zo_model_figure {
    char name[32];
    double value;
} zo_model_figure;
size_t zo_model_figures(zo_model *m, zo_model_figure *out, size_t max);

#endif
