/* Elementary functions whose bits are the same on every processor: only + - * / and exact scaling, no libm (whose results change
 * with the dispatch on FMA). Errors below 1e-15 relative (cos: absolute). */
#ifndef ZO_MODEL_ELEMENTARY_H
#define ZO_MODEL_ELEMENTARY_H

double zo_fixed_cos_turns(double t); /* cos(2 pi t), t in [0, 1) */
double zo_fixed_exp(double x);       /* |x| <= 700; below: 0 */
double zo_fixed_log(double x);       /* finite x > 0 */

#endif
