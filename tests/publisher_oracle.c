/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/publisher_oracle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint32_t bucket(uint64_t word)
{
	return (uint32_t)(word * UINT64_C(0x9e3779b97f4a7c15) >> 32) % ORACLE_BUCKETS;
}

static uint32_t bucket_of_text(const void *text, uint8_t bytes, uint8_t group)
{
	uint64_t sum = group, word;

	for (uint8_t i = 0; i < bytes; i += (uint8_t)sizeof(word)) {
		memcpy(&word, (const uint8_t *)text + i, sizeof(word));
		sum = sum * 31 + word;
	}
	return bucket(sum);
}

void oracle_make(struct oracle *oracle, const struct rdx_hash_key *key,
		 const struct rdx_publisher_options *options)
{
	memset(oracle, 0, sizeof(*oracle));
	oracle->key = *key;
	memcpy(oracle->tier_blocks, options->tier_blocks, sizeof(oracle->tier_blocks));
	oracle->block_tokens = options->block_tokens;
	oracle->report_mode = options->report_mode;
}

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
	uint32_t next = oracle->by_text[bucket_of_text(text, bytes, group)];

	while (next) {
		struct oracle_name *name = &oracle->names[next - 1];

		if (name->bytes == bytes && name->group == group &&
		    memcmp(name->text, text, bytes) == 0)
			return name;
		next = name->next_of_text;
	}
	return NULL;
}

