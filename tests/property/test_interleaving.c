/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: producer and reader as coroutines in one thread, switched at protocol steps by a
 * seed (schedule.h). The reader follows, is lapped, recovers in all three ways, takes the ledger,
 * asks for ranges; each state must be that of the event that it names.
 */
#include "tests/patience.h"
#include "tests/schedule.h"
#include "tests/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if !SCHEDULE_POSSIBLE
int main(void)
{
	print_message(SCHEDULE_SKIPPED);
	return 77;
}
#else

#ifdef __SANITIZE_ADDRESS__
#define WORLDS 40
#else
#define WORLDS 120
#endif
#define WORLDS_LEAST 24
#define WORLDS_S     3
#define LOOKS        60 /* of the reader in each world */
#define WORKER       4

struct world {
	struct rig rig;
	struct rig_producer producer;
	struct stream stream;
	struct stream_writer writer;
	struct stream followed; /* oracles: where the follower is, */
	struct stream aside;    /* and where the newest look aside was */
	struct stream_follower follower;
	struct schedule schedule;
	uint64_t random;
	uint64_t exact, ranges, ways[4], retries, wrong;
};

static struct world *world;

static void run_producer(void)
{
	struct stream_op op;

	for (;;) {
		stream_next(&world->stream, &op);
		stream_write(&world->writer, &world->stream, &op);
	}
}

static void open_world(uint64_t seed)
{
	static const uint64_t rings[] = {64, 64, 128, 512};
	static const uint32_t clears[] = {0, 20, 100, 400};
	struct rdx_segment_spec spec;

	memset(world, 0, sizeof(*world));
	world->random = seed;
	spec = stream_spec(WORKER, 0, rings[rig_random(&world->random) % 4]);
	rig_make(&world->rig);
	assert_int_equal(rig_claim(&world->rig, &world->producer, &spec), 0);
	stream_writer_make(&world->writer, &world->producer);
	stream_make(&world->stream, &world->rig.key, seed, clears[rig_random(&world->random) % 4]);
	world->followed = world->aside = world->stream;
	assert_int_equal(rdx_reader_open(&world->follower.reader, world->rig.dir, WORKER, 0), 0);
	schedule_begin(&world->schedule, rig_random(&world->random), run_producer);
}

static void close_world(void)
{
	schedule_end(&world->schedule);
	stream_follower_free(&world->follower);
	rig_release(&world->producer);
	rig_remove(&world->rig);
}

/* A state, and the event it should be of; events only rise. */
static void check(struct stream *oracle, const struct rdx_holding *holding, uint64_t event_id)
{
	if (event_id < oracle->event_id) {
		world->wrong++;
		return;
	}
	stream_go_to(oracle, event_id);
	world->wrong += stream_differences(oracle, holding) != 0;
	world->exact++;
}

/* Apply up to `most` events; recover as told. */
static void follow(uint64_t most)
{
	const struct rdx_rank_info *info = rdx_reader_info(world->follower.reader);
	struct rdx_cursor cursor;
	struct rdx_event event = {.size = sizeof(event)};
	int r = 0;

	while (most-- > 0) {
		r = rdx_reader_next(world->follower.reader, &event);
		if (r == 1)
			r = rdx_holding_apply(&world->follower.holding, &info->key, &event);
		else if (r == 0)
			break;
		for (int i = 0; i < 50 && (r == -EOVERFLOW || r == -EAGAIN); i++) {
			rdx_reader_cursor(world->follower.reader, &cursor);
			r = stream_recover(&world->follower, &cursor);
			world->retries += r < 0;
		}
		if (r < 0)
			break;
	}
	if (r == -EOVERFLOW || r == -EAGAIN)
		return; /* too fast for now: the next look tries again */
	world->wrong += r < 0;
	rdx_reader_cursor(world->follower.reader, &cursor);
	if (stream_is_exact(&world->follower))
		check(&world->followed, &world->follower.holding, cursor.event_id);
}

/* A look aside: the ledger whole. */
static void take_ledger(void)
{
	struct rdx_holding holding;
	struct rdx_cursor exact_at;
	int r = rdx_holding_of(world->follower.reader, world->aside.event_id, &holding, &exact_at);

	if (r == -EAGAIN) {
		world->retries++;
		return;
	}
	if (r < 0) {
		world->wrong++;
		return;
	}
	check(&world->aside, &holding, exact_at.event_id);
	rdx_holding_free(&holding);
}

/* What is answered with EVENTS was whole in the view it was answered from. */
static void ask_range(void)
{
	uint64_t newest = world->producer.event_id;
	uint64_t first = newest ? 1 + rig_random(&world->random) % (newest + 2) : 0;
	struct rdx_range range = {.size = sizeof(range)};
	int r = rdx_reader_range(world->follower.reader, world->follower.reader->info.epoch, first,
				 UINT64_MAX, &range);

	if (r == -EAGAIN) {
		world->retries++;
		return;
	}
	world->ranges++;
	if (r < 0) {
		world->wrong++;
	} else if (range.outcome == RDX_RANGE_EVENTS) {
		/* the event begun when it was asked may be published or not */
		world->wrong += range.last_event_id + 1 < newest ||
				range.last_event_id > world->stream.event_id ||
				range.first_event_id > range.last_event_id + 1 ||
				(!range.from_barrier && range.first_event_id != first);
	} else if (range.outcome == RDX_RANGE_TOO_NEW) {
		world->wrong += first <= range.last_event_id || first + 1 < newest;
	} else {
		/* an empty ring is at its birth; it may have gone round since it was asked */
		world->wrong += range.outcome != RDX_RANGE_SNAPSHOT || world->stream.event_id == 0;
	}
}

static void test_interleavings(void **state)
{
	uint64_t exact = 0, ranges = 0, retries = 0, events = 0, ways[4] = {0};
	struct effort effort = effort_begin(WORLDS_LEAST, WORLDS, WORLDS_S);
	uint64_t seed = rig_seed();
	int i = 0;

	(void)state;
	world = malloc(sizeof(*world));
	assert_non_null(world);
	for (; effort_goes_on(&effort); i++) {
		open_world(seed + (uint64_t)i);
		for (int look = 0; look < LOOKS && !world->wrong; look++) {
			uint64_t drawn = rig_random(&world->random);

			if (drawn % 4 == 0)
				schedule_let(&world->schedule, 1 + drawn / 4 % 4000);
			if (drawn % 8 == 1)
				take_ledger();
			else if (drawn % 8 == 2)
				ask_range();
			else
				follow(1 + drawn / 8 % 100);
		}
		if (world->wrong)
			print_error("world of RDX_SEED=%llu\n", (unsigned long long)seed + i);
		exact += world->exact;
		ranges += world->ranges;
		retries += world->retries;
		events += world->stream.event_id;
		for (int way = 0; way < 4; way++)
			ways[way] += world->follower.recoveries[way];
		assert_int_equal(world->wrong, 0);
		close_world();
	}
	print_message("%d worlds, %llu events, %llu states exact, %llu ranges, %llu told to try "
		      "again; went on %llu, barrier %llu, ledger %llu\n",
		      i, (unsigned long long)events, (unsigned long long)exact,
		      (unsigned long long)ranges, (unsigned long long)retries,
		      (unsigned long long)ways[1], (unsigned long long)ways[2],
		      (unsigned long long)ways[3]);
	assert_true(exact > 0 && ways[2] > 0 && ways[3] > 0);
	free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interleavings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
