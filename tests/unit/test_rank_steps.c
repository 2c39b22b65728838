/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the indexer as a whole, step by step in one thread: what it counts over the epochs
 * of a rank, how it handles ranks that fail, go or flood, and how much work it does for one rank
 * before it turns to the others.
 */
#include "shm/clear.h"
#include "consumer/reader/recovery.h"
#include "tests/index_rig.h"
#include "tests/patience.h"

#include "consumer/indexer/rank.h"
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	struct rig rig;
	struct rdx_indexer *indexer;
	struct rdx_index *index;
};

static void make(struct fixture *f)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};

	memset(f, 0, sizeof(*f));
	rig_make(&f->rig);
	options.dir = f->rig.dir;
	options.initial_blocks = 1024;
	options.stale_after_ns = RIG_NEVER_STALE_NS;
	assert_int_equal(rdx_indexer_open(&f->indexer, &options), 0);
}

static void destroy(struct fixture *f)
{
	rdx_index_close(f->index);
	rdx_indexer_close(f->indexer);
	rig_remove(&f->rig);
}

static struct rdx_publisher *open_rank_of(struct fixture *f, uint64_t worker_id, uint64_t device,
					  uint64_t host, uint64_t ring_slots)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};
	struct rdx_publisher *p;

	options.dir = f->rig.dir;
	options.instance = "http://localhost:8000";
	options.model = RIG_MODEL;
	options.worker_id = worker_id;
	options.ring_slots = ring_slots;
	options.tier_blocks[RDX_TIER_DEVICE] = device;
	options.tier_blocks[RDX_TIER_HOST] = host;
	assert_int_equal(rdx_publisher_open(&p, &options), 0);
	return p;
}

static struct rdx_publisher *open_rank(struct fixture *f, uint64_t worker_id, uint64_t device,
				       uint64_t host)
{
	return open_rank_of(f, worker_id, device, host, 64);
}

static void store_one(struct rdx_publisher *p, uint64_t name)
{
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = &name,
				    .local_hashes = &name,
				    .count = 1,
				    .name_bytes = 8};

	assert_int_equal(rdx_publish_stored(p, &stored), 0);
}

static struct rdx_indexer_stats stats_of(const struct fixture *f)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_indexer_get_stats(f->indexer, &stats), 0);
	return stats;
}

static int is_in_state(struct fixture *f, uint64_t worker_id, uint8_t state)
{
	struct rdx_index_rank rows[RDX_RANKS_MAX] = {{.size = sizeof(rows[0])}};
	int count;

	if (!f->index && rig_index(&f->rig, &f->index) < 0)
		return 0;
	count = rdx_index_ranks(f->index, rows, RDX_RANKS_MAX);
	for (int i = 0; i < count; i++)
		if (rows[i].worker_id == worker_id && rows[i].state == state)
			return 1;
	return 0;
}

/* Poll until the rank's row in the index has the state. */
static void await_state(struct fixture *f, uint64_t worker_id, uint8_t state)
{
	UNTIL (is_in_state(f, worker_id, state))
		assert_true(rdx_indexer_poll(f->indexer, 0) >= 0);
}

/* What was there when a recovery began is in the first answer that is EXACT: it never goes back behind what
 * a dead indexer has shown. */
static void test_shown_when_caught_up(void **state)
{
	enum { EVENTS = 4000, PART = 64 }; /* published, applied by a poll */
	struct rdx_index_rank rows[RDX_RANKS_MAX];
	struct rdx_publisher *first, *p;
	uint32_t waited = 0;
	int count;
	struct fixture f;

	(void)state;
	make(&f);
	first = open_rank(&f, 2, 100, 0);
	await_state(&f, 2, RDX_STATE_EXACT); /* there is an index */
	p = open_rank_of(&f, 1, EVENTS, 0, 8192);
	for (uint64_t name = 1; name <= EVENTS; name++)
		store_one(p, name);
	UNTIL (is_in_state(&f, 1, RDX_STATE_EXACT)) {
		waited += is_in_state(&f, 1, RDX_STATE_RECOVERING);
		assert_true(rdx_indexer_poll(f.indexer, PART) >= 0);
	}
	assert_true(waited > 1); /* else there was nothing to see */
	rows[0].size = sizeof(rows[0]);
	count = rdx_index_ranks(f.index, rows, RDX_RANKS_MAX);
	assert_int_equal(count, 2);
	for (int i = 0; i < count; i++)
		assert_int_equal(rows[i].last_event_id, rows[i].worker_id == 1 ? EVENTS : 0);
	rdx_publisher_close(p);
	rdx_publisher_close(first);
	destroy(&f);
}

