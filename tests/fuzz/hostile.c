/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/hostile.h"

#include "shm/clear.h"
#include "shm/publish.h"
#include <ringdex/rdx_publisher.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX 32

static struct rdx_publisher *open_publisher(const struct fuzz_place *place, uint64_t worker,
					    uint32_t clear_scope, uint64_t device, uint64_t host)
{
	struct rdx_publisher_options options = {
		.size = sizeof(options),
		.dir = place->dir,
		.instance = "hostile",
		.model = HOSTILE_MODEL,
		.worker_id = worker,
		.ring_slots = RDX_RING_SLOTS_MIN,
		.tier_blocks = {device, host},
		.remembered_names = 64,
		.clear_scope = clear_scope,
	};
	struct rdx_publisher *publisher;

	FUZZ_CHECK(rdx_publisher_open(&publisher, &options) == 0);
	return publisher;
}

/* Blocks `first` .. under block `parent`, 0: none. Names are numbers from 1. */
static void store(struct rdx_publisher *publisher, uint64_t parent, uint64_t first, uint32_t count,
		  uint8_t tier)
{
	uint64_t names[NAMES_MAX], locals[NAMES_MAX];
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .parent = parent ? &parent : NULL,
				    .local_hashes = locals,
				    .count = count,
				    .tier = tier,
				    .name_bytes = 8};

	for (uint32_t i = 0; i < count; i++) {
		names[i] = first + i;
		locals[i] = hostile_local(first + i);
	}
	FUZZ_CHECK(rdx_publish_stored(publisher, &stored) == 0);
}

static void remove_one(struct rdx_publisher *publisher, uint64_t name, uint8_t tier)
{
	struct rdx_removed removed = {
		.size = sizeof(removed), .names = &name, .count = 1, .tier = tier, .name_bytes = 8};

	FUZZ_CHECK(rdx_publish_removed(publisher, &removed) == 0);
}

/* Young: the ring never wrapped. */
static void live_shortly(struct rdx_publisher *p)
{
	store(p, 0, 1, 3, 0);
	remove_one(p, 3, 0);
	store(p, 2, 10, 2, 0);
}

/* Old, with clears: a barrier in the ring. */
static void live_with_clears(struct rdx_publisher *p)
{
	for (uint32_t i = 0; i < 60; i++) {
		store(p, 0, 1, 5, 0);
		if (i % 3 == 0)
			rdx_publish_cleared(p, RDX_SCOPE_ALL, i);
		else
			remove_one(p, 5, 0);
	}
	store(p, 0, 1, 8, 0);
}

/* Two tiers, orphans, no barrier. */
static void live_in_tiers(struct rdx_publisher *p)
{
	for (uint32_t i = 0; i < 60; i++) {
		store(p, i % 7, 1 + i % 7, 1, 0);
		store(p, i % 5, 1 + i % 5, 1, 1);
		remove_one(p, 1 + i % 6, 0);
	}
	store(p, 0, 1, 12, 0);
	remove_one(p, 4, 0);
}

/* Long events, and one that the ring has lost. */
static void live_full(struct rdx_publisher *p)
{
	for (uint32_t i = 0; i < 40; i++) {
		store(p, 0, 1, NAMES_MAX, 0);
		for (uint64_t name = NAMES_MAX; name > i % 8; name--)
			remove_one(p, name, 0);
	}
	store(p, 0, 1, NAMES_MAX, 0);
	store(p, 0, 1, 9, 1);
}

/* INEXACT both ways. */
static void live_inexact(struct rdx_publisher *p)
{
	store(p, 0, 1, 6, 0);
	rdx_publish_inexact(p, RDX_INEXACT_LACKING, 0);
	store(p, 99, 20, 2, 0);
	rdx_publish_inexact(p, RDX_INEXACT_UNKNOWN, 0);
	remove_one(p, 2, 0);
}

static void take_image(struct hostile_image *image, const struct fuzz_place *place, uint64_t worker)
{
	char name[RDX_NAME_BYTES];
	struct rdx_segment_header *header;
	uint8_t *clear;
	uint64_t bytes;

	rdx_namespace_segment(worker, 0, name);
	image->bytes = fuzz_file_read(place, name, &image->count);
	FUZZ_CHECK(image->count <= HOSTILE_BYTES);
	header = (struct rdx_segment_header *)image->bytes;
	header->worker_id = HOSTILE_WORKER;
	header->created_ns = header->creator_start_ticks = header->creator_pid = 1;
	header->clear_inode = 0; /* it will be another file */
	if (!header->clear_id)
		return;
	rdx_namespace_clear(worker, name);
	clear = fuzz_file_read(place, name, &bytes);
	memcpy(&image->clear, clear, sizeof(image->clear));
	free(clear);
}

