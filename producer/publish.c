/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/emit.h"

#include "shm/clear.h"
#include "shm/sized.h"

#include <errno.h>

/* Blocks looked up together: enough to hide the latency of memory, few enough for the stack. */
#define CHUNK 32

/* Nodes and names settled per call while some are of an older life. */
#define SWEEP 32

/* Events a call may publish besides one per block: the worker's clear, its own Cleared, and
 * INEXACT. */
#define EVENTS_BESIDE 3

/* Ring slots prefetched at the start of a call, so that the bell's fence, which waits for all
 * stores, need not wait for their lines. */
#define SLOTS_AHEAD 4

/* Stands for "not dropped": a counter that counts no drops. */
#define KEPT RDX_COUNTER_EVENTS

/* A run of blocks being stored. */
struct run {
	const struct rdx_stored *stored;
	uint32_t parent; /* node of the block before; kept if it is the run's parent */
	uint64_t prefix; /* of that block, 0 for the root */
	uint64_t seed;   /* of the run's local hashes */
	uint64_t salt;   /* its part that comes from the salt */
	struct rdx_name_key parent_key; /* where stored->parent is given */
	struct rdx_name_key keys[CHUNK];
	uint64_t local[CHUNK];
	uint64_t prefixes[CHUNK];
};

static const uint8_t *name_at(const void *names, uint32_t i, uint8_t bytes)
{
	return (const uint8_t *)names + (uint64_t)i * bytes;
}

static int names_are_valid(const void *names, uint32_t count, uint8_t bytes, uint8_t tier)
{
	return (bytes == 8 || bytes == 32) && tier < RDX_TIER_COUNT && (names || count == 0);
}

/* The rank holds nothing any more: clear its private state. */
static void forget_held(struct rdx_publisher *p)
{
	uint64_t held = 0;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		held += p->lineage.held[tier];
	p->inexact = p->inexact_tiers = 0;
	if (held == 0)
		return;
	rdx_lineage_clear(&p->lineage);
	rdx_names_clear(&p->names);
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		rdx_resident_clear(&p->resident[tier]);
}

/* Another rank cleared the worker: this one clears itself before it publishes anything else. */
static void follow_clear(struct rdx_publisher *p)
{
	uint32_t stamp;

	if (!p->clear)
		return;
	stamp = rdx_clear_stamp(p->clear); /* C1 */
	if (!rdx_clear_before(p->stamp, stamp))
		return;
	p->stamp = stamp;
	forget_held(p);
	rdx_emit_cleared(p, RDX_SCOPE_ALL);
}

static int tier_is_kept(const struct rdx_publisher *p, uint8_t tier)
{
	return p->owner.ledger[tier].capacity_blocks != 0;
}

/* Bit t: the rank keeps tier t. */
static uint8_t kept_tiers(const struct rdx_publisher *p)
{
	uint8_t tiers = 0;

	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		tiers |= (uint8_t)(tier_is_kept(p, tier) << tier);
	return tiers;
}

/* Too few positions are left for the call: publish INEXACT while there is a slot for it. */
static int exhaust(struct rdx_publisher *p, uint64_t time_ns)
{
	uint64_t tail = p->position;

	if (!p->exhausted) {
		p->exhausted = 1;
		p->time_ns = time_ns;
		rdx_publisher_mark_inexact(p, kept_tiers(p));
		if (p->position == RDX_POSITION_END)
			p->inexact_reported = 1;
		rdx_emit_finish(p, tail);
	}
	return -EOVERFLOW;
}

/* Start a call that publishes at most one event per block of `blocks`. */
static int begin(struct rdx_publisher *p, uint64_t blocks, uint64_t time_ns)
{
	if (p->exhausted || p->position + blocks + EVENTS_BESIDE > RDX_POSITION_END)
		return exhaust(p, time_ns);
	p->time_ns = time_ns;
	for (uint32_t i = 0; i < SLOTS_AHEAD; i++)
		__builtin_prefetch(&p->owner.ring.slots[(p->position + i) & p->owner.ring.mask], 1);
	rdx_lineage_sweep(&p->lineage, SWEEP);
	rdx_names_sweep(&p->names, SWEEP);
	return 0;
}

/* `blocks` of the tier are not represented. */
static void drop_blocks(struct rdx_publisher *p, uint8_t tier, enum rdx_counter cause,
			uint64_t blocks)
{
	rdx_publisher_count(p, cause, blocks);
	if (cause != RDX_COUNTER_OTHER_BLOCK_SIZE)
		rdx_publisher_mark_inexact(p, (uint8_t)(1 << tier));
}

