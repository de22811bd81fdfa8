/* Forward gradient: x <- x - lr (1/q) sum_j <grad f, z_j> z_j, the derivatives along random directions exact, by
 * forward-mode automatic differentiation at the client: one pass for a direction, no backward pass, no probe distance,
 * no rounding of differences. Oracle: directional, derivatives.  Cost: O(q) a step here, one derivative a direction at
 * the client. The step size, where none is given, comes from derivatives at two places: after the first ones x moves a
 * little along all their directions, and the same derivatives are asked for again. Source: "Gradients without
 * backpropagation", Baydin, Pearlmutter, Syme, Wood, Torr, 2022, arXiv:2202.08587. */
#include "zo/descent.h"
#include "zo/moves.h"

static const zo_opt forward_gradient_opts[] = {ZO_DESCENT_OPTS(ZO_SCHEDULE_CONSTANT)};
static const zo_rule forward_gradient_rule = {.derivatives = true, .move = zo_move_along};
ZO_DESCENT_ENTRIES(forward_gradient, &forward_gradient_rule)

const zo_solver zo_solver_forward_gradient = {
    .name = "forward-gradient",
    .version = 1,
    .summary = "as zo-sgd, with exact derivatives along the directions from the client's forward-mode differentiation",
    .reference = "Baydin, Pearlmutter, Syme, Wood, Torr, 2022, arXiv:2202.08587",
    .complexity = "O(q) a step of q directions, in any dimension",
    .advice = "a client with forward-mode differentiation: exact slopes, no probe distance to choose",
    ZO_DESCENT_FIELDS(forward_gradient),
};