int oracle_holds(const struct oracle *oracle, uint64_t prefix, uint8_t tier)
{
	const struct oracle_name *name;

	for (uint32_t next = oracle->by_prefix[bucket(prefix)]; next; next = name->next_of_prefix) {
		name = &oracle->names[next - 1];
		if (name->prefix == prefix && name->copies[tier])
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

	for (uint32_t i = 0; i < oracle->used; i++) {
		if (oracle->names[i].copies[tier])
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

/* Of several names for one block, one. */
static int is_first_of_block(const struct oracle *oracle, const struct oracle_name *name)
{
	uint32_t next = oracle->by_prefix[bucket(name->prefix)];

	while (oracle->names[next - 1].prefix != name->prefix)
		next = oracle->names[next - 1].next_of_prefix;
	return name == &oracle->names[next - 1];
}

uint32_t oracle_orphans(const struct oracle *oracle, uint8_t set)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < oracle->used; i++) {
		const struct oracle_name *name = &oracle->names[i];

		/* which may be another name than the block's holder */
		if (name->known && is_first_of_block(oracle, name) && name->parent &&
		    in_set(oracle, name->prefix, set) && !in_set(oracle, name->parent, set))
			count++;
	}
	return count;
}

uint32_t oracle_run(const struct oracle *oracle, const uint64_t *prefixes, uint32_t count,
		    uint8_t set)
{
	uint32_t run = 0;

	while (run < count && in_set(oracle, prefixes[run], set))
		run++;
	return run;
}

static void unlink_name(struct oracle *oracle, const struct oracle_name *name)
{
	uint32_t index = (uint32_t)(name - oracle->names) + 1;
	uint32_t *of_text = &oracle->by_text[bucket_of_text(name->text, name->bytes, name->group)];
	uint32_t *of_prefix = &oracle->by_prefix[bucket(name->prefix)];

	while (*of_text != index)
		of_text = &oracle->names[*of_text - 1].next_of_text;
	while (*of_prefix != index)
		of_prefix = &oracle->names[*of_prefix - 1].next_of_prefix;
	*of_text = name->next_of_text;
	*of_prefix = name->next_of_prefix;
}

static void link_name(struct oracle *oracle, struct oracle_name *name)
{
	uint32_t index = (uint32_t)(name - oracle->names) + 1;
	uint32_t *of_text = &oracle->by_text[bucket_of_text(name->text, name->bytes, name->group)];
	uint32_t *of_prefix = &oracle->by_prefix[bucket(name->prefix)];

	name->next_of_text = *of_text;
	name->next_of_prefix = *of_prefix;
	*of_text = *of_prefix = index;
}

void oracle_forget(struct oracle *oracle, struct oracle_name *name)
{
	assert(name->known && !oracle_name_held(name));
	unlink_name(oracle, name);
	name->known = 0;
	oracle->known--;
	if (name < oracle->names + oracle->free_from)
		oracle->free_from = (uint32_t)(name - oracle->names);
}

/* Everything that follows from the number of copies. */
static void set_copies(struct oracle *oracle, struct oracle_name *name, uint8_t tier,
		       uint32_t copies)
{
	int held_before = oracle_holds(oracle, name->prefix, tier);

	name->copies[tier] = copies;
	oracle->held[tier] +=
		(uint64_t)oracle_holds(oracle, name->prefix, tier) - (uint64_t)held_before;
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

/* Returns the counter of what went wrong, or NULL. */
static uint64_t *add_copy(struct oracle *oracle, struct oracle_name *name, uint8_t tier)
{
	if (name->copies[tier]) {
		oracle->stats.repeats++;
		if (oracle->report_mode == RDX_REPORT_PRESENCE)
			return NULL;
		name->copies[tier]++;
		if (oracle->report_mode == RDX_REPORT_MIXED)
			mark(oracle, (uint8_t)(1 << tier));
		return NULL;
	}
	if (!oracle_holds(oracle, name->prefix, tier)) {
		if (oracle->held[tier] == oracle->tier_blocks[tier])
			return &oracle->stats.ledger_full;
		oracle->stats.blocks_stored++;
	}
	set_copies(oracle, name, tier, 1);
	return NULL;
}

/* A name takes all that it stands for from the store that made it held. */
static void stand_for(struct oracle *oracle, struct oracle_name *name,
		      const struct oracle_name *content)
{
	unlink_name(oracle, name);
	name->prefix = content->prefix;
	name->local = content->local;
	name->parent = content->parent;
	name->lora = content->lora;
	name->salt = content->salt;
	link_name(oracle, name);
}

static struct oracle_name *learn(struct oracle *oracle, const void *text, uint8_t bytes,
				 uint8_t group, const struct oracle_name *content)
{
	struct oracle_name *name = oracle->names + oracle->free_from;

	while (name < oracle->names + ORACLE_NAMES && name->known)
		name++;
	if (name == oracle->names + ORACLE_NAMES)
		abort();
	oracle->free_from = (uint32_t)(name - oracle->names) + 1;
	if (oracle->used < oracle->free_from)
		oracle->used = oracle->free_from;
	*name = *content;
	name->known = 1;
	name->bytes = bytes;
	name->group = group;
	memcpy(name->text, text, bytes);
	link_name(oracle, name);
	oracle->known++;
	return name;
}

static const uint8_t *name_at(const void *names, uint32_t i, uint8_t bytes)
{
	return (const uint8_t *)names + (uint64_t)i * bytes;
}

static uint64_t *store_block(struct oracle *oracle, const struct rdx_stored *stored, uint32_t at,
			     const struct oracle_name *content)
{
	const uint8_t *text = name_at(stored->names, at, stored->name_bytes);
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
	/* remembered, or forgotten by now for lack of room: unknown */
	if (at >= stored->count - oracle->full) {
		if (name)
			oracle_forget(oracle, name);
		return &oracle->stats.map_full;
	}
	if (name) {
		stand_for(oracle, name, content);
		return add_copy(oracle, name, stored->tier);
	}
	name = learn(oracle, text, stored->name_bytes, stored->cache_group, content);
	cause = add_copy(oracle, name, stored->tier);
	if (cause)
		oracle_forget(oracle, name);
	return cause;
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
		rdx_hash_chain(&oracle->key, content.parent, &content.local, 1, &content.prefix);
		cause = store_block(oracle, stored, i, &content);
		if (cause)
			drop(oracle, stored->tier, cause, stored->count - i);
	}
}

void oracle_stored(struct oracle *oracle, const struct rdx_stored *stored)
{
	if (!stored->tokens && !stored->local_hashes)
		store_known(oracle, stored);
	else if (stored->block_tokens && stored->block_tokens != oracle->block_tokens)
		drop(oracle, stored->tier, &oracle->stats.other_block_size, stored->count);
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
		set_copies(oracle, name, removed->tier, name->copies[removed->tier] - 1);
		oracle->stats.blocks_removed += !oracle_holds(oracle, name->prefix, removed->tier);
	}
}

void oracle_cleared(struct oracle *oracle, uint8_t scope)
{
	int others = 0;

	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		others |=
			tier != scope && (oracle->held[tier] || oracle->inexact_tiers >> tier & 1);
	if (!others)
		scope = RDX_SCOPE_ALL;
	oracle->inexact_tiers &= scope == RDX_SCOPE_ALL ? 0 : (uint8_t) ~(1 << scope);
	for (uint32_t i = 0; i < oracle->used; i++) {
		for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
			if (oracle->names[i].copies[tier] &&
			    (scope == RDX_SCOPE_ALL || scope == tier))
				set_copies(oracle, &oracle->names[i], tier, 0);
		}
	}
	if (scope == RDX_SCOPE_ALL) {
		oracle->inexact = 0;
		oracle->stats.clears++;
	}
}