static void make_image(struct hostile *hostile, uint32_t number)
{
	static void (*const lives[])(struct rdx_publisher *) = {live_shortly,  live_with_clears,
								live_in_tiers, live_full,
								live_inexact,  live_with_clears};
	uint32_t scope = number == 5 ? RDX_CLEAR_WORKER : RDX_CLEAR_RANK;
	uint64_t worker = 1000 + number;
	struct rdx_publisher *publisher = open_publisher(hostile->place, worker, scope, 64, 16);
	char path[HELD_PATH_BYTES + RDX_NAME_BYTES];

	static_assert(sizeof(lives) / sizeof(*lives) == HOSTILE_IMAGES, "one each");
	lives[number](publisher);
	take_image(&hostile->images[number], hostile->place, worker);
	rdx_publisher_close(publisher);
	snprintf(path, sizeof(path), "%s/%llu", hostile->place->dir, (unsigned long long)worker);
	held_remove(path);
}

void hostile_make(struct hostile *hostile, const struct fuzz_place *place)
{
	char name[RDX_NAME_BYTES];

	hostile->place = place;
	for (uint32_t i = 0; i < HOSTILE_IMAGES; i++)
		make_image(hostile, i);
	rdx_namespace_worker_dir(HOSTILE_WORKER, name);
	FUZZ_CHECK(mkdirat(place->dir_fd, name, 0755) == 0);
	rdx_namespace_segment(HOSTILE_WORKER, 0, hostile->names[0]);
	hostile->bytes = fuzz_file_map(place, hostile->names[0], HOSTILE_BYTES, &hostile->fd);
	hostile->count = HOSTILE_BYTES;
	rdx_namespace_clear(HOSTILE_WORKER, hostile->names[1]);
	hostile->clear = (struct rdx_clear *)fuzz_file_map(
		place, hostile->names[1], sizeof(struct rdx_clear), &hostile->clear_fd);
	hostile->files[0] = (struct served){hostile->names[0], hostile->bytes, HOSTILE_BYTES, 1};
	hostile->files[1] = (struct served){hostile->names[1], (uint8_t *)hostile->clear,
					    sizeof(struct rdx_clear), 2};
}

void hostile_place(struct hostile *hostile, uint32_t number)
{
	const struct hostile_image *image = &hostile->images[number % HOSTILE_IMAGES];

	fuzz_forget();
	if (hostile->count != HOSTILE_BYTES) {
		FUZZ_CHECK(ftruncate(hostile->fd, HOSTILE_BYTES) == 0);
		hostile->count = HOSTILE_BYTES;
		memset(hostile->bytes, 0, HOSTILE_BYTES); /* so that all of it is allocated */
	}
	memcpy(hostile->bytes, image->bytes, image->count);
	*hostile->clear = image->clear;
	hostile->image = image;
}

static const struct rdx_segment_header *header_of(const struct hostile *hostile)
{
	return (const struct rdx_segment_header *)hostile->image->bytes;
}

/* The word of the ring that is about the newest slots: most of what is read. */
static uint64_t near_tail(const struct hostile *hostile, uint8_t slots_before, uint8_t word)
{
	const struct rdx_segment_live *live =
		(const struct rdx_segment_live *)(hostile->bytes + RDX_LIVE_OFFSET);
	uint64_t slot = (rdx_word_load(&live->tail) - slots_before) & (RDX_RING_SLOTS_MIN - 1);

	return (RDX_RING_OFFSET + slot * RDX_LINE_BYTES) / 8 + word % RDX_SLOT_WORDS;
}

/* Which word is changed. */
static _Atomic uint64_t *choose(struct hostile *hostile, struct fuzz_input *in)
{
	static const uint16_t live[] = {
		offsetof(struct rdx_segment_live, tail),
		offsetof(struct rdx_segment_live, barrier),
		offsetof(struct rdx_segment_live, intent),
		offsetof(struct rdx_segment_live, ledger_stamp),
		offsetof(struct rdx_segment_live, generations),
		offsetof(struct rdx_segment_live, used),
		offsetof(struct rdx_segment_live, counters) + 8 * RDX_COUNTER_HELD,
		offsetof(struct rdx_segment_live, counters) + 8 * RDX_COUNTER_FLAGS,
	};
	uint64_t ledger = header_of(hostile)->ledger_offset;
	uint8_t where = fuzz_byte(in), which = fuzz_byte(in);
	uint64_t at;

	if (where < 16)
		at = which % (sizeof(struct rdx_segment_header) / 8);
	else if (where < 18)
		at = RDX_SOURCE_OFFSET / 8 + which % 8;
	else if (where < 32)
		return (_Atomic uint64_t *)hostile->clear + which % 8;
	else if (where < 112)
		at = (RDX_LIVE_OFFSET + live[which % 8]) / 8;
	else if (where < 168)
		at = near_tail(hostile, which >> 3, which);
	else if (where < 216)
		at = RDX_RING_OFFSET / 8 + (which + (uint32_t)(where & 1) * 256);
	else
		at = ledger / 8 +
		     (which + (uint32_t)(where & 1) * 256) % ((hostile->image->count - ledger) / 8);
	return (_Atomic uint64_t *)hostile->bytes + at;
}

