/* Admission control: bounded queues. What is over a bound is refused at once, before any work. */
#include "internal.h"

#include <stdio.h>

void refuse(zo_cmd *c, zo_status status, const char *why)
{
    c->status = status;
    zo_fail(&c->err, status, "", "%s", why);
}

bool admit(zo_runtime *rt, zo_cmd *c, const actor *a)
{
    if (atomic_load_explicit(&rt->draining, memory_order_relaxed)) {
        refuse(c, ZO_EBUSY, "the daemon is shutting down");
        return false;
    }
    if (c->is_write && !zo_store_writable(rt->store)) {
        refuse(c, ZO_ESTORE, "the database is read-only after an I/O error; restart the daemon when the disk is sound");
        return false;
    }
    if (a && a->n_cmds >= rt->o.max_study_commands)
        refuse(c, ZO_EBUSY, "too many commands are waiting on this study");
    else if (rt->n_commands >= rt->o.max_commands)
        refuse(c, ZO_EBUSY, "too many commands are waiting");
    else if (c->bytes > rt->o.max_command_bytes -
                            (rt->command_bytes < rt->o.max_command_bytes ? rt->command_bytes : rt->o.max_command_bytes))
        refuse(c, ZO_EBUSY, "the commands waiting hold too much memory");
    else
        return true;
    zo_count(&zo_metric.rejected_busy, 1);
    return false;
}
