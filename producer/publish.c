/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/private.h"
#include "producer/store.h"

#include "shm/clear.h"
#include "shm/sized.h"
#include "shm/tokens.h"

#include <assert.h>
#include <errno.h>

/* Nodes settled in a call while some are of older generations: some, and some more for each block, so
 * that all are before the remembered names run out that may be taken for new blocks. */
#define SWEEP         2
#define SWEEP_A_BLOCK 5

/* Entries moved for each block while there are new tables. */
#define MOVES_A_BLOCK 4

/* Events a call may publish besides one per block: the worker's clear, its own Cleared, and what the
 * rank is worth. */
#define EVENTS_BESIDE 3

/* Keys and overlap need tokens. */
static int keys_are_valid(const struct rdx_stored *stored)
{
	if (!stored->key_count && !stored->overlap)
		return 1;
	return stored->tokens && stored->overlap <= 1 &&
	       rdx_tokens_check_keys(stored->keys, stored->key_count, stored->count) == 0;
}

static int names_are_valid(const void *names, uint32_t count, uint8_t bytes)
{
	return (bytes == 8 || bytes == 32) && (names || count == 0);
}

/* The rank holds nothing any more: clear its private state. */
static void forget_held(struct rdx_publisher *p)
{
	uint64_t held = 0;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		held += p->lineage.held[tier];
	rdx_lacking_clear(&p->lacking, RDX_SCOPE_ALL);
	rdx_publisher_judge(p);
	if (held == 0)
		return;
	rdx_lineage_clear(&p->lineage, RDX_SCOPE_ALL);
}

static void clear_rank(struct rdx_publisher *p)
{
	forget_held(p);
	rdx_emit_cleared(p, RDX_SCOPE_ALL);
}

/* The worker was cleared, and where that is `late`, this rank may have published since what it holds. */
static void follow(struct rdx_publisher *p, int late)
{
	forget_held(p);
	if (late)
		rdx_publisher_mark(p, RDX_INEXACT_LACKING, RDX_LACKING_ALL_TIERS);
	rdx_emit_cleared(p, RDX_SCOPE_ALL);
}

/* Another rank cleared the worker: this one clears itself before it publishes anything else. What is
 * written over the file may have been a clear. */
static void follow_clear(struct rdx_publisher *p)
{
	uint64_t clears;

	if (!p->clear)
		return;
	clears = rdx_clear_load(p->clear); /* C1 */
	if (rdx_clear_stamp_of(clears) == p->stamp)
		return;
	p->stamp = rdx_clear_stamp_of(clears);
	follow(p, (clears & RDX_CLEAR_LATE) ||
			  !rdx_clear_is_sound(p->clear, p->owner.header->clear_id));
}

static int tier_is_kept(const struct rdx_publisher *p, uint8_t tier)
{
	return p->tier_blocks[tier] != 0;
}

/* Too few positions are left for the call: say UNKNOWN while there is a slot for it. */
static int exhaust(struct rdx_publisher *p, uint64_t time_ns)
{
	uint64_t tail = p->position;

	if (!p->exhausted) {
		p->exhausted = 1;
		p->time_ns = time_ns;
		rdx_publisher_mark(p, RDX_INEXACT_UNKNOWN, RDX_LACKING_ALL_TIERS);
		if (p->position == RDX_POSITION_END)
			p->reported = p->inexact;
		rdx_emit_finish(p, tail);
	}
	return -EOVERFLOW;
}

static int has_positions(const struct rdx_publisher *p, uint64_t blocks)
{
	return !p->exhausted && p->position + blocks + EVENTS_BESIDE <= RDX_POSITION_END;
}

int rdx_publish_is_full(const struct rdx_publisher *p)
{
	return !has_positions(p, 0);
}

/* Start a call that publishes at most one event per block of `blocks`. */
static int begin(struct rdx_publisher *p, uint64_t blocks, uint64_t time_ns)
{
	if (!has_positions(p, blocks))
		return exhaust(p, time_ns);
	p->time_ns = time_ns;
	rdx_lineage_sweep(&p->lineage, SWEEP + SWEEP_A_BLOCK * blocks);
	rdx_private_move(p, MOVES_A_BLOCK * blocks);
	return 0;
}

int rdx_publish_stored(struct rdx_publisher *p, const struct rdx_stored *stored)
{
	uint64_t tail = p->position;
	struct rdx_stored other;
	int r;

	if (p->dead)
		return p->dead;
	if (stored->size != sizeof(other)) {
		r = rdx_sized_take(&other, sizeof(other), stored);
		if (r < 0)
			return r;
		stored = &other;
	}
	if (!names_are_valid(stored->names, stored->count, stored->name_bytes) ||
	    stored->tier >= RDX_TIER_COUNT || (stored->tokens && stored->local_hashes) ||
	    !keys_are_valid(stored))
		return -EINVAL;
	if (stored->count == 0)
		return 0;
	r = begin(p, stored->count, stored->time_ns);
	if (r < 0)
		return r;
	follow_clear(p);
	rdx_store(p, stored);
	rdx_emit_finish(p, tail);
	return 0;
}

