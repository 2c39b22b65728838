/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the publisher's contract, call by call: every refusal with its errno, every
 * counter with its cause, the events of each call, seeds that children inherit, the end of
 * positions, the bell. Random streams are in property/test_publisher.c, forks in
 * process/test_publisher_fork.c.
 */
#include "producer/publisher_state.h"
#include "shm/barrier.h"
#include "shm/bell.h"
#include "shm/bell_file.h"
#include "shm/clear.h"
#include "shm/event.h"
#include "shm/file.h"
#include "shm/lock.h"
#include "tests/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKENS 4 /* per block */
#define BLOCKS 100

struct fixture {
	struct rig rig;
	struct rdx_publisher_options options;
	struct rdx_publisher *p;
	uint64_t position; /* of the next event to look at */
	struct rdx_event_head head;
	uint64_t hashes[512];
};

static int setup(void **state)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};
	struct fixture *f = calloc(1, sizeof(*f));

	rig_make(&f->rig);
	options.dir = f->rig.dir;
	options.instance = "http://localhost";
	options.model = "m";
	options.worker_id = 7;
	options.dp_rank = 1;
	options.block_tokens = TOKENS;
	options.ring_slots = 64;
	options.tier_blocks[RDX_TIER_DEVICE] = BLOCKS;
	options.tier_blocks[RDX_TIER_HOST] = BLOCKS;
	f->options = options;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rdx_publisher_close(f->p);
	rig_remove(&f->rig);
	free(f);
	return 0;
}

static void open_it(struct fixture *f)
{
	assert_int_equal(rdx_publisher_open(&f->p, &f->options), 0);
}

static struct rdx_publisher_stats stats_of(struct rdx_publisher *p)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_publisher_get_stats(p, &stats), 0);
	return stats;
}

/* The next event must be of this kind, tier and count. */
static void expect_event(struct fixture *f, uint8_t kind, uint8_t tier, uint32_t count)
{
	struct rdx_ring_view ring = {f->p->owner.ring.slots, f->p->owner.ring.mask};
	uint32_t slots = 0;

	assert_int_equal(rdx_event_read(&ring, f->position, rdx_ring_event_slots_max(64), &f->head,
					f->hashes, &slots),
			 RDX_RING_PUBLISHED);
	assert_true(slots > 0);
	assert_int_equal(f->head.kind, kind);
	assert_int_equal(f->head.tier, tier);
	assert_int_equal(f->head.count, count);
	f->position += slots;
}

static void expect_no_event(const struct fixture *f)
{
	assert_int_equal(f->position, f->p->position);
}

/* Store names `first` .. under the name `parent` (0: the root); contents follow from
 * the names. */
static struct rdx_stored run_of(uint64_t parent, uint64_t first, uint32_t count)
{
	static uint64_t names[1024], locals[1024], parents[1];

	parents[0] = parent;
	for (uint32_t i = 0; i < count; i++) {
		names[i] = first + i;
		locals[i] = (first + i) * 1000;
	}
	return (struct rdx_stored){
		.size = sizeof(struct rdx_stored),
		.names = names,
		.parent = parent ? parents : NULL,
		.local_hashes = locals,
		.count = count,
		.name_bytes = 8,
	};
}

static void store(struct fixture *f, uint64_t parent, uint64_t first, uint32_t count)
{
	struct rdx_stored stored = run_of(parent, first, count);

	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
}

static void store_known(struct fixture *f, uint8_t tier, uint64_t first, uint32_t count)
{
	struct rdx_stored stored = run_of(0, first, count);

	stored.local_hashes = NULL;
	stored.tier = tier;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
}

static void remove_names(struct fixture *f, uint8_t tier, const uint64_t *names, uint32_t count)
{
	struct rdx_removed removed = {.size = sizeof(removed),
				      .names = names,
				      .count = count,
				      .tier = tier,
				      .name_bytes = 8};

	assert_int_equal(rdx_publish_removed(f->p, &removed), 0);
}

