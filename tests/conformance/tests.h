/* The suite's parts; which solver they hold to account is in `subject`. */
#ifndef ZO_TESTS_CONFORMANCE_TESTS_H
#define ZO_TESTS_CONFORMANCE_TESTS_H

#include "conformance/bed.h"

extern const zo_solver *subject;

/* test_replay.c */
void equal_seeds_give_equal_asks(void **state);
void another_seed_gives_other_asks_where_chance_has_a_part(void **state);
void a_snapshot_anywhere_goes_on_bit_for_bit(void **state);
void a_snapshot_late_in_life_goes_on_bit_for_bit(void **state);
void saving_and_loading_a_snapshot_changes_no_byte(void **state);
void a_snapshot_with_a_missing_field_is_refused(void **state);
void a_life_rebuilt_from_outside_points_is_deterministic(void **state);

/* test_faults.c */
void a_new_run_without_memory_fails_and_leaves_nothing(void **state);
void asks_and_tells_without_memory_change_nothing(void **state);
void saving_without_memory_changes_nothing(void **state);
void loading_without_memory_fails_and_may_be_repeated(void **state);

/* test_golden.c */
void asks_are_those_of_the_version(void **state);

#endif
