/* A short scheduling slice for the threads that others wait for (loop, store writer): measured to keep fsyncs and replies from
 * waiting a whole tick behind busy solvers. Kernels without custom slices, and missing rights, are tolerated. */
#ifndef ZO_BASE_SLICE_H
#define ZO_BASE_SLICE_H

void zo_slice_short(void); /* for the calling thread: 100 us */

#endif