static void remove_name(struct fixture *f, uint8_t tier, uint64_t name)
{
	remove_names(f, tier, &name, 1);
}

static void expect_refused(const struct rdx_publisher_options *options, int error)
{
	struct rdx_publisher *p = (struct rdx_publisher *)8;
	uint64_t bytes = 77;

	assert_int_equal(rdx_publisher_open(&p, options), error);
	assert_ptr_equal(p, (struct rdx_publisher *)8);
	if (error == -EINVAL || error == -ENAMETOOLONG) {
		assert_int_equal(rdx_publisher_segment_size(options, &bytes), error);
		assert_int_equal(bytes, 77);
	}
}

static void test_open_refuses(void **state)
{
	struct fixture *f = *state;
	struct rdx_publisher_options bad;
	char text[RDX_TEXT_BYTES + 1];

#define REFUSED(member, value, error)                                                              \
	do {                                                                                       \
		bad = f->options;                                                                  \
		bad.member = value;                                                                \
		expect_refused(&bad, error);                                                       \
	} while (0)
	expect_refused(NULL, -EINVAL);
	REFUSED(size, sizeof(bad) - 4, -EINVAL);
	REFUSED(ring_slots, 100, -EINVAL);
	REFUSED(ring_slots, RDX_RING_SLOTS_MIN / 2, -EINVAL);
	REFUSED(ring_slots, 2 * RDX_RING_SLOTS_MAX, -EINVAL);
	REFUSED(tier_blocks[0], RDX_TIER_BLOCKS_MAX + 1, -EINVAL);
	REFUSED(block_tokens, RDX_BLOCK_TOKENS_MAX + 1, -EINVAL);
	REFUSED(clear_scope, 2, -EINVAL);
	REFUSED(report_mode, 2, -EINVAL);
	REFUSED(file_mode, 0666, -EINVAL);
	REFUSED(instance, NULL, -EINVAL);
	REFUSED(instance, "", -EINVAL);
	REFUSED(model, NULL, -EINVAL);
	REFUSED(remembered_names, UINT64_MAX, -ENOMEM);
	REFUSED(dir, "/dev/shm/no/such/parent", -ENOENT);
	REFUSED(dir, "/dev/null", -ENOTDIR);
	bad = f->options;
	bad.tier_blocks[0] = bad.tier_blocks[1] = 0;
	expect_refused(&bad, -EINVAL);
	memset(text, 'x', RDX_TEXT_BYTES);
	text[RDX_TEXT_BYTES] = '\0';
	REFUSED(instance, text, -ENAMETOOLONG);
	REFUSED(model, text, -ENAMETOOLONG);
	REFUSED(tenant, text, -ENAMETOOLONG);
#undef REFUSED
}

static void test_one_producer_per_rank(void **state)
{
	struct fixture *f = *state;
	struct rdx_publisher *other = NULL;

	open_it(f);
	expect_refused(&f->options, -EBUSY);
	f->options.dp_rank = 2;
	assert_int_equal(rdx_publisher_open(&other, &f->options), 0);
	rdx_publisher_close(other);
	f->options.dp_rank = 1;
	rdx_publisher_close(f->p);
	open_it(f);
	rdx_publisher_close(NULL);
}

static void test_damaged_key(void **state)
{
	struct fixture *f = *state;
	int fd = openat(f->rig.dir_fd, "key", O_WRONLY | O_TRUNC);

	assert_true(fd >= 0 || errno == EACCES);
	if (fd < 0) {
		assert_int_equal(fchmodat(f->rig.dir_fd, "key", 0600, 0), 0);
		fd = openat(f->rig.dir_fd, "key", O_WRONLY | O_TRUNC);
	}
	close(fd);
	expect_refused(&f->options, -EKEYREJECTED);
}