/* The sum over all epochs of a rank does not change when one ends. */
static void test_counts_over_lives(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	for (uint64_t life = 1; life <= 3; life++) {
		struct rdx_publisher *p = open_rank(&f, 1, 100, 0);

		await_state(&f, 1, RDX_STATE_EXACT);
		assert_int_equal(stats_of(&f).recoveries[RDX_RECOVERED_BARRIER], life);
		rdx_publisher_close(p);
		await_state(&f, 1, RDX_STATE_GONE);
		assert_int_equal(stats_of(&f).recoveries[RDX_RECOVERED_BARRIER], life);
	}
	destroy(&f);
}

/* A clear of a tier that the rank does not keep says nothing new. */
static void test_clear_of_tier_not_kept(void **state)
{
	struct fixture f;
	struct rdx_publisher *p;

	(void)state;
	make(&f);
	p = open_rank(&f, 1, 100, 0);
	store_one(p, 5);
	await_state(&f, 1, RDX_STATE_EXACT);
	assert_int_equal(rdx_publish_cleared(p, RDX_TIER_HOST, 0), 0);
	store_one(p, 6);
	for (int i = 0; i < 100; i++)
		assert_true(rdx_indexer_poll(f.indexer, 0) >= 0);
	await_state(&f, 1, RDX_STATE_EXACT);
	assert_int_equal(stats_of(&f).unreadable, 0);
	rdx_publisher_close(p);
	destroy(&f);
}

#ifdef RDX_HOOKS
static struct rig *hook_rig;
static struct rig_producer *hook_producer;

static void clear_and_store(enum rdx_hook_step step)
{
	if (step != RDX_HOOK_READ_WORD)
		return;
	rdx_hook_function = NULL;
	rig_clear(hook_producer);
	for (uint64_t local = 1000; local < 1010; local++)
		rig_store(hook_rig, hook_producer, local);
}

/* The worker is cleared between the look at the barrier and the look at the tail: what was
 * stored since stands in the ledger, before the tail, and must stay. */
static void test_clear_before_the_scan(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 1000);
	uint64_t local = 1005, prefix;
	struct rig_producer producer;
	struct rdx_run runs[4] = {{.size = sizeof(runs[0])}};
	struct fixture f;

	(void)state;
	make(&f);
	spec.clear_scope = RDX_CLEAR_WORKER;
	spec.model = RIG_MODEL;
	assert_int_equal(rig_claim(&f.rig, &producer, &spec), 0);
	for (uint64_t i = 1; i <= 200; i++)
		rig_store(&f.rig, &producer, i);
	hook_rig = &f.rig;
	hook_producer = &producer;
	rdx_hook_function = clear_and_store;
	await_state(&f, 1, RDX_STATE_EXACT);
	assert_null(rdx_hook_function);
	for (int i = 0; i < 100; i++)
		assert_true(rdx_indexer_poll(f.indexer, 0) >= 0);

	rdx_hash_chain(&f.rig.key, 0, &local, 1, &prefix);
	assert_int_equal(rdx_index_lookup(f.index, &prefix, 1, runs, 4), 1);
	assert_int_equal(runs[0].state, RDX_STATE_EXACT);
	assert_int_equal(runs[0].blocks[0], 1);
	rig_release(&producer);
	destroy(&f);
}

static uint32_t hook_scanned;

static void publish_more(enum rdx_hook_step step)
{
	hook_scanned |= step == RDX_HOOK_SCAN_DONE;
	if (step == RDX_HOOK_READ_WORD && hook_scanned)
		rig_append(hook_producer, RDX_EVENT_INEXACT, 0, 0, NULL, 0);
}