/* One more name holds the node in the tier. Returns KEPT, or why it cannot. */
static enum rdx_counter hold_node(struct rdx_publisher *p, uint32_t index, uint8_t tier)
{
	struct rdx_node *node = rdx_lineage_settle(&p->lineage, index);
	struct rdx_resident *resident = &p->resident[tier];

	if (rdx_lineage_holders(node, tier)) {
		if (rdx_lineage_holders(node, tier) == RDX_NODE_HOLDERS_MAX)
			return RDX_COUNTER_MAP_FULL;
		rdx_lineage_hold(&p->lineage, index, tier);
		return KEPT;
	}
	if (rdx_resident_full(resident))
		return RDX_COUNTER_LEDGER_FULL;
	rdx_emit_before_stored(p, tier, index);
	node->ledger[tier] = rdx_resident_take(resident);
	rdx_lineage_hold(&p->lineage, index, tier);
	rdx_emit_stored(p, tier, index);
	return KEPT;
}

/* One more copy of a known name, whose node is right. */
static enum rdx_counter add_copy(struct rdx_publisher *p, uint32_t index, uint8_t tier)
{
	struct rdx_name *name = &p->names.entries[index];
	enum rdx_counter cause;

	if (name->copies[tier]) {
		rdx_publisher_count(p, RDX_COUNTER_REPEATS, 1);
		if (p->report_mode == RDX_REPORT_MIXED || name->copies[tier] == RDX_NAME_COPIES_MAX)
			rdx_publisher_mark_inexact(p, (uint8_t)(1 << tier));
		name->copies[tier] += name->copies[tier] != RDX_NAME_COPIES_MAX;
		return KEPT;
	}
	cause = hold_node(p, name->node, tier);
	if (cause != KEPT)
		return cause;
	name->copies[tier] = 1;
	if (!(name->flags & RDX_NAME_HELD))
		rdx_names_recall(&p->names, index);
	return KEPT;
}

static void set_namespace(struct rdx_publisher *p, uint32_t index, const struct run *run)
{
	struct rdx_name *name = &p->names.entries[index];

	name->seed = run->seed;
	name->flags &= (uint8_t)~RDX_NAME_SALTED;
	if (!run->salt)
		return;
	name->flags |= RDX_NAME_SALTED;
	p->names.salts[index] = run->salt;
}

static enum rdx_counter name_node(struct rdx_publisher *p, const struct run *run, uint32_t at,
				  uint32_t *ret_index)
{
	int r = rdx_lineage_name(&p->lineage, run->prefixes[at], run->local[at], run->parent,
				 ret_index);

	if (r == 0)
		return KEPT;
	return r == -EEXIST ? RDX_COUNTER_CONFLICTS : RDX_COUNTER_MAP_FULL;
}

/* Add a name that was not known. */
static enum rdx_counter store_new(struct rdx_publisher *p, struct run *run, uint32_t at,
				  uint64_t bucket)
{
	const struct rdx_stored *stored = run->stored;
	enum rdx_counter cause;
	uint32_t node, index;

	if (!rdx_names_have_room(&p->names)) {
		if (rdx_names_reserve(&p->names, 1) < 0)
			return RDX_COUNTER_MAP_FULL;
		rdx_names_find_bucket(&p->names, &run->keys[at], &bucket); /* it moved */
	}
	cause = name_node(p, run, at, &node);
	if (cause != KEPT)
		return cause;
	cause = hold_node(p, node, stored->tier);
	if (cause != KEPT) {
		rdx_lineage_unname(&p->lineage, node);
		return cause;
	}
	index = rdx_names_add(&p->names, &run->keys[at], bucket, node);
	p->names.entries[index].copies[stored->tier] = 1;
	set_namespace(p, index, run);
	run->parent = node;
	return KEPT;
}

/* A known name. While it is held it keeps its content, adapter and salt; a remembered one takes
 * those of this run. */
static enum rdx_counter know_again(struct rdx_publisher *p, const struct run *run, uint32_t index,
				   uint32_t at)
{
	struct rdx_name *name = &p->names.entries[index];
	int same = p->lineage.nodes[name->node].prefix == run->prefixes[at];
	enum rdx_counter cause;
	uint32_t node;

	if (name->flags & RDX_NAME_HELD)
		return same ? KEPT : RDX_COUNTER_CONFLICTS;
	if (!same) {
		cause = name_node(p, run, at, &node);
		if (cause != KEPT)
			return cause;
		rdx_lineage_unname(&p->lineage, name->node);
		name->node = node;
	}
	set_namespace(p, index, run);
	return KEPT;
}