static void test_segment_is_as_planned(void **state)
{
	struct fixture *f = *state;
	struct rdx_segment_view view;
	uint64_t bytes = 0;

	open_it(f);
	assert_int_equal(rdx_publisher_segment_size(&f->options, &bytes), 0);
	assert_int_equal(rdx_segment_join(&view, f->rig.dir_fd, 7, 1, &f->rig.key), 0);
	assert_int_equal(view.header.file_bytes, bytes);
	assert_int_equal(view.header.block_tokens, TOKENS);
	assert_string_equal(view.header.instance, "http://localhost");
	assert_int_equal(rdx_lock_held(view.mapping.fd), 1);
	/* tests go to the disk where memory is small */
	assert_int_equal(stats_of(f->p).disk_backed, !rdx_file_in_memory(f->rig.dir_fd));
	rdx_publisher_close(f->p);
	f->p = NULL;
	assert_int_equal(rdx_lock_held(view.mapping.fd), 0);
	rdx_segment_leave(&view);
	/* the defaults */
	f->options.block_tokens = 0;
	f->options.ring_slots = 0;
	open_it(f);
	assert_int_equal(f->p->owner.header->block_tokens, 16);
	assert_int_equal(f->p->owner.header->ring_slots, 65536);
}

static void test_calls_refuse(void **state)
{
	struct fixture *f = *state;
	struct rdx_stored good = run_of(0, 1, 2), stored;
	struct rdx_removed bad,
		removed = {
			.size = sizeof(removed), .names = good.names, .count = 2, .name_bytes = 8};
	struct rdx_publisher_stats stats = {.size = sizeof(stats) - 1, .names = 77};
	uint32_t tokens[8] = {0};

	open_it(f);
	for (int i = 0; i < 4; i++) {
		stored = good;
		stored.names = i == 0 ? NULL : good.names;
		stored.name_bytes = i == 1 ? 16 : 8;
		stored.tier = i == 2 ? RDX_TIER_COUNT : 0;
		stored.tokens = i == 3 ? tokens : NULL;
		assert_int_equal(rdx_publish_stored(f->p, &stored), -EINVAL);
		bad = removed;
		bad.names = i == 0 ? NULL : good.names;
		bad.name_bytes = i == 1 ? 0 : 8;
		bad.tier = i == 2 ? RDX_TIER_COUNT : 0;
		assert_int_equal(rdx_publish_removed(f->p, &bad), i < 3 ? -EINVAL : 0);
	}
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_COUNT, 0), -EINVAL);
	assert_int_equal(rdx_publish_cleared(f->p, 16, 0), -EINVAL);
	assert_int_equal(rdx_publisher_get_stats(f->p, &stats), -EINVAL);
	assert_int_equal(stats.names, 77);
	stored = good;
	stored.count = 0;
	stored.names = NULL;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	expect_no_event(f);
	assert_int_equal(stats_of(f->p).events, 0);
}

static void test_events_of_a_life(void **state)
{
	struct fixture *f = *state;
	const uint64_t both[2] = {2, 1}, wrong[2] = {1, 3};
	uint64_t prefix[3];

	open_it(f);
	store(f, 0, 1, 3);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 3);
	assert_int_equal(f->head.event_id, 1);
	assert_int_equal(f->head.parent, 0);
	assert_int_equal(f->head.first_block, 0);
	assert_int_equal(f->hashes[2], 3000);
	rdx_hash_chain(&f->rig.key, 0, f->hashes, 3, prefix);
	/* a child: its event says where it hangs */
	store(f, 3, 4, 1);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.parent, prefix[2]);
	assert_int_equal(f->head.first_block, 3);
	/* what is held already is not said again, the rest around it is */
	remove_name(f, RDX_TIER_DEVICE, 2);
	expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->hashes[0], prefix[1]);
	assert_int_equal(f->head.orphans, 15);
	store(f, 0, 1, 3);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.parent, prefix[0]);
	assert_int_equal(f->head.orphans, 0);
	assert_int_equal(stats_of(f->p).repeats, 2);
	/* copies: two removals of names 1 and 3 are needed now, one of 2 */
	remove_names(f, RDX_TIER_DEVICE, both, 2);
	expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	remove_names(f, RDX_TIER_DEVICE, wrong, 2);
	/* a parent first: its child gets an event of its own */
	expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	expect_no_event(f);
	remove_name(f, RDX_TIER_DEVICE, 3);
	expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	assert_int_equal(stats_of(f->p).held[RDX_TIER_DEVICE], 1);
	remove_name(f, RDX_TIER_DEVICE, 3);
	remove_name(f, RDX_TIER_DEVICE, 99);
	remove_name(f, RDX_TIER_HOST, 4);
	assert_int_equal(stats_of(f->p).unknown_removals, 3);
	assert_int_equal(stats_of(f->p).inexact, 0);
	expect_no_event(f);
}