/* Ask for what the names' removals will read: their table lines, then nodes and records, then
 * parents. */
RDX_PREFETCHES void load_removed(const struct rdx_publisher *p, const struct rdx_name_key *keys,
				 uint32_t count)
{
	uint32_t guess[RDX_STORE_CHUNK];

	for (uint32_t i = 0; i < count; i++) {
		guess[i] = rdx_names_guess(&p->names, &keys[i]);
		if (guess[i] != RDX_NODE_NONE)
			rdx_store_prefetch(p, guess[i]);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t parent;

		if (guess[i] == RDX_NODE_NONE)
			continue;
		parent = p->lineage.nodes[guess[i]].parent;
		if (parent != RDX_NODE_ROOT)
			__builtin_prefetch(&p->lineage.nodes[parent], 1);
	}
}

/* Where a removal is not simply one copy less of a held name; as below. */
static __attribute__((noinline)) uint32_t
remove_otherwise(struct rdx_publisher *p, const struct rdx_name_key *key, uint32_t index,
		 const struct rdx_removed *removed, uint32_t at)
{
	int known = removed->remaining
			    ? rdx_copies_leave(p, key, index, removed->tier, removed->remaining[at])
			    : rdx_copies_take(p, key, index, removed->tier);

	if (known)
		return index;
	rdx_publisher_count(p, RDX_COUNTER_UNKNOWN_REMOVALS, 1);
	return RDX_NODE_NONE;
}

/* Name `at` of the call. Returns its node, RDX_NODE_NONE if there was no copy. */
static uint32_t remove_name(struct rdx_publisher *p, const struct rdx_name_key *key,
			    const struct rdx_removed *removed, uint32_t at)
{
	uint32_t index = rdx_names_find(&p->names, key);

	if (index == RDX_NODE_NONE || removed->remaining || removed->tier == RDX_TIER_OTHER ||
	    !rdx_node_copies(rdx_lineage_settle(&p->lineage, index), removed->tier))
		return remove_otherwise(p, key, index, removed, at);
	__builtin_prefetch(&p->lineage.records[index], 1);
	rdx_copies_remove(p, index, removed->tier);
	return index;
}

static uint32_t remove_chunk(struct rdx_publisher *p, const struct rdx_removed *removed,
			     uint32_t from, uint32_t count)
{
	struct rdx_name_key keys[RDX_STORE_CHUNK];
	uint32_t last = RDX_NODE_NONE;

	for (uint32_t i = 0; i < count; i++) {
		rdx_names_key(&p->names,
			      rdx_store_name_at(removed->names, from + i, removed->name_bytes),
			      removed->name_bytes, removed->cache_group, &keys[i]);
		rdx_filing_prefetch(&p->names.filing, keys[i].hash);
	}
	rdx_store_prefetch_slots(p, count);
	if (count > 1) /* of one name the call before has asked for them */
		load_removed(p, keys, count);
	for (uint32_t i = 0; i < count; i++)
		last = remove_name(p, &keys[i], removed, from + i);
	return last;
}

/* What goes next is nearly always the parent of what went: ask for what its parent's removal will
 * read, as calls in a row leave no time for less. */
RDX_PREFETCHES void prefetch_next(const struct rdx_publisher *p, uint32_t removed)
{
	const struct rdx_node *nodes = p->lineage.nodes;
	uint32_t index = removed;

	for (int up = 0; up < 2; up++) {
		index = nodes[index].parent;
		if (index == RDX_NODE_ROOT)
			return;
	}
	rdx_filing_prefetch(&p->names.filing, rdx_names_hash_of(&p->names, &nodes[index]));
	__builtin_prefetch(&p->lineage.records[index], 1);
	if (nodes[index].parent != RDX_NODE_ROOT)
		__builtin_prefetch(&nodes[nodes[index].parent], 1);
}

int rdx_publish_removed(struct rdx_publisher *p, const struct rdx_removed *removed)
{
	uint64_t tail = p->position;
	uint32_t last = RDX_NODE_NONE;
	struct rdx_removed other;
	int r;

	if (p->dead)
		return p->dead;
	if (removed->size != sizeof(other)) {
		r = rdx_sized_take(&other, sizeof(other), removed);
		if (r < 0)
			return r;
		removed = &other;
	}
	if (!names_are_valid(removed->names, removed->count, removed->name_bytes) ||
	    removed->tier > RDX_TIER_OTHER)
		return -EINVAL;
	if (removed->count == 0)
		return 0;
	r = begin(p, removed->count, removed->time_ns);
	if (r < 0)
		return r;
	follow_clear(p);
	for (uint32_t i = 0; i < removed->count; i += RDX_STORE_CHUNK) {
		uint32_t left = removed->count - i;

		last = remove_chunk(p, removed, i, left < RDX_STORE_CHUNK ? left : RDX_STORE_CHUNK);
	}
	if (last != RDX_NODE_NONE)
		prefetch_next(p, last);
	rdx_emit_finish(p, tail);
	return 0;
}