/* A producer that never stops, and promises to be exact at the end of time. */
static void test_look_aside_ends(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 65536, 1000);
	struct rig_producer producer;
	struct rdx_cursor exact_at;
	struct rdx_reader *reader;
	uint64_t hashes[8], count;
	struct fixture f;

	(void)state;
	make(&f);
	assert_int_equal(rig_claim(&f.rig, &producer, &spec), 0);
	rig_store(&f.rig, &producer, 1);
	assert_int_equal(rdx_reader_open(&reader, f.rig.dir, 1, 0), 0);
	rdx_ledger_intend(producer.owner.live, RDX_POSITION_END);
	hook_producer = &producer;
	rdx_hook_function = publish_more;
	assert_int_equal(rdx_reader_resident(reader, 0, hashes, 8, &count, &exact_at), -EAGAIN);
	rdx_hook_function = NULL;
	rdx_reader_close(reader);
	rig_release(&producer);
	destroy(&f);
}
#endif

/* A ledger of which nothing is in use any more is scanned in parts too. Its rank holds nothing, so
 * it does not wait for the table that it declares. */
static void test_empty_ledger_in_parts(void **state)
{
	enum { BLOCKS = 1 << 20 };
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, BLOCKS);
	struct rdx_index_writer *writer;
	struct rdx_rank_scratch *scratch = calloc(1, sizeof(*scratch));
	struct rdx_rank rank = {.file = {.worker_id = 1}};
	struct rig_producer producer;
	struct rdx_reader *reader;
	uint64_t before = 0;
	struct fixture f;
	int slot;

	(void)state;
	make(&f);
	assert_int_equal(rig_claim(&f.rig, &producer, &spec), 0);
	for (uint64_t i = 1; i <= 200; i++)
		rig_append(&producer, RDX_EVENT_INEXACT, 0, 0, NULL, 0);
	atomic_store(&producer.owner.live->used, BLOCKS);
	assert_int_equal(rig_writer(&f.rig, NULL, &writer), 0);
	assert_int_equal(rdx_reader_open(&reader, f.rig.dir, 1, 0), 0);
	slot = rdx_writer_rank_add(writer, rdx_reader_info(reader));
	rdx_rank_start(&rank, reader, writer, slot, rdx_clock_ns());
	while (rank.phase < RDX_PHASE_FOLLOW) {
		assert_true(rdx_rank_step(&rank, scratch, 64, rdx_clock_ns(), UINT64_MAX) >= 0);
		assert_true(rank.phase > RDX_PHASE_BEGIN); /* it does not wait */
		assert_true(reader->stats.ledger_records - before <= BLOCKS / 8);
		before = reader->stats.ledger_records;
	}
	assert_int_equal(rank.phase, RDX_PHASE_FOLLOW);
	assert_int_equal(before, BLOCKS);
	rdx_rank_gone(&rank);
	rdx_writer_close(writer);
	free(scratch);
	rig_release(&producer);
	destroy(&f);
}

/* What ranks hold is expected when they join: there is one table for all of it. */
static void test_one_table_for_all(void **state)
{
	enum { RANKS = 3, BLOCKS = 50000 };
	struct rdx_writer_stats stats;
	struct rig_producer producer[RANKS];
	struct rdx_rank rank[RANKS] = {0};
	struct rdx_index_writer *writer;
	struct fixture f;

	(void)state;
	make(&f);
	assert_int_equal(rig_writer(&f.rig, NULL, &writer), 0);
	for (uint32_t i = 0; i < RANKS; i++) {
		struct rdx_segment_spec spec = rig_spec(1, i, 64, BLOCKS);
		struct rdx_reader *reader;

		assert_int_equal(rig_claim(&f.rig, &producer[i], &spec), 0);
		atomic_store(&producer[i].owner.live->counters[RDX_COUNTER_HELD], BLOCKS);
		assert_int_equal(rdx_reader_open(&reader, f.rig.dir, 1, i), 0);
		rank[i].file.worker_id = 1;
		rank[i].file.dp_rank = i;
		rdx_rank_start(&rank[i], reader, writer,
			       rdx_writer_rank_add(writer, rdx_reader_info(reader)),
			       rdx_clock_ns());
	}
	while (rdx_writer_step(writer))
		;
	rdx_writer_stats(writer, &stats);
	assert_int_equal(stats.generations, 1);
	assert_in_range(stats.slots, RANKS * BLOCKS * 10 / 6, RANKS * BLOCKS * 10 / 5);
	for (uint32_t i = 0; i < RANKS; i++) {
		rdx_rank_gone(&rank[i]);
		rig_release(&producer[i]);
	}
	rdx_writer_close(writer);
	destroy(&f);
}