/* Block `at` of the chunk. */
static enum rdx_counter store_block(struct rdx_publisher *p, struct run *run, uint32_t at)
{
	const struct rdx_stored *stored = run->stored;
	const struct rdx_name_key *key = &run->keys[at];
	enum rdx_counter cause;
	uint32_t index;
	uint64_t bucket;

	if (stored->parent && rdx_names_keys_equal(key, &run->parent_key))
		return RDX_COUNTER_CONFLICTS; /* its own ancestor */
	index = rdx_names_find_bucket(&p->names, key, &bucket);
	if (index == RDX_NAME_NONE)
		return store_new(p, run, at, bucket);
	cause = know_again(p, run, index, at);
	if (cause == KEPT)
		cause = add_copy(p, index, stored->tier);
	if (cause == KEPT)
		run->parent = p->names.entries[index].node;
	return cause;
}

/* Hash a chunk and prefetch what its blocks will read. */
static void load_chunk(struct rdx_publisher *p, struct run *run, uint32_t from, uint32_t count)
{
	const struct rdx_stored *stored = run->stored;
	const struct rdx_resident *resident = &p->resident[stored->tier];
	const struct rdx_ledger *ledger = &p->owner.ledger[stored->tier];
	uint32_t known = 0;

	for (uint32_t i = 0; i < count; i++) {
		rdx_names_key(&p->names, name_at(stored->names, from + i, stored->name_bytes),
			      stored->name_bytes, stored->cache_group, &run->keys[i]);
		rdx_buckets_prefetch(&p->names.table, run->keys[i].tag);
	}
	rdx_names_prefetch_oldest(&p->names, count);
	if (stored->tokens)
		rdx_hash_blocks(run->seed, stored->tokens + (uint64_t)from * p->block_tokens,
				(uint64_t)count * p->block_tokens, p->block_tokens, run->local);
	else
		memcpy(run->local, stored->local_hashes + from, count * sizeof(*run->local));
	rdx_hash_chain(&p->key, run->prefix, run->local, count, run->prefixes);
	run->prefix = run->prefixes[count - 1];
	for (uint32_t i = 0; i < count; i++) {
		uint32_t word = rdx_resident_peek(resident, i);

		rdx_buckets_prefetch(&p->lineage.table, rdx_lineage_tag(run->prefixes[i]));
		if (word < resident->capacity) {
			__builtin_prefetch((const void *)&ledger->words[word], 1);
			__builtin_prefetch(&ledger->details[word], 1);
		}
	}
	for (uint32_t i = 0; i < count; i++)
		known += (uint32_t)rdx_names_prefetch(&p->names, run->keys[i].tag);
	rdx_names_reserve(&p->names, count - known);
}

static void store_run(struct rdx_publisher *p, struct run *run)
{
	uint32_t count = run->stored->count;
	uint32_t kept = run->parent;
	enum rdx_counter cause = KEPT;
	uint32_t i = 0;

	rdx_lineage_keep(&p->lineage, kept);
	while (i < count && cause == KEPT) {
		uint32_t chunk = count - i < CHUNK ? count - i : CHUNK;

		load_chunk(p, run, i, chunk);
		for (uint32_t at = 0; at < chunk && cause == KEPT; at++, i++)
			cause = store_block(p, run, at);
	}
	/* the blocks after a dropped one are dropped with it */
	if (cause != KEPT)
		drop_blocks(p, run->stored->tier, cause, count - i + 1);
	rdx_lineage_unkeep(&p->lineage, kept);
}

/* Copies of blocks that are known by name. Each stands for itself. */
static void store_known(struct rdx_publisher *p, const struct rdx_stored *stored)
{
	for (uint32_t i = 0; i < stored->count; i++) {
		enum rdx_counter cause = RDX_COUNTER_UNKNOWN_NAMES;
		struct rdx_name_key key;
		uint32_t index;

		rdx_names_key(&p->names, name_at(stored->names, i, stored->name_bytes),
			      stored->name_bytes, stored->cache_group, &key);
		index = rdx_names_find(&p->names, &key);
		if (index != RDX_NAME_NONE)
			cause = add_copy(p, index, stored->tier);
		if (cause != KEPT)
			drop_blocks(p, stored->tier, cause, 1);
	}
}

