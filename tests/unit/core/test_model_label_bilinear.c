#include "model_fx.h"
#include "model/jacobi.h"

enum { INPUTS = 9, PER_CLASS = 6, MAX_CLASSES = 8, MAX_SIZE = 12 };

static const char *const labels[MAX_CLASSES] = {"e", "b", "a", "h", "c", "f", "g", "d"};
static const size_t sorted[MAX_CLASSES] = {2, 1, 4, 7, 0, 5, 6, 3}; /* indices in order of their bytes */

struct fx {
    uint64_t room[4]; /* options */
    size_t classes, e;
    double L[MAX_CLASSES * MAX_SIZE], x[MAX_CLASSES * PER_CLASS * INPUTS];
    zo_model_config c;
};

static void make(struct fx *f, size_t classes, size_t e, bool normalize)
{
    const zo_named given = {"normalize", {.kind = ZO_BOOLEAN, .boolean = normalize}};
    const double zero[INPUTS] = {0};
    zo_rng rng = zo_rng_make(classes * 100 + e, ZO_PURPOSE_INIT, 0);

    f->classes = classes;
    f->e = e;
    zo_rng_normals(&rng, classes * e, f->L);
    fx_cloud(&rng, zero, 0.4, classes * PER_CLASS, INPUTS, f->x);
    for (size_t i = 0; i < ZO_LEN(f->x);
         i++) /* multiples of the quantum: the dense solution then has the same inputs */
        f->x[i] = ldexp(rint(ldexp(f->x[i], 20)), -20);
    f->c = fx_config("label-bilinear", INPUTS, f->room, &given, 1);
    f->c.classes = f->c.described = labels;
    f->c.n_classes = f->c.n_described = classes;
    f->c.descriptions = f->L;
    f->c.description_size = e;
    f->c.gamma = 0.3;
}

static zo_model *learn(struct fx *f, size_t classes)
{
    zo_model *m = fx_model(&f->c);

    for (size_t c = 0; c < classes; c++)
        fx_change(m, labels[c], f->x + c * PER_CLASS * INPUTS, PER_CLASS, +1);
    return m;
}

/* Gauss-Jordan with pivoting: A [n][n] x = b, both destroyed. */
static void dense_solve(double *A, double *b, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        size_t p = j;

        for (size_t i = j + 1; i < n; i++)
            p = fabs(A[i * n + j]) > fabs(A[p * n + j]) ? i : p;
        for (size_t k = 0; k < n; k++) {
            const double t = A[j * n + k];
            A[j * n + k] = A[p * n + k];
            A[p * n + k] = t;
        }
        const double t = b[j];
        b[j] = b[p];
        b[p] = t;
        for (size_t i = 0; i < n; i++) {
            const double r = i == j ? 0 : A[i * n + j] / A[j * n + j];

            for (size_t k = j; r != 0 && k < n; k++)
                A[i * n + k] -= r * A[j * n + k];
            b[i] -= r * b[j];
        }
    }
    for (size_t j = 0; j < n; j++)
        b[j] /= A[j * n + j];
}

/* Ridge regression of one number a (row, class) on the products x_i l_k of all pairs, with no algebra in between. M
 * [INPUTS][e]. */
static void kronecker(const struct fx *f, size_t live, double *M)
{
    const size_t n = INPUTS * f->e;
    double *A = calloc(n * n, sizeof *A), *phi = calloc(n, sizeof *phi);

    assert_non_null(A);
    assert_non_null(phi);
    memset(M, 0, n * sizeof *M);
    for (size_t r = 0; r < live * PER_CLASS; r++)
        for (size_t c = 0; c < live; c++) {
            for (size_t i = 0; i < n; i++)
                phi[i] = f->x[r * INPUTS + i / f->e] * f->L[c * f->e + i % f->e];
            for (size_t i = 0; i < n; i++) {
                for (size_t k = 0; k < n; k++)
                    A[i * n + k] += phi[i] * phi[k];
                M[i] += phi[i] * (r / PER_CLASS == c);
            }
        }
    for (size_t i = 0; i < n; i++)
        A[i * n + i] += f->c.gamma;
    dense_solve(A, M, n);
    free(A);
    free(phi);
}

