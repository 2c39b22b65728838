/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: an entry of the index: a copy is good only where nothing was open or changed
 * around it, and the event begun only rises.
 */
#include "tests/rig.h"

#include "shm/entry.h"

#include <string.h>

static struct rdx_index_entry entry;

static int make_entry(void **state)
{
	(void)state;
	memset(&entry, 0, sizeof(entry));
	return 0;
}

static void test_a_copy_at_rest(void **state)
{
	uint64_t sequence = rdx_entry_sequence(&entry);

	(void)state;
	assert_true(rdx_entry_same(&entry, sequence));
	rdx_entry_open(&entry);
	rdx_entry_close(&entry);
	assert_true(rdx_entry_same(&entry, rdx_entry_sequence(&entry)));
}

static void test_a_copy_that_a_change_came_into(void **state)
{
	uint64_t sequence = rdx_entry_sequence(&entry);

	(void)state;
	rdx_entry_open(&entry);
	assert_false(rdx_entry_same(&entry, sequence));
	rdx_entry_close(&entry);
	assert_false(rdx_entry_same(&entry, sequence));
}

/* Begun and ended within one change: the sequence is the same. */
static void test_a_copy_inside_of_a_change(void **state)
{
	(void)state;
	rdx_entry_open(&entry);
	assert_false(rdx_entry_same(&entry, rdx_entry_sequence(&entry)));
}

static void test_the_event_begun(void **state)
{
	(void)state;
	rdx_entry_begin(&entry, 4);
	assert_int_equal(rdx_entry_begun(&entry), 4);
	rdx_entry_begin(&entry, 0);
	assert_int_equal(rdx_entry_begun(&entry), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_copy_at_rest, make_entry),
		cmocka_unit_test_setup(test_a_copy_that_a_change_came_into, make_entry),
		cmocka_unit_test_setup(test_a_copy_inside_of_a_change, make_entry),
		cmocka_unit_test_setup(test_the_event_begun, make_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
