/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/engine/shares.h"
#include "producer/engine/memory.h"

#include <errno.h>
#include <stdlib.h>

#define LOOK 64 /* nodes that are looked at for one that was cleared */

int rdx_engine_shares_open(struct rdx_engine_shares *ret_shares, uint32_t groups, uint32_t capacity)
{
	struct rdx_engine_shares shares = {
		.groups = groups,
		.capacity = capacity,
		.free = RDX_BUCKETS_NONE,
	};
	uint64_t bytes = rdx_buckets_lines(capacity) * RDX_BUCKETS_LINE_BYTES;

	shares.nodes = rdx_engine_memory_make(capacity * sizeof(*shares.nodes));
	shares.lines = rdx_engine_memory_make(bytes);
	if (!shares.nodes || !shares.lines) {
		rdx_engine_shares_close(&shares);
		return -ENOMEM;
	}
	rdx_buckets_init(&shares.table, shares.lines, capacity);
	*ret_shares = shares;
	return 0;
}

void rdx_engine_shares_close(struct rdx_engine_shares *shares)
{
	free(shares->nodes);
	free(shares->lines);
	*shares = (struct rdx_engine_shares){0};
}

static uint8_t tier_of(const struct rdx_engine_share *share)
{
	return share->kind & RDX_NODE_KIND_GROUP;
}

static int is_live(const struct rdx_engine_shares *shares, const struct rdx_engine_share *share)
{
	return share->generation == shares->generations[tier_of(share)];
}

static struct rdx_engine_share *find(const struct rdx_engine_shares *shares,
				     const struct rdx_name_key *key)
{
	struct rdx_buckets_walk walk = rdx_buckets_begin(&shares->table, key->hash);
	uint32_t index;

	while ((index = rdx_buckets_next(&shares->table, key->hash, &walk)) != RDX_BUCKETS_NONE) {
		struct rdx_engine_share *share = &shares->nodes[index];

		if (share->name == key->name && share->kind == key->kind)
			return share;
	}
	return NULL;
}

/* Of a name whose copies are of a time before the last clear. */
static uint32_t take_cleared(struct rdx_engine_shares *shares, const struct rdx_names *names)
{
	uint32_t live = 0;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		live += shares->live[tier];
	for (int i = 0; i < LOOK && live < shares->in_table; i++) {
		uint32_t index = shares->hand;
		struct rdx_engine_share *share = &shares->nodes[index];

		shares->hand = index + 1 == shares->capacity ? 0 : index + 1;
		if (!(share->kind & RDX_NODE_KIND_NAMED) || is_live(shares, share))
			continue;
		rdx_buckets_remove(&shares->table, rdx_names_hash(names, share->name, share->kind),
				   index);
		shares->in_table--;
		return index;
	}
	return RDX_BUCKETS_NONE;
}

static uint32_t take(struct rdx_engine_shares *shares, const struct rdx_names *names)
{
	uint32_t index = shares->free;

	if (index != RDX_BUCKETS_NONE)
		shares->free = (uint32_t)shares->nodes[index].name;
	else if (shares->used < shares->capacity)
		index = shares->used++;
	else
		index = take_cleared(shares, names);
	return index;
}

static void begin(struct rdx_engine_shares *shares, struct rdx_engine_share *share)
{
	memset(share->copies, 0, sizeof(share->copies));
	share->generation = shares->generations[tier_of(share)];
	shares->live[tier_of(share)]++;
}

static struct rdx_engine_share *insert(struct rdx_engine_shares *shares,
				       const struct rdx_names *names,
				       const struct rdx_name_key *key)
{
	uint32_t index = take(shares, names);
	struct rdx_engine_share *share;

	if (index == RDX_BUCKETS_NONE)
		return NULL;
	share = &shares->nodes[index];
	share->name = key->name;
	share->kind = key->kind;
	begin(shares, share);
	rdx_buckets_insert(&shares->table, key->hash, index);
	shares->in_table++;
	return share;
}

/* No group has a copy: nothing is to be remembered. */
static void give_back(struct rdx_engine_shares *shares, struct rdx_engine_share *share,
		      uint64_t hash)
{
	uint32_t index = (uint32_t)(share - shares->nodes);

	shares->live[tier_of(share)]--;
	rdx_buckets_remove(&shares->table, hash, index);
	shares->in_table--;
	share->kind = 0;
	share->name = shares->free;
	shares->free = index;
}

/* How many groups have copies. */
static uint32_t holders(const struct rdx_engine_shares *shares,
			const struct rdx_engine_share *share)
{
	uint32_t count = 0;

	for (uint32_t group = 0; group < shares->groups; group++)
		count += share->copies[group] != 0;
	return count;
}

enum rdx_engine_share_change rdx_engine_share_add(struct rdx_engine_shares *shares,
						  const struct rdx_names *names,
						  const struct rdx_name_key *key, uint32_t group,
						  uint32_t *ret_had)
{
	struct rdx_engine_share *share = find(shares, key);

	if (share && !is_live(shares, share))
		begin(shares, share);
	if (!share)
		share = insert(shares, names, key);
	if (!share || share->copies[group] == UINT16_MAX)
		return RDX_ENGINE_SHARE_FULL;
	*ret_had = share->copies[group]++;
	return *ret_had == 0 && holders(shares, share) == shares->groups ? RDX_ENGINE_SHARE_WHOLE
									 : RDX_ENGINE_SHARE_SAME;
}

enum rdx_engine_share_change rdx_engine_share_leave(struct rdx_engine_shares *shares,
						    const struct rdx_name_key *key, uint32_t group,
						    uint32_t left)
{
	struct rdx_engine_share *share = find(shares, key);
	uint32_t held;

	if (!share || !is_live(shares, share) || !share->copies[group])
		return RDX_ENGINE_SHARE_UNKNOWN;
	held = holders(shares, share);
	if (left == UINT32_MAX)
		left = share->copies[group] - 1u;
	share->copies[group] = (uint16_t)(left < UINT16_MAX ? left : UINT16_MAX);
	if (left)
		return RDX_ENGINE_SHARE_SAME;
	if (held == 1)
		give_back(shares, share, key->hash);
	return held == shares->groups ? RDX_ENGINE_SHARE_BROKEN : RDX_ENGINE_SHARE_SAME;
}

void rdx_engine_shares_clear(struct rdx_engine_shares *shares, uint8_t scope)
{
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (scope != tier && scope != RDX_SCOPE_ALL)
			continue;
		shares->generations[tier]++;
		shares->live[tier] = 0;
	}
}
