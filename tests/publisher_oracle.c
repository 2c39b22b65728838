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
	uint64_t blocks = 0;

	memset(oracle, 0, sizeof(*oracle));
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		blocks += options->tier_blocks[tier];
	oracle->spare = blocks / 4 > 1024 ? blocks / 4 : 1024;
	if (options->remembered_names)
		oracle->spare = options->remembered_names;
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

static void judge(struct oracle *oracle)
{
	uint8_t inexact = lacks_state(&oracle->lacks);

	oracle->stats.inexact_marks += inexact && !oracle->inexact;
	oracle->inexact = inexact;
}

void oracle_inexact(struct oracle *oracle, uint8_t how)
{
	oracle->lacks.flags[how] |= LACKS_ALL;
	judge(oracle);
}

static void add_lack(struct oracle *oracle, struct lack *lack, uint8_t tier, uint32_t copies,
		     int doubted)
{
	if (oracle->report_mode == RDX_REPORT_PRESENCE && lack->copies[tier])
		copies = 0;
	else if (oracle->report_mode == RDX_REPORT_PRESENCE)
		copies = copies != 0;
	lacks_add(&oracle->lacks, lack, tier, copies, doubted);
	judge(oracle);
}

/* One copy more of a name that cannot be represented; its node, if it is known, and whether it may
 * stand for something else. */
static void lacking(struct oracle *oracle, struct lack *lack, struct oracle_name *name,
		    uint8_t tier, int doubted)
{
	add_lack(oracle, lack, tier, 1, doubted);
	for (uint8_t other = 0; doubted && name && other < RDX_TIER_COUNT; other++) {
		if (name->copies[other])
			add_lack(oracle, lack, other, 0, 1);
	}
	if (doubted && name)
		name->unsure = 1;
}

static void more_copies(struct oracle *oracle, struct oracle_name *name, uint8_t tier,
			uint32_t copies)
{
	if (oracle->report_mode == RDX_REPORT_PRESENCE || !copies)
		return;
	name->copies[tier] += copies;
	if (oracle->report_mode == RDX_REPORT_MIXED)
		oracle->lacks.flags[RDX_INEXACT_UNKNOWN] |= (uint8_t)(1 << tier);
	judge(oracle);
}

static struct lack *lack_of(struct oracle *oracle, const struct oracle_name *name)
{
	return lacks_of(&oracle->lacks, name->text, name->bytes, name->group);
}

int oracle_has_room(const struct oracle *oracle, uint8_t tier, uint64_t blocks)
{
	uint64_t beyond = 0;

	if (oracle->held[tier] + blocks <= oracle->tier_blocks[tier])
		return 1;
	for (int other = 0; other < RDX_TIER_COUNT; other++) {
		uint64_t held = oracle->held[other] + (other == tier ? blocks : 0);

		if (held > oracle->tier_blocks[other])
			beyond += held - oracle->tier_blocks[other];
	}
	return oracle->tier_blocks[tier] && beyond <= oracle->spare;
}

/* What was lacking of a name is represented with it; doubts stay. */
static void take_over(struct oracle *oracle, struct oracle_name *name, uint8_t tier)
{
	struct lack *lack;

	if (!oracle->lacks.counts[tier])
		return;
	lack = lack_of(oracle, name);
	more_copies(oracle, name, tier, lack->copies[tier]);
	lack->copies[tier] = 0;
	if (!lack->doubted[tier])
		lacks_end(&oracle->lacks, lack, tier);
	judge(oracle);
}

