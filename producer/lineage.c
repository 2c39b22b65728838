/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/lineage.h"

/* A node's generations are settled at the latest when this many clears of a tier have followed. */
#define CLEARS_A_ROUND 200

#define GENERATIONS  255 /* of a tier, before one comes round */
#define SWEEP_STEP   64  /* nodes settled at once in search of one to take */
#define SWEEP_AHEAD  8   /* nodes prefetched ahead of the sweep */
#define BRANCH_AHEAD 6   /* nodes prefetched ahead on a branch, if they lie one by one */

uint64_t rdx_lineage_table_bytes(uint32_t capacity)
{
	return rdx_buckets_lines(capacity) * RDX_BUCKETS_LINE_BYTES;
}

void rdx_lineage_init(struct rdx_lineage *lineage, const struct rdx_lineage_memory *memory,
		      uint32_t capacity, struct rdx_ledger_record *records)
{
	*lineage = (struct rdx_lineage){
		.nodes = memory->nodes,
		.records = records,
		.capacity = capacity,
		.generations = RDX_LEDGER_GENERATIONS_FIRST,
	};
	rdx_filing_init(&lineage->filing, memory->table, memory->keys);
	rdx_hand_init(&lineage->hand, memory->hand, memory->some);
	rdx_hand_extend(&lineage->hand, capacity);
}

void rdx_lineage_extend(struct rdx_lineage *lineage, uint32_t capacity)
{
	uint32_t more = capacity - lineage->capacity;

	rdx_lineage_sweep(lineage, more);
	/* the new ones are on the way of the sweep, if it comes to the end */
	if (lineage->unswept)
		lineage->unswept += more;
	lineage->capacity = capacity;
	rdx_hand_extend(&lineage->hand, capacity);
}

static void file(struct rdx_lineage *lineage, uint32_t index)
{
	struct rdx_node *node = &lineage->nodes[index];

	if (node->state & RDX_NODE_FILED)
		return;
	node->state |= RDX_NODE_FILED;
	rdx_filing_insert(&lineage->filing, node->prefix, index);
}

static void unfile(struct rdx_lineage *lineage, uint32_t index)
{
	struct rdx_node *node = &lineage->nodes[index];

	if (!(node->state & RDX_NODE_FILED))
		return;
	node->state &= ~RDX_NODE_FILED;
	rdx_filing_remove(&lineage->filing, node->prefix, index);
}

void rdx_lineage_place(struct rdx_lineage *lineage, uint32_t index, uint32_t parent)
{
	struct rdx_node *node = &lineage->nodes[index], *above;

	assert(!(node->state & (RDX_NODE_PLACED | RDX_NODE_ALIAS)));
	if (node->state & RDX_NODE_FILED) /* it was known, without a place */
		lineage->unplaced--;
	node->state |= RDX_NODE_PLACED;
	node->parent = parent;
	if (parent == RDX_NODE_ROOT) {
		file(lineage, index);
		return;
	}
	above = &lineage->nodes[parent];
	if (above->children++ == 0 && rdx_node_is_idle(above))
		rdx_hand_keep(&lineage->hand, parent);
	/* while any node has no place its parent must be found by its prefix hash alone, if it
	 * comes after it */
	if (above->first == RDX_NODE_NONE && !lineage->unplaced &&
	    !(node->state & RDX_NODE_FILED)) {
		above->first = index;
		return;
	}
	above->state |= RDX_NODE_BRANCHED;
	file(lineage, index);
}

static struct rdx_node *start_node(struct rdx_lineage *lineage, uint32_t index, uint64_t prefix,
				   uint32_t depth, uint32_t state)
{
	struct rdx_node *node = &lineage->nodes[index];

	*node = (struct rdx_node){
		.prefix = prefix,
		.parent = RDX_NODE_ROOT,
		.first = RDX_NODE_NONE,
		.state = depth << RDX_NODE_DEPTH_SHIFT | state,
		.generations = lineage->generations,
	};
	return node;
}

void rdx_lineage_make(struct rdx_lineage *lineage, uint32_t index, uint64_t prefix, uint32_t parent)
{
	uint32_t depth = parent == RDX_NODE_ROOT ? 0 : rdx_node_depth(&lineage->nodes[parent]) + 1;

	start_node(lineage, index, prefix, depth, 0);
	rdx_lineage_place(lineage, index, parent);
}

void rdx_lineage_make_apart(struct rdx_lineage *lineage, uint32_t index, uint64_t prefix,
			    uint32_t depth)
{
	start_node(lineage, index, prefix, depth, 0);
	lineage->unplaced++;
	file(lineage, index);
}

