/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/lacking.h"

#define BLOCKS_A_SLOT 8

/* A power of two. RDX_TIER_OTHER gets as many as a tier of half the largest one's blocks. */
static uint32_t slots_of(const uint64_t *tier_blocks, int tier)
{
	uint64_t blocks = 0;
	uint32_t slots = RDX_LACKING_SLOTS_MIN;

	for (int other = 0; other < RDX_TIER_COUNT; other++) {
		if ((tier == other || tier == RDX_TIER_OTHER) && blocks < tier_blocks[other])
			blocks = tier_blocks[other];
	}
	if (tier == RDX_TIER_OTHER)
		blocks /= 2;
	while (slots < RDX_LACKING_SLOTS_MAX && slots < blocks / BLOCKS_A_SLOT)
		slots *= 2;
	return slots;
}

uint64_t rdx_lacking_bytes(const uint64_t *tier_blocks)
{
	uint64_t slots = 0;

	for (int tier = 0; tier < RDX_LACKING_TIERS; tier++)
		slots += slots_of(tier_blocks, tier);
	return slots * sizeof(struct rdx_lacking_entry);
}

void rdx_lacking_init(struct rdx_lacking *lacking, void *memory, const uint64_t *tier_blocks)
{
	struct rdx_lacking_entry *entries = memory;

	*lacking = (struct rdx_lacking){.count = 0};
	for (int tier = 0; tier < RDX_LACKING_TIERS; tier++) {
		uint32_t slots = slots_of(tier_blocks, tier);

		/* zeroed entries are of generation 0 */
		lacking->sets[tier] = (struct rdx_lacking_set){
			.entries = entries, .generation = 1, .mask = slots - 1};
		entries += slots;
	}
}

static int is_free(const struct rdx_lacking_set *set, uint32_t at)
{
	return set->entries[at].generation != set->generation;
}

static void copy_set(struct rdx_lacking_set *set, const struct rdx_lacking_set *from)
{
	for (uint32_t i = 0; i <= from->mask; i++) {
		uint32_t at = from->entries[i].home & set->mask;

		if (is_free(from, i))
			continue;
		while (!is_free(set, at))
			at = (at + 1) & set->mask;
		set->entries[at] = from->entries[i];
		set->entries[at].generation = set->generation;
	}
	set->count = from->count;
	set->doubted = from->doubted;
}

void rdx_lacking_copy(struct rdx_lacking *lacking, const struct rdx_lacking *from)
{
	for (int tier = 0; tier < RDX_LACKING_TIERS; tier++)
		copy_set(&lacking->sets[tier], &from->sets[tier]);
	lacking->count = from->count;
	lacking->doubted = from->doubted;
	memcpy(lacking->flags, from->flags, sizeof(lacking->flags));
}

static uint32_t home_bits(const struct rdx_name_key *key)
{
	return (uint32_t)(key->hash >> 32);
}

/* The name's entry, or the free one where it would be. */
static uint32_t place_of(const struct rdx_lacking_set *set, const struct rdx_name_key *key)
{
	uint32_t at = home_bits(key) & set->mask;

	while (!is_free(set, at) &&
	       (set->entries[at].name != key->name || set->entries[at].kind != key->kind))
		at = (at + 1) & set->mask;
	return at;
}

struct rdx_lacking_entry *rdx_lacking_find(struct rdx_lacking *lacking, uint8_t tier,
					   const struct rdx_name_key *key)
{
	struct rdx_lacking_set *set = &lacking->sets[tier];
	uint32_t at;

	if (!set->count)
		return NULL;
	at = place_of(set, key);
	return is_free(set, at) ? NULL : &set->entries[at];
}

struct rdx_lacking_entry *rdx_lacking_add(struct rdx_lacking *lacking, uint8_t tier,
					  const struct rdx_name_key *key)
{
	struct rdx_lacking_set *set = &lacking->sets[tier];
	uint32_t at = place_of(set, key);

	if (!is_free(set, at))
		return &set->entries[at];
	if (set->count > set->mask / 2)
		return NULL;
	set->entries[at] = (struct rdx_lacking_entry){
		.name = key->name,
		.generation = set->generation,
		.home = home_bits(key),
		.kind = key->kind,
	};
	set->count++;
	lacking->count++;
	return &set->entries[at];
}

void rdx_lacking_doubt(struct rdx_lacking *lacking, uint8_t tier, struct rdx_lacking_entry *entry)
{
	if (entry->doubted)
		return;
	entry->doubted = 1;
	lacking->sets[tier].doubted++;
	lacking->doubted++;
}

/* May the entry at `from` be found from its home on if it lies at `to`, before it? */
static int may_move(const struct rdx_lacking_set *set, uint32_t from, uint32_t to)
{
	uint32_t home = set->entries[from].home & set->mask;

	return ((from - home) & set->mask) >= ((from - to) & set->mask);
}

void rdx_lacking_delete(struct rdx_lacking *lacking, uint8_t tier, struct rdx_lacking_entry *entry)
{
	struct rdx_lacking_set *set = &lacking->sets[tier];
	uint32_t hole = (uint32_t)(entry - set->entries);

	set->count--;
	lacking->count--;
	set->doubted -= entry->doubted;
	lacking->doubted -= entry->doubted;
	for (uint32_t at = (hole + 1) & set->mask; !is_free(set, at); at = (at + 1) & set->mask) {
		if (!may_move(set, at, hole))
			continue;
		set->entries[hole] = set->entries[at];
		hole = at;
	}
	set->entries[hole].generation = 0;
}

static void clear_tier(struct rdx_lacking *lacking, uint8_t tier)
{
	struct rdx_lacking_set *set = &lacking->sets[tier];

	for (int how = RDX_INEXACT_LACKING; how <= RDX_INEXACT_UNKNOWN; how++)
		lacking->flags[how] &= (uint8_t) ~(1u << tier);
	lacking->count -= set->count;
	lacking->doubted -= set->doubted;
	set->count = set->doubted = 0;
	set->generation++;
}

void rdx_lacking_clear(struct rdx_lacking *lacking, uint8_t scope)
{
	for (uint8_t tier = 0; tier < RDX_LACKING_TIERS; tier++) {
		if (scope == RDX_SCOPE_ALL || scope == tier)
			clear_tier(lacking, tier);
	}
}
