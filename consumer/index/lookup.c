/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/index/lookup.h"
#include "shm/prefetch.h"
#include "shm/pulse.h"
#include "shm/sized.h"
#include "shm/version.h"

#include <errno.h>

/* Copy the columns. A torn copy is found when the version is compared again. */
static void refresh(struct rdx_lookup *l)
{
	uint64_t count = rdx_word_load(&l->live->rank_count);

	l->rank_count = count < RDX_RANKS_MAX ? (uint32_t)count : RDX_RANKS_MAX;
	rdx_search_forget(&l->search);
	for (uint32_t seat = 0; seat < l->rank_count; seat++) {
		struct rdx_lookup_rank *rank = &l->rank[seat];

		rdx_column_unpack(rdx_word_load(&l->live->columns[seat]), &rank->columns);
		rank->scan = rank->columns.forced || rank->columns.orphans || l->force_scan;
		if (rank->columns.visible)
			rdx_search_show(&l->search, seat, &rank->columns, rank->scan);
	}
}

/* The columns of this version. -EAGAIN. */
static int refresh_to(struct rdx_lookup *l, uint64_t version)
{
	if (l->cached && l->version == version && !(version & 1))
		return 0;
	refresh(l);
	l->version = version;
	l->cached = (uint32_t)rdx_version_same(l->live, version);
	return l->cached ? 0 : -EAGAIN;
}

void rdx_lookup_read_pulse(struct rdx_lookup *l, uint32_t seat)
{
	const struct rdx_index_pulse *from = &l->live->pulse[seat];

	l->pulse[seat] = (struct rdx_lookup_pulse){
		.worker_id = rdx_word_load(&from->worker_id),
		.dp_rank = (uint32_t)rdx_word_load(&from->dp_rank),
		.epoch = rdx_word_load(&from->epoch),
		.state = (uint8_t)rdx_word_load(&from->state),
		.seen_ns = rdx_word_load(&from->seen_ns),
		.event_ns = rdx_word_load(&from->event_ns),
	};
}

/* Does a rank whose pulse was copied get a row? */
static int has_row(const struct rdx_lookup *l, uint32_t seat)
{
	uint8_t state = l->pulse[seat].state;

	if (l->all_ranks)
		return state != RDX_STATE_GONE;
	return state < RDX_STATE_GONE && state != RDX_STATE_RECOVERING;
}

static void plan_rows(struct rdx_lookup *l)
{
	const struct rdx_search *s = &l->search;
	uint32_t count = l->all_ranks ? l->rank_count : s->holder_count;

	l->row_count = 0;
	l->strangers = 0;
	for (uint32_t i = 0; i < count; i++)
		rdx_prefetch_read(&l->live->pulse[l->all_ranks ? i : s->holder[i]]);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t seat = l->all_ranks ? i : s->holder[i];

		rdx_lookup_read_pulse(l, seat);
		if (!has_row(l, seat))
			continue;
		l->row[l->row_count++] = (uint16_t)seat;
		l->strangers |= l->pulse[seat].epoch != l->instance[seat].epoch;
	}
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
	/* only now, when it is known whose are needed: what is in them changes under the version,
	 * or is shown as it is */
	plan_rows(l);
	if (!rdx_table_timely(&l->search.table, epoch))
		return -EAGAIN;
	return rdx_version_same(l->live, l->version) ? 0 : -EAGAIN;
}

uint8_t rdx_lookup_state(uint8_t state, int visible, uint64_t age_ns, uint64_t stale_after_ns)
{
	if (state > RDX_STATE_GONE || (!visible && state == RDX_STATE_EXACT))
		state = RDX_STATE_RECOVERING;
	if (age_ns > stale_after_ns && (state == RDX_STATE_EXACT || state == RDX_STATE_INEXACT))
		state = RDX_STATE_STALE;
	return state;
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

static void fill_run(const struct rdx_lookup *l, uint32_t seat, uint64_t now_ns,
		     struct rdx_run *ret_run)
{
	const struct rdx_lookup_pulse *pulse = &l->pulse[seat];
	const struct rdx_lookup_rank *rank = &l->rank[seat];
	uint64_t age_ns = rdx_lookup_age(now_ns, pulse->seen_ns);

	*ret_run = (struct rdx_run){
		.size = sizeof(*ret_run),
		.worker_id = pulse->worker_id,
		.dp_rank = pulse->dp_rank,
		.state = rdx_lookup_state(pulse->state, rank->columns.visible, age_ns,
					  l->stale_after_ns),
		.epoch = pulse->epoch,
		.last_event_id = l->event_id[seat],
		.age_ns = age_ns,
		.event_age_ns =
			pulse->event_ns ? rdx_lookup_age(now_ns, pulse->event_ns) : UINT64_MAX,
		.instance = l->instance[seat].text,
	};
	if (!rank->columns.visible || ret_run->state == RDX_STATE_RECOVERING)
		return;
	ret_run->scanned = rank->scan;
	if (l->search.is_holder[seat])
		fill_blocks(&l->search, seat, ret_run->blocks);
}

int rdx_lookup_rows(const struct rdx_lookup *l, uint64_t now_ns, struct rdx_run *ret_runs,
		    uint32_t capacity)
{
	uint8_t *at = (uint8_t *)ret_runs;
	uint64_t size;

	if (l->row_count > capacity)
		return -ENOSPC;
	size = l->row_count ? ret_runs->size : 0;
	for (uint32_t i = 0; i < l->row_count; i++, at += size) {
		struct rdx_run run;

		if (size == sizeof(run)) {
			fill_run(l, l->row[i], now_ns, (struct rdx_run *)at);
		} else {
			fill_run(l, l->row[i], now_ns, &run);
			rdx_sized_fill(at, size, &run, sizeof(run));
		}
	}
	return (int)l->row_count;
}