/* Returns the counter of what went wrong, or NULL. */
static uint64_t *add_copy(struct oracle *oracle, struct oracle_name *name, uint8_t tier)
{
	if (name->copies[tier]) {
		oracle->stats.repeats++;
		more_copies(oracle, name, tier, 1);
	} else {
		if (!oracle_holds(oracle, name->prefix, tier)) {
			if (!oracle_has_room(oracle, tier, 1))
				return &oracle->stats.ledger_full;
			oracle->stats.blocks_stored++;
		}
		set_copies(oracle, name, tier, 1);
	}
	take_over(oracle, name, tier);
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
	name->unsure = 0;
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

static struct oracle_name *name_of(struct oracle *oracle, const struct rdx_stored *stored,
				   uint32_t at)
{
	return oracle_find(oracle, name_at(stored->names, at, stored->name_bytes),
			   stored->name_bytes, stored->cache_group);
}

static struct lack *lack_at(struct oracle *oracle, const struct rdx_stored *stored, uint32_t at)
{
	return lacks_of(&oracle->lacks, name_at(stored->names, at, stored->name_bytes),
			stored->name_bytes, stored->cache_group);
}

static void store_known(struct oracle *oracle, const struct rdx_stored *stored)
{
	for (uint32_t i = 0; i < stored->count; i++) {
		struct oracle_name *name = name_of(oracle, stored, i);
		uint64_t *cause = &oracle->stats.unknown_names;

		if (name && !name->unsure)
			cause = add_copy(oracle, name, stored->tier);
		if (!cause)
			continue;
		*cause += 1;
		lacking(oracle, lack_at(oracle, stored, i), name, stored->tier, 0);
	}
}

/* A block of a run is dropped. `prefix` 0: what it stands for is not known. */
static void drop(struct oracle *oracle, const struct rdx_stored *stored, uint32_t at,
		 uint64_t prefix, int doubted)
{
	struct oracle_name *name = name_of(oracle, stored, at);

	if (name && name->prefix != prefix && oracle_name_held(name)) {
		doubted = 1;
	} else if (name && name->prefix != prefix) {
		oracle_forget(oracle, name);
		name = NULL;
	}
	lacking(oracle, lack_at(oracle, stored, at), name, stored->tier, doubted);
}

static void drop_run(struct oracle *oracle, const struct rdx_stored *stored, uint64_t *counter)
{
	*counter += stored->count;
	for (uint32_t i = 0; i < stored->count; i++)
		drop(oracle, stored, i, 0, 0);
}

static void make_content(const struct oracle *oracle, const struct rdx_stored *stored, uint32_t at,
			 struct oracle_name *content)
{
	content->parent = content->prefix;
	if (stored->tokens)
		rdx_hash_blocks(rdx_hash_seed(content->lora, content->salt),
				stored->tokens + (uint64_t)at * oracle->block_tokens,
				oracle->block_tokens, oracle->block_tokens, &content->local);
	else
		content->local = stored->local_hashes[at];
	rdx_hash_chain(&oracle->key, content->parent, &content->local, 1, &content->prefix);
}

static void store_run(struct oracle *oracle, const struct rdx_stored *stored)
{
	struct oracle_name content = {.lora = stored->lora, .salt = stored->salt};
	uint64_t *cause = NULL;
	uint32_t dropped = 0;

	if (stored->parent) {
		const struct oracle_name *parent = oracle_find(
			oracle, stored->parent, stored->name_bytes, stored->cache_group);

		if (!parent || parent->unsure) {
			drop_run(oracle, stored, &oracle->stats.unknown_parents);
			return;
		}
		content.prefix = parent->prefix;
		content.lora = stored->lora ? stored->lora : parent->lora;
		content.salt = stored->salt ? stored->salt : parent->salt;
	}
	for (uint32_t i = 0; i < stored->count; i++) {
		make_content(oracle, stored, i, &content);
		if (!cause)
			cause = store_block(oracle, stored, i, &content);
		if (!cause)
			continue;
		drop(oracle, stored, i, content.prefix,
		     cause == &oracle->stats.conflicts && !dropped);
		dropped++;
	}
	if (cause)
		*cause += dropped;
}

void oracle_stored(struct oracle *oracle, const struct rdx_stored *stored)
{
	if (!stored->tokens && !stored->local_hashes)
		store_known(oracle, stored);
	else if (stored->block_tokens && stored->block_tokens != oracle->block_tokens)
		drop_run(oracle, stored, &oracle->stats.other_block_size);
	else if (stored->tokens &&
		 stored->token_count != (uint64_t)stored->count * oracle->block_tokens)
		drop_run(oracle, stored, &oracle->stats.mismatched);
	else
		store_run(oracle, stored);
}

static void set_copies_of(struct oracle *oracle, struct oracle_name *name, uint8_t tier,
			  uint32_t copies)
{
	set_copies(oracle, name, tier, copies);
	oracle->stats.blocks_removed += !copies && !oracle_holds(oracle, name->prefix, tier);
}

/* A held name keeps `left` copies; what was lacking of it is among them. */
static void leave_held(struct oracle *oracle, struct oracle_name *name, struct lack *lack,
		       uint8_t tier, uint32_t left)
{
	lack->copies[tier] = 0;
	if (!lack->doubted[tier] || !left)
		lacks_end(&oracle->lacks, lack, tier);
	if (oracle->report_mode == RDX_REPORT_PRESENCE)
		left = left != 0;
	set_copies_of(oracle, name, tier, left);
	judge(oracle);
}

static void leave(struct oracle *oracle, struct oracle_name *name, struct lack *lack, uint8_t tier,
		  uint32_t left)
{
	if (name && tier < RDX_TIER_COUNT && name->copies[tier]) {
		leave_held(oracle, name, lack, tier, left);
		return;
	}
	oracle->stats.unknown_removals += !lack->is[tier];
	if (left) {
		lack->copies[tier] = 0;
		add_lack(oracle, lack, tier, left, 0);
	} else {
		lacks_end(&oracle->lacks, lack, tier);
		judge(oracle);
	}
}

static void take(struct oracle *oracle, struct oracle_name *name, struct lack *lack, uint8_t tier)
{
	int one = oracle->report_mode == RDX_REPORT_PRESENCE;

	if (name && tier < RDX_TIER_COUNT && name->copies[tier]) {
		set_copies_of(oracle, name, tier, name->copies[tier] - 1);
		if (!name->copies[tier] && (one || !lack->copies[tier]))
			lacks_end(&oracle->lacks, lack, tier);
	} else if (!lack->is[tier]) {
		oracle->stats.unknown_removals++;
	} else if (--lack->copies[tier] == 0) {
		lacks_end(&oracle->lacks, lack, tier);
	}
	judge(oracle);
}

void oracle_removed(struct oracle *oracle, const struct rdx_removed *removed)
{
	for (uint32_t i = 0; i < removed->count; i++) {
		const uint8_t *text = name_at(removed->names, i, removed->name_bytes);
		struct oracle_name *name =
			oracle_find(oracle, text, removed->name_bytes, removed->cache_group);
		struct lack *lack =
			lacks_find(&oracle->lacks, text, removed->name_bytes, removed->cache_group);
		struct lack none = {.bytes = 0};

		if (!lack && removed->remaining && removed->remaining[i])
			lack = lacks_of(&oracle->lacks, text, removed->name_bytes,
					removed->cache_group);
		else if (!lack)
			lack = &none;
		if (removed->remaining)
			leave(oracle, name, lack, removed->tier, removed->remaining[i]);
		else
			take(oracle, name, lack, removed->tier);
	}
}

void oracle_unrepresented(struct oracle *oracle, const struct rdx_removed *blocks)
{
	for (uint32_t i = 0; i < blocks->count; i++)
		lacking(oracle,
			lacks_of(&oracle->lacks, name_at(blocks->names, i, blocks->name_bytes),
				 blocks->name_bytes, blocks->cache_group),
			NULL, blocks->tier, 0);
	oracle->stats.unrepresented += blocks->count;
}

void oracle_cleared(struct oracle *oracle, uint8_t scope)
{
	int others = lacks_in(&oracle->lacks, RDX_TIER_OTHER);

	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		others |= tier != scope && (oracle->held[tier] || lacks_in(&oracle->lacks, tier));
	if (!others)
		scope = RDX_SCOPE_ALL;
	lacks_clear(&oracle->lacks, scope);
	for (uint32_t i = 0; i < oracle->used; i++) {
		for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
			if (oracle->names[i].copies[tier] &&
			    (scope == RDX_SCOPE_ALL || scope == tier))
				set_copies(oracle, &oracle->names[i], tier, 0);
		}
	}
	judge(oracle);
	oracle->stats.clears += scope == RDX_SCOPE_ALL;
}
