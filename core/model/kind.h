/* Inside models: the struct, and what a kind is made of.
 *
 * A kind has one or more layers. A layer is a feature map and its sums; all kinds but noprop-ridge have one, whose
 * features are those of the configured expansion. A kind turns sums into weights (solve) and rows into scores
 * (predict). */
#ifndef ZO_MODEL_KIND_H
#define ZO_MODEL_KIND_H

#include "model/cholesky.h"
#include "zeroth/linalg.h"
#include "zeroth/model.h"

__extension__ typedef __int128 zo_i128;

/* ---- sums: arrays of int64 or, where wide, int128 ---- */
typedef struct layer_sums {
    void *A;  /* [d(d+1)/2] upper triangle of sum f f' by rows */
    void *B;  /* [k][d] sums of f (k = 1: of one class) or of f y */
    void *yy; /* [k] real targets: sums of y^2; NULL for classes */
} layer_sums;
struct zo_sums {
    const zo_model *model; /* sizes only */
    uint64_t n;
    layer_sums layers[]; /* [n_layers] */
};

/* ---- features of one expansion: exact integers of at most q bits, held in doubles ---- */
typedef struct features {
    size_t inputs, n; /* n: with bias */
    zo_expansion type;
    bool bias;
    unsigned quant;
    double *P;      /* [inputs][n_expanded] integers: RELU, RFF */
    int32_t *C;     /* [n_expanded][inputs] RBF centres, quantised */
    int64_t *phase; /* [n_expanded] RFF */
    size_t n_expanded;
    unsigned shift;  /* RELU: bits dropped; RFF: one turn is 2^shift */
    double exponent; /* RBF: of a squared distance in quanta */
    double *scale;   /* [n] natural units of one quantum */
} features;
zo_status features_init(features *f, const zo_model_config *c, zo_error *err);
void features_fini(features *f);
size_t features_bytes(const features *f);
/* out [n_rows][n] (column-major n x n_rows); x [n_rows][inputs]; work [n_rows * inputs] doubles. */
void features_make(const features *f, const int32_t *x, size_t n_rows, double *work, double *out);

/* The features of a layer and draw, the kind's or the configured ones. */
void layer_features(const zo_model *m, size_t layer, size_t draw, const zo_rows *r, double *work, double *out);

/* ---- classes ---- */
typedef struct model_class {
    char *label;
    uint64_t n;
    zo_sums *sums; /* B only, unless reweight */
} model_class;

typedef struct model_layer {
    size_t d;
} model_layer;

struct zo_model {
    zo_model_config c; /* every pointer owned */
    features features;
    size_t n_layers, draws;
    model_layer *layers;
    bool wide;
    uint64_t block_rows; /* whose products stay below 2^53 */
    zo_sums *total;      /* A; B and yy of real targets */
    model_class *classes;
    size_t n_classes, cap_classes;
    uint32_t *order;   /* [n_classes] indices by label */
    void *self;        /* the kind's state */
    size_t self_bytes; /* of it, for accounting */
    const zo_team *team;
    size_t work; /* doubles a row that its features need */
    /* solved */
    bool solved, want_factor;
    unsigned ahead;         /* solves ahead that are left until weights are asked for again */
    double gamma;           /* used */
    size_t n_columns;       /* of V */
    double *V, *offset;     /* linear kinds: [d][n_columns] in quanta; [n_columns] */
    zo_fixed_factor factor; /* variance: of A + gamma I in natural units */
    double *noise;          /* [n_columns] residual variance */
    double rss;
    zo_model_figure figures[64];
    size_t n_figures;
};

typedef struct zo_model_ops {
    zo_status (*init)(zo_model *m, zo_error *err); /* checks the configuration; may set n_layers, draws, layers, self */
    void (*fini)(zo_model *m);
    /* Before anything is learned again: weights of its own are wiped, for they would tell what was forgotten. NULL: it
     * has none. */
    void (*unsolve)(zo_model *m);
    /* out [n][layer.d] of one layer and draw: integers of at most quant bits; work [n * m->work]. Draws of the same
     * rows come one after the other, from 0, with the same work and out: what does not depend on the draw may be left
     * where it is. NULL: the configured features. */
    void (*features)(const zo_model *m, size_t layer, size_t draw, const zo_rows *r, double *work, double *out);
    zo_status (*solve)(zo_model *m, zo_error *err);
    zo_status (*predict)(zo_model *m, const int32_t *x, size_t n, zo_scores *io, zo_error *err); /* NULL: linear */
    zo_status (*weights)(zo_model *m, zo_bundle *b, zo_error *err);                              /* NULL: linear */
    bool has_variance;
} zo_model_ops;

/* ---- sums.c ---- */
size_t sums_entry_bytes(const zo_model *m);
size_t sums_width(const zo_model *m); /* columns of B of one class's or one cell's sums */
size_t sums_triangle(size_t d);
double sums_get(const zo_model *m, const void *array, size_t i); /* rounded to double */
zo_status sums_alloc(const zo_model *m, bool with_A, bool with_B, zo_sums **out, zo_error *err);
/* A of a layer in natural units, both triangles' lower half, plus gamma on the diagonal; weights per class when
 * reweight. */
void sums_matrix(const zo_model *m, size_t layer, const double *scale, double gamma, zo_mat *out);
/* The same to a factor that is to be run; its scratch is used. */
void sums_to_factor(const zo_model *m, size_t layer, const double *scale, double gamma, zo_fixed_factor *f);

/* ---- columns.c: what the outputs are, and their right-hand sides ---- */
size_t columns_count(const zo_model *m);
/* b [d][columns] row-major in natural units of a layer; yy [columns]; reweighted where asked. n_out: effective rows. */
void columns_moments(const zo_model *m, size_t layer, const double *scale, double *b, double *yy, double *n_out);

/* ---- linear.c ---- */
zo_status linear_reserve(zo_model *m, zo_error *err); /* V, offset, noise for the present columns; zeroed */
/* Scores of k columns V [layer 0's d][k] in quanta, without variance. */
zo_status linear_score(zo_model *m, const double *V, const double *offset, size_t k, const int32_t *x, size_t n,
                       double *scores, zo_error *err);
zo_status linear_predict(zo_model *m, const int32_t *x, size_t n, zo_scores *io, zo_error *err);
zo_status linear_weights(zo_model *m, zo_bundle *b, zo_error *err);

/* ---- spd.c: both arithmetics ---- */
/* A of a layer plus gamma I, as sums_matrix has it, factored into f, which was made for its size. ZO_ENUMERIC with what
 * to do. */
zo_status spd_factor(const zo_model *m, size_t layer, const double *scale, double gamma, zo_fixed_factor *f,
                     zo_error *err);
/* A X = B for X [rows][n] row-major, in place. A is scratch. */
zo_status spd_solve(const zo_model *m, zo_mat *A, double *X, size_t n, zo_error *err);

void model_figure(zo_model *m, const char *name, double value);
void model_unsolve(zo_model *m);

#endif