/* The log of a recovery that a barrier made needless is given back. */
static void test_log_after_a_jump(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 1000);
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rig_producer producer;
	struct rdx_reader *reader;
	struct fixture f;

	(void)state;
	make(&f);
	assert_int_equal(rig_claim(&f.rig, &producer, &spec), 0);
	assert_int_equal(rdx_reader_open(&reader, f.rig.dir, 1, 0), 0);
	assert_int_equal(rdx_recovery_from_ledger(reader, &recovery), 0);
	rig_store(&f.rig, &producer, 1);
	assert_int_equal(rdx_recovery_drain(reader), 0);
	assert_non_null(reader->log.slots);
	rig_clear(&producer);
	assert_int_equal(rdx_recovery_jump(reader), 1);
	assert_null(reader->log.slots);
	rdx_reader_close(reader);
	rig_release(&producer);
	destroy(&f);
}

#ifdef RDX_HOOKS
static void publish_two_slots(enum rdx_hook_step step)
{
	static const uint64_t hashes[10];

	if (step == RDX_HOOK_READ_WORD)
		rig_append(hook_producer, RDX_EVENT_REMOVED, 0, 0, hashes, 10);
}

/* A producer that publishes as fast as it is copied does not hold up the other ranks. */
static void test_drain_in_parts(void **state)
{
	enum { PART = 1 << 15 };
	struct rdx_segment_spec spec = rig_spec(1, 0, PART * 8, 1000);
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rig_producer producer;
	struct rdx_reader *reader;
	struct rdx_event event = {.size = sizeof(event)};
	struct fixture f;

	(void)state;
	make(&f);
	assert_int_equal(rig_claim(&f.rig, &producer, &spec), 0);
	assert_int_equal(rdx_reader_open(&reader, f.rig.dir, 1, 0), 0);
	assert_int_equal(rdx_recovery_from_ledger(reader, &recovery), 0);
	rig_store(&f.rig, &producer, 1); /* an odd number of slots before those of two */
	hook_producer = &producer;
	rdx_hook_function = publish_two_slots;
	assert_int_equal(rdx_recovery_drain(reader), 0);
	rdx_hook_function = NULL;
	assert_in_range(reader->log.end - reader->log.begin, 1, PART);
	/* the log ends with an event, and the ring goes on with the next one */
	reader->scan.active = 0;
	reader->half = 0;
	while (reader->log.end)
		assert_int_equal(rdx_reader_read(reader, &event), 1);
	assert_int_equal(rdx_reader_read(reader, &event), 1);
	rdx_reader_close(reader);
	rig_release(&producer);
	destroy(&f);
}
#endif

/* A tail that names a slot long overwritten is not retried for ever. */
static void test_tail_leads_nowhere(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 1000);
	struct rig_producer producer;
	struct fixture f;

	(void)state;
	make(&f);
	spec.model = RIG_MODEL;
	assert_int_equal(rig_claim(&f.rig, &producer, &spec), 0);
	for (uint64_t i = 1; i <= 200; i++)
		rig_store(&f.rig, &producer, i);
	atomic_store(&producer.owner.live->tail, 1);
	await_state(&f, 1, RDX_STATE_INEXACT);
	assert_int_equal(stats_of(&f).unreadable, 1);
	/* and is tried again */
	atomic_store(&producer.owner.live->tail, producer.tail);
	await_state(&f, 1, RDX_STATE_EXACT);
	rig_release(&producer);
	destroy(&f);
}

