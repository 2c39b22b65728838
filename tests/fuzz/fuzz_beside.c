/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a hostile segment beside a good worker in one indexer. Whatever the hostile one says
 * of itself, the good one's rows are EXACT and what it really holds, within a few polls; no row has
 * more blocks than were asked for.
 *
 * The indexer stays from one input to the next, since opening it takes longer than all else; the
 * hostile worker ends after each input and begins anew. fuzz_fresh, and what an input leaves that
 * would pile up, opens it again.
 */
#include "tests/fuzz/hostile.h"

#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>

#include <errno.h>
#include <string.h>

#define GOOD_WORKER    1
#define BLOCKS         24 /* of the prompt that both have */
#define OPS_MAX        48
#define POLLS_MAX      12 /* until the good worker's events are seen */
#define INDEXES_MAX    4
#define LIVENESS_NS    UINT64_C(50000000)
#define WALK_NS        UINT64_C(1100000000)
#define NEVER_STALE_NS (UINT64_C(1) << 60)

static struct fuzz_place place;
static struct hostile hostile;
static struct rdx_publisher *good;
static uint32_t held[2]; /* leading blocks that the good worker holds, in device and host */
static struct rdx_indexer *indexer;
static struct rdx_index *index_handle;
static uint64_t locals[BLOCKS];

static struct rdx_publisher *open_good(void)
{
	struct rdx_publisher_options options = {
		.size = sizeof(options),
		.dir = place.dir,
		.instance = "good",
		.model = HOSTILE_MODEL,
		.worker_id = GOOD_WORKER,
		.ring_slots = RDX_RING_SLOTS_MIN,
		.tier_blocks = {2 * BLOCKS, BLOCKS},
		.remembered_names = 64,
	};
	struct rdx_publisher *publisher;

	FUZZ_CHECK(rdx_publisher_open(&publisher, &options) == 0);
	return publisher;
}

static void store_good(uint8_t tier)
{
	uint64_t name = held[tier] + 1, parent = held[tier];
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = &name,
				    .parent = parent ? &parent : NULL,
				    .local_hashes = &locals[held[tier]],
				    .count = 1,
				    .tier = tier,
				    .name_bytes = 8};

	/* a host's block hangs below one that is known */
	if (held[tier] == BLOCKS || (tier && held[1] >= held[0]))
		return;
	FUZZ_CHECK(rdx_publish_stored(good, &stored) == 0);
	held[tier]++;
}

static void remove_good(uint8_t tier)
{
	uint64_t name = held[tier];
	struct rdx_removed removed = {
		.size = sizeof(removed), .names = &name, .count = 1, .tier = tier, .name_bytes = 8};

	if (held[tier] == 0 || (tier == 0 && held[0] <= held[1]))
		return;
	FUZZ_CHECK(rdx_publish_removed(good, &removed) == 0);
	held[tier]--;
}

static void clear_good(void)
{
	FUZZ_CHECK(rdx_publish_cleared(good, RDX_SCOPE_ALL, 0) == 0);
	held[0] = held[1] = 0;
}

static void poll_once(void)
{
	FUZZ_CHECK(rdx_indexer_poll(indexer, 0) >= 0);
}

static void close_indexer(void)
{
	rdx_index_close(index_handle);
	rdx_indexer_close(indexer);
	index_handle = NULL;
	indexer = NULL;
}

static void open_indexer(void)
{
	struct rdx_index_key key = {.size = sizeof(key), .model = HOSTILE_MODEL};
	struct rdx_indexer_options options = {
		.size = sizeof(options),
		.dir = place.dir,
		.initial_blocks = 1,
		.stale_after_ns = NEVER_STALE_NS,
		.liveness_ns = LIVENESS_NS,
		.wait_mode = RDX_WAIT_EPOLL,
	};
	int r = -ENOENT;

	FUZZ_CHECK(rdx_indexer_open(&indexer, &options) == 0);
	for (uint32_t i = 0; i < 64 && r == -ENOENT; i++) {
		fuzz_now_ns += LIVENESS_NS;
		poll_once();
		r = rdx_index_open(&index_handle, place.dir, &key);
	}
	FUZZ_CHECK(r == 0);
}

void fuzz_setup(void)
{
	fuzz_place_make(&place);
	hostile_make(&hostile, &place);
	for (uint32_t i = 0; i < BLOCKS; i++)
		locals[i] = hostile_local(i + 1);
	good = open_good();
	FUZZ_CHECK(rdx_guard_install() == 0);
	hostile_place(&hostile, 0);
	open_indexer();
}