static void test_times_and_order_of_removal(void **state)
{
	struct fixture *f = *state;
	const uint64_t up[4] = {4, 3, 2, 1}, down[3] = {1, 2, 3};
	struct rdx_removed removed = {
		.size = sizeof(removed), .time_ns = 5, .names = up, .count = 4, .name_bytes = 8};

	open_it(f);
	store(f, 0, 1, 4);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 4);
	assert_int_equal(rdx_publish_removed(f->p, &removed), 0);
	expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 4);
	assert_int_equal(f->head.time_ns, 5);
	store(f, 0, 1, 3);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 3);
	remove_names(f, RDX_TIER_DEVICE, down, 3);
	for (int i = 0; i < 3; i++)
		expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	expect_no_event(f);
}

static void test_long_runs_are_split(void **state)
{
	struct fixture *f = *state;
	uint32_t most = rdx_event_hashes_max(RDX_EVENT_STORED, 8);
	uint64_t names[BLOCKS];

	open_it(f);
	store(f, 0, 1, BLOCKS);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, most);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, BLOCKS - most);
	assert_int_equal(f->head.first_block, most);
	assert_int_equal(f->head.parent, rdx_word_load(&f->p->owner.ledger[0].words[most - 1]));
	for (uint32_t i = 0; i < BLOCKS; i++)
		names[i] = BLOCKS - i;
	most = rdx_event_hashes_max(RDX_EVENT_REMOVED, 8);
	remove_names(f, RDX_TIER_DEVICE, names, BLOCKS);
	expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, most);
	expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, BLOCKS - most);
	expect_no_event(f);
}

/* What is left out is counted once per block, marks the rank, and the mark is said. */
static void expect_inexact_event(struct fixture *f, uint64_t counter, uint64_t expected)
{
	assert_int_equal(counter, expected);
	expect_event(f, RDX_EVENT_INEXACT, 0, 0);
	assert_int_equal(f->head.inexact, 1);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	assert_int_equal(f->head.inexact, 0);
	assert_int_equal(stats_of(f->p).inexact, 0);
	expect_no_event(f);
}

static void test_what_is_left_out(void **state)
{
	struct fixture *f = *state;
	struct rdx_stored stored;
	uint32_t tokens[3 * TOKENS] = {0};

	open_it(f);
	store(f, 500, 1, 3);
	expect_inexact_event(f, stats_of(f->p).unknown_parents, 3);
	store_known(f, RDX_TIER_HOST, 501, 2);
	expect_inexact_event(f, stats_of(f->p).unknown_names, 2);

	stored = run_of(0, 1, 3);
	stored.local_hashes = NULL;
	stored.tokens = tokens;
	stored.token_count = 3 * TOKENS - 1;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	expect_inexact_event(f, stats_of(f->p).mismatched, 3);

	stored.token_count = 3 * 2;
	stored.block_tokens = 2;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	assert_int_equal(stats_of(f->p).other_block_size, 3);
	assert_int_equal(stats_of(f->p).inexact, 0);
	expect_no_event(f);

	/* a tier that is not kept is full */
	stored = run_of(0, 1, 3);
	stored.tier = RDX_TIER_DISK;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	expect_inexact_event(f, stats_of(f->p).ledger_full, 3);
	assert_int_equal(stats_of(f->p).names, 0);

	assert_int_equal(rdx_publish_inexact(f->p, 9), 0);
	assert_int_equal(rdx_publish_inexact(f->p, 10), 0);
	expect_inexact_event(f, stats_of(f->p).inexact_marks, 5);
}

