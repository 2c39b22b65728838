/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the bell is rung only for who sleeps, and after the event.
 */
#include "shm/bell.h"
#include "shm/bell_file.h"
#include "tests/publisher_rig.h"

#include <sys/stat.h>

static void test_bell(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_mapping mapping;
	struct rdx_bell *bell;
	uint32_t word;

	publisher_open(f);
	assert_int_equal(publisher_stats(f->p).rings_bell, 1);
	assert_int_equal(rdx_bell_file_open(&mapping, f->rig.dir_fd, 0), 0);
	bell = mapping.base;
	publisher_store(f, 0, 1, 1);
	assert_int_equal(publisher_stats(f->p).bells, 0);
	word = rdx_bell_arm(bell);
	publisher_store(f, 0, 1, 1); /* a copy: nothing is published */
	assert_int_equal(publisher_stats(f->p).bells, 0);
	publisher_store(f, 1, 2, 1);
	assert_int_equal(publisher_stats(f->p).bells, 1);
	assert_int_equal(rdx_bell_arm(bell), word + 1);
	rdx_mapping_close(&mapping);
	rdx_publisher_close(f->p);
	/* whoever may write the file may truncate it under us */
	assert_int_equal(fchmodat(f->rig.dir_fd, "bell", 0666, 0), 0);
	publisher_open(f);
	assert_int_equal(publisher_stats(f->p).rings_bell, 0);
	publisher_store(f, 0, 1, 1);
}

/* A sleeper that goes to sleep again in the middle of a batch is woken once. */
static void test_once_a_batch(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_mapping mapping;

	publisher_open(f);
	assert_int_equal(rdx_bell_file_open(&mapping, f->rig.dir_fd, 0), 0);
	rdx_bell_arm(mapping.base);
	rdx_publisher_begin_batch(f->p);
	for (uint64_t i = 0; i < 3; i++) {
		publisher_store(f, i, i + 1, 1);
		assert_int_equal(publisher_stats(f->p).bells, 0);
	}
	rdx_publisher_end_batch(f->p);
	assert_int_equal(publisher_stats(f->p).bells, 1);
	rdx_bell_arm(mapping.base);
	rdx_publisher_begin_batch(f->p); /* of nothing */
	rdx_publisher_end_batch(f->p);
	rdx_publisher_end_batch(f->p);
	assert_int_equal(publisher_stats(f->p).bells, 1);
	publisher_store(f, 3, 4, 1); /* and outside of one at once */
	assert_int_equal(publisher_stats(f->p).bells, 2);
	rdx_mapping_close(&mapping);
}

#ifdef RDX_HOOKS
static const struct rdx_segment_live *rung_for;
static uint64_t tail_when_rung;

static void note_tail(enum rdx_hook_step step)
{
	if (step == RDX_HOOK_BELL_RUNG)
		tail_when_rung = rdx_publish_tail(rung_for);
}

/* Who is woken finds the event. */
static void test_rung_after_the_event(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_mapping mapping;

	publisher_open(f);
	assert_int_equal(rdx_bell_file_open(&mapping, f->rig.dir_fd, 0), 0);
	rdx_bell_arm(mapping.base);
	rung_for = f->p->owner.live;
	rdx_hook_function = note_tail;
	publisher_store(f, 0, 1, 1);
	rdx_hook_function = NULL;
	assert_int_equal(tail_when_rung, 1);
	rdx_mapping_close(&mapping);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUBLISHER_TEST(test_bell),
		PUBLISHER_TEST(test_once_a_batch),
#ifdef RDX_HOOKS
		PUBLISHER_TEST(test_rung_after_the_event),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