void fuzz_fresh(void)
{
	close_indexer();
	rdx_publisher_close(good);
	good = open_good();
	held[0] = held[1] = 0;
	open_indexer();
}

size_t fuzz_seed(uint64_t number, uint8_t *ret_bytes, size_t capacity)
{
	(void)capacity;
	return fuzz_seed_bytes(number, ret_bytes, 8, 300);
}

/* Is the good worker's row as it should be? An older one is allowed while `late`. */
static int is_right(const struct rdx_run *row)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	FUZZ_CHECK(rdx_publisher_get_stats(good, &stats) == 0 && stats.inexact == 0);
	if (!row)
		return held[0] == 0 && held[1] == 0;
	return row->state == RDX_STATE_EXACT && row->last_event_id == stats.events &&
	       row->blocks[0] == held[0] &&
	       row->blocks[3] == (held[0] > held[1] ? held[0] : held[1]);
}

/* Look the prompt up: 1 where the good worker's row is right. */
static int look_up(uint32_t blocks)
{
	static struct rdx_run runs[RDX_RANKS_MAX];
	const struct rdx_run *row = NULL;
	int rows;

	runs[0].size = sizeof(runs[0]);
	rows = rdx_index_lookup_local(index_handle, locals, blocks, runs, RDX_RANKS_MAX);
	FUZZ_CHECK(rows >= 0 && rows <= RDX_RANKS_MAX);
	for (int i = 0; i < rows; i++) {
		for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
			FUZZ_CHECK(runs[i].blocks[tier] <= blocks);
		if (runs[i].worker_id == GOOD_WORKER)
			row = &runs[i];
	}
	/* EXACT says what was true after its event: with all events, what is true now */
	if (blocks == BLOCKS && row && row->state == RDX_STATE_EXACT) {
		struct rdx_publisher_stats stats = {.size = sizeof(stats)};

		FUZZ_CHECK(rdx_publisher_get_stats(good, &stats) == 0);
		FUZZ_CHECK(row->last_event_id != stats.events || is_right(row));
	}
	return is_right(row);
}

static void expect_good(void)
{
	for (uint32_t polls = 0; !look_up(BLOCKS); polls++) {
		FUZZ_CHECK(polls < POLLS_MAX);
		fuzz_now_ns += LIVENESS_NS / 8;
		poll_once();
	}
}

static void act(struct fuzz_input *in)
{
	uint8_t op = fuzz_byte(in);

	switch (op % 16) {
	case 0:
	case 1:
	case 2:
		hostile_patch(&hostile, in);
		break;
	case 3:
	case 4:
	case 5:
		hostile_lie(&hostile, in);
		break;
	case 6:
	case 7:
		store_good(op >> 7);
		break;
	case 8:
		remove_good(op >> 7);
		break;
	case 9:
		if (op >= 224)
			clear_good();
		break;
	case 10:
	case 11:
		poll_once();
		break;
	case 12:
		look_up(fuzz_byte(in) % (BLOCKS + 1));
		break;
	case 13:
		expect_good();
		break;
	case 14:
		fuzz_now_ns += UINT64_C(1000000) << (op >> 4);
		break;
	default:
		if (op >= 240)
			hostile_truncate(&hostile, in);
	}
}

/* The worker of the last input ends, and another one begins. */
static void begin(uint32_t image)
{
	hostile_hold(&hostile, 0);
	fuzz_now_ns += LIVENESS_NS;
	poll_once();
	hostile_place(&hostile, image);
	hostile_hold(&hostile, 1);
	fuzz_now_ns += WALK_NS;
}

/* Each other model, tenant or block size makes an index of its own. */
static void limit_indexes(void)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	FUZZ_CHECK(rdx_indexer_get_stats(indexer, &stats) == 0);
	if (stats.indexes <= INDEXES_MAX)
		return;
	close_indexer();
	open_indexer();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct fuzz_input in = {bytes, count};
	uint8_t form = fuzz_byte(&in);

	begin(form);
	for (uint8_t patches = form >> 6; patches; patches--)
		hostile_patch(&hostile, &in);
	fuzz_changing_begin();
	poll_once();
	for (uint32_t i = 0; i < OPS_MAX && in.left; i++)
		act(&in);
	expect_good();
	fuzz_changing_end();
	fuzz_forget();
	limit_indexes();
	return 0;
}