static void test_conflicts(void **state)
{
	struct fixture *f = *state;
	struct rdx_stored stored;
	uint64_t names[3] = {1, 1, 2}, own[2] = {5, 3};

	open_it(f);
	store(f, 0, 1, 3);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 3);
	/* a held name with other content, its children go with it */
	store(f, 1, 3, 4);
	expect_inexact_event(f, stats_of(f->p).conflicts, 4);
	/* a run that repeats a name: what comes before is stored, inexact from there */
	stored = run_of(0, 1, 3);
	stored.names = names;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.inexact, 1);
	assert_int_equal(stats_of(f->p).conflicts, 6);
	expect_no_event(f);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	/* remembered only: it may stand for something else */
	store(f, 1, 3, 1);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.orphans, 15);
	remove_name(f, RDX_TIER_DEVICE, 3);
	expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	/* but not below itself */
	stored = run_of(3, 5, 2);
	stored.names = own;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(stats_of(f->p).conflicts, 7);
	expect_no_event(f);
}

static void test_full(void **state)
{
	struct fixture *f = *state;

	f->options.tier_blocks[RDX_TIER_DEVICE] = 4;
	f->options.tier_blocks[RDX_TIER_HOST] = 0;
	f->options.remembered_names = 2;
	open_it(f);
	store(f, 0, 1, 6);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 4);
	assert_int_equal(f->head.inexact, 1);
	assert_int_equal(stats_of(f->p).ledger_full, 2);
	assert_int_equal(stats_of(f->p).held[RDX_TIER_DEVICE], 4);
	assert_int_equal(stats_of(f->p).names, 4);
	/* other names for the same blocks: room for two, then none */
	for (uint64_t name = 11; name < 14; name++) {
		struct rdx_stored stored = run_of(0, 1, 1);

		stored.names = &name;
		assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	}
	assert_int_equal(stats_of(f->p).map_full, 1);
	assert_int_equal(stats_of(f->p).names, 6);
	/* the second name holds the block after the first has gone */
	remove_name(f, RDX_TIER_DEVICE, 1);
	remove_name(f, RDX_TIER_DEVICE, 11);
	expect_no_event(f);
	remove_name(f, RDX_TIER_DEVICE, 12);
	expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
}

static void test_counts_that_end(void **state)
{
	struct fixture *f = *state;

	f->options.remembered_names = 1000;
	open_it(f);
	for (uint64_t name = 1; name <= RDX_NODE_HOLDERS_MAX + 1; name++) {
		struct rdx_stored stored = run_of(0, 1, 1);

		stored.names = &name;
		assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	}
	assert_int_equal(stats_of(f->p).map_full, 1);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	expect_event(f, RDX_EVENT_INEXACT, 0, 0);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	for (uint32_t i = 0; i <= RDX_NAME_COPIES_MAX; i++)
		store(f, 0, 1, 1);
	assert_int_equal(stats_of(f->p).repeats, RDX_NAME_COPIES_MAX);
	assert_int_equal(stats_of(f->p).inexact, 1);
}

static void test_report_mode_mixed(void **state)
{
	struct fixture *f = *state;

	f->options.report_mode = RDX_REPORT_MIXED;
	open_it(f);
	store(f, 0, 1, 2);
	assert_int_equal(stats_of(f->p).inexact, 0);
	store(f, 0, 1, 2);
	assert_int_equal(stats_of(f->p).inexact, 1);
	assert_int_equal(stats_of(f->p).repeats, 2);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 2);
	expect_inexact_event(f, stats_of(f->p).inexact_marks, 1);
}

/* What is missing in one tier is still missing after a clear of another, though the rank
 * then holds nothing that it knows of. */
