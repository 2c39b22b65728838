/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/index_life.h"

uint32_t life_block(const struct life *x, uint64_t prefix)
{
	uint32_t i = 0;

	while (i < x->blocks && x->stream.prefix[i] != prefix)
		i++;
	return i < x->blocks ? i : LIFE_BLOCKS;
}

struct life_window life_window_begin(const struct life *x)
{
	uint64_t finished = atomic_load_explicit(&x->finished, memory_order_acquire);

	return (struct life_window){.from = finished - 1};
}

void life_window_end(const struct life *x, struct life_window *window)
{
	rdx_fence_acquire(); /* after what the reader read */
	window->to = atomic_load_explicit(&x->begun, memory_order_acquire);
}

uint32_t life_window_steps(const struct life *x, const struct life_window *window)
{
	uint32_t steps = 0;

	for (uint64_t n = window->from + 1; n < window->to; n++)
		steps |= UINT32_C(1) << x->moment[n].step;
	return steps;
}

static uint32_t run_at(const struct life_moment *m, uint32_t set, uint32_t asked)
{
	return m->run[set] < asked ? m->run[set] : asked;
}

static int is_searched(const struct life_moment *m)
{
	return m->shown && !m->orphans;
}

/* True at a moment, or while blocks led from one moment to the next. */
static int true_once(const struct life *x, const struct life_window *w, uint32_t set, uint32_t run,
		     uint32_t asked)
{
	for (uint64_t n = w->from; n < w->to; n++) {
		const struct life_moment *m = &x->moment[n];
		uint32_t at = run_at(m, set, asked), before;

		if (!is_searched(m))
			continue;
		if (run == at)
			return 1;
		if (n == w->from || !m->by_blocks || !m[-1].shown)
			continue;
		before = run_at(m - 1, set, asked);
		if ((run < at) != (run < before))
			return 1;
	}
	return 0;
}

/* No block that was never there, and none missing that was there all the time. */
static int within(const struct life *x, const struct life_window *w, uint32_t set, uint32_t run,
		  uint32_t asked)
{
	uint8_t ever[(LIFE_BLOCKS + 7) / 8] = {0};
	uint32_t least = asked, orphans = 0;

	for (uint64_t n = w->from; n < w->to; n++) {
		const struct life_moment *m = &x->moment[n];
		uint32_t at = run_at(m, set, asked);

		least = least < at ? least : at;
		orphans |= m->orphans;
		for (uint32_t tier = 0; tier <= set; tier++) {
			for (uint32_t i = 0; i < sizeof(ever); i++)
				ever[i] |= m->held[tier][i];
		}
	}
	for (uint32_t i = 0; i < run; i++) {
		if (!(ever[i / 8] >> i % 8 & 1))
			return 0;
	}
	return run >= least && run <= asked && orphans;
}

/* RECOVERING, and no blocks. */
static int was_hidden(const struct life *x, const struct life_window *w, const struct rdx_run *row)
{
	int hidden = 0;

	for (uint64_t n = w->from; n < w->to; n++)
		hidden |= !x->moment[n].shown;
	for (uint32_t set = 0; set < RDX_TIER_COUNT; set++)
		hidden &= !row->blocks[set];
	return hidden;
}

#define NO_MOMENT UINT64_MAX

/* The moment to which an event led, if it is before `end`. */
static uint64_t moment_of(const struct life *x, uint64_t epoch, uint64_t event_id, uint64_t end)
{
	uint64_t n;

	if (!epoch || epoch >= LIFE_EPOCHS || !event_id || event_id > end)
		return NO_MOMENT;
	n = x->first[epoch] + event_id - 1;
	return n < end && x->moment[n].epoch == epoch ? n : NO_MOMENT;
}

int life_allows_row(const struct life *x, struct life_window w, const struct rdx_run *row,
		    uint32_t asked)
{
	uint64_t named = moment_of(x, row->epoch, row->last_event_id, w.to);

	if (named == NO_MOMENT)
		return 0;
	if (row->state == RDX_STATE_RECOVERING)
		return was_hidden(x, &w, row);
	if (row->state != RDX_STATE_EXACT)
		return 0;
	/* the event that the row names was applied before the row's blocks were searched */
	w.from = named > w.from ? named : w.from;
	for (uint32_t set = 0; set < LIFE_TIERS; set++) {
		if (!(row->scanned ? within : true_once)(x, &w, set, row->blocks[set], asked))
			return 0;
	}
	return 1;
}

static int is_held(const struct life *x, const struct life_moment *m, const uint8_t *held)
{
	for (uint32_t i = 0; i < x->blocks; i++) {
		for (uint32_t tier = 0; tier < LIFE_TIERS; tier++) {
			if ((m->held[tier][i / 8] >> i % 8 & 1) != (held[i] >> tier & 1))
				return 0;
		}
	}
	return 1;
}

int life_allows_walk(const struct life *x, const struct rdx_index_mark *mark, const uint8_t *held)
{
	uint64_t n = moment_of(x, mark->epoch, mark->event_id, x->count);

	if (n == NO_MOMENT || !x->moment[n].shown)
		return 0;
	while (!is_held(x, &x->moment[n], held)) {
		if (++n == x->count || x->moment[n].step != LIFE_CLEAR_WORKER)
			return 0;
	}
	return 1;
}

/* Of an epoch that has just begun. */
static int is_blank(const struct life *x, const struct rdx_index_rank *info)
{
	return info->epoch && info->epoch <= x->epoch && info->state == RDX_STATE_RECOVERING &&
	       !info->blocks[0] && !info->blocks[1];
}

int life_allows_info(const struct life *x, const struct rdx_index_rank *info)
{
	uint64_t n = moment_of(x, info->epoch, info->last_event_id, x->count);

	if (!info->last_event_id)
		return is_blank(x, info);
	if (n == NO_MOMENT)
		return 0;
	for (uint32_t tier = 0; tier < LIFE_TIERS; tier++) {
		uint32_t blocks = 0;

		for (uint32_t i = 0; i < x->blocks; i++)
			blocks += x->moment[n].held[tier][i / 8] >> i % 8 & 1;
		if (blocks != info->blocks[tier])
			return 0;
	}
	return 1;
}
