/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/copies.h"

#include "producer/enlarge.h"

enum rdx_counter rdx_copies_room(struct rdx_publisher *p, uint32_t block, uint8_t tier)
{
	uint32_t holders = rdx_node_holders(&p->lineage.nodes[block], tier);

	if (holders == RDX_NODE_HOLDERS_MAX)
		return RDX_COUNTER_MAP_FULL;
	if (!holders && rdx_lineage_held(&p->lineage, tier) >= p->tier_blocks[tier] &&
	    !rdx_enlarge_has_spare(p, tier))
		return RDX_COUNTER_LEDGER_FULL;
	return RDX_COPIES_KEPT;
}

/* One more name holds the block in the tier. */
static enum rdx_counter hold_block(struct rdx_publisher *p, uint32_t block, uint8_t tier,
				   uint64_t local)
{
	enum rdx_counter cause = rdx_copies_room(p, block, tier);

	if (cause != RDX_COPIES_KEPT)
		return cause;
	if (rdx_node_holders(&p->lineage.nodes[block], tier)) {
		rdx_lineage_hold(&p->lineage, block, tier);
		return RDX_COPIES_KEPT;
	}
	rdx_emit_before_stored(p, tier, block);
	rdx_lineage_hold(&p->lineage, block, tier);
	rdx_emit_stored(p, tier, block, local);
	return RDX_COPIES_KEPT;
}

/* The name got `more` copies besides those that it has. */
static void repeat(struct rdx_publisher *p, struct rdx_node *node, uint8_t tier, uint64_t more)
{
	uint64_t room = RDX_NODE_COPIES_MAX - rdx_node_copies(node, tier);

	if (p->report_mode == RDX_REPORT_PRESENCE || !more)
		return;
	if (p->report_mode == RDX_REPORT_MIXED || more > room)
		rdx_publisher_mark(p, RDX_INEXACT_UNKNOWN, (uint8_t)(1 << tier));
	node->copies += rdx_node_one_copy(tier) * (more < room ? more : room);
}

static struct rdx_name_key key_of(const struct rdx_publisher *p, const struct rdx_node *node)
{
	return (struct rdx_name_key){
		.name = node->name,
		.hash = rdx_names_hash_of(&p->names, node),
		.kind = node->kind & RDX_NODE_KIND_NAME,
	};
}

/* The copies of an entry are represented now, or gone; its doubts are over when the last copy of the
 * name is, which it may be kept for. */
static void settle_entry(struct rdx_publisher *p, struct rdx_lacking_entry *entry, uint8_t tier,
			 int kept)
{
	entry->copies = 0;
	if (!entry->doubted || !kept)
		rdx_lacking_delete(&p->lacking, tier, entry);
	rdx_publisher_judge(p);
}

/* The name was stored: what was lacking of it is represented. After the store, so that no event
 * before it says so. */
static void take_over(struct rdx_publisher *p, struct rdx_node *node, uint8_t tier)
{
	struct rdx_name_key key = key_of(p, node);
	struct rdx_lacking_entry *entry = rdx_lacking_find(&p->lacking, tier, &key);

	if (!entry)
		return;
	repeat(p, node, tier, entry->copies);
	settle_entry(p, entry, tier, 1);
}

enum rdx_counter rdx_copies_add(struct rdx_publisher *p, uint32_t index, uint8_t tier,
				uint64_t local)
{
	struct rdx_node *node = &p->lineage.nodes[index];
	enum rdx_counter cause;

	if (rdx_node_copies(node, tier)) {
		rdx_publisher_count(p, RDX_COUNTER_REPEATS, 1);
		repeat(p, node, tier, 1);
	} else {
		cause = hold_block(p, rdx_lineage_block(&p->lineage, index), tier, local);
		if (cause != RDX_COPIES_KEPT)
			return cause;
		if (node->state & RDX_NODE_ALIAS && !node->copies && !node->children)
			rdx_hand_keep(&p->lineage.hand, index);
		node->copies += rdx_node_one_copy(tier);
	}
	if (__builtin_expect(p->lacking.sets[tier].count != 0, 0))
		take_over(p, node, tier);
	return RDX_COPIES_KEPT;
}

/* The name has no copy in the tier any more: nor is what was said of it doubted. */
static void lose_last(struct rdx_publisher *p, const struct rdx_node *node, uint8_t tier)
{
	struct rdx_name_key key = key_of(p, node);
	struct rdx_lacking_entry *entry = rdx_lacking_find(&p->lacking, tier, &key);

	if (entry && (!entry->copies || p->report_mode == RDX_REPORT_PRESENCE))
		settle_entry(p, entry, tier, 0);
}