void rdx_lineage_make_alias(struct rdx_lineage *lineage, uint32_t index, uint32_t block)
{
	struct rdx_node *first = &lineage->nodes[block];

	start_node(lineage, index, first->prefix, rdx_node_depth(first), RDX_NODE_ALIAS)->parent =
		block;
	rdx_lineage_keep(lineage, block);
}

/* The node loses a child, or an alias. Returns it where it is now idle and without children. */
static uint32_t leave_parent(struct rdx_lineage *lineage, uint32_t parent, uint32_t child)
{
	struct rdx_node *above = &lineage->nodes[parent];

	assert(above->children > 0);
	if (above->first == child)
		above->first = RDX_NODE_NONE;
	if (--above->children)
		return RDX_NODE_NONE;
	above->state &= ~RDX_NODE_BRANCHED;
	return rdx_node_is_idle(above) ? parent : RDX_NODE_NONE;
}

void rdx_lineage_unplace(struct rdx_lineage *lineage, uint32_t index)
{
	struct rdx_node *node = &lineage->nodes[index];
	uint32_t parent = node->parent;

	if (parent == RDX_NODE_ROOT || !(node->state & RDX_NODE_PLACED))
		return;
	node->state &= ~RDX_NODE_PLACED;
	lineage->unplaced++;
	file(lineage, index);
	parent = leave_parent(lineage, parent, index);
	if (parent != RDX_NODE_NONE)
		rdx_hand_offer(&lineage->hand, parent, 1);
}

uint32_t rdx_lineage_unhook(struct rdx_lineage *lineage, uint32_t index)
{
	struct rdx_node *node = &lineage->nodes[index];
	uint32_t state = node->state;

	if (!(state & RDX_NODE_KNOWN))
		return RDX_NODE_NONE;
	assert(node->children == 0 && rdx_node_is_idle(node));
	unfile(lineage, index);
	node->state = 0;
	if (!(state & (RDX_NODE_ALIAS | RDX_NODE_PLACED))) {
		lineage->unplaced--;
		return RDX_NODE_NONE;
	}
	if (node->parent == RDX_NODE_ROOT)
		return RDX_NODE_NONE;
	rdx_lineage_settle(lineage, node->parent); /* it may be idle */
	return leave_parent(lineage, node->parent, index);
}

/* Nodes of a branch, which lie one by one as a run's do, from `first` to `end` steps ahead. */
RDX_PREFETCHES void prefetch_branch(const struct rdx_lineage *lineage, uint32_t from, uint32_t to,
				    uint32_t first, uint32_t end)
{
	uint32_t step = to - from; /* 1, or less than 0 */

	for (uint32_t i = first; i < end && (step == 1 || step == UINT32_MAX); i++) {
		if (to + i * step < lineage->capacity)
			__builtin_prefetch(&lineage->nodes[to + i * step], 1);
	}
}

uint32_t rdx_lineage_take(struct rdx_lineage *lineage, uint32_t *ret_nodes, uint32_t count)
{
	uint32_t next = RDX_NODE_NONE, got = 0;

	while (got < count) {
		uint32_t node = next, known = BRANCH_AHEAD - 1;

		if (node == RDX_NODE_NONE) {
			node = rdx_hand_take(&lineage->hand);
			known = 0;
		}
		if (node == RDX_HAND_NONE) {
			if (!lineage->unswept)
				break;
			rdx_lineage_sweep_now(lineage, SWEEP_STEP);
			continue;
		}
		next = rdx_lineage_unhook(lineage, node);
		if (next != RDX_NODE_NONE)
			prefetch_branch(lineage, node, next, known, BRANCH_AHEAD);
		ret_nodes[got++] = node;
	}
	if (next != RDX_NODE_NONE)
		rdx_hand_offer(&lineage->hand, next, 0);
	return got;
}

void rdx_lineage_count_orphans(struct rdx_lineage *lineage, const struct rdx_node *node, int from,
			       int to, int comes)
{
	uint64_t sign = comes ? 1 : UINT64_MAX;
	uint64_t children = 0; /* held in the set */
	int parent_in = 0;

	if (node->parent != RDX_NODE_ROOT)
		parent_in = rdx_node_nearest(&lineage->nodes[node->parent]);
	for (int set = 0; set < to; set++) {
		children += node->held[set] & RDX_NODE_LOW_MASK;
		if (set >= from)
			lineage->orphans[set] += sign * ((set < parent_in) - children);
	}
}

