/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/index_life.h"

#include <stdlib.h>

static uint32_t pick(struct life *x, uint32_t below)
{
	return (uint32_t)(rig_random(&x->random) % below);
}

static int held_in(const struct life *x, uint32_t block, uint32_t set)
{
	return (x->held[block] & ((2 << set) - 1)) != 0;
}

static uint8_t orphan_bits(const struct life *x)
{
	uint8_t bits = 0;

	for (uint32_t set = 0; set < LIFE_TIERS; set++) {
		for (uint32_t i = 1; i < x->blocks; i++)
			bits |= (uint8_t)((held_in(x, i, set) && !held_in(x, i - 1, set)) << set);
	}
	for (uint32_t set = LIFE_TIERS; set < RDX_TIER_COUNT; set++)
		bits |= (uint8_t)((bits >> (LIFE_TIERS - 1) & 1) << set);
	return bits;
}

static uint32_t run_of(const struct life *x, uint32_t set)
{
	uint32_t run = 0;

	while (run < x->blocks && held_in(x, run, set))
		run++;
	return run;
}

static void note(struct life *x)
{
	struct life_moment *m = &x->moment[x->count];

	memset(m, 0, sizeof(*m));
	m->epoch = x->epoch;
	m->step = x->step;
	m->shown = x->live && x->exact;
	if (!x->live)
		return;
	m->orphans = orphan_bits(x);
	m->by_blocks = x->count && !(m->orphans | m[-1].orphans) && x->step < LIFE_CLEAR;
	for (uint32_t set = 0; set < LIFE_TIERS; set++)
		m->run[set] = (uint16_t)run_of(x, set);
	for (uint32_t tier = 0; tier < LIFE_TIERS; tier++) {
		for (uint32_t i = 0; i < x->blocks; i++)
			m->held[tier][i / 8] |= (uint8_t)((x->held[i] >> tier & 1) << i % 8);
	}
}

/* Begin to lead to the next moment, whose state is in *x already. */
static void begin(struct life *x, enum life_step step)
{
	x->step = (uint8_t)step;
	note(x);
	x->count++;
	atomic_store_explicit(&x->begun, x->count, memory_order_release);
	rdx_fence_release(); /* a reader that sees its bits sees that it has begun */
}

static void finish(struct life *x)
{
	atomic_store_explicit(&x->finished, x->count, memory_order_release);
}

static int apply(struct life *x, enum life_step step, const struct rdx_event *what)
{
	struct rdx_event event = *what;
	int r;

	event.event_id = step == LIFE_CLEAR_WORKER ? 0 : x->count + 1 - x->first[x->epoch];
	event.orphans = orphan_bits(x);
	begin(x, step);
	r = rdx_writer_apply_event(x->writer, x->slot, &event, event.hashes);
	if (r != -EAGAIN) /* a clear that has not happened: the rank will be hidden */
		finish(x);
	return r;
}

static void store(struct life *x, enum life_step step, uint32_t first, uint32_t n, uint8_t tier)
{
	for (uint32_t i = first; i < first + n; i++)
		x->held[i] |= (uint8_t)(1 << tier);
	apply(x, step,
	      &(struct rdx_event){.kind = RDX_EVENT_STORED,
				  .tier = tier,
				  .hashes = x->prefix + first,
				  .count = n});
}

static void take(struct life *x, enum life_step step, uint32_t first, uint32_t n, uint8_t tier)
{
	uint64_t hashes[LIFE_BLOCKS];

	for (uint32_t i = 0; i < n; i++) {
		hashes[i] = x->prefix[first + n - 1 - i]; /* children first */
		x->held[first + i] &= (uint8_t) ~(1 << tier);
	}
	apply(x, step,
	      &(struct rdx_event){
		      .kind = RDX_EVENT_REMOVED, .tier = tier, .hashes = hashes, .count = n});
}

static void store_pulse(struct life *x)
{
	struct rdx_writer_pulse pulse = {.state = RDX_STATE_EXACT,
					 .seen_ns = UINT64_MAX,
					 .epoch = x->epoch,
					 .event_id = x->count - x->first[x->epoch]};

	rdx_writer_rank_pulse(x->writer, x->slot, &pulse);
}

static void pulse(struct life *x)
{
	if (!x->exact) {
		x->exact = 1;
		begin(x, LIFE_EXACT);
	}
	store_pulse(x);
	finish(x);
}

static void hide(struct life *x)
{
	x->live = 0;
	begin(x, LIFE_HIDE);
	rdx_writer_rank_hide(x->writer, x->slot);
	finish(x);
}

/* A recovery finds the state of a later event. */
static void miss_events(struct life *x)
{
	uint32_t end = pick(x, x->blocks + 1);

	for (uint32_t i = 0; i < x->blocks; i++)
		x->held[i] = i < end ? (uint8_t)(1 + pick(x, 3)) : 0;
	if (!pick(x, 3))
		x->held[pick(x, x->blocks)] = 0;
}

/* Build what the rank holds in fresh columns. */
static int build_columns(struct life *x, int missed)
{
	if (rig_begin(x->writer, x->slot) < 0)
		return 0;
	if (missed)
		miss_events(x);
	for (uint32_t i = 0; i < x->blocks; i++) {
		for (uint8_t tier = 0; tier < LIFE_TIERS; tier++) {
			if (x->held[i] & 1 << tier)
				rdx_writer_apply_blocks(x->writer, x->slot, tier, x->prefix + i, 1);
		}
	}
	x->live = 1;
	return 1;
}