/* Does a clear of the tier leave nothing? A block that could not be represented counts as left. */
static int others_are_empty(const struct rdx_publisher *p, uint8_t tier)
{
	for (int other = 0; other < RDX_TIER_COUNT; other++) {
		if (other != tier &&
		    (rdx_lineage_held(&p->lineage, other) || rdx_lacking_in(&p->lacking, other)))
			return 0;
	}
	return !rdx_lacking_in(&p->lacking, RDX_TIER_OTHER);
}

static void clear_tier(struct rdx_publisher *p, uint8_t tier)
{
	rdx_lacking_clear(&p->lacking, tier);
	rdx_publisher_judge(p);
	if (!tier_is_kept(p, tier))
		return; /* it was empty, and no reader knows it */
	if (rdx_lineage_held(&p->lineage, tier))
		rdx_lineage_clear(&p->lineage, tier);
	rdx_emit_cleared(p, tier);
}

int rdx_publish_cleared(struct rdx_publisher *p, uint8_t scope, uint64_t time_ns)
{
	uint64_t tail = p->position;
	int r;

	if (p->dead)
		return p->dead;
	if (scope >= RDX_TIER_COUNT && scope != RDX_SCOPE_ALL)
		return -EINVAL;
	r = begin(p, 0, time_ns);
	if (r < 0)
		return r;
	if (scope == RDX_SCOPE_ALL && p->clear)
		p->stamp = rdx_clear_bump(p->clear); /* C1 */
	else
		follow_clear(p);
	if (scope == RDX_SCOPE_ALL || others_are_empty(p, scope))
		clear_rank(p);
	else
		clear_tier(p, scope);
	rdx_emit_finish(p, tail);
	return 0;
}

void rdx_publish_follow(struct rdx_publisher *p)
{
	uint64_t tail = p->position;

	if (!p->clear || rdx_clear_stamp(p->clear) == p->stamp || begin(p, 0, 0) < 0)
		return;
	follow_clear(p);
	rdx_emit_finish(p, tail);
}

void rdx_publish_missed(struct rdx_publisher *p)
{
	uint64_t tail = p->position;
	int r = begin(p, 0, 0);

	assert(r == 0);
	(void)r;
	follow(p, 1);
	rdx_emit_finish(p, tail);
}

int rdx_publish_restarted(struct rdx_publisher *p, uint64_t time_ns)
{
	uint64_t tail = p->position;
	int r;

	if (p->dead)
		return p->dead;
	r = begin(p, 0, time_ns);
	if (r < 0)
		return r;
	follow_clear(p);
	clear_rank(p);
	rdx_emit_finish(p, tail);
	return 0;
}

int rdx_publish_unrepresented(struct rdx_publisher *p, const struct rdx_removed *blocks)
{
	uint64_t tail = p->position;
	struct rdx_removed other;
	struct rdx_name_key key;
	int r;

	if (p->dead)
		return p->dead;
	r = rdx_sized_take(&other, sizeof(other), blocks);
	if (r < 0)
		return r;
	if (!names_are_valid(other.names, other.count, other.name_bytes) ||
	    other.tier > RDX_TIER_OTHER || other.remaining)
		return -EINVAL;
	if (other.count == 0)
		return 0;
	r = begin(p, 0, other.time_ns);
	if (r < 0)
		return r;
	follow_clear(p);
	for (uint32_t i = 0; i < other.count; i++) {
		rdx_names_key(&p->names, rdx_store_name_at(other.names, i, other.name_bytes),
			      other.name_bytes, other.cache_group, &key);
		rdx_copies_lack(p, &key, RDX_NODE_NONE, other.tier, 0);
	}
	rdx_publisher_count(p, RDX_COUNTER_UNREPRESENTED, other.count);
	rdx_emit_finish(p, tail);
	return 0;
}

int rdx_publish_inexact(struct rdx_publisher *p, uint8_t how, uint64_t time_ns)
{
	uint64_t tail = p->position;
	int r;

	if (p->dead)
		return p->dead;
	if (how != RDX_INEXACT_LACKING && how != RDX_INEXACT_UNKNOWN)
		return -EINVAL;
	r = begin(p, 0, time_ns);
	if (r < 0)
		return r;
	follow_clear(p);
	rdx_publisher_mark(p, how, RDX_LACKING_ALL_TIERS);
	rdx_emit_finish(p, tail);
	return 0;
}
