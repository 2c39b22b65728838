/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that one rank holds, straight from the table.
 */
#include "consumer/index/index_handle.h"
#include "shm/clock.h"
#include "shm/entry.h"
#include "shm/version.h"
#include "shm/sized.h"

#include <errno.h>

static int find_rank(const struct rdx_lookup *l, uint64_t worker_id, uint32_t dp_rank)
{
	for (uint32_t seat = 0; seat < l->rank_count; seat++) {
		if (l->rank[seat].worker_id == worker_id && l->rank[seat].dp_rank == dp_rank)
			return (int)seat;
	}
	return -ENOENT;
}

static uint8_t tiers_of(const struct rdx_columns *columns, uint64_t mask)
{
	uint8_t tiers = 0;

	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		tiers |= (uint8_t)(((mask & rdx_column_bit(columns->column[tier])) != 0) << tier);
	return tiers;
}

static void walk(const struct rdx_table *table, const struct rdx_columns *columns,
		 void (*visit)(void *context, uint64_t prefix, uint8_t tiers), void *context)
{
	for (uint64_t at = 0; at < table->lines; at++) {
		const _Atomic uint64_t *line = rdx_table_line(table, at);

		for (uint32_t i = 0; i < RDX_LINE_KEYS; i++) {
			uint64_t key = rdx_word_load(line + i);
			uint64_t mask =
				rdx_word_load(line + RDX_LINE_KEYS * (1 + columns->word) + i);
			uint8_t tiers = tiers_of(columns, mask);

			if (!key)
				continue;
			RDX_HOOK(RDX_HOOK_WALK_KEY);
			if (tiers)
				visit(context, key, tiers);
		}
	}
}

int rdx_index_each(struct rdx_index *x, uint64_t worker_id, uint32_t dp_rank,
		   void (*visit)(void *context, uint64_t prefix, uint8_t tiers), void *context,
		   struct rdx_index_mark *ret_mark)
{
	struct rdx_lookup *l = &x->lookup;
	struct rdx_index_mark mark;
	uint64_t begun;
	int seat, r = rdx_sized_check(ret_mark);

	/* an empty lookup brings handle, columns and pulses up to date */
	if (r == 0)
		r = rdx_index_update(x, NULL, 0, rdx_clock_ns());
	if (r < 0)
		return r;
	seat = find_rank(l, worker_id, dp_rank);
	if (seat < 0)
		return seat;
	if (!l->rank[seat].columns.visible || l->pulse[seat].state != RDX_STATE_EXACT)
		return -ESTALE;
	mark.epoch = l->pulse[seat].epoch;
	mark.event_id = l->pulse[seat].event_id;
	walk(&l->table, &l->rank[seat].columns, visit, context);
	/* no event after the mark had begun: a walk that saw a change of one sees it in `begun` */
	begun = rdx_entry_begun(&l->live->entry[seat]);
	if (!rdx_version_same(l->live, l->table.mask_words, l->versions) || begun > mark.event_id)
		return -EAGAIN;
	if (rdx_mapping_poisoned(&x->ctl[x->ctl_now]) || rdx_mapping_poisoned(&x->gen[x->gen_now]))
		return -EBADMSG;
	rdx_sized_give(ret_mark, &mark, sizeof(mark));
	return 0;
}