/* And let it become visible. */
static void build(struct life *x, int missed)
{
	if (!build_columns(x, missed))
		return;
	begin(x, LIFE_LIVE);
	rdx_writer_rank_show(x->writer, x->slot, orphan_bits(x), 0);
	finish(x);
}

/* Another process publishes as the rank. */
static void another_life(struct life *x)
{
	struct rdx_rank_info info = rig_info(LIFE_WORKER, 0, LIFE_TIERS);
	int hidden = (int)pick(x, 2);

	if (hidden) {
		hide(x);
		x->exact = 0;
	}
	info.epoch = ++x->epoch;
	x->first[x->epoch] = x->count; /* its ids begin at 1 */
	if (hidden)
		x->slot = rdx_writer_rank_add(x->writer, &info);
	build(x, 1);
	pulse(x);
}

static void clear(struct life *x, uint8_t scope)
{
	enum life_step step = LIFE_CLEAR_TIER;

	if (scope == RDX_SCOPE_ALL)
		step = pick(x, 2) ? LIFE_CLEAR : LIFE_CLEAR_WORKER;
	for (uint32_t i = 0; i < x->blocks; i++)
		x->held[i] &= scope == RDX_SCOPE_ALL ? 0 : (uint8_t) ~(1 << scope);
	if (apply(x, step, &(struct rdx_event){.kind = RDX_EVENT_CLEARED, .tier = scope}) ==
	    -EAGAIN) {
		hide(x);
		build(x, 0);
	}
}

static void remove_tail(struct life *x, uint32_t n, uint8_t tier)
{
	uint32_t end = x->blocks, first;

	while (end && !(x->held[end - 1] & 1 << tier))
		end--;
	first = end < n ? 0 : end - n;
	if (end)
		take(x, LIFE_REMOVE, first, end - first, tier);
}

/* Blocks after the run and one missing block. */
static void store_orphans(struct life *x, uint32_t n, uint8_t tier)
{
	uint32_t first = run_of(x, LIFE_TIERS - 1) + 1 + pick(x, 3);

	if (first < x->blocks)
		store(x, LIFE_ORPHANS, first, n < x->blocks - first ? n : x->blocks - first, tier);
}

static void fill(struct life *x)
{
	for (uint32_t i = 0; i < x->blocks && orphan_bits(x); i++) {
		if (!held_in(x, i, 0))
			store(x, LIFE_FILL, i, 1, 0);
	}
}

static void restart(struct life *x)
{
	uint32_t how = pick(x, 3);

	if (how == 0 && x->epoch + 1 < LIFE_EPOCHS) {
		another_life(x);
		return;
	}
	if (how == 1)
		hide(x);
	build(x, 1);
}

static void draw(struct life *x)
{
	uint32_t what = pick(x, 100), run;
	uint8_t tier = (uint8_t)pick(x, LIFE_TIERS);
	uint32_t n = 1 + pick(x, 1 + x->blocks / 6), at = pick(x, x->blocks);

	run = run_of(x, tier);
	if (what < 42 && run < x->blocks)
		store(x, LIFE_STORE, run, n < x->blocks - run ? n : x->blocks - run, tier);
	else if (what < 70)
		remove_tail(x, n, tier);
	else if (what < 74)
		take(x, LIFE_HOLE, at, 1, tier);
	else if (what < 78)
		store_orphans(x, n, tier);
	else if (what < 88)
		fill(x);
	else if (what < 95 && (x->held[at] & 1)) {
		store(x, LIFE_MOVE, at, 1, 1);
		take(x, LIFE_MOVE, at, 1, 0);
	} else if (what >= 95 && !pick(x, x->rare)) {
		if (what < 98)
			clear(x, pick(x, 2) ? RDX_SCOPE_ALL : tier);
		else
			restart(x);
	}
}

void life_act(struct life *x)
{
	draw(x);
	if (!pick(x, x->pulse_in))
		pulse(x);
}

int life_is_over(const struct life *x)
{
	return x->count + 2 * LIFE_BLOCKS > x->capacity;
}

void life_make(struct life *x, struct rdx_index_writer *writer, uint64_t capacity)
{
	struct rdx_rank_info info = rig_info(LIFE_WORKER, 0, LIFE_TIERS);

	x->writer = writer;
	x->capacity = capacity;
	x->moment = calloc(capacity, sizeof(*x->moment));
	assert_non_null(x->moment);
	for (uint32_t i = 0; i < x->blocks; i++)
		x->prefix[i] = rig_random(&x->random) | 1;
	info.epoch = x->epoch = 1;
	x->slot = rdx_writer_rank_add(x->writer, &info);
	build(x, 0);
	pulse(x);
}

void life_succeed(struct life *x, struct rdx_index_writer *next)
{
	struct rdx_rank_info info = rig_info(LIFE_WORKER, 0, LIFE_TIERS);

	info.epoch = x->epoch;
	x->writer = next;
	x->slot = rdx_writer_rank_add(next, &info);
	assert_true(build_columns(x, 1));
	x->exact = 1;
	begin(x, LIFE_LIVE);
	rdx_writer_rank_show(next, x->slot, orphan_bits(x), 0);
	store_pulse(x);
	rdx_writer_heartbeat(next, UINT64_MAX); /* never old */
	assert_int_equal(rdx_writer_ready(next), 0);
	finish(x);
}

void life_free(struct life *x)
{
	free(x->moment);
}

uint32_t life_block(const struct life *x, uint64_t prefix)
{
	uint32_t i = 0;

	while (i < x->blocks && x->prefix[i] != prefix)
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