void hostile_patch(struct hostile *hostile, struct fuzz_input *in)
{
	uint8_t when = fuzz_byte(in);
	_Atomic uint64_t *word, *near;
	uint64_t value;

	if (hostile->count != HOSTILE_BYTES)
		return;
	word = choose(hostile, in);
	near = choose(hostile, in);
	value = fuzz_value(in, rdx_word_load(word), rdx_word_load(near));
	if (when < 128)
		fuzz_store(word, value);
	else
		fuzz_store_at_step(when & 31, word, value);
}

/* The id of the event that ends at `tail`, as the ring has it. */
static uint64_t newest_id(const struct rdx_ring *ring, uint64_t tail)
{
	const struct rdx_slot *slot = &ring->slots[(tail - 1) & ring->mask];

	if (tail == 0)
		return 0;
	slot = &ring->slots[(tail - 1 - rdx_slot_back(rdx_word_load(&slot->word[0]))) & ring->mask];
	return rdx_word_load(&slot->word[1]);
}

static struct rdx_event_head draw_head(struct fuzz_input *in, uint64_t newest)
{
	uint8_t form = fuzz_byte(in), tiers = fuzz_byte(in), most = fuzz_byte(in);
	struct rdx_event_head head = {
		.event_id = newest + 1 + (form >> 7),
		.kind = 1 + (form & 3),
		.tier = tiers & 3,
		.orphans = tiers >> 4,
		.inexact = tiers >> 2 & 1,
	};

	if (form & 64)
		head.stamp = fuzz_byte(in);
	if (head.kind == RDX_EVENT_CLEARED && tiers & 8)
		head.tier = RDX_SCOPE_ALL;
	if (head.kind <= RDX_EVENT_REMOVED) {
		uint32_t slots = rdx_ring_event_slots_max(RDX_RING_SLOTS_MIN);

		head.count = 1 + most % rdx_event_hashes_max(head.kind, slots);
		head.parent = form & 32 ? fuzz_number(in, 8) : 0;
		head.first_block = form & 16;
	}
	return head;
}

/* Local hashes, or of a removal prefix hashes: of blocks that others hold too, or of any. */
static void draw_hashes(const struct hostile *hostile, struct fuzz_input *in,
			const struct rdx_event_head *head, uint64_t *ret_hashes)
{
	uint8_t first = fuzz_byte(in);

	for (uint32_t i = 0; i < head->count; i++)
		ret_hashes[i] = hostile_local(first % 16 + i);
	if (head->kind == RDX_EVENT_REMOVED && first < 224)
		rdx_hash_chain(&hostile->place->key, 0, ret_hashes, head->count, ret_hashes);
	if (first >= 240)
		ret_hashes[head->count / 2] = fuzz_number(in, 8);
}

void hostile_lie(struct hostile *hostile, struct fuzz_input *in)
{
	struct rdx_segment_live *live =
		(struct rdx_segment_live *)(hostile->bytes + RDX_LIVE_OFFSET);
	struct rdx_ring ring = {(struct rdx_slot *)(hostile->bytes + RDX_RING_OFFSET),
				RDX_RING_SLOTS_MIN - 1};
	uint64_t tail, end, hashes[RDX_RING_SLOTS_MIN];
	struct rdx_event_head head;

	if (hostile->count != HOSTILE_BYTES)
		return;
	tail = rdx_word_load(&live->tail) & (RDX_POSITION_END >> 1);
	head = draw_head(in, newest_id(&ring, tail));
	draw_hashes(hostile, in, &head, hashes);
	end = tail + rdx_event_slots(head.kind, head.count);
	rdx_ledger_intend(live, end);
	rdx_event_append(&ring, tail, &head, hashes);
	atomic_store(&live->tail, end);
	if (head.kind == RDX_EVENT_CLEARED && head.tier == RDX_SCOPE_ALL) {
		rdx_word_store(&live->used, 0);
		rdx_word_store(&live->barrier, tail + 1);
	}
}

void hostile_truncate(struct hostile *hostile, struct fuzz_input *in)
{
	fuzz_changing_end();
	fuzz_forget(); /* of words that may be gone */
	hostile->count = fuzz_byte(in) % (HOSTILE_BYTES / RDX_PAGE_BYTES) * RDX_PAGE_BYTES;
	FUZZ_CHECK(ftruncate(hostile->fd, (off_t)hostile->count) == 0);
}

void hostile_hold(struct hostile *hostile, int held)
{
	struct flock lock = {.l_type = held ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET};

	FUZZ_CHECK(fcntl(hostile->fd, F_OFD_SETLK, &lock) == 0);
}
