/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/index/lookup.h"
#include "shm/pulse.h"
#include "shm/sized.h"
#include "shm/version.h"

#include <errno.h>
#include <string.h>

static uint8_t known_state(uint64_t state, int visible)
{
	if (state > RDX_STATE_LACKING || (!visible && state == RDX_STATE_EXACT))
		return RDX_STATE_RECOVERING;
	return (uint8_t)state;
}

static uint8_t aged_state(uint8_t state, uint64_t age_ns, uint64_t stale_after_ns)
{
	int ages = state == RDX_STATE_EXACT || state == RDX_STATE_LACKING ||
		   state == RDX_STATE_INEXACT;

	return ages && age_ns > stale_after_ns ? RDX_STATE_STALE : state;
}

uint8_t rdx_lookup_state(uint64_t state, int visible, uint64_t age_ns, uint64_t stale_after_ns)
{
	return aged_state(known_state(state, visible), age_ns, stale_after_ns);
}

int rdx_lookup_seat(const struct rdx_lookup *l, uint64_t worker_id, uint32_t dp_rank)
{
	for (uint32_t seat = 0; seat < l->rank_count; seat++) {
		if (l->rank[seat].worker_id == worker_id && l->rank[seat].dp_rank == dp_rank)
			return (int)seat;
	}
	return -ENOENT;
}

static void refresh_rank(struct rdx_lookup *l, uint32_t seat)
{
	const struct rdx_index_identity *from = &l->live->identity[seat];
	struct rdx_lookup_rank *rank = &l->rank[seat];
	struct rdx_columns *columns = &l->columns[seat];
	int serves;

	rdx_column_unpack(rdx_word_load(&l->live->columns[seat]), columns);
	rank->worker_id = rdx_word_load(&from->worker_id);
	rank->dp_rank = (uint32_t)rdx_word_load(&from->dp_rank);
	rank->epoch = rdx_word_load(&from->epoch);
	rank->state = known_state(rdx_word_load(&from->state), columns->visible);
	serves = columns->visible && rank->state != RDX_STATE_RECOVERING &&
		 rank->state != RDX_STATE_GONE;
	rank->has_row = l->all_ranks ? rank->state != RDX_STATE_GONE : serves;
	rank->instance = l->instance[seat].text;
	rank->scan = serves && (columns->forced || columns->orphans || l->force_scan);
	if (serves)
		rdx_search_show(&l->search, seat, columns, rank->scan);
}

/* Copy what changes only under the version. A torn copy is found when that is compared again. */
static void refresh(struct rdx_lookup *l)
{
	uint64_t count = rdx_word_load(&l->live->rank_count);

	l->rank_count = count < RDX_RANKS_MAX ? (uint32_t)count : RDX_RANKS_MAX;
	l->strangers = 1;
	rdx_search_forget(&l->search);
	for (uint32_t seat = 0; seat < l->rank_count; seat++)
		refresh_rank(l, seat);
}

/* The ranks of this version. -EAGAIN. */
static int refresh_to(struct rdx_lookup *l, uint64_t version)
{
	if (l->cached && l->version == version && !(version & 1))
		return 0;
	refresh(l);
	l->version = version;
	l->cached = (uint32_t)rdx_version_same(l->live, version);
	return l->cached ? 0 : -EAGAIN;
}

/* The rows that there will be, with what may change at any time of their ranks. */
static void plan_rows(struct rdx_lookup *l)
{
	const struct rdx_search *s = &l->search;
	uint32_t count = l->all_ranks ? l->rank_count : s->holder_count, rows = 0;
	uint64_t newest_ns = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t seat = l->all_ranks ? i : s->holder[i];
		const struct rdx_index_pulse *pulse = &l->live->pulse[seat];
		uint64_t seen_ns;

		if (!l->rank[seat].has_row)
			continue;
		seen_ns = rdx_word_load(&pulse->seen_ns);
		newest_ns = seen_ns > newest_ns ? seen_ns : newest_ns;
		l->row[rows++] =
			(struct rdx_lookup_row){seat, seen_ns, rdx_word_load(&pulse->event_ns)};
	}
	l->row_count = rows;
	l->newest_ns = newest_ns;
}

