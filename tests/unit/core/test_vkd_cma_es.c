/* The solver vkd-cma-es on functions whose minimum is known, and how many directions it finds. */
#include "cma_fx.h"

static void start(struct fx *x, size_t n, objective f, double from, double sigma, uint64_t seed)
{
    fx_open(x, n, f, seed);
    x->solver = "vkd-cma-es";
    fx_from(x, from);
    fx_start(x, "sigma0", sigma / (x->high - x->low));
}

/* The cigar with its long axis along the diagonal: no scaling of coordinates helps. */
OBJECTIVE(turned_cigar)
{
    double sum = 0, square = 0;

    (void)u;
    (void)g;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
        square += x[i] * x[i];
    }
    const double along = sum * sum / (double)n;
    return along + 1e6 * fmax(0, square - along);
}

/* From x = 1 (Rosenbrock: 0, sigma 0.1) to 1e-8 at n = 100, by a prototype written apart from this code. The sphere and
 * the cigar along an axis need no direction, the turned cigar and Rosenbrock's valley one. */
static void evaluations_are_those_of_another_program(void **state)
{
    static const struct {
        objective f;
        size_t other, seeds;
        double from, sigma, fewest, most;
    } cases[] = {{sphere, 11170, 3, 1, 1, 0, 0},
                 {ellipsoid, 39200, 3, 1, 1, 0, 2},
                 {cigar, 23100, 3, 1, 1, 0, 0},
                 {turned_cigar, 32300, 3, 1, 1, 1, 1},
                 {rosenbrock, 180500, 1, 0, 0.1, 1, 1}};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(cases); k++) {
        size_t evals[3];
        for (uint64_t seed = 0; seed < cases[k].seeds; seed++) {
            struct fx x;
            start(&x, 100, cases[k].f, cases[k].from, cases[k].sigma, seed + 1);
            evals[seed] = minimise(&x, 1e-8, 400000);
            const double directions = fact(&x, "directions");
            assert_true(directions >= cases[k].fewest && directions <= cases[k].most);
            fx_close(&x);
        }
        assert_in_range(median(evals, cases[k].seeds), cases[k].other * 3 / 4, cases[k].other * 5 / 4);
    }
}

/* A turned ellipsoid of condition 1e6 has no structure for it: small dimensions must still be searched to the end. */
static void small_dimensions_are_searched_to_the_end(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 5; n++) {
        struct fx x;
        start(&x, n, turned_ellipsoid, 1, 1, n);
        assert_in_range(minimise(&x, 1e-8, 40000), 1, 39999);
        fx_close(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluations_are_those_of_another_program),
        cmocka_unit_test(small_dimensions_are_searched_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
