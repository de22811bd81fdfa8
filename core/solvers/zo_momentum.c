/* Zeroth-order descent with momentum: v <- m v + g, x <- x - lr v, g as in zo-sgd.
 * The client keeps no v: v is a sum of the directions of the last steps, g_i weighing m^(k-i) in step k, so a move
 * names all of them again. Steps whose weight has fallen below 1e-3 are left out (66 steps for m = 0.9), at most 256
 * are named; a step without answers counts as one with g = 0, and moves nothing itself. A step costs the client that
 * many directions, the losses are those of zo-sgd. Oracle: directional, losses. Sources: "Some methods of speeding up
 * the convergence of iteration methods", Polyak, USSR Comput. Math. Math. Phys. 4(5), 1964,
 *          doi:10.1016/0041-5553(64)90137-5; "Revisiting zeroth-order optimization for memory-efficient LLM
 * fine-tuning: a benchmark", Zhang et al., ICML 2024, arXiv:2402.11592. */
#include "zo/descent.h"
#include "zo/moves.h"

static double decay(const zo_descent_opts *o)
{
    return o->momentum;
}

static const zo_opt zo_momentum_opts[] = {
    ZO_DESCENT_OPTS(ZO_SCHEDULE_CONSTANT),
    ZO_DESCENT_LOSS_OPTS,
    ZO_OPT_F64(zo_descent_opts, momentum, 0.9, 0, 0.999, "how much of a move goes on in the next one"),
};
static const zo_rule zo_momentum_rule = {.decay = decay, .move = zo_move_along};
ZO_DESCENT_ENTRIES(zo_momentum, &zo_momentum_rule)

const zo_solver zo_solver_zo_momentum = {
    .name = "zo-momentum",
    .version = 1,
    .summary = "as zo-sgd, with moves that go on; the client regenerates the directions of the last steps",
    .reference =
        "Polyak, USSR Comput. Math. Math. Phys. 4(5), 1964, doi:10.1016/0041-5553(64)90137-5; Zhang et al., ICML 2024, "
        "arXiv:2402.11592",
    .complexity = "O(w q) a step, w = 66 remembered steps at momentum 0.9, in any dimension",
    .advice = "ill-conditioned losses with little noise, where making 66 directions costs the client less than a loss",
    ZO_DESCENT_FIELDS(zo_momentum),
};