/* The run's parent and namespace. Each part of the seed that is not given is inherited. */
static int resolve_parent(struct rdx_publisher *p, const struct rdx_stored *stored, struct run *run)
{
	uint64_t base = rdx_hash_seed(NULL, NULL);
	uint64_t lora = 0;
	uint32_t index;

	run->stored = stored;
	run->parent = RDX_NODE_ROOT;
	run->prefix = run->salt = 0;
	if (stored->parent) {
		const struct rdx_name *name;

		rdx_names_key(&p->names, stored->parent, stored->name_bytes, stored->cache_group,
			      &run->parent_key);
		index = rdx_names_find(&p->names, &run->parent_key);
		if (index == RDX_NAME_NONE)
			return -ENOENT;
		name = &p->names.entries[index];
		run->parent = name->node;
		run->prefix = p->lineage.nodes[name->node].prefix;
		run->salt = name->flags & RDX_NAME_SALTED ? p->names.salts[index] : 0;
		lora = name->seed - base - run->salt;
	}
	if (stored->lora)
		lora = rdx_hash_seed(stored->lora, NULL) - base;
	if (stored->salt)
		run->salt = rdx_hash_seed(NULL, stored->salt) - base;
	run->seed = base + lora + run->salt;
	return 0;
}

static void store(struct rdx_publisher *p, const struct rdx_stored *stored)
{
	struct run run;

	if (!stored->tokens && !stored->local_hashes)
		store_known(p, stored);
	else if (stored->block_tokens && stored->block_tokens != p->block_tokens)
		drop_blocks(p, stored->tier, RDX_COUNTER_OTHER_BLOCK_SIZE, stored->count);
	else if (stored->tokens && stored->token_count != (uint64_t)stored->count * p->block_tokens)
		drop_blocks(p, stored->tier, RDX_COUNTER_MISMATCHED, stored->count);
	else if (resolve_parent(p, stored, &run) < 0)
		drop_blocks(p, stored->tier, RDX_COUNTER_UNKNOWN_PARENTS, stored->count);
	else
		store_run(p, &run);
}

int rdx_publish_stored(struct rdx_publisher *p, const struct rdx_stored *stored)
{
	uint64_t tail = p->position;
	struct rdx_stored other;
	int r;

	if (p->dead)
		return -EOWNERDEAD;
	if (stored->size != sizeof(other)) {
		r = rdx_sized_take(&other, sizeof(other), stored);
		if (r < 0)
			return r;
		stored = &other;
	}
	if (!names_are_valid(stored->names, stored->count, stored->name_bytes, stored->tier) ||
	    (stored->tokens && stored->local_hashes))
		return -EINVAL;
	if (stored->count == 0)
		return 0;
	r = begin(p, stored->count, stored->time_ns);
	if (r < 0)
		return r;
	follow_clear(p);
	store(p, stored);
	rdx_emit_finish(p, tail);
	return 0;
}

/* One copy of a name in the tier is gone. `index` is settled. */
static void remove_copy(struct rdx_publisher *p, uint32_t index, uint8_t tier)
{
	struct rdx_name *name = &p->names.entries[index];
	struct rdx_node *node;

	if (--name->copies[tier])
		return;
	node = rdx_lineage_settle(&p->lineage, name->node);
	if (rdx_lineage_holders(node, tier) == 1) {
		rdx_emit_before_removed(p, tier, rdx_lineage_depth(node));
		rdx_emit_removed(p, tier, node->prefix, rdx_lineage_depth(node),
				 node->ledger[tier]);
		rdx_resident_give(&p->resident[tier], node->ledger[tier]);
	}
	rdx_lineage_drop(&p->lineage, name->node, tier);
	if (!(name->copies[0] | name->copies[1] | name->copies[2] | name->copies[3]))
		rdx_names_remember(&p->names, index);
}

/* Prefetch what changes when the node's block goes. Its ledger word may be out of date: then
 * nothing is prefetched. */
static void prefetch_held(const struct rdx_publisher *p, const struct rdx_node *node, uint8_t tier)
{
	const struct rdx_ledger *ledger = &p->owner.ledger[tier];

	if (node->ledger[tier] < ledger->capacity_blocks)
		__builtin_prefetch((const void *)&ledger->words[node->ledger[tier]], 1);
	if (node->parent != RDX_NODE_ROOT)
		__builtin_prefetch(&p->lineage.nodes[node->parent], 1);
}

