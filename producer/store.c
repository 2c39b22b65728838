/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/store.h"

#include "producer/enlarge.h"
#include "shm/tokens.h"

#define KEPT RDX_COPIES_KEPT

/* Names of a call, looked up. Where some are probably known, these are kept: what they stand for is
 * not forgotten for the other ones. */
struct chunk {
	struct rdx_name_key keys[RDX_STORE_CHUNK];
	uint32_t known[RDX_STORE_CHUNK]; /* nodes */
	uint32_t known_count;
};

/* A run of blocks being stored. */
struct run {
	const struct rdx_stored *stored;
	uint32_t parent; /* node of the block before; kept if it is the run's parent */
	uint32_t space;  /* of the run's blocks: the run is a holder of it */
	uint64_t prefix; /* of the block before the next chunk, 0 for the root */
	struct rdx_tokens tokens;
	uint64_t key_at;                /* of their keys: those before are of the chunks before */
	struct rdx_name_key parent_key; /* where stored->parent is given */
	struct chunk chunk;
	uint64_t local[RDX_STORE_CHUNK];
	uint64_t prefixes[RDX_STORE_CHUNK];
	uint32_t stock[RDX_STORE_CHUNK]; /* free nodes taken ahead */
	uint32_t stock_count;
	int knows_some; /* a name of the chunk was known */
};

static int keys_equal(const struct rdx_name_key *a, const struct rdx_name_key *b)
{
	return a->name == b->name && a->kind == b->kind;
}

/* The node of a name is taken for something else, or gets no name any more. */
static void forget(struct rdx_publisher *p, uint32_t index)
{
	uint32_t kind = p->lineage.nodes[index].kind;

	if (!(kind & RDX_NODE_KIND_NAMED))
		return;
	rdx_namespaces_leave(&p->spaces, kind >> RDX_NODE_SPACE_SHIFT);
	rdx_names_remove(&p->names, index);
}

static void set_space(struct rdx_publisher *p, uint32_t index, uint32_t space)
{
	struct rdx_node *node = &p->lineage.nodes[index];
	uint32_t before = node->kind >> RDX_NODE_SPACE_SHIFT;

	if (before == space)
		return;
	rdx_namespaces_join(&p->spaces, space);
	rdx_namespaces_leave(&p->spaces, before);
	node->kind = (node->kind & RDX_NODE_KIND_NAME) | space << RDX_NODE_SPACE_SHIFT;
}

/* A free node, or RDX_NODE_NONE where all are needed and there cannot be more. */
static uint32_t take_node(struct rdx_publisher *p)
{
	uint32_t node;

	if (rdx_lineage_take(&p->lineage, &node, 1) == 0 &&
	    (rdx_enlarge_nodes(p) < 0 || rdx_lineage_take(&p->lineage, &node, 1) == 0))
		return RDX_NODE_NONE;
	forget(p, node);
	return node;
}

/* Look up `count` names from the `from`th on, and keep those that are known. */
static void load_names(struct rdx_publisher *p, struct chunk *chunk,
		       const struct rdx_stored *stored, uint32_t from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		rdx_names_key(&p->names,
			      rdx_store_name_at(stored->names, from + i, stored->name_bytes),
			      stored->name_bytes, stored->cache_group, &chunk->keys[i]);
		rdx_filing_prefetch(&p->names.filing, chunk->keys[i].hash);
	}
}

static void keep_known(struct rdx_publisher *p, struct chunk *chunk, uint32_t count)
{
	uint32_t guessed = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t guess = rdx_names_guess(&p->names, &chunk->keys[i]);

		if (guess == RDX_NODE_NONE)
			continue;
		rdx_store_prefetch(p, guess);
		chunk->known[guessed++] = i;
	}
	chunk->known_count = 0;
	for (uint32_t i = 0; i < guessed; i++) {
		uint32_t index = rdx_names_find(&p->names, &chunk->keys[chunk->known[i]]);

		if (index == RDX_NODE_NONE)
			continue;
		rdx_lineage_keep(&p->lineage, index);
		chunk->known[chunk->known_count++] = index;
	}
}

static void unkeep_known(struct rdx_publisher *p, const struct chunk *chunk)
{
	for (uint32_t i = 0; i < chunk->known_count; i++)
		rdx_lineage_unkeep(&p->lineage, chunk->known[i]);
}