void rdx_copies_remove(struct rdx_publisher *p, uint32_t index, uint8_t tier)
{
	struct rdx_lineage *lineage = &p->lineage;
	struct rdx_node *node = &lineage->nodes[index];
	uint32_t block = rdx_lineage_block(lineage, index);
	int is_last;

	node->copies -= rdx_node_one_copy(tier);
	if (rdx_node_copies(node, tier))
		return;
	is_last = rdx_node_holders(&lineage->nodes[block], tier) == 1;
	if (is_last)
		rdx_emit_before_removed(p, tier, rdx_node_depth(&lineage->nodes[block]));
	rdx_lineage_drop(lineage, block, tier);
	if (is_last)
		rdx_emit_removed(p, tier, block);
	if (node->state & RDX_NODE_ALIAS)
		rdx_lineage_rest(lineage, index, 1);
	if (__builtin_expect(p->lacking.sets[tier].count != 0, 0))
		lose_last(p, node, tier);
}

/* The copies that an entry has more, or that are known only now. */
static void lack(struct rdx_publisher *p, const struct rdx_name_key *key, uint8_t tier,
		 uint32_t copies, int doubted)
{
	struct rdx_lacking_entry *entry = rdx_lacking_add(&p->lacking, tier, key);
	uint8_t how = doubted ? RDX_INEXACT_UNKNOWN : RDX_INEXACT_LACKING;

	if (!entry) {
		rdx_publisher_mark(p, how, (uint8_t)(1 << tier));
		return;
	}
	if (copies > UINT32_MAX - entry->copies)
		copies = UINT32_MAX - entry->copies;
	if (p->report_mode == RDX_REPORT_PRESENCE)
		entry->copies |= copies != 0;
	else
		entry->copies += copies;
	if (doubted)
		rdx_lacking_doubt(&p->lacking, tier, entry);
	rdx_publisher_judge(p);
}

void rdx_copies_lack(struct rdx_publisher *p, const struct rdx_name_key *key, uint32_t index,
		     uint8_t tier, int doubted)
{
	lack(p, key, tier, 1, doubted);
	if (doubted && index != RDX_NODE_NONE)
		rdx_copies_doubt(p, key, index);
}

void rdx_copies_doubt(struct rdx_publisher *p, const struct rdx_name_key *key, uint32_t index)
{
	p->lineage.nodes[index].kind |= RDX_NODE_KIND_DOUBTED;
	for (uint8_t other = 0; other < RDX_TIER_COUNT; other++) {
		if (rdx_node_copies(&p->lineage.nodes[index], other))
			lack(p, key, other, 0, 1);
	}
}

static int is_held(struct rdx_publisher *p, uint32_t index, uint8_t tier)
{
	return index != RDX_NODE_NONE && tier < RDX_TIER_COUNT &&
	       rdx_node_copies(rdx_lineage_settle(&p->lineage, index), tier);
}

int rdx_copies_take(struct rdx_publisher *p, const struct rdx_name_key *key, uint32_t index,
		    uint8_t tier)
{
	struct rdx_lacking_entry *entry;

	if (is_held(p, index, tier)) {
		rdx_copies_remove(p, index, tier);
		return 1;
	}
	entry = rdx_lacking_find(&p->lacking, tier, key);
	if (!entry)
		return 0;
	if (--entry->copies == 0)
		settle_entry(p, entry, tier, 0);
	return 1;
}

/* Copies of a held name that are left: those that an entry had of it are among them. */
static void leave_held(struct rdx_publisher *p, const struct rdx_name_key *key, uint32_t index,
		       uint8_t tier, uint32_t left)
{
	struct rdx_node *node = &p->lineage.nodes[index];
	struct rdx_lacking_entry *entry = rdx_lacking_find(&p->lacking, tier, key);

	if (entry)
		settle_entry(p, entry, tier, 1);
	node->copies -= rdx_node_one_copy(tier) * (rdx_node_copies(node, tier) - 1);
	if (!left) {
		rdx_copies_remove(p, index, tier);
		return;
	}
	if (p->report_mode == RDX_REPORT_PRESENCE)
		left = 1;
	if (left > RDX_NODE_COPIES_MAX) {
		rdx_publisher_mark(p, RDX_INEXACT_UNKNOWN, (uint8_t)(1 << tier));
		left = RDX_NODE_COPIES_MAX;
	}
	node->copies += rdx_node_one_copy(tier) * (left - 1);
}

int rdx_copies_leave(struct rdx_publisher *p, const struct rdx_name_key *key, uint32_t index,
		     uint8_t tier, uint32_t left)
{
	struct rdx_lacking_entry *entry;
	int known;

	if (is_held(p, index, tier)) {
		leave_held(p, key, index, tier, left);
		return 1;
	}
	entry = rdx_lacking_find(&p->lacking, tier, key);
	known = entry != NULL;
	if (entry && !left)
		settle_entry(p, entry, tier, 0);
	else if (entry)
		entry->copies = 0;
	if (left)
		lack(p, key, tier, left, 0);
	return known;
}