int rdx_lookup_attempt(struct rdx_lookup *l, struct rdx_keys *keys)
{
	uint64_t epoch;
	int r;

	rdx_search_fetch(&l->search, keys);
	r = refresh_to(l, rdx_version_load(l->live));
	if (r < 0)
		return r;
	RDX_HOOK(RDX_HOOK_LOOKUP_COLUMNS);
	/* before the probes, so that they see the event that a row names: P1 */
	rdx_pulse_copy(l->live, l->rank_count, l->event_id);
	RDX_HOOK(RDX_HOOK_LOOKUP_PULSES);
	/* after the version: G2. After the event ids: a reader that sees an event of the next table
	 * (P1) sees its generation */
	if (rdx_generation_current(l->live) != l->generation)
		return -ESTALE;
	epoch = rdx_table_epoch(&l->search.table);
	r = rdx_search_run(&l->search, keys);
	if (r < 0)
		return r;
	RDX_HOOK(RDX_HOOK_LOOKUP_SEARCHED);
	/* only now, when it is known whose are needed: what they add is shown as it is, but is that
	 * of the version's ranks */
	plan_rows(l);
	if (!rdx_table_timely(&l->search.table, epoch))
		return -EAGAIN;
	if (!rdx_generation_kept(l->live, l->generation))
		return -ESTALE;
	return rdx_version_same(l->live, l->version) ? 0 : -EAGAIN;
}

/* A run over more tiers is never shorter: it is that of fewer ones, or what a column of the tiers
 * that were added reaches. */
static void fill_blocks(const struct rdx_search *s, uint32_t seat, uint32_t *ret_blocks)
{
	uint32_t run = 0;

	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		run = run > s->blocks[seat][tier] ? run : s->blocks[seat][tier];
		ret_blocks[tier] = run;
	}
}

/* Straight into the caller's memory, each field once. */
static void fill_run(const struct rdx_lookup *restrict l, const struct rdx_lookup_row *restrict row,
		     uint64_t now_ns, struct rdx_run *restrict ret_run)
{
	const struct rdx_lookup_rank *rank = &l->rank[row->seat];
	uint64_t age_ns = rdx_lookup_age(now_ns, row->seen_ns);

	ret_run->size = sizeof(*ret_run);
	ret_run->worker_id = rank->worker_id;
	ret_run->dp_rank = rank->dp_rank;
	ret_run->state = aged_state(rank->state, age_ns, l->stale_after_ns);
	ret_run->scanned = rank->scan;
	memset(ret_run->reserved, 0, sizeof(ret_run->reserved));
	fill_blocks(&l->search, row->seat, ret_run->blocks);
	ret_run->epoch = rank->epoch;
	ret_run->last_event_id = l->event_id[row->seat];
	ret_run->age_ns = age_ns;
	ret_run->event_age_ns = row->event_ns ? rdx_lookup_age(now_ns, row->event_ns) : UINT64_MAX;
	ret_run->instance = rank->instance;
}

int rdx_lookup_rows(const struct rdx_lookup *l, uint64_t now_ns, struct rdx_run *ret_runs,
		    uint32_t capacity)
{
	uint8_t *at = (uint8_t *)ret_runs;
	struct rdx_run run;
	uint64_t size;

	if (l->row_count > capacity)
		return -ENOSPC;
	size = l->row_count ? ret_runs->size : 0;
	if (size == sizeof(run)) {
		for (uint32_t i = 0; i < l->row_count; i++)
			fill_run(l, &l->row[i], now_ns, &ret_runs[i]);
		return (int)l->row_count;
	}
	for (uint32_t i = 0; i < l->row_count; i++, at += size) {
		fill_run(l, &l->row[i], now_ns, &run);
		rdx_sized_fill(at, size, &run, sizeof(run));
	}
	return (int)l->row_count;
}
