/* See slice.h. sched_setattr has no wrapper in this libc. */
#include "base/slice.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

struct attributes { /* struct sched_attr of the kernel, first version */
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

void zo_slice_short(void)
{
    const struct attributes a = {.size = sizeof a, .policy = SCHED_OTHER, .runtime_ns = 100000};

    (void)syscall(SYS_sched_setattr, 0, &a, 0u); /* EPERM, EINVAL: the default slice is only slower */
}
