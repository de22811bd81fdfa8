/* Audits of forgetting: how far apart are the answers of models that forgot and of models that never knew, and can
 * anybody tell from answers what was known. */
#ifndef ZEROTH_AUDIT_H
#define ZEROTH_AUDIT_H

#include "zeroth/base.h"
#include "zeroth/error.h"

enum { ZO_KLOM_BINS = 20 };
/* KL divergence of margins (Georgiev, Rinberg, Park, Garg, Ilyas, Madry, Neel, "Attribute-to-Delete: Machine unlearning
 * via datamodel matching", 2024, arXiv:2410.23232): of the histogram of a[na] from that of b[nb], over ZO_KLOM_BINS
 * bins between quantiles of both together, each with a mass of 1e-5 more. 0 where the two are the same. work is [na +
 * nb]. na, nb > 0; all finite. Cost: n log n. */
double zo_klom(const double *a, size_t na, const double *b, size_t nb, double *work);

typedef struct zo_auc {
    double value, low, high; /* 99 % interval */
} zo_auc;
/* Area under the curve of "high scores are members": the share of pairs in which the member's is higher, ties half. Its
 * interval is by the variances of placements (DeLong, DeLong, Clarke-Pearson, 1988, doi:10.2307/2531595), cut to [0,
 * 1]. work is [members + others]. Both > 1. Cost: n log n. */
zo_auc zo_membership_auc(const double *member, size_t n_members, const double *other, size_t n_others, double *work);

/* The q-quantile of sorted v[n], n > 0, by linear interpolation. */
double zo_quantile(const double *sorted, size_t n, double q);
void zo_sort(double *v, size_t n); /* ascending */

#endif
