/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/property/publisher_oracle.h"

#include <stdlib.h>
#include <string.h>

int oracle_name_held(const struct oracle_name *name)
{
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (name->copies[tier])
			return 1;
	}
	return 0;
}

struct oracle_name *oracle_find(struct oracle *oracle, const void *text, uint8_t bytes,
				uint8_t group)
{
	for (int i = 0; i < ORACLE_NAMES; i++) {
		struct oracle_name *name = &oracle->names[i];

		if (name->known && name->bytes == bytes && name->group == group &&
		    memcmp(name->text, text, bytes) == 0)
			return name;
	}
	return NULL;
}

int oracle_holds(const struct oracle *oracle, uint64_t prefix, uint8_t tier)
{
	for (int i = 0; i < ORACLE_NAMES; i++) {
		if (oracle->names[i].known && oracle->names[i].prefix == prefix &&
		    oracle->names[i].copies[tier])
			return 1;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint32_t oracle_held(const struct oracle *oracle, uint8_t tier, uint64_t *ret_prefixes)
{
	uint32_t count = 0, distinct = 0;

	for (int i = 0; i < ORACLE_NAMES; i++) {
		if (oracle->names[i].known && oracle->names[i].copies[tier])
			ret_prefixes[count++] = oracle->names[i].prefix;
	}
	qsort(ret_prefixes, count, sizeof(*ret_prefixes), compare);
	for (uint32_t i = 0; i < count; i++) {
		if (i == 0 || ret_prefixes[i] != ret_prefixes[i - 1])
			ret_prefixes[distinct++] = ret_prefixes[i];
	}
	return distinct;
}

static int in_set(const struct oracle *oracle, uint64_t prefix, uint8_t set)
{
	for (uint8_t tier = 0; tier <= set; tier++) {
		if (oracle_holds(oracle, prefix, tier))
			return 1;
	}
	return 0;
}

uint32_t oracle_orphans(const struct oracle *oracle, uint8_t set)
{
	uint32_t count = 0;

	for (int i = 0; i < ORACLE_NAMES; i++) {
		const struct oracle_name *name = &oracle->names[i];
		int seen = 0;

		for (int j = 0; j < i; j++)
			seen |= oracle->names[j].known && oracle->names[j].prefix == name->prefix;
		/* a node's first name may be another one than its holder */
		if (name->known && !seen && name->parent && in_set(oracle, name->prefix, set) &&
		    !in_set(oracle, name->parent, set))
			count++;
	}
	return count;
}

static uint32_t count_held_names(const struct oracle *oracle)
{
	uint32_t count = 0;

	for (int i = 0; i < ORACLE_NAMES; i++)
		count += oracle->names[i].known && oracle_name_held(&oracle->names[i]);
	return count;
}

static void mark(struct oracle *oracle, uint8_t tiers)
{
	oracle->inexact_tiers |= tiers;
	oracle->stats.inexact_marks += !oracle->inexact;
	oracle->inexact = 1;
}

void oracle_inexact(struct oracle *oracle)
{
	uint8_t kept = 0;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		kept |= (uint8_t)((oracle->tier_blocks[tier] != 0) << tier);
	mark(oracle, kept);
}

static void drop(struct oracle *oracle, uint8_t tier, uint64_t *counter, uint64_t blocks)
{
	*counter += blocks;
	mark(oracle, (uint8_t)(1 << tier));
}

static struct oracle_name *unused(struct oracle *oracle)
{
	for (int i = 0; i < ORACLE_NAMES; i++) {
		if (!oracle->names[i].known)
			return &oracle->names[i];
	}
	abort();
}

/* Returns the counter of what went wrong, or NULL. */
static uint64_t *add_copy(struct oracle *oracle, struct oracle_name *name, uint8_t tier)
{
	uint64_t held[ORACLE_NAMES];

	if (name->copies[tier]++) {
		oracle->stats.repeats++;
		if (oracle->report_mode == RDX_REPORT_MIXED)
			mark(oracle, (uint8_t)(1 << tier));
		return NULL;
	}
	name->copies[tier] = 0;
	if (!oracle_holds(oracle, name->prefix, tier)) {
		if (oracle_held(oracle, tier, held) == oracle->tier_blocks[tier])
			return &oracle->stats.ledger_full;
		oracle->stats.blocks_stored++;
	}
	name->copies[tier] = 1;
	return NULL;
}

/* What a name stands for: it takes all of it from the store that made it held. */
static void stand_for(struct oracle_name *name, const struct oracle_name *content)
{
	name->prefix = content->prefix;
	name->local = content->local;
	name->parent = content->parent;
	name->lora = content->lora;
	name->salt = content->salt;
}

static uint64_t *store_block(struct oracle *oracle, const struct rdx_stored *stored,
			     const void *text, const struct oracle_name *content)
{
	struct oracle_name *name =
		oracle_find(oracle, text, stored->name_bytes, stored->cache_group);
	int held = name && oracle_name_held(name);
	uint64_t *cause;

	if (stored->parent && memcmp(stored->parent, text, stored->name_bytes) == 0)
		return &oracle->stats.conflicts; /* its own ancestor */
	if (held && name->prefix != content->prefix)
		return &oracle->stats.conflicts;
	if (held)
		return add_copy(oracle, name, stored->tier);
	/* remembered, or forgotten by now for want of room: nobody can tell */
	if (count_held_names(oracle) == oracle->names_max) {
		if (name)
			name->known = 0;
		return &oracle->stats.map_full;
	}
	if (name) {
		stand_for(name, content);
		return add_copy(oracle, name, stored->tier);
	}
	name = unused(oracle);
	*name = (struct oracle_name){.known = 1, .bytes = stored->name_bytes,
				     .group = stored->cache_group};
	memcpy(name->text, text, stored->name_bytes);
	stand_for(name, content);
	cause = add_copy(oracle, name, stored->tier);
	if (cause)
		name->known = 0;
	return cause;
}

static const uint8_t *name_at(const void *names, uint32_t i, uint8_t bytes)
{
	return (const uint8_t *)names + (uint64_t)i * bytes;
}

static void store_known(struct oracle *oracle, const struct rdx_stored *stored)
{
	for (uint32_t i = 0; i < stored->count; i++) {
		struct oracle_name *name =
			oracle_find(oracle, name_at(stored->names, i, stored->name_bytes),
				    stored->name_bytes, stored->cache_group);
		uint64_t *cause = &oracle->stats.unknown_names;

		if (name)
			cause = add_copy(oracle, name, stored->tier);
		if (cause)
			drop(oracle, stored->tier, cause, 1);
	}
}

static void store_run(struct oracle *oracle, const struct rdx_stored *stored)
{
	struct oracle_name content = {.lora = stored->lora, .salt = stored->salt};
	uint64_t *cause = NULL;

	if (stored->parent) {
		const struct oracle_name *parent = oracle_find(
			oracle, stored->parent, stored->name_bytes, stored->cache_group);

		if (!parent) {
			drop(oracle, stored->tier, &oracle->stats.unknown_parents, stored->count);
			return;
		}
		content.prefix = parent->prefix;
		content.lora = stored->lora ? stored->lora : parent->lora;
		content.salt = stored->salt ? stored->salt : parent->salt;
	}
	for (uint32_t i = 0; i < stored->count && !cause; i++) {
		content.parent = content.prefix;
		if (stored->tokens)
			rdx_hash_blocks(rdx_hash_seed(content.lora, content.salt),
					stored->tokens + (uint64_t)i * oracle->block_tokens,
					oracle->block_tokens, oracle->block_tokens, &content.local);
		else
			content.local = stored->local_hashes[i];
		rdx_hash_chain(oracle->key, content.parent, &content.local, 1, &content.prefix);
		cause = store_block(oracle, stored,
				    name_at(stored->names, i, stored->name_bytes), &content);
		if (cause)
			drop(oracle, stored->tier, cause, stored->count - i);
	}
}

void oracle_stored(struct oracle *oracle, const struct rdx_stored *stored)
{
	if (!stored->tokens && !stored->local_hashes)
		store_known(oracle, stored);
	else if (stored->block_tokens && stored->block_tokens != oracle->block_tokens)
		oracle->stats.other_block_size += stored->count;
	else if (stored->tokens &&
		 stored->token_count != (uint64_t)stored->count * oracle->block_tokens)
		drop(oracle, stored->tier, &oracle->stats.mismatched, stored->count);
	else
		store_run(oracle, stored);
}

void oracle_removed(struct oracle *oracle, const struct rdx_removed *removed)
{
	for (uint32_t i = 0; i < removed->count; i++) {
		struct oracle_name *name =
			oracle_find(oracle, name_at(removed->names, i, removed->name_bytes),
				    removed->name_bytes, removed->cache_group);

		if (!name || name->copies[removed->tier] == 0) {
			oracle->stats.unknown_removals++;
			continue;
		}
		name->copies[removed->tier]--;
		oracle->stats.blocks_removed +=
			!oracle_holds(oracle, name->prefix, removed->tier);
	}
}

void oracle_cleared(struct oracle *oracle, uint8_t scope)
{
	uint64_t held[ORACLE_NAMES];
	int others = 0;

	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		others |= tier != scope && (oracle_held(oracle, tier, held) ||
					    oracle->inexact_tiers >> tier & 1);
	if (!others)
		scope = RDX_SCOPE_ALL;
	oracle->inexact_tiers &= scope == RDX_SCOPE_ALL ? 0 : (uint8_t)~(1 << scope);
	for (int i = 0; i < ORACLE_NAMES; i++) {
		for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
			if (scope == RDX_SCOPE_ALL || scope == tier)
				oracle->names[i].copies[tier] = 0;
		}
	}
	if (scope == RDX_SCOPE_ALL) {
		oracle->inexact = 0;
		oracle->stats.clears++;
	}
}
