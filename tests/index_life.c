/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/index_life.h"
#include "tests/stream_oracle.h"

#include <stdlib.h>

static uint32_t pick(struct life *x, uint32_t below)
{
	return (uint32_t)(rig_random(&x->random) % below);
}

static uint32_t run_of(const struct life *x, uint32_t set)
{
	uint32_t path[LIFE_BLOCKS];

	return stream_run(&x->stream, path, stream_path(&x->stream, x->blocks - 1, path), set);
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
	m->orphans = stream_orphan_bits(&x->stream);
	m->by_blocks = x->count && !(m->orphans | m[-1].orphans) && x->step < LIFE_CLEAR;
	for (uint32_t set = 0; set < LIFE_TIERS; set++)
		m->run[set] = (uint16_t)run_of(x, set);
	for (uint32_t tier = 0; tier < LIFE_TIERS; tier++) {
		for (uint32_t i = 0; i < x->blocks; i++)
			m->held[tier][i / 8] |=
				(uint8_t)(stream_is_held(&x->stream, i, (uint8_t)tier) << i % 8);
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
	event.orphans = stream_orphan_bits(&x->stream);
	begin(x, step);
	r = rig_event(x->writer, x->slot, &event, event.hashes);
	if (r != -EAGAIN) /* a clear that has not happened: the rank will be hidden */
		finish(x);
	return r;
}

static void store(struct life *x, enum life_step step, uint32_t first, uint32_t n, uint8_t tier)
{
	for (uint32_t i = first; i < first + n; i++)
		stream_hold(&x->stream, i, tier, 1);
	apply(x, step,
	      &(struct rdx_event){.kind = RDX_EVENT_STORED,
				  .tier = tier,
				  .hashes = x->stream.prefix + first,
				  .count = n});
}

static void take(struct life *x, enum life_step step, uint32_t first, uint32_t n, uint8_t tier)
{
	uint64_t hashes[LIFE_BLOCKS];

	for (uint32_t i = 0; i < n; i++) {
		hashes[i] = x->stream.prefix[first + n - 1 - i]; /* children first */
		stream_hold(&x->stream, first + i, tier, 0);
	}
	apply(x, step,
	      &(struct rdx_event){
		      .kind = RDX_EVENT_REMOVED, .tier = tier, .hashes = hashes, .count = n});
}

static void store_pulse(struct life *x)
{
	struct rdx_writer_pulse pulse = {.state = RDX_STATE_EXACT,
					 .seen_ns = 1, /* and never STALE: LIFE_STALE_NS */
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
	uint32_t end = pick(x, x->blocks + 1), hole = pick(x, 3) ? x->blocks : pick(x, end + 1);

	for (uint32_t i = 0; i < x->blocks; i++) {
		uint32_t tiers = i < end && i != hole ? 1 + pick(x, 3) : 0;

		for (uint8_t tier = 0; tier < LIFE_TIERS; tier++)
			stream_hold(&x->stream, i, tier, (int)(tiers >> tier & 1));
	}
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
			if (stream_is_held(&x->stream, i, tier))
				rig_blocks(x->writer, x->slot, tier, x->stream.prefix + i, 1);
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
	rdx_writer_rank_show(x->writer, x->slot, stream_orphan_bits(&x->stream), 0);
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
	for (uint32_t i = 0; i < x->blocks; i++) {
		for (uint8_t tier = 0; tier < LIFE_TIERS; tier++) {
			if (scope == RDX_SCOPE_ALL || scope == tier)
				stream_hold(&x->stream, i, tier, 0);
		}
	}
	if (apply(x, step, &(struct rdx_event){.kind = RDX_EVENT_CLEARED, .tier = scope}) ==
	    -EAGAIN) {
		hide(x);
		build(x, 0);
	}
}

static void remove_tail(struct life *x, uint32_t n, uint8_t tier)
{
	uint32_t end = x->blocks, first;

	while (end && !stream_is_held(&x->stream, end - 1, tier))
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
	for (uint32_t i = 0; i < x->blocks && stream_orphan_bits(&x->stream); i++) {
		if (!stream_is_held(&x->stream, i, 0))
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
	else if (what < 95 && stream_is_held(&x->stream, at, 0)) {
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
	x->stream.blocks = x->blocks;
	for (uint32_t i = 0; i < x->blocks; i++) {
		stream_set_parent(&x->stream, i, i ? i - 1 : STREAM_NONE);
		x->stream.prefix[i] = rig_random(&x->random) | 1;
	}
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
	rdx_writer_rank_show(next, x->slot, stream_orphan_bits(&x->stream), 0);
	store_pulse(x);
	rdx_writer_heartbeat(next, UINT64_MAX); /* never old */
	assert_int_equal(rdx_writer_ready(next), 0);
	finish(x);
}

void life_free(struct life *x)
{
	free(x->moment);
}
