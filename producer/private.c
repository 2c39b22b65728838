/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/private.h"

#include "shm/segment_layout.h"

#include <errno.h>

#define NAMESPACES_FIRST 256

/* Of the tables to come, touched for each name that comes: all are before a quarter more names came than
 * the present ones are made for. */
#define TABLE_BYTES_A_NAME 256
#define MOVE_AHEAD         16 /* lines prefetched ahead while entries are moved */

/* Of the names, then of the lineage. Lines of both are whole. */
static uint64_t tables_bytes(uint32_t keys)
{
	return rdx_names_bytes(keys) + rdx_lineage_table_bytes(keys);
}

/* What does not grow: the event being collected, what is lacking, and what is above the hand's words. */
static uint64_t rest_bytes(const struct rdx_publisher *p)
{
	return p->pending.removed_max * (2 * sizeof(uint64_t) + sizeof(uint32_t)) +
	       rdx_hand_some_bytes((uint32_t)p->names_max) + rdx_lacking_bytes(p->tier_blocks);
}

static uint32_t namespaces_most(const struct rdx_publisher *p)
{
	/* each has a name, but number 0 and that of a call in progress */
	return p->names_max + 2 < RDX_NAMESPACES_MAX ? (uint32_t)p->names_max + 2
						     : RDX_NAMESPACES_MAX;
}

static uint32_t namespaces_first(const struct rdx_publisher *p)
{
	return namespaces_most(p) < NAMESPACES_FIRST ? namespaces_most(p) : NAMESPACES_FIRST;
}

static int reserve(struct rdx_publisher *p, uint32_t names)
{
	struct rdx_private *memory = &p->memory;
	uint32_t most = (uint32_t)p->names_max;
	int r = rdx_area_reserve(&memory->nodes, most * (uint64_t)sizeof(struct rdx_node));

	if (r == 0)
		r = rdx_area_reserve(&memory->hand, rdx_hand_bytes(most));
	if (r == 0)
		r = rdx_area_reserve(&memory->tables, tables_bytes(names));
	if (r == 0)
		r = rdx_area_reserve(&memory->spaces, rdx_namespaces_bytes(namespaces_most(p)));
	if (r == 0)
		r = rdx_area_reserve(&memory->rest, rest_bytes(p));
	if (r < 0)
		rdx_private_free(p);
	return r;
}

int rdx_private_reserve(struct rdx_publisher *p, uint32_t names)
{
	int r = reserve(p, names);

	if (r != -ENOMEM || p->names_max == names)
		return r;
	p->names_max = names; /* it cannot grow */
	return reserve(p, names);
}

int rdx_private_touch(struct rdx_publisher *p, uint32_t names)
{
	struct rdx_private *memory = &p->memory;
	int r = rdx_area_touch(&memory->nodes, names * (uint64_t)sizeof(struct rdx_node));

	if (r == 0)
		r = rdx_area_touch(&memory->hand, rdx_hand_bytes(names));
	if (r == 0)
		r = rdx_area_touch(&memory->tables, tables_bytes(names));
	if (r == 0)
		r = rdx_area_touch(&memory->spaces, rdx_namespaces_bytes(namespaces_first(p)));
	if (r == 0)
		r = rdx_area_touch(&memory->rest, rest_bytes(p));
	memory->keys = names;
	return r;
}

void rdx_private_wipe(struct rdx_publisher *p)
{
	struct rdx_private *memory = &p->memory;

	rdx_area_wipe(&memory->nodes);
	rdx_area_wipe(&memory->hand);
	rdx_area_wipe(&memory->tables);
	rdx_area_free(&memory->coming);
	rdx_area_free(&memory->before);
	rdx_area_wipe(&memory->spaces);
	rdx_area_wipe(&memory->rest);
}

void rdx_private_free(struct rdx_publisher *p)
{
	struct rdx_private *memory = &p->memory;

	rdx_area_free(&memory->nodes);
	rdx_area_free(&memory->hand);
	rdx_area_free(&memory->tables);
	rdx_area_free(&memory->coming);
	rdx_area_free(&memory->before);
	rdx_area_free(&memory->spaces);
	rdx_area_free(&memory->rest);
}

static void lay_out_rest(struct rdx_publisher *p)
{
	struct rdx_pending *pending = &p->pending;
	uint8_t *at = p->memory.rest.base;

	rdx_lacking_init(&p->lacking, at, p->tier_blocks);
	pending->hashes = (uint64_t *)(at + rdx_lacking_bytes(p->tier_blocks));
	pending->words = pending->hashes + pending->removed_max;
	pending->records = (uint32_t *)((uint8_t *)(pending->words + pending->removed_max) +
					rdx_hand_some_bytes((uint32_t)p->names_max));
}