void rdx_lineage_lose(struct rdx_lineage *lineage, uint32_t index)
{
	const struct rdx_node *node = &lineage->nodes[index];

	if (rdx_node_has_held_children(node))
		rdx_lineage_unplace(lineage, index);
	else
		rdx_lineage_rest(lineage, index, 1);
}

/* Was it settled before the newest clear of all? Generations of tier 0 tell. */
static int is_of_older_life(const struct rdx_lineage *lineage, uint32_t generations)
{
	uint32_t age =
		((lineage->generations & 0xff) + GENERATIONS - (generations & 0xff)) % GENERATIONS;

	return age > lineage->since;
}

/* Nothing of it is counted any more. Its place stays. */
static void start_anew(struct rdx_lineage *lineage, uint32_t index)
{
	struct rdx_node *node = &lineage->nodes[index];
	int was_idle = rdx_node_is_idle(node);

	node->copies = 0;
	node->state &= ~RDX_NODE_TIERS;
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		node->held[tier] = 0;
	if (!was_idle)
		rdx_lineage_rest(lineage, index, 1);
}

/* Drop it from the tiers whose bytes are set in `stale`. */
static void drop_stale(struct rdx_lineage *lineage, uint32_t index, uint32_t stale)
{
	struct rdx_node *node = &lineage->nodes[index];

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		int before = rdx_node_nearest(node);

		if (!(stale >> 8 * tier & 0xff) || !(node->state >> tier & 1))
			continue;
		node->copies &= ~(RDX_NODE_COPIES_MAX * rdx_node_one_copy(tier));
		node->held[tier] &= RDX_NODE_LOW_MASK;
		node->state &= ~(1u << tier);
		lineage->held[tier]--;
		lineage->doomed[tier]--;
		if (tier == before)
			rdx_lineage_move(lineage, node, before, rdx_node_nearest(node));
	}
	if (!rdx_node_tiers(node))
		rdx_lineage_lose(lineage, index);
}

static void settle_alias(struct rdx_lineage *lineage, uint32_t index, uint32_t stale)
{
	struct rdx_node *node = &lineage->nodes[index];
	uint64_t copies = node->copies;

	rdx_lineage_settle(lineage, node->parent);
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (stale >> 8 * tier & 0xff)
			node->copies &= ~(RDX_NODE_COPIES_MAX * rdx_node_one_copy(tier));
	}
	if (copies && !node->copies)
		rdx_lineage_rest(lineage, index, 1);
}

void rdx_lineage_settle_now(struct rdx_lineage *lineage, uint32_t index)
{
	struct rdx_node *node = &lineage->nodes[index];
	uint32_t stale = node->generations ^ lineage->generations;
	int older = is_of_older_life(lineage, node->generations);
	uint8_t tiers = rdx_node_tiers(node);

	node->generations = lineage->generations;
	if (node->state & RDX_NODE_ALIAS) {
		settle_alias(lineage, index, older ? UINT32_MAX : stale);
		return;
	}
	if (!(node->state & RDX_NODE_KNOWN))
		return;
	if (older)
		start_anew(lineage, index);
	else if (tiers)
		drop_stale(lineage, index, stale);
	if (!tiers)
		return;
	/* a generation that comes round must not find its byte */
	rdx_ledger_mark(&lineage->records[index],
			rdx_ledger_word(node->prefix, rdx_node_tiers(node), node->generations));
}

void rdx_lineage_sweep_now(struct rdx_lineage *lineage, uint32_t count)
{
	for (; count && lineage->unswept; count--, lineage->unswept--) {
		uint32_t ahead = lineage->swept + SWEEP_AHEAD;

		if (ahead < lineage->capacity)
			__builtin_prefetch(&lineage->nodes[ahead], 1);
		rdx_lineage_settle(lineage, lineage->swept);
		lineage->swept = lineage->swept + 1 == lineage->capacity ? 0 : lineage->swept + 1;
	}
}

void rdx_lineage_clear(struct rdx_lineage *lineage, uint8_t scope)
{
	rdx_lineage_sweep(lineage, lineage->capacity / CLEARS_A_ROUND + 1);
	lineage->generations = rdx_ledger_next(lineage->generations, scope);
	lineage->unswept = lineage->capacity;
	if (scope == RDX_SCOPE_ALL) {
		lineage->since = 0;
		for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
			lineage->held[tier] = lineage->doomed[tier] = lineage->orphans[tier] = 0;
		return;
	}
	lineage->doomed[scope] = lineage->held[scope];
	if (scope == 0 && lineage->since < GENERATIONS - 1)
		lineage->since++;
}