/* Take nodes for names that are not known, and ask for what forgetting their old names will read. */
static void take_stock(struct rdx_publisher *p, struct run *run, uint32_t count)
{
	struct rdx_lineage *lineage = &p->lineage;

	run->stock_count = rdx_lineage_take(lineage, run->stock, count);
	for (uint32_t i = 0; i < run->stock_count; i++) {
		const struct rdx_node *node = &lineage->nodes[run->stock[i]];

		__builtin_prefetch(&lineage->records[run->stock[i]], 1);
		if (node->kind & RDX_NODE_KIND_NAMED)
			rdx_filing_prefetch(&p->names.filing, rdx_names_hash_of(&p->names, node));
	}
}

static void forget_stock(struct rdx_publisher *p, const struct run *run)
{
	for (uint32_t i = 0; i < run->stock_count; i++)
		forget(p, run->stock[i]);
}

static void empty_stock(struct rdx_publisher *p, struct run *run)
{
	while (run->stock_count)
		rdx_hand_offer(&p->lineage.hand, run->stock[--run->stock_count], 0);
}

static uint32_t take_from_stock(struct rdx_publisher *p, struct run *run)
{
	return run->stock_count ? run->stock[--run->stock_count] : take_node(p);
}

static void hash_chunk(struct rdx_publisher *p, struct run *run, uint32_t from, uint32_t count)
{
	const struct rdx_stored *stored = run->stored;

	if (stored->tokens)
		rdx_tokens_hash(&run->tokens, from, (uint64_t)from + count, &run->key_at,
				run->local);
	else
		memcpy(run->local, stored->local_hashes + from, count * sizeof(*run->local));
	rdx_hash_chain(&p->key, run->prefix, run->local, count, run->prefixes);
	run->prefix = run->prefixes[count - 1];
}

/* Hash a chunk and prefetch what its blocks will read. */
static void load_chunk(struct rdx_publisher *p, struct run *run, uint32_t from, uint32_t count)
{
	const struct rdx_stored *stored = run->stored;

	load_names(p, &run->chunk, stored, from, count);
	run->chunk.known_count = 0;
	if (p->stores_new)
		take_stock(p, run, count);
	rdx_store_prefetch_slots(p, count);
	hash_chunk(p, run, from, count);
	if (!p->stores_new) {
		keep_known(p, &run->chunk, count);
		take_stock(p, run, count - run->chunk.known_count);
	}
	forget_stock(p, run);
	run->knows_some = 0;
	if (!p->lineage.unplaced)
		return;
	for (uint32_t i = 0; i < count; i++)
		rdx_filing_prefetch(&p->lineage.filing, run->prefixes[i]);
}

/* See to it that a block has its place below the parent, if there is room for it in the tier. */
static enum rdx_counter place_block(struct rdx_publisher *p, uint32_t block, uint32_t parent,
				    uint8_t tier)
{
	const struct rdx_node *node = rdx_lineage_settle(&p->lineage, block);
	enum rdx_counter cause;

	if (node->state & RDX_NODE_PLACED) {
		assert(node->parent == parent);
		return KEPT;
	}
	cause = rdx_copies_room(p, block, tier);
	if (cause == KEPT && !rdx_lineage_may_have_child(&p->lineage, parent))
		cause = RDX_COUNTER_MAP_FULL;
	if (cause == KEPT)
		rdx_lineage_place(&p->lineage, block, parent);
	return cause;
}

static void describe_block(struct rdx_publisher *p, const struct run *run, uint32_t at,
			   uint32_t block)
{
	const struct rdx_lineage *lineage = &p->lineage;
	uint64_t parent = run->parent == RDX_NODE_ROOT ? 0 : lineage->nodes[run->parent].prefix;

	rdx_ledger_describe(&lineage->records[block], run->prefixes[at], run->local[at], parent);
}

/* A node for a name that is not known, whose block is not known either: it becomes the block. */
static enum rdx_counter make_block(struct rdx_publisher *p, struct run *run, uint32_t at,
				   uint32_t *ret_index)
{
	uint32_t index;

	if (!rdx_lineage_may_have_child(&p->lineage, run->parent))
		return RDX_COUNTER_MAP_FULL;
	index = take_from_stock(p, run);
	if (index == RDX_NODE_NONE)
		return RDX_COUNTER_MAP_FULL;
	rdx_lineage_make(&p->lineage, index, run->prefixes[at], run->parent);
	describe_block(p, run, at, index);
	*ret_index = index;
	return KEPT;
}

