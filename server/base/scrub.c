/* See the header. */
#include "base/scrub.h"

#include <string.h>

#if defined(__has_attribute) && !defined(__clang__)
#if __has_attribute(zero_call_used_regs)
__attribute__((zero_call_used_regs("all")))
#endif
#endif
__attribute__((noinline)) void
zo_scrub(void)
{
    char dead[ZO_SCRUB_BYTES];

    explicit_bzero(dead, sizeof dead);
}
