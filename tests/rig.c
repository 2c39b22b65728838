/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/rig.h"

#include "shm/clear.h"
#include "shm/namespace.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOM_BYTES (UINT64_C(512) << 20) /* the largest segment of a test, twice */

/* In memory, or on disk if memory is small, as in a container: slower, but the same. */
static enum held_place roomy_place(void)
{
	struct statvfs fs;

	if (statvfs("/dev/shm", &fs) == 0 && fs.f_bavail * fs.f_frsize >= ROOM_BYTES)
		return HELD_IN_MEMORY;
	return HELD_ON_DISK;
}

void rig_make(struct rig *rig)
{
	assert_int_equal(held_make(roomy_place(), rig->dir), 0);
	rig->dir_fd = rdx_namespace_open(rig->dir, 0);
	assert_true(rig->dir_fd >= 0);
	assert_int_equal(rdx_namespace_key(rig->dir_fd, 1, &rig->key), 0);
}

void rig_remove(struct rig *rig)
{
	close(rig->dir_fd);
	held_remove(rig->dir);
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig_make(rig);
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	rig_remove(*state);
	free(*state);
	return 0;
}

struct rdx_segment_spec rig_spec(uint64_t worker_id, uint32_t dp_rank, uint64_t ring_slots,
				 uint64_t blocks)
{
	return (struct rdx_segment_spec){
		.worker_id = worker_id,
		.dp_rank = dp_rank,
		.block_tokens = 16,
		.ring_slots = ring_slots,
		.tier_blocks = {blocks},
		.instance = "http://localhost:8000",
		.model = "model",
		.tenant = "",
	};
}

int rig_claim(struct rig *rig, struct rig_producer *ret_producer,
	      const struct rdx_segment_spec *spec)
{
	int r;

	memset(ret_producer, 0, sizeof(*ret_producer));
	ret_producer->generations = RDX_LEDGER_GENERATIONS_FIRST;
	r = rdx_segment_claim(&ret_producer->owner, rig->dir_fd, &rig->key, spec);
	if (r < 0)
		return r;
	r = rdx_segment_name(&ret_producer->owner, rig->dir_fd);
	if (r < 0)
		rdx_segment_discard(&ret_producer->owner, rig->dir_fd);
	return r;
}

void rig_release(struct rig_producer *producer)
{
	rdx_segment_release(&producer->owner);
}

/* One record for all blocks, outside the segment. */
static struct rdx_ledger_record nowhere_record;
static const uint32_t nowhere[RDX_EVENT_COUNT_MAX];
static const uint64_t no_words[RDX_EVENT_COUNT_MAX];

void rig_publish(struct rig_producer *producer, const struct rdx_publish *event)
{
	struct rdx_ledger elsewhere = {.records = &nowhere_record, .used = UINT64_MAX};
	struct rdx_ledger *ledger = &producer->owner.ledger;
	struct rdx_publish next = *event;

	if (!next.head.event_id)
		next.head.event_id = ++producer->event_id;
	if (next.head.kind == RDX_EVENT_CLEARED)
		producer->generations = rdx_ledger_next(producer->generations, next.head.tier);
	next.generations = producer->generations;
	if (next.head.count && !next.words) {
		next.words = no_words;
		next.records = nowhere;
		ledger = &elsewhere;
	}
	producer->tail = rdx_publish_event(producer->owner.live, &producer->owner.ring, ledger,
					   producer->tail, &next);
}

static struct rdx_publish event_of(const struct rig_producer *producer, uint8_t kind, uint8_t tier,
				   const uint64_t *hashes, uint32_t count)
{
	return (struct rdx_publish){
		.head = {.stamp = producer->stamp, .count = count, .kind = kind, .tier = tier},
		.hashes = hashes,
	};
}

void rig_append(struct rig_producer *producer, uint8_t kind, uint8_t tier, uint64_t parent,
		const uint64_t *hashes, uint32_t count)
{
	struct rdx_publish event = event_of(producer, kind, tier, hashes, count);

	event.head.parent = parent;
	rig_publish(producer, &event);
}

void rig_store_run(struct rig *rig, struct rig_producer *producer, const uint64_t *local,
		   uint32_t count)
{
	struct rdx_publish event = event_of(producer, RDX_EVENT_STORED, 0, local, count);
	uint64_t prefixes[RIG_RUN_MAX], words[RIG_RUN_MAX];
	uint32_t records[RIG_RUN_MAX];

	assert_true(count <= RIG_RUN_MAX);
	rdx_hash_chain(&rig->key, 0, local, count, prefixes);
	for (uint32_t i = 0; i < count; i++) {
		records[i] = (uint32_t)producer->used++;
		words[i] = rdx_ledger_word(prefixes[i], 1, producer->generations);
		rdx_ledger_describe(&producer->owner.ledger.records[records[i]], prefixes[i],
				    local[i], i ? prefixes[i - 1] : 0);
	}
	event.records = records;
	event.words = words;
	rig_publish(producer, &event);
}

void rig_store(struct rig *rig, struct rig_producer *producer, uint64_t local)
{
	rig_store_run(rig, producer, &local, 1);
}

void rig_clear(struct rig_producer *producer)
{
	struct rdx_publish event;

	if (producer->owner.clear.base)
		producer->stamp = rdx_clear_bump(producer->owner.clear.base);
	event = event_of(producer, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, NULL, 0);
	producer->used = 0;
	rig_publish(producer, &event);
}

uint64_t rig_seed(void)
{
	const char *given = getenv("RDX_SEED");
	uint64_t seed = 0;

	if (given)
		seed = strtoull(given, NULL, 0);
	else
		rdx_namespace_random_id(&seed);
	print_message("seed: RDX_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}