/* The same where the block is known: its own node, if that has no name, else an alias. */
static enum rdx_counter name_block(struct rdx_publisher *p, struct run *run, uint32_t at,
				   uint32_t block, uint32_t *ret_index)
{
	struct rdx_lineage *lineage = &p->lineage;
	uint32_t index = block;

	if (lineage->nodes[block].kind & RDX_NODE_KIND_NAMED) {
		rdx_lineage_keep(lineage, block);
		index = take_from_stock(p, run);
		rdx_lineage_unkeep(lineage, block);
		if (index == RDX_NODE_NONE)
			return RDX_COUNTER_MAP_FULL;
		rdx_lineage_make_alias(lineage, index, block);
	} else {
		describe_block(p, run, at, block);
	}
	*ret_index = index;
	return place_block(p, block, run->parent, run->stored->tier);
}

/* Add a name that was not known. */
static enum rdx_counter store_new(struct rdx_publisher *p, struct run *run, uint32_t at)
{
	const struct rdx_stored *stored = run->stored;
	uint32_t block = rdx_lineage_find(&p->lineage, run->parent, run->prefixes[at]);
	uint32_t index = RDX_NODE_NONE;
	enum rdx_counter cause;

	if (block == RDX_NODE_NONE)
		cause = make_block(p, run, at, &index);
	else
		cause = name_block(p, run, at, block, &index);
	if (index == RDX_NODE_NONE)
		return cause;
	rdx_names_add(&p->names, &run->chunk.keys[at], index);
	set_space(p, index, run->space);
	if (cause == KEPT)
		cause = rdx_copies_add(p, index, stored->tier, run->local[at]);
	if (cause == KEPT) {
		run->parent = rdx_lineage_block(&p->lineage, index);
		return KEPT;
	}
	forget(p, index);
	rdx_lineage_rest(&p->lineage, index, 0);
	return cause;
}

/* A name that is remembered takes the content, adapter and salt of this run. */
static enum rdx_counter store_again(struct rdx_publisher *p, struct run *run, uint32_t at,
				    uint32_t index)
{
	uint32_t block = rdx_lineage_block(&p->lineage, index);
	enum rdx_counter cause;

	if (p->lineage.nodes[index].prefix != run->prefixes[at]) {
		forget(p, index);
		return store_new(p, run, at);
	}
	p->lineage.nodes[index].kind &= ~RDX_NODE_KIND_DOUBTED;
	set_space(p, index, run->space);
	cause = place_block(p, block, run->parent, run->stored->tier);
	if (cause == KEPT)
		cause = rdx_copies_add(p, index, run->stored->tier, run->local[at]);
	if (cause == KEPT)
		run->parent = block;
	return cause;
}

/* Block `at` of the chunk. A name that is held keeps its content, adapter and salt. */
static enum rdx_counter store_block(struct rdx_publisher *p, struct run *run, uint32_t at)
{
	const struct rdx_stored *stored = run->stored;
	const struct rdx_name_key *key = &run->chunk.keys[at];
	const struct rdx_node *node;
	enum rdx_counter cause;
	uint32_t index;

	if (stored->parent && keys_equal(key, &run->parent_key))
		return RDX_COUNTER_CONFLICTS; /* its own ancestor */
	index = rdx_names_find(&p->names, key);
	if (index == RDX_NODE_NONE)
		return store_new(p, run, at);
	run->knows_some = 1;
	node = rdx_lineage_settle(&p->lineage, index);
	if (!node->copies)
		return store_again(p, run, at, index);
	if (node->prefix != run->prefixes[at])
		return RDX_COUNTER_CONFLICTS;
	cause = rdx_copies_add(p, index, stored->tier, run->local[at]);
	if (cause == KEPT)
		run->parent = rdx_lineage_block(&p->lineage, index);
	return cause;
}

void rdx_store_forget(struct rdx_publisher *p, const struct rdx_name_key *key, int doubted)
{
	uint32_t index = rdx_names_find(&p->names, key);

	if (index == RDX_NODE_NONE)
		return;
	if (!rdx_lineage_settle(&p->lineage, index)->copies)
		forget(p, index);
	else if (doubted)
		rdx_copies_doubt(p, key, index);
}

/*
 * A block of the chunk is not represented. Where the name does not stand for this content, as far as
 * is known (`hashed`: the content is), what it stands for is doubted if it is held, else forgotten.
 */
static void drop_block(struct rdx_publisher *p, const struct run *run, uint32_t at, int hashed,
		       int doubted)
{
	const struct rdx_name_key *key = &run->chunk.keys[at];
	uint32_t index = rdx_names_find(&p->names, key);

	if (index != RDX_NODE_NONE) {
		const struct rdx_node *node = rdx_lineage_settle(&p->lineage, index);
		int differs = !hashed || node->prefix != run->prefixes[at];

		doubted |= differs && node->copies;
		if (differs && !node->copies) {
			forget(p, index);
			index = RDX_NODE_NONE;
		}
	}
	rdx_copies_lack(p, key, index, run->stored->tier, doubted);
}