static double bilinear(const double *x, const double *M, const double *l, size_t e)
{
    double sum = 0;

    for (size_t i = 0; i < INPUTS; i++)
        for (size_t k = 0; k < e; k++)
            sum += x[i] * M[i * e + k] * l[k];
    return sum;
}

static void check_against_kronecker(size_t classes, size_t live, size_t e)
{
    struct fx f;
    double M[INPUTS * MAX_SIZE], scores[MAX_CLASSES * PER_CLASS * MAX_CLASSES], unseen[MAX_SIZE], score;
    zo_rng rng = zo_rng_make(8, ZO_PURPOSE_INIT, 0);
    zo_bundle b;

    make(&f, classes, e, false);
    zo_model *m = learn(&f, live);
    kronecker(&f, live, M);

    zo_bundle_init(&b);
    assert_int_equal(zo_model_weights(m, &b, NULL), ZO_OK);
    const double *got = zo_bundle_get(&b, "bilinear")->data;
    for (size_t i = 0; i < INPUTS * e; i++)
        fx_assert_near(got[i], M[i], 1e-10);
    zo_bundle_fini(&b);

    fx_scores(m, f.x, classes * PER_CLASS, &(zo_scores){.scores = scores});
    size_t column = 0;
    for (size_t s = 0; s < MAX_CLASSES; s++) {
        if (sorted[s] >= classes)
            continue;
        for (size_t r = 0; r < classes * PER_CLASS; r++)
            fx_assert_near(scores[r * classes + column], bilinear(f.x + r * INPUTS, M, f.L + sorted[s] * e, e), 1e-10);
        column++;
    }

    zo_rng_normals(&rng, e, unseen);
    zo_scores io = {.scores = &score, .descriptions = unseen, .n_described = 1};
    fx_scores(m, f.x, 1, &io);
    assert_int_equal(io.outputs, 1);
    fx_assert_near(score, bilinear(f.x, M, unseen, e), 1e-10);
    zo_model_free(m);
}

static void weights_and_scores_are_those_of_the_kronecker_ridge(void **state)
{
    (void)state;
    check_against_kronecker(5, 5, 12); /* fewer classes than numbers */
    check_against_kronecker(8, 8, 4);  /* more */
    check_against_kronecker(6, 6, 6);
    check_against_kronecker(1, 1, 3);
    check_against_kronecker(8, 1, 1);
}

static void classes_without_rows_are_scored_but_not_fitted(void **state)
{
    (void)state;
    check_against_kronecker(8, 5, 6);
}

static void one_unit_vector_a_class_is_ridge_regression(void **state)
{
    struct fx f;
    uint64_t room[4];
    double got[MAX_CLASSES * PER_CLASS * 6], expected[ZO_LEN(got)];

    (void)state;
    make(&f, 6, 6, true);
    for (size_t i = 0; i < 36; i++)
        f.L[i] = i % 7 == 0 ? 2.5 : 0;
    zo_model *m = learn(&f, 6);
    f.c.kind = zo_model_kind_find("analytic-ridge");
    f.c.n_described = 0;
    f.c.options = room;
    zo_model *ridge = learn(&f, 6);
    fx_scores(m, f.x, 6 * PER_CLASS, &(zo_scores){.scores = got});
    fx_scores(ridge, f.x, 6 * PER_CLASS, &(zo_scores){.scores = expected});
    for (size_t i = 0; i < 6 * 6 * PER_CLASS; i++)
        fx_assert_near(got[i], expected[i], 1e-12);
    zo_model_free(m);
    zo_model_free(ridge);
}

static void a_description_scores_as_the_class_it_describes_to_the_bit(void **state)
{
    struct fx f;
    double classes[5], described[5], ordered[5 * 7];

    (void)state;
    make(&f, 5, 7, true);
    zo_model *m = learn(&f, 5);
    for (size_t s = 0, c = 0; s < MAX_CLASSES; s++)
        if (sorted[s] < 5)
            memcpy(ordered + 7 * c++, f.L + 7 * sorted[s], 7 * sizeof(double));
    fx_scores(m, f.x, 1, &(zo_scores){.scores = classes});
    fx_scores(m, f.x, 1, &(zo_scores){.scores = described, .descriptions = ordered, .n_described = 5});
    assert_memory_equal(classes, described, sizeof classes);
    zo_model_free(m);
}

