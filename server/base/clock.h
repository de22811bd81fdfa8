/* The only clocks of the server. Wall time is for people, monotonic time for leases and deadlines. Any thread. */
#ifndef ZO_BASE_CLOCK_H
#define ZO_BASE_CLOCK_H

#include <stdint.h>

int64_t zo_clock_wall_ms(void);
int64_t zo_clock_mono_ms(void);
int64_t zo_clock_mono_ns(void);

#endif