static void test_clear_beside_inexact(void **state)
{
	struct fixture *f = *state;

	open_it(f);
	store(f, 99, 1, 1); /* in the device tier, its parent unknown */
	assert_int_equal(stats_of(f->p).inexact, 1);
	expect_event(f, RDX_EVENT_INEXACT, 0, 0);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_HOST, 0), 0);
	expect_event(f, RDX_EVENT_CLEARED, RDX_TIER_HOST, 0);
	assert_int_equal(f->head.inexact, 1);
	assert_int_equal(stats_of(f->p).inexact, 1);
	/* and of that one: then there is nothing */
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_DEVICE, 0), 0);
	expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	assert_int_equal(f->head.inexact, 0);
	assert_int_equal(stats_of(f->p).inexact, 0);
}

/* No reader knows a tier without blocks: its clear is not published beside held blocks. */
static void test_clear_of_tier_not_kept(void **state)
{
	struct fixture *f = *state;

	f->options.tier_blocks[RDX_TIER_HOST] = 0;
	open_it(f);
	store(f, 0, 1, 1);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_HOST, 0), 0);
	expect_no_event(f);
	assert_int_equal(stats_of(f->p).held[RDX_TIER_DEVICE], 1);
	assert_int_equal(stats_of(f->p).inexact, 0);
}

/* Blocks announced by name in another tier after the removal, and clears of tiers. */
static void test_tiers(void **state)
{
	struct fixture *f = *state;
	const uint64_t names[2] = {2, 1};

	open_it(f);
	store(f, 0, 1, 2);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 2);
	remove_names(f, RDX_TIER_DEVICE, names, 2);
	expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 2);
	store_known(f, RDX_TIER_HOST, 1, 2);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_HOST, 2);
	assert_int_equal(f->hashes[1], 2000);
	store_known(f, RDX_TIER_DEVICE, 2, 1);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.orphans, 1);
	/* one of two tiers: no barrier */
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_HOST, 0), 0);
	expect_event(f, RDX_EVENT_CLEARED, RDX_TIER_HOST, 0);
	assert_int_equal(f->head.orphans, 15);
	assert_int_equal(rdx_barrier_load(f->p->owner.live), 0);
	assert_int_equal(rdx_ledger_used(f->p->owner.live, RDX_TIER_HOST), 0);
	assert_int_equal(rdx_ledger_used(f->p->owner.live, RDX_TIER_DEVICE), 2);
	/* the only one: a clear of all */
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_DEVICE, 0), 0);
	expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	assert_int_equal(f->head.orphans, 0);
	assert_int_equal(rdx_barrier_load(f->p->owner.live), f->position);
	assert_int_equal(stats_of(f->p).clears, 1);
	/* names stay known */
	store_known(f, RDX_TIER_HOST, 1, 2);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_HOST, 2);
}

static void store_tokens(struct fixture *f, const uint64_t *parent, uint64_t name, const char *lora,
			 const char *salt, uint64_t expected_seed)
{
	uint32_t tokens[TOKENS] = {(uint32_t)name, 2, 3, 4};
	struct rdx_stored stored = {
		.size = sizeof(stored),
		.names = &name,
		.parent = parent,
		.tokens = tokens,
		.token_count = TOKENS,
		.lora = lora,
		.salt = salt,
		.count = 1,
		.name_bytes = 8,
	};
	uint64_t local;

	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	rdx_hash_blocks(expected_seed, tokens, TOKENS, TOKENS, &local);
	assert_int_equal(f->hashes[0], local);
}

static void test_seeds_are_inherited(void **state)
{
	struct fixture *f = *state;
	const uint64_t plain = 1, salted = 2, both = 3;

	open_it(f);
	store_tokens(f, NULL, plain, NULL, NULL, rdx_hash_seed(NULL, NULL));
	store_tokens(f, &plain, 11, NULL, NULL, rdx_hash_seed(NULL, NULL));
	store_tokens(f, NULL, salted, NULL, "s", rdx_hash_seed(NULL, "s"));
	/* the salt comes from the parent, the adapter with the block */
	store_tokens(f, &salted, both, "l", NULL, rdx_hash_seed("l", "s"));
	store_tokens(f, &both, 13, NULL, NULL, rdx_hash_seed("l", "s"));
	store_tokens(f, &both, 14, "", NULL, rdx_hash_seed(NULL, "s"));
	store_tokens(f, &both, 15, NULL, "", rdx_hash_seed("l", NULL));
	store_tokens(f, &both, 16, "k", "t", rdx_hash_seed("k", "t"));
}