static void lengths_do_not_matter_when_descriptions_are_normalised(void **state)
{
    struct fx f;
    double got[5], expected[5];

    (void)state;
    make(&f, 5, 7, true);
    zo_model *m = learn(&f, 5);
    for (size_t i = 0; i < 7; i++)
        f.L[7 + i] *= 1024;
    zo_model *longer = learn(&f, 5);
    fx_scores(m, f.x, 1, &(zo_scores){.scores = got});
    fx_scores(longer, f.x, 1, &(zo_scores){.scores = expected});
    assert_memory_equal(got, expected, sizeof got);
    zo_model_free(m);
    zo_model_free(longer);
}

static void a_forgotten_class_was_never_there(void **state)
{
    struct fx f;
    double got[8 * 8 * PER_CLASS], expected[ZO_LEN(got)];

    (void)state;
    make(&f, 8, 5, true);
    zo_model *m = learn(&f, 8), *without = learn(&f, 7);
    fx_scores(m, f.x, 1, &(zo_scores){.scores = got});
    fx_change(m, labels[7], f.x + 7 * PER_CLASS * INPUTS, PER_CLASS, -1);
    fx_assert_same_state(m, without);
    fx_scores(m, f.x, 8 * PER_CLASS, &(zo_scores){.scores = got});
    fx_scores(without, f.x, 8 * PER_CLASS, &(zo_scores){.scores = expected});
    assert_memory_equal(got, expected, sizeof got);
    zo_model_free(m);
    zo_model_free(without);
}

static void a_model_of_nothing_scores_nothing(void **state)
{
    struct fx f;
    double scores[4];

    (void)state;
    make(&f, 4, 3, true);
    zo_model *m = learn(&f, 0);
    fx_scores(m, f.x, 1, &(zo_scores){.scores = scores});
    for (size_t c = 0; c < 4; c++)
        assert_true(scores[c] == 0);
    zo_model_free(m);
}

/* Classes are points on a circle and so are their descriptions, turned: a label never learned is found by its place. */
static void labels_never_seen_are_found_by_their_descriptions(void **state)
{
    static const double turn = 6.283185307179586;
    struct fx f;
    double all[2 * 8];
    size_t right = 0;
    zo_rng rng = zo_rng_make(1, ZO_PURPOSE_INIT, 0);

    (void)state;
    make(&f, 6, 2, true);
    f.c.inputs = 2;
    for (size_t c = 0; c < 8; c++) {
        all[2 * c] = cos(turn * ((double)c / 8 + 0.3));
        all[2 * c + 1] = sin(turn * ((double)c / 8 + 0.3));
    }
    memcpy(f.L, all, 6 * 2 * sizeof(double)); /* the last two are not declared */
    zo_model *m = fx_model(&f.c);
    for (size_t c = 0; c < 8; c++) {
        const double centre[2] = {0.6 * cos(turn * (double)c / 8), 0.6 * sin(turn * (double)c / 8)};
        double x[2 * 50];

        fx_cloud(&rng, centre, 0.05, 50, 2, x);
        if (c < 6) {
            fx_change(m, labels[c], x, 50, +1);
            continue;
        }
        for (size_t i = 0; i < 50; i++) {
            double scores[8];

            fx_scores(m, x + 2 * i, 1, &(zo_scores){.scores = scores, .descriptions = all, .n_described = 8});
            right += fx_argmax(scores, 8) == c;
        }
    }
    assert_true(right >= 95);
    zo_model_free(m);
}