/* A worker fills its directory with files: the others must not wait for that. */
static void test_crowded_directory(void **state)
{
	enum { FILES = 20000 };
	struct fixture f;
	char path[128];
	struct rdx_publisher *p;

	(void)state;
	make(&f);
	snprintf(path, sizeof(path), "%s/9", f.rig.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	for (int i = 0; i < FILES; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/9/%d.seg", f.rig.dir, i);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		assert_true(fd >= 0);
		close(fd);
	}
	p = open_rank(&f, 10, 100, 0);
	await_state(&f, 10, RDX_STATE_EXACT);
	assert_int_equal(stats_of(&f).unreadable, RDX_WORKER_SEGMENTS_MAX);
	rdx_publisher_close(p);
	destroy(&f);
}

/* Tables of a model that no worker serves any more do not stay when an indexer starts anew. */
static void test_leftover_index(void **state)
{
	static const char stranger[] = "index/0123456789abcdef.other";
	struct rdx_indexer_options options = {.size = sizeof(options)};
	struct rdx_index_key key = {
		.size = sizeof(key), .model = RIG_MODEL, .flags = RDX_INDEX_ALL_RANKS};
	struct rdx_publisher *p;
	struct rdx_index *index;
	struct fixture f;
	struct stat st;
	char name[64], worker[128];
	int fd;

	(void)state;
	make(&f);
	p = open_rank(&f, 1, 100, 0);
	await_state(&f, 1, RDX_STATE_EXACT);
	rdx_index_file_gen_name(&f.index->id, f.index->lookup.generation, name);
	rdx_publisher_close(p);
	snprintf(worker, sizeof(worker), "%s/1", f.rig.dir);
	held_remove(worker);
	fd = openat(f.rig.dir_fd, stranger, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	rdx_indexer_close(f.indexer);
	assert_int_equal(fstatat(f.rig.dir_fd, name, &st, 0), 0);
	options.dir = f.rig.dir;
	assert_int_equal(rdx_indexer_open(&f.indexer, &options), 0);
	UNTIL (fstatat(f.rig.dir_fd, name, &st, 0) < 0) {
		assert_true(rdx_indexer_poll(f.indexer, 0) >= 0);
		(void)rdx_indexer_wait(f.indexer, 10000000);
	}
	assert_int_equal(rdx_index_open(&index, f.rig.dir, &key), -EAGAIN);
	assert_int_equal(fstatat(f.rig.dir_fd, stranger, &st, 0), 0);
	destroy(&f);
}

#ifdef RDX_HOOKS
static struct fixture *hook_fixture;
static uint32_t hook_scans;

/* The indexer says that it has seen the rank, which it had begun to look at before the clear. */
static void pulse_once(const struct rdx_index *index)
{
	uint64_t seen_ns = rdx_word_load(&index->lookup.live->pulse[0].seen_ns) + 1;
	char name[RDX_NAME_BYTES];
	int fd;

	rdx_index_file_ctl_name(&index->id, 0, name);
	fd = openat(index->dir_fd, name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &seen_ns, sizeof(seen_ns),
				offsetof(struct rdx_index_ctl, live.pulse[0].seen_ns)),
			 sizeof(seen_ns));
	close(fd);
}

/* It is heard of once at the second look, and has its turn after the third. */
static void poll_later(enum rdx_hook_step step)
{
	if (step != RDX_HOOK_SCAN_DONE)
		return;
	if (++hook_scans == 2)
		pulse_once(hook_fixture->index);
	if (hook_scans < 3)
		return;
	rdx_hook_function = NULL;
	for (int i = 0; i < 10; i++)
		assert_true(rdx_indexer_poll(hook_fixture->indexer, 0) >= 0);
}

/* Another rank has cleared the worker, and the indexer has not looked yet: what it shows is
 * old, not wrong. */
static void test_verify_beside_a_clear(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 1000);
	struct rdx_difference difference = {.size = sizeof(difference), .differences = 99};
	struct rig_producer producer;
	struct fixture f;

	(void)state;
	make(&f);
	spec.clear_scope = RDX_CLEAR_WORKER;
	spec.model = RIG_MODEL;
	assert_int_equal(rig_claim(&f.rig, &producer, &spec), 0);
	rig_store(&f.rig, &producer, 1);
	await_state(&f, 1, RDX_STATE_EXACT);
	rdx_clear_bump(producer.owner.clear.base);
	hook_fixture = &f;
	rdx_hook_function = poll_later;
	assert_int_equal(rdx_index_verify(f.index, 1, 0, &difference), 0);
	assert_null(rdx_hook_function);
	assert_int_equal(difference.differences, 0);
	rig_release(&producer);
	destroy(&f);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shown_when_caught_up),
		cmocka_unit_test(test_counts_over_lives),
		cmocka_unit_test(test_clear_of_tier_not_kept),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_clear_before_the_scan),
		cmocka_unit_test(test_look_aside_ends),
#endif
		cmocka_unit_test(test_empty_ledger_in_parts),
		cmocka_unit_test(test_one_table_for_all),
		cmocka_unit_test(test_log_after_a_jump),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_drain_in_parts),
#endif
		cmocka_unit_test(test_tail_leads_nowhere),
		cmocka_unit_test(test_crowded_directory),
		cmocka_unit_test(test_leftover_index),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_verify_beside_a_clear),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