void rdx_private_start(struct rdx_publisher *p, const uint64_t *key)
{
	struct rdx_private *memory = &p->memory;
	uint32_t names = (uint32_t)p->owner.ledger.count;
	struct rdx_lineage_memory lineage = {
		.nodes = (struct rdx_node *)memory->nodes.base,
		.table = memory->tables.base + rdx_names_bytes(memory->keys),
		.keys = memory->keys,
		.hand = (struct rdx_hand_word *)memory->hand.base,
	};

	lay_out_rest(p);
	lineage.some = p->pending.words + p->pending.removed_max;
	rdx_lineage_init(&p->lineage, &lineage, names, p->owner.ledger.records);
	rdx_names_init(&p->names, memory->tables.base, memory->keys, key, p->lineage.nodes);
	rdx_namespaces_init(&p->spaces, memory->spaces.base, namespaces_first(p));
}

/* The tables that were made beside those in use take their place. */
static void change_tables(struct rdx_publisher *p)
{
	struct rdx_private *memory = &p->memory;
	uint32_t nodes = p->lineage.capacity;

	rdx_area_free(&memory->before); /* of what there were before these: little, if anything */
	memory->before = memory->tables;
	memory->tables = memory->coming;
	memory->coming = (struct rdx_area){.base = NULL};
	memory->keys = memory->coming_keys;
	rdx_filing_extend(&p->names.filing, memory->tables.base, memory->keys, nodes);
	rdx_filing_extend(&p->lineage.filing, memory->tables.base + rdx_names_bytes(memory->keys),
			  memory->keys, nodes);
}

void rdx_private_move_now(struct rdx_publisher *p, uint32_t count)
{
	struct rdx_filing *names = &p->names.filing, *filed = &p->lineage.filing;

	while (count--) {
		const struct rdx_node *node = &p->lineage.nodes[names->moved];

		if (names->left > MOVE_AHEAD)
			rdx_filing_prefetch(names, rdx_names_hash_of(&p->names, node + MOVE_AHEAD));
		rdx_filing_move(names, node->kind & RDX_NODE_KIND_NAMED,
				rdx_names_hash_of(&p->names, node));
		rdx_filing_move(filed, node->state & RDX_NODE_FILED, node->prefix);
	}
}

void rdx_private_shrink(struct rdx_publisher *p)
{
	if (!p->names.filing.left)
		rdx_area_shrink(&p->memory.before);
}

/* Tables for as many names again come in steps; at once, `now`, where so many steps were too few. */
static int extend_tables(struct rdx_publisher *p, uint32_t names, int now)
{
	struct rdx_private *memory = &p->memory;
	uint64_t keys = 2 * (uint64_t)names, bytes, touch;
	int r;

	if (!memory->coming.base) {
		memory->coming_keys = (uint32_t)(keys < p->names_max ? keys : p->names_max);
		r = rdx_area_reserve(&memory->coming, tables_bytes(memory->coming_keys));
		if (r < 0)
			return r;
	}
	bytes = tables_bytes(memory->coming_keys);
	touch = memory->coming.touched +
		(names - p->lineage.capacity) * (uint64_t)TABLE_BYTES_A_NAME;
	r = rdx_area_extend(&memory->coming, now || touch > bytes ? bytes : touch);
	if (r == 0 && memory->coming.touched >= bytes)
		change_tables(p);
	return r;
}

int rdx_private_extend(struct rdx_publisher *p, uint32_t names)
{
	struct rdx_private *memory = &p->memory;
	int now = names > rdx_buckets_most(memory->keys);
	int r = rdx_area_extend(&memory->nodes, names * (uint64_t)sizeof(struct rdx_node));

	if (r == 0)
		r = rdx_area_extend(&memory->hand, rdx_hand_bytes(names));
	if (r == 0 && now)
		rdx_private_move(p, UINT32_MAX);
	if (r == 0 && names > memory->keys && !p->names.filing.left)
		r = extend_tables(p, names, now);
	rdx_private_shrink(p);
	return r;
}

int rdx_private_extend_spaces(struct rdx_publisher *p)
{
	struct rdx_area *area = &p->memory.spaces;
	uint32_t most = namespaces_most(p), first = p->spaces.capacity;
	uint32_t capacity = first + NAMESPACES_FIRST < most ? first + NAMESPACES_FIRST : most;
	int r = capacity == first ? -ENOMEM : rdx_area_extend(area, rdx_namespaces_bytes(capacity));

	if (r == 0)
		p->spaces.capacity = capacity;
	return r;
}
