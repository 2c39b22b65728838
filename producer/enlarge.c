/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/enlarge.h"

#include "producer/private.h"
#include "shm/clock.h"

/* One in so many spare records is used when it is time to grow: a tier that is a little larger than was
 * said does not cost twice its memory, and there are records left until the thread has time. */
#define SPARE_USED 4
/* After growth has failed, and each time twice as long. */
#define WAIT_LEAST_NS UINT64_C(1000000000)
#define WAIT_MOST_NS  UINT64_C(64000000000)

uint64_t rdx_enlarge_spare(const struct rdx_publisher *p)
{
	uint64_t spare = p->owner.ledger.count;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		spare -= p->tier_blocks[tier];
	return spare;
}

/* Blocks held beyond tier_blocks, of all tiers. */
static uint64_t beyond(const struct rdx_publisher *p)
{
	uint64_t blocks = 0;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		uint64_t held = rdx_lineage_held(&p->lineage, tier);

		blocks += held > p->tier_blocks[tier] ? held - p->tier_blocks[tier] : 0;
	}
	return blocks;
}

int rdx_enlarge_has_spare(const struct rdx_publisher *p, uint8_t tier)
{
	return p->tier_blocks[tier] != 0 && beyond(p) < p->spare;
}

struct rdx_segment_room rdx_enlarge_room(const struct rdx_publisher *p)
{
	struct rdx_segment_room room = {.ledger_records = p->owner.ledger.count};

	memcpy(room.tier_blocks, p->tier_blocks, sizeof(room.tier_blocks));
	return room;
}

int rdx_enlarge_due(const struct rdx_publisher *p)
{
	return (p->starved || beyond(p) > p->spare / SPARE_USED) &&
	       p->owner.ledger.count < p->names_max;
}

/* Twice what the tiers that are too small hold; where names or namespaces ran out, or that is not more
 * than there is, twice the records. */
static struct rdx_segment_room next_room(const struct rdx_publisher *p)
{
	struct rdx_segment_room room = rdx_enlarge_room(p);
	uint64_t records = room.ledger_records;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		uint64_t held = rdx_lineage_held(&p->lineage, tier);

		if (held > room.tier_blocks[tier])
			room.tier_blocks[tier] = 2 * held;
	}
	if (rdx_segment_records(room.tier_blocks, p->remembered, &room.ledger_records) < 0 ||
	    room.ledger_records > p->names_max) {
		/* as far as it may: spare records do for all tiers */
		room = rdx_enlarge_room(p);
		room.ledger_records = p->names_max;
		return room;
	}
	if ((p->starved && room.ledger_records < 2 * records) || room.ledger_records <= records)
		room.ledger_records = 2 * records < p->names_max ? 2 * records : p->names_max;
	return room;
}

static void wait_longer(struct rdx_publisher *p)
{
	uint64_t twice = 2 * p->enlarge_wait_ns;

	p->enlarge_wait_ns = twice < WAIT_LEAST_NS  ? WAIT_LEAST_NS
			     : twice < WAIT_MOST_NS ? twice
						    : WAIT_MOST_NS;
	p->enlarge_ns = rdx_clock_ns() + p->enlarge_wait_ns;
}

static int enlarge(struct rdx_publisher *p, int dir_fd)
{
	struct rdx_segment_room room = next_room(p);
	struct rdx_arena arena;
	int r = rdx_private_reserve(&arena, p, (uint32_t)room.ledger_records, room.tier_blocks);

	if (r < 0)
		return r;
	r = rdx_private_touch(&arena);
	rdx_lineage_sweep(&p->lineage, p->lineage.capacity);
	if (r == 0)
		r = rdx_publisher_renew(p, dir_fd, p->key_bytes, &room);
	if (r < 0) {
		rdx_private_free(&arena);
		return r;
	}
	rdx_lineage_sweep(&p->lineage, p->lineage.capacity); /* of a clear that was missed */
	memcpy(p->tier_blocks, room.tier_blocks, sizeof(p->tier_blocks));
	rdx_private_move(p, &arena);
	p->spare = rdx_enlarge_spare(p);
	p->starved = 0;
	p->growths++;
	p->enlarge_wait_ns = 0;
	return r;
}

/* To try takes the memory of both for a moment, from the engine and from others. */
int rdx_enlarge(struct rdx_publisher *p, int dir_fd)
{
	int r = enlarge(p, dir_fd);

	if (r < 0)
		wait_longer(p);
	return r;
}