/* Returns how many blocks of a loaded chunk are stored, before one is not for *ret_cause. */
static uint32_t store_chunk(struct rdx_publisher *p, struct run *run, uint32_t count,
			    enum rdx_counter *ret_cause)
{
	uint32_t at = 0;

	while (at < count && *ret_cause == KEPT) {
		*ret_cause = store_block(p, run, at);
		at += *ret_cause == KEPT;
	}
	unkeep_known(p, &run->chunk);
	empty_stock(p, run);
	/* the next chunk is probably like this one: if all its names are new too, nodes are taken for
	 * them while the lines of the table are on their way */
	p->stores_new = !run->knows_some;
	return at;
}

static uint32_t chunk_at(const struct rdx_stored *stored, uint32_t i)
{
	return stored->count - i < RDX_STORE_CHUNK ? stored->count - i : RDX_STORE_CHUNK;
}

static void store_run(struct rdx_publisher *p, struct run *run)
{
	const struct rdx_stored *stored = run->stored;
	uint32_t kept = run->parent, dropped = 0;
	enum rdx_counter cause = KEPT;

	rdx_lineage_keep(&p->lineage, kept);
	for (uint32_t i = 0; i < stored->count; i += RDX_STORE_CHUNK) {
		uint32_t count = chunk_at(stored, i), at = 0;

		if (cause == KEPT) {
			load_chunk(p, run, i, count);
			at = store_chunk(p, run, count, &cause);
		} else {
			load_names(p, &run->chunk, stored, i, count);
			hash_chunk(p, run, i, count);
		}
		/* the blocks after a dropped one are dropped with it */
		for (; at < count; at++, dropped++)
			drop_block(p, run, at, 1, cause == RDX_COUNTER_CONFLICTS && !dropped);
	}
	if (dropped)
		rdx_publisher_count(p, cause, dropped);
	rdx_lineage_unkeep(&p->lineage, kept);
}

static void drop_run(struct rdx_publisher *p, struct run *run, enum rdx_counter cause)
{
	const struct rdx_stored *stored = run->stored;

	for (uint32_t i = 0; i < stored->count; i += RDX_STORE_CHUNK) {
		uint32_t count = chunk_at(stored, i);

		load_names(p, &run->chunk, stored, i, count);
		for (uint32_t at = 0; at < count; at++)
			drop_block(p, run, at, 0, 0);
	}
	rdx_publisher_count(p, cause, stored->count);
}

/* The node with a prefix hash, which is a parent that was known last at `last`; made if there is
 * none. RDX_NODE_NONE: there is no room. */
static uint32_t find_parent(struct rdx_publisher *p, uint64_t prefix, uint32_t last, uint32_t depth)
{
	struct rdx_lineage *lineage = &p->lineage;
	uint32_t index;

	if (last < lineage->capacity && lineage->nodes[last].prefix == prefix &&
	    lineage->nodes[last].state & RDX_NODE_KNOWN)
		return rdx_lineage_block(lineage, last);
	index = rdx_lineage_filed(lineage, prefix);
	if (index != RDX_NODE_NONE)
		return index;
	index = take_node(p);
	if (index != RDX_NODE_NONE)
		rdx_lineage_make_apart(lineage, index, prefix, depth);
	return index;
}

/*
 * A block that only its name is given of gets its place and its local hash. Both come from its ledger
 * record, of which nothing is believed but what chains to the block's prefix hash.
 */
static enum rdx_counter recall_block(struct rdx_publisher *p, uint32_t block, uint8_t tier,
				     uint64_t *ret_local)
{
	struct rdx_lineage *lineage = &p->lineage;
	const struct rdx_node *node = rdx_lineage_settle(lineage, block);
	uint64_t local = rdx_word_load(&lineage->records[block].local);
	uint64_t parent = rdx_word_load(&lineage->records[block].parent), prefix;
	uint32_t above = RDX_NODE_ROOT;
	enum rdx_counter cause;

	rdx_hash_chain(&p->key, parent, &local, 1, &prefix);
	if (prefix != node->prefix)
		return RDX_COUNTER_UNKNOWN_NAMES;
	*ret_local = local;
	if (node->state & RDX_NODE_PLACED)
		return KEPT;
	if (parent) {
		above = find_parent(p, parent, node->parent, rdx_node_depth(node) - 1);
		if (above == RDX_NODE_NONE)
			return RDX_COUNTER_MAP_FULL;
	}
	cause = place_block(p, block, above, tier);
	if (cause != KEPT && above != RDX_NODE_ROOT)
		rdx_lineage_rest(lineage, above, 0); /* it may have been made for this */
	return cause;
}

