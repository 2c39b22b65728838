/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/enlarge.h"

#include "producer/private.h"
#include "shm/clock.h"

#include <errno.h>

/* Records that come at once: an eighth of those that there are, within these bounds. */
#define STEP_PART  8
#define STEP_LEAST 64
#define STEP_MOST                                                                                  \
	256 /* 0.2 MiB: 60 us, a third of a ms where a hypervisor has to bring each page */

/* One call of rdx_enlarge_ahead. */
#define AHEAD_NS    UINT64_C(200000)
#define AHEAD_MOVES 2048

/* After growth has failed, and each time twice as long: to try takes memory for a moment, from the engine
 * and from others, too. */
#define WAIT_LEAST_NS UINT64_C(1000000000)
#define WAIT_MOST_NS  UINT64_C(64000000000)

static uint64_t declared(const struct rdx_publisher *p)
{
	uint64_t blocks = 0;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		blocks += p->tier_blocks[tier];
	return blocks;
}

uint64_t rdx_enlarge_spare(const struct rdx_publisher *p)
{
	return p->owner.ledger.count - declared(p);
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

/* Are so many quarters of the names that are to be remembered without a place? */
static int is_short(const struct rdx_publisher *p, uint64_t blocks, unsigned quarters)
{
	uint64_t share =
		p->remembered ? p->remembered : rdx_segment_remembered(declared(p) + blocks);

	return blocks + share - share * quarters / 4 > p->spare;
}

static void wait_longer(struct rdx_publisher *p)
{
	uint64_t twice = 2 * p->enlarge_wait_ns;

	p->enlarge_wait_ns = twice < WAIT_LEAST_NS  ? WAIT_LEAST_NS
			     : twice < WAIT_MOST_NS ? twice
						    : WAIT_MOST_NS;
	p->enlarge_ns = rdx_clock_ns() + p->enlarge_wait_ns;
}

static int finish(struct rdx_publisher *p, int r)
{
	if (r < 0)
		wait_longer(p);
	else
		p->enlarge_wait_ns = 0;
	return r;
}

static int is_too_early(const struct rdx_publisher *p)
{
	return p->enlarge_wait_ns && rdx_clock_ns() < p->enlarge_ns;
}

static uint64_t next_count(const struct rdx_publisher *p)
{
	uint64_t count = p->owner.ledger.count, more = count / STEP_PART;

	more = more < STEP_LEAST ? STEP_LEAST : more > STEP_MOST ? STEP_MOST : more;
	return count + more < p->names_max ? count + more : p->names_max;
}

/* Memory first, of which nothing is used yet; the segment last: what it has there can be held. */
static int extend(struct rdx_publisher *p, uint32_t count)
{
	int r = rdx_private_extend(p, count);

	if (r == 0)
		r = rdx_segment_extend(&p->owner, count);
	if (r < 0)
		return r;
	rdx_lineage_extend(&p->lineage, count);
	p->spare = rdx_enlarge_spare(p);
	p->growths++;
	return 0;
}

int rdx_enlarge_nodes(struct rdx_publisher *p)
{
	uint64_t count = next_count(p);

	if (count == p->owner.ledger.count)
		return -EDOM;
	return is_too_early(p) ? -EAGAIN : finish(p, extend(p, (uint32_t)count));
}

int rdx_enlarge_spaces(struct rdx_publisher *p)
{
	return is_too_early(p) ? -EAGAIN : finish(p, rdx_private_extend_spaces(p));
}

int rdx_enlarge_has_spare(struct rdx_publisher *p, uint8_t tier)
{
	uint64_t blocks = beyond(p);

	if (!p->tier_blocks[tier])
		return 0;
	if (is_short(p, blocks, 2))
		(void)rdx_enlarge_nodes(p); /* there may be some left all the same */
	return blocks < p->spare;
}

struct rdx_segment_room rdx_enlarge_room(const struct rdx_publisher *p)
{
	struct rdx_segment_room room = {.ledger_records = p->owner.ledger.count};

	memcpy(room.tier_blocks, p->tier_blocks, sizeof(room.tier_blocks));
	return room;
}

int rdx_enlarge_ahead(struct rdx_publisher *p)
{
	uint64_t until_ns;
	int r = 0;

	rdx_private_move(p, AHEAD_MOVES);
	rdx_private_shrink(p);
	if (!is_short(p, beyond(p), 1))
		return 0;
	until_ns = rdx_clock_ns() + AHEAD_NS;
	while (r == 0 && is_short(p, beyond(p), 1) && rdx_clock_ns() < until_ns)
		r = rdx_enlarge_nodes(p);
	return r == -EDOM || r == -EAGAIN ? 0 : r;
}