static void what_it_can_not_use_is_refused(void **state)
{
    struct fx f;
    double scores[1], zero[7] = {0};
    int32_t x[INPUTS] = {0};
    zo_error err = {0};

    (void)state;
    make(&f, 5, 7, true);
    f.c.n_classes = 0;
    fx_refused(&f.c, ZO_EINVAL, "/classes");
    f.c.n_classes = 4;
    fx_refused(&f.c, ZO_EINVAL, "/descriptions"); /* one too many */
    f.c.n_classes = 5;
    f.c.described = labels + 1;
    fx_refused(&f.c, ZO_EINVAL, "/descriptions"); /* not of these classes */
    f.c.described = labels;
    f.c.gamma_rule = ZO_GAMMA_GCV;
    fx_refused(&f.c, ZO_EUNSUPPORTED, "/gamma");
    f.c.gamma_rule = ZO_GAMMA_FIXED;
    for (size_t i = 0; i < 7; i++)
        f.L[14 + i] = 3 * f.L[i];
    fx_refused(&f.c, ZO_EINVAL, "/descriptions"); /* parallel rows tie */
    memset(f.L + 14, 0, 7 * sizeof(double));
    fx_refused(&f.c, ZO_EINVAL, "/descriptions");
    f.L[15] = NAN;
    fx_refused(&f.c, ZO_EINVAL, "/descriptions");
    f.L[15] = 1;
    zo_model *m = fx_model(&f.c);
    zo_scores io = {.scores = scores, .descriptions = zero, .n_described = 1};
    assert_int_equal(zo_model_predict(m, x, 1, &io, &err), ZO_EINVAL);
    assert_string_equal(err.pointer, "/descriptions");
    io = (zo_scores){.scores = scores, .variance = scores};
    assert_int_equal(zo_model_predict(m, x, 1, &io, &err), ZO_EUNSUPPORTED);
    zo_model_free(m);
}

/* ---- the rotations ---- */

static void rotated_rows_are_orthogonal_and_keep_their_matrix(void **state)
{
    enum { N = 7, WIDTH = 10, RANK = 5 };
    double G0[N * WIDTH], G[N * WIDTH], Q[N * N], square[N], total = 0, sum = 0;
    zo_rng rng = zo_rng_make(2, ZO_PURPOSE_INIT, 0);
    size_t rank = 0;

    (void)state;
    zo_rng_normals(&rng, N * WIDTH, G0);
    for (size_t i = RANK * WIDTH; i < N * WIDTH; i++) /* the last two are sums of others */
        G0[i] = G0[i - 2 * WIDTH] - 3 * G0[i - 4 * WIDTH];
    memcpy(G, G0, sizeof G);
    jacobi_rows(G, N, WIDTH, Q, square);
    for (size_t p = 0; p < N; p++) {
        rank += square[p] > 0;
        sum += square[p];
        for (size_t q = 0; q < N; q++) {
            double qq = 0, gg = 0;

            for (size_t k = 0; k < N; k++)
                qq += Q[p * N + k] * Q[q * N + k];
            for (size_t k = 0; k < WIDTH; k++)
                gg += G[p * WIDTH + k] * G[q * WIDTH + k];
            fx_assert_near(qq, p == q, 1e-14);
            if (p != q)
                fx_assert_near(gg, 0, 1e-12);
        }
        for (size_t k = 0; k < WIDTH; k++) {
            double product = 0;

            for (size_t q = 0; q < N; q++)
                product += Q[p * N + q] * G0[q * WIDTH + k];
            fx_assert_near(G[p * WIDTH + k], product, 1e-13);
        }
    }
    for (size_t i = 0; i < N * WIDTH; i++)
        total += G0[i] * G0[i];
    fx_assert_near(sum, total, 1e-11);
    assert_int_equal(rank, RANK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_and_scores_are_those_of_the_kronecker_ridge),
        cmocka_unit_test(classes_without_rows_are_scored_but_not_fitted),
        cmocka_unit_test(one_unit_vector_a_class_is_ridge_regression),
        cmocka_unit_test(a_description_scores_as_the_class_it_describes_to_the_bit),
        cmocka_unit_test(lengths_do_not_matter_when_descriptions_are_normalised),
        cmocka_unit_test(a_forgotten_class_was_never_there),
        cmocka_unit_test(a_model_of_nothing_scores_nothing),
        cmocka_unit_test(labels_never_seen_are_found_by_their_descriptions),
        cmocka_unit_test(what_it_can_not_use_is_refused),
        cmocka_unit_test(rotated_rows_are_orthogonal_and_keep_their_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