/* Store name 1 by its hash, which says nothing of adapter and salt. */
static void store_in(struct fixture *f, const char *lora, const char *salt)
{
	struct rdx_stored stored = run_of(0, 1, 1);

	stored.lora = lora;
	stored.salt = salt;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
}

/* A name that was removed and comes back with equal content, under another adapter or salt:
 * what is stored below it is hashed as that of the new one. */
static void test_a_removed_name_comes_back_in_another_namespace(void **state)
{
	struct fixture *f = *state;
	const uint64_t name = 1;

	open_it(f);
	store_in(f, "l", "s");
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	store_tokens(f, &name, 11, NULL, NULL, rdx_hash_seed("l", "s"));
	remove_name(f, RDX_TIER_DEVICE, 1);
	expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	store_tokens(f, &name, 12, NULL, NULL, rdx_hash_seed("l", "s")); /* remembered */
	store_in(f, "k", NULL);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	store_tokens(f, &name, 13, NULL, NULL, rdx_hash_seed("k", NULL));
	/* a copy of a held name changes nothing */
	store_in(f, "l", "s");
	expect_no_event(f);
	store_tokens(f, &name, 14, NULL, NULL, rdx_hash_seed("k", NULL));
	/* nor does a store that only names it */
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	store_known(f, RDX_TIER_HOST, 1, 1);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_HOST, 1);
	store_tokens(f, &name, 15, NULL, NULL, rdx_hash_seed("k", NULL));
	/* a clear removes names too */
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	store_in(f, NULL, "t");
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	store_tokens(f, &name, 16, NULL, NULL, rdx_hash_seed(NULL, "t"));
}

static void test_worker_wide_clear(void **state)
{
	struct fixture *f = *state;
	struct rdx_publisher *first, *second;

	f->options.clear_scope = RDX_CLEAR_WORKER;
	open_it(f);
	first = f->p;
	store(f, 0, 1, 2);
	f->options.dp_rank = 2;
	assert_int_equal(rdx_publisher_open(&second, &f->options), 0);
	assert_int_equal(first->owner.header->clear_id, second->owner.header->clear_id);
	assert_int_equal(rdx_publish_cleared(second, RDX_SCOPE_ALL, 0), 0);

	/* the first rank clears itself before it says anything else, and keeps its names */
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 2);
	assert_int_equal(f->head.stamp, 0);
	assert_int_equal(rdx_word_load(&first->owner.live->ledger_stamp), 0);
	store(f, 2, 3, 1);
	expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	assert_int_equal(f->head.stamp, 1);
	assert_int_equal(rdx_word_load(&first->owner.live->ledger_stamp), 1);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.stamp, 1);
	assert_int_equal(f->head.orphans, 15);
	assert_int_equal(stats_of(first).held[RDX_TIER_DEVICE], 1);
	/* a tier's clear is this rank's alone, also where it is published as one of all */
	assert_int_equal(rdx_publish_cleared(first, RDX_TIER_DEVICE, 0), 0);
	expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	assert_int_equal(rdx_clear_stamp(first->clear), 1);
	assert_int_equal(stats_of(second).clears, 1);
	rdx_publisher_close(second);

	/* a rank opened later begins with the present generation */
	assert_int_equal(rdx_publisher_open(&second, &f->options), 0);
	assert_int_equal(second->stamp, 1);
	assert_int_equal(rdx_word_load(&second->owner.live->ledger_stamp), 1);
	assert_int_equal(rdx_publish_inexact(second, 0), 0);
	assert_int_equal(stats_of(second).clears, 0);
	rdx_publisher_close(second);
}