static void remove_chunk(struct rdx_publisher *p, const struct rdx_removed *removed, uint32_t from,
			 uint32_t count)
{
	struct rdx_name_key keys[CHUNK];
	uint32_t nodes[CHUNK];

	for (uint32_t i = 0; i < count; i++) {
		rdx_names_key(&p->names, name_at(removed->names, from + i, removed->name_bytes),
			      removed->name_bytes, removed->cache_group, &keys[i]);
		rdx_buckets_prefetch(&p->names.table, keys[i].tag);
	}
	for (uint32_t i = 0; i < count; i++)
		rdx_names_prefetch(&p->names, keys[i].tag);
	for (uint32_t i = 0; i < count; i++)
		nodes[i] = rdx_names_prefetch_node(&p->names, keys[i].tag);
	for (uint32_t i = 0; i < count; i++) {
		if (nodes[i] != RDX_NODE_NONE)
			prefetch_held(p, &p->lineage.nodes[nodes[i]], removed->tier);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = rdx_names_find(&p->names, &keys[i]);

		if (index == RDX_NAME_NONE || p->names.entries[index].copies[removed->tier] == 0)
			rdx_publisher_count(p, RDX_COUNTER_UNKNOWN_REMOVALS, 1);
		else
			remove_copy(p, index, removed->tier);
	}
}

int rdx_publish_removed(struct rdx_publisher *p, const struct rdx_removed *removed)
{
	uint64_t tail = p->position;
	struct rdx_removed other;
	int r;

	if (p->dead)
		return -EOWNERDEAD;
	if (removed->size != sizeof(other)) {
		r = rdx_sized_take(&other, sizeof(other), removed);
		if (r < 0)
			return r;
		removed = &other;
	}
	if (!names_are_valid(removed->names, removed->count, removed->name_bytes, removed->tier))
		return -EINVAL;
	if (removed->count == 0)
		return 0;
	r = begin(p, removed->count, removed->time_ns);
	if (r < 0)
		return r;
	follow_clear(p);
	for (uint32_t i = 0; i < removed->count; i += CHUNK) {
		uint32_t left = removed->count - i;

		remove_chunk(p, removed, i, left < CHUNK ? left : CHUNK);
	}
	rdx_emit_finish(p, tail);
	return 0;
}

/* Every copy in one tier is gone; other tiers hold some. */
static void forget_tier(struct rdx_publisher *p, uint8_t tier)
{
	for (uint32_t i = 0; i < p->names.fresh; i++) {
		struct rdx_name *name = &p->names.entries[i];

		if (name->life != p->names.life || name->copies[tier] == 0)
			continue;
		name->copies[tier] = 0;
		rdx_lineage_drop(&p->lineage, name->node, tier);
		if (!(name->copies[0] | name->copies[1] | name->copies[2] | name->copies[3]))
			rdx_names_remember(&p->names, i);
	}
	rdx_resident_clear(&p->resident[tier]);
}

/* Does a clear of the tier leave nothing? A block that could not be represented counts as left. */
static int others_are_empty(const struct rdx_publisher *p, uint8_t tier)
{
	for (int other = 0; other < RDX_TIER_COUNT; other++) {
		if (other != tier && (p->lineage.held[other] || p->inexact_tiers >> other & 1))
			return 0;
	}
	return 1;
}

static void clear_tier(struct rdx_publisher *p, uint8_t tier)
{
	p->inexact_tiers &= (uint8_t) ~(1 << tier);
	if (!tier_is_kept(p, tier))
		return; /* it was empty, and no reader knows it */
	forget_tier(p, tier);
	rdx_emit_cleared(p, tier);
}

int rdx_publish_cleared(struct rdx_publisher *p, uint8_t scope, uint64_t time_ns)
{
	uint64_t tail = p->position;
	int r;

	if (p->dead)
		return -EOWNERDEAD;
	if (scope >= RDX_TIER_COUNT && scope != RDX_SCOPE_ALL)
		return -EINVAL;
	r = begin(p, 0, time_ns);
	if (r < 0)
		return r;
	if (scope == RDX_SCOPE_ALL && p->clear)
		p->stamp = rdx_clear_bump(p->clear); /* C1 */
	else
		follow_clear(p);
	if (scope != RDX_SCOPE_ALL && others_are_empty(p, scope))
		scope = RDX_SCOPE_ALL;
	if (scope == RDX_SCOPE_ALL) {
		forget_held(p);
		rdx_emit_cleared(p, RDX_SCOPE_ALL);
	} else {
		clear_tier(p, scope);
	}
	rdx_emit_finish(p, tail);
	return 0;
}

int rdx_publish_inexact(struct rdx_publisher *p, uint64_t time_ns)
{
	uint64_t tail = p->position;
	int r;

	if (p->dead)
		return -EOWNERDEAD;
	r = begin(p, 0, time_ns);
	if (r < 0)
		return r;
	follow_clear(p);
	rdx_publisher_mark_inexact(p, kept_tiers(p));
	rdx_emit_finish(p, tail);
	return 0;
}