static void store_name(struct rdx_publisher *p, const struct rdx_name_key *key, uint8_t tier)
{
	uint32_t index = rdx_names_find(&p->names, key);
	enum rdx_counter cause = KEPT;
	uint64_t local = 0;

	if (index == RDX_NODE_NONE || p->lineage.nodes[index].kind & RDX_NODE_KIND_DOUBTED)
		cause = RDX_COUNTER_UNKNOWN_NAMES;
	else if (!rdx_node_copies(rdx_lineage_settle(&p->lineage, index), tier))
		cause = recall_block(p, rdx_lineage_block(&p->lineage, index), tier, &local);
	if (cause == KEPT)
		cause = rdx_copies_add(p, index, tier, local);
	if (cause == KEPT)
		return;
	rdx_publisher_count(p, cause, 1);
	rdx_copies_lack(p, key, index, tier, 0);
}

/* Copies of blocks that are known by name. Each stands for itself. */
static void store_named(struct rdx_publisher *p, const struct rdx_stored *stored)
{
	struct chunk chunk;

	for (uint32_t i = 0; i < stored->count; i += RDX_STORE_CHUNK) {
		uint32_t count = chunk_at(stored, i);

		load_names(p, &chunk, stored, i, count);
		keep_known(p, &chunk, count);
		for (uint32_t at = 0; at < count; at++)
			store_name(p, &chunk.keys[at], stored->tier);
		unkeep_known(p, &chunk);
	}
}

/* The run's parent and namespace. Each part of it that is not given is inherited. */
static enum rdx_counter resolve_parent(struct rdx_publisher *p, const struct rdx_stored *stored,
				       struct run *run)
{
	uint64_t base = rdx_hash_seed(NULL, NULL), lora = 0, salt = 0;
	const struct rdx_node *node;
	uint32_t index;

	run->parent = RDX_NODE_ROOT;
	run->prefix = run->stock_count = 0;
	if (stored->parent) {
		rdx_names_key(&p->names, stored->parent, stored->name_bytes, stored->cache_group,
			      &run->parent_key);
		index = rdx_names_find(&p->names, &run->parent_key);
		if (index == RDX_NODE_NONE || p->lineage.nodes[index].kind & RDX_NODE_KIND_DOUBTED)
			return RDX_COUNTER_UNKNOWN_PARENTS;
		node = rdx_lineage_settle(&p->lineage, index);
		run->parent = rdx_lineage_block(&p->lineage, index);
		run->prefix = node->prefix;
		lora = p->spaces.parts[node->kind >> RDX_NODE_SPACE_SHIFT].lora;
		salt = p->spaces.parts[node->kind >> RDX_NODE_SPACE_SHIFT].salt;
	}
	if (stored->lora)
		lora = rdx_hash_seed(stored->lora, NULL) - base;
	if (stored->salt)
		salt = rdx_hash_seed(NULL, stored->salt) - base;
	run->tokens = (struct rdx_tokens){
		.seed = base + lora + salt,
		.ids = stored->tokens,
		.count = stored->token_count,
		.keys = stored->keys,
		.key_count = stored->key_count,
		.block_tokens = p->block_tokens,
		.overlap = stored->overlap,
	};
	run->key_at = 0;
	run->space = rdx_namespaces_enter(&p->spaces, lora, salt);
	if (run->space == RDX_NAMESPACES_NONE && rdx_enlarge_spaces(p) == 0)
		run->space = rdx_namespaces_enter(&p->spaces, lora, salt);
	return run->space == RDX_NAMESPACES_NONE ? RDX_COUNTER_MAP_FULL : KEPT;
}

void rdx_store(struct rdx_publisher *p, const struct rdx_stored *stored)
{
	enum rdx_counter cause = KEPT;
	struct run run;

	run.stored = stored;
	if (!stored->tokens && !stored->local_hashes) {
		store_named(p, stored);
		return;
	}
	if (stored->block_tokens && stored->block_tokens != p->block_tokens)
		cause = RDX_COUNTER_OTHER_BLOCK_SIZE;
	else if (stored->tokens &&
		 stored->token_count != (uint64_t)stored->count * p->block_tokens + stored->overlap)
		cause = RDX_COUNTER_MISMATCHED;
	else
		cause = resolve_parent(p, stored, &run);
	if (cause != KEPT) {
		drop_run(p, &run, cause);
		return;
	}
	store_run(p, &run);
	rdx_namespaces_leave(&p->spaces, run.space);
}