/* The last positions: nothing is half published, and readers are told. */
static void test_positions_end(void **state)
{
	struct fixture *f = *state;
	struct rdx_stored stored = run_of(0, 1, 2);
	struct rdx_removed removed = {
		.size = sizeof(removed), .names = stored.names, .count = 1, .name_bytes = 8};
	uint64_t events;

	open_it(f);
	f->p->position = f->position = RDX_POSITION_END - 6;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 2);
	stored = run_of(2, 3, 3);
	assert_int_equal(rdx_publish_stored(f->p, &stored), -EOVERFLOW);
	expect_event(f, RDX_EVENT_INEXACT, 0, 0);
	assert_int_equal(f->head.inexact, 1);
	expect_no_event(f);
	assert_true(f->position <= RDX_POSITION_END);
	events = stats_of(f->p).events;
	assert_int_equal(rdx_publish_removed(f->p, &removed), -EOVERFLOW);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), -EOVERFLOW);
	assert_int_equal(rdx_publish_inexact(f->p, 0), -EOVERFLOW);
	assert_int_equal(stats_of(f->p).events, events);
	assert_int_equal(stats_of(f->p).held[RDX_TIER_DEVICE], 2);
	assert_int_equal(stats_of(f->p).inexact, 1);
}

static void test_bell(void **state)
{
	struct fixture *f = *state;
	struct rdx_mapping mapping;
	struct rdx_bell *bell;
	uint32_t word;

	open_it(f);
	assert_int_equal(stats_of(f->p).rings_bell, 1);
	assert_int_equal(rdx_bell_file_open(&mapping, f->rig.dir_fd, 0), 0);
	bell = mapping.base;
	store(f, 0, 1, 1);
	assert_int_equal(stats_of(f->p).bells, 0);
	word = rdx_bell_arm(bell);
	store(f, 0, 1, 1); /* a copy: nothing is published */
	assert_int_equal(stats_of(f->p).bells, 0);
	store(f, 1, 2, 1);
	assert_int_equal(stats_of(f->p).bells, 1);
	assert_int_equal(rdx_bell_arm(bell), word + 1);
	rdx_mapping_close(&mapping);
	rdx_publisher_close(f->p);
	/* whoever may write the file may truncate it under us */
	assert_int_equal(fchmodat(f->rig.dir_fd, "bell", 0666, 0), 0);
	open_it(f);
	assert_int_equal(stats_of(f->p).rings_bell, 0);
	store(f, 0, 1, 1);
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
	struct fixture *f = *state;
	struct rdx_mapping mapping;

	open_it(f);
	assert_int_equal(rdx_bell_file_open(&mapping, f->rig.dir_fd, 0), 0);
	rdx_bell_arm(mapping.base);
	rung_for = f->p->owner.live;
	rdx_hook_function = note_tail;
	store(f, 0, 1, 1);
	rdx_hook_function = NULL;
	assert_int_equal(tail_when_rung, 1);
	rdx_mapping_close(&mapping);
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open_refuses),
		TEST(test_one_producer_per_rank),
		TEST(test_damaged_key),
		TEST(test_segment_is_as_planned),
		TEST(test_calls_refuse),
		TEST(test_events_of_a_life),
		TEST(test_times_and_order_of_removal),
		TEST(test_long_runs_are_split),
		TEST(test_what_is_left_out),
		TEST(test_conflicts),
		TEST(test_full),
		TEST(test_counts_that_end),
		TEST(test_report_mode_mixed),
		TEST(test_clear_beside_inexact),
		TEST(test_clear_of_tier_not_kept),
		TEST(test_tiers),
		TEST(test_seeds_are_inherited),
		TEST(test_a_removed_name_comes_back_in_another_namespace),
		TEST(test_worker_wide_clear),
		TEST(test_positions_end),
		TEST(test_bell),
#ifdef RDX_HOOKS
		TEST(test_rung_after_the_event),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
