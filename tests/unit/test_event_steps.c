/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a reader of the index looks at each step of the writer in an event that makes
 * orphans, or removes the last of them: a prompt with a hole that a search does not meet.
 * Each answer is the true run, and no walk shows half of the event.
 */
#include "tests/index_rig.h"

#include "consumer/index/index_handle.h"

#include <errno.h>
#include <string.h>

#ifndef RDX_HOOKS
int main(void)
{
	print_message("skipped: built without RDX_HOOKS\n");
	return 77;
}
#else

enum { BLOCKS = 16, HOLE = 1, ORPHANS = BLOCKS - HOLE - 1 }; /* the first wave misses block 1 */

static struct rig rig;
static struct rdx_index_writer *writer;
static struct rdx_index *index_of_rig;
static uint64_t prefix[BLOCKS];
static int rank;
static uint32_t looks, wrong_runs, half_walks;

static void ignore(void *context, uint64_t key, uint8_t tiers)
{
	(void)context;
	(void)key;
	(void)tiers;
}

/* Only the first block has no hole before it, whatever is stored or removed so far. */
static void look(enum rdx_hook_step step)
{
	void (*hook)(enum rdx_hook_step) = rdx_hook_function;
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	struct rdx_run run = {.size = sizeof(run)};
	int r;

	if (step != RDX_HOOK_BLOCK_CHANGED && step != RDX_HOOK_COLUMN_CLOSED)
		return;
	rdx_hook_function = NULL;
	r = rdx_index_lookup(index_of_rig, prefix, BLOCKS, &run, 1);
	if (r != -EAGAIN) {
		looks++;
		wrong_runs += r != 1 || run.blocks[0] != 1;
	}
	if (step == RDX_HOOK_BLOCK_CHANGED)
		half_walks += rdx_index_each(index_of_rig, 1, 0, ignore, NULL, &mark) != -EAGAIN;
	rdx_hook_function = hook;
}

static void apply_beside_looks(const struct rdx_event *event)
{
	looks = wrong_runs = half_walks = 0;
	rdx_hook_function = look;
	assert_int_equal(rig_event(writer, rank, event, prefix + HOLE + 1), 0);
	rdx_hook_function = NULL;
	rig_pulse(writer, rank, RDX_STATE_EXACT, 1, event->event_id);
	assert_true(looks >= ORPHANS);
	assert_int_equal(wrong_runs, 0);
	assert_int_equal(half_walks, 0);
}

static void test_orphans_come_and_go(void **state)
{
	struct rdx_writer_options options = {.stale_after_ns = UINT64_MAX};
	struct rdx_rank_info info = rig_info(1, 0, 1);
	struct rdx_event stored = {
		.event_id = 2, .kind = RDX_EVENT_STORED, .count = ORPHANS, .orphans = 15};
	struct rdx_event removed = {.event_id = 3,
				    .kind = RDX_EVENT_REMOVED,
				    .count = ORPHANS,
				    .hashes = prefix + HOLE + 1};

	(void)state;
	rig_make(&rig);
	for (uint32_t i = 0; i < BLOCKS; i++)
		prefix[i] = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
	assert_int_equal(rig_writer(&rig, &options, &writer), 0);
	rank = rdx_writer_rank_add(writer, &info);
	assert_int_equal(rig_begin(writer, rank), 0);
	assert_int_equal(rig_blocks(writer, rank, 0, prefix, HOLE), 0);
	rdx_writer_rank_show(writer, rank, 0, 0);
	rig_pulse(writer, rank, RDX_STATE_EXACT, 1, 1);
	rdx_writer_heartbeat(writer, rdx_clock_ns());
	assert_int_equal(rdx_writer_ready(writer), 0);
	assert_int_equal(rig_index(&rig, &index_of_rig), 0);
	apply_beside_looks(&stored);
	apply_beside_looks(&removed);
	rdx_index_close(index_of_rig);
	rdx_writer_close(writer);
	rig_remove(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orphans_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
