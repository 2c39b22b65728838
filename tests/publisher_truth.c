/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/publisher_truth.h"

#include <stdlib.h>
#include <string.h>

void truth_make(struct truth *truth, const struct rdx_hash_key *key,
		const struct rdx_publisher_options *options)
{
	memset(truth, 0, sizeof(*truth));
	truth->key = *key;
	truth->block_tokens = options->block_tokens;
	truth->report_mode = options->report_mode;
}

/* A block that is below no other that anybody could name. */
static uint64_t nowhere(struct truth *truth)
{
	uint64_t parent = ~++truth->nowhere, prefix;

	rdx_hash_chain(&truth->key, parent, &parent, 1, &prefix);
	return prefix;
}

static struct truth_name *name_of(struct truth *truth, const void *text, uint8_t bytes,
				  uint8_t group)
{
	struct truth_name *name = truth->names;

	for (; name < truth->names + truth->used; name++) {
		if (name->bytes == bytes && name->group == group &&
		    memcmp(name->text, text, bytes) == 0)
			return name;
	}
	if (truth->used++ == TRUTH_NAMES)
		abort();
	*name = (struct truth_name){.bytes = bytes, .group = group, .prefix = nowhere(truth)};
	memcpy(name->text, text, bytes);
	return name;
}

static void add(const struct truth *truth, struct truth_name *name, uint8_t tier)
{
	if (truth->report_mode == RDX_REPORT_PRESENCE)
		name->copies[tier] = 1;
	else
		name->copies[tier]++;
}

static int is_readable(const struct truth *truth, const struct rdx_stored *stored)
{
	if (stored->block_tokens && stored->block_tokens != truth->block_tokens)
		return 0;
	return !stored->tokens ||
	       stored->token_count == (uint64_t)stored->count * truth->block_tokens;
}

/* The block below `*prefix`, which it becomes. */
static void go_on(struct truth *truth, const struct rdx_stored *stored, uint32_t at, uint64_t seed,
		  uint64_t *prefix)
{
	uint64_t local;

	if (!is_readable(truth, stored)) {
		*prefix = nowhere(truth);
		return;
	}
	if (stored->tokens)
		rdx_hash_blocks(seed, stored->tokens + (uint64_t)at * truth->block_tokens,
				truth->block_tokens, truth->block_tokens, &local);
	else
		local = stored->local_hashes[at];
	rdx_hash_chain(&truth->key, *prefix, &local, 1, prefix);
}

static struct truth_name *name_at(struct truth *truth, const void *names, uint32_t at,
				  uint8_t bytes, uint8_t group)
{
	return name_of(truth, (const uint8_t *)names + (uint64_t)at * bytes, bytes, group);
}

void truth_stored(struct truth *truth, const struct rdx_stored *stored)
{
	int has_content = stored->tokens || stored->local_hashes;
	const char *lora = stored->lora, *salt = stored->salt;
	uint64_t prefix = 0, seed;

	if (has_content && stored->parent) {
		struct truth_name *parent =
			name_of(truth, stored->parent, stored->name_bytes, stored->cache_group);

		prefix = parent->prefix;
		lora = lora ? lora : parent->lora;
		salt = salt ? salt : parent->salt;
	}
	seed = rdx_hash_seed(lora, salt);
	for (uint32_t i = 0; i < stored->count; i++) {
		struct truth_name *name =
			name_at(truth, stored->names, i, stored->name_bytes, stored->cache_group);

		if (has_content) {
			go_on(truth, stored, i, seed, &prefix);
			name->prefix = prefix;
			name->lora = lora;
			name->salt = salt;
		}
		add(truth, name, stored->tier);
	}
}

void truth_removed(struct truth *truth, const struct rdx_removed *removed)
{
	for (uint32_t i = 0; i < removed->count; i++) {
		struct truth_name *name = name_at(truth, removed->names, i, removed->name_bytes,
						  removed->cache_group);
		uint32_t *copies = &name->copies[removed->tier];

		if (removed->remaining)
			*copies = removed->remaining[i];
		else
			*copies -= *copies != 0;
		if (truth->report_mode == RDX_REPORT_PRESENCE)
			*copies = *copies != 0;
	}
}

void truth_unrepresented(struct truth *truth, const struct rdx_removed *blocks)
{
	for (uint32_t i = 0; i < blocks->count; i++)
		add(truth,
		    name_at(truth, blocks->names, i, blocks->name_bytes, blocks->cache_group),
		    blocks->tier);
}

void truth_cleared(struct truth *truth, uint8_t scope)
{
	for (uint32_t i = 0; i < truth->used; i++) {
		for (uint8_t tier = 0; tier < TRUTH_TIERS; tier++) {
			if (scope == RDX_SCOPE_ALL || scope == tier)
				truth->names[i].copies[tier] = 0;
		}
	}
}

void truth_learn_spaces(struct truth *truth, struct oracle *oracle)
{
	for (uint32_t i = 0; i < truth->used; i++) {
		struct truth_name *name = &truth->names[i];
		const struct oracle_name *known =
			oracle_find(oracle, name->text, name->bytes, name->group);

		if (!known || known->prefix != name->prefix)
			continue;
		name->lora = known->lora;
		name->salt = known->salt;
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint32_t truth_held(const struct truth *truth, uint8_t tier, uint64_t *ret_prefixes)
{
	uint32_t count = 0, distinct = 0;

	for (uint32_t i = 0; i < truth->used; i++) {
		if (truth->names[i].copies[tier])
			ret_prefixes[count++] = truth->names[i].prefix;
	}
	qsort(ret_prefixes, count, sizeof(*ret_prefixes), compare);
	for (uint32_t i = 0; i < count; i++) {
		if (i == 0 || ret_prefixes[i] != ret_prefixes[i - 1])
			ret_prefixes[distinct++] = ret_prefixes[i];
	}
	return distinct;
}

int truth_is_accounted(const struct truth *truth, struct oracle *oracle)
{
	for (uint32_t i = 0; i < truth->used; i++) {
		const struct truth_name *name = &truth->names[i];
		const struct oracle_name *known =
			oracle_find(oracle, name->text, name->bytes, name->group);
		const struct lack *lack =
			lacks_find(&oracle->lacks, name->text, name->bytes, name->group);

		for (uint8_t tier = 0; tier < TRUTH_TIERS; tier++) {
			uint32_t copies = known && tier < RDX_TIER_COUNT ? known->copies[tier] : 0;

			copies += lack ? lack->copies[tier] : 0;
			/* presence: a name may be held and lacking at once */
			if (truth->report_mode == RDX_REPORT_PRESENCE)
				copies = copies != 0;
			if (copies != name->copies[tier])
				return 0;
		}
	}
	return 1;
}
