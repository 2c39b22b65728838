/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast do events pass from one process to 1, 2 and 4 others?
 *
 * The producer appends one-slot events; each reader is a process of its own that reads every one of
 * them. A ring has no brake, so here is one: the producer stays less than a ring ahead of the
 * slowest reader, which says now and then where it is. Floor, in turn: lines of 8 words, the first
 * one written last, read as soon as it is there; the same ring, the same brake.
 */
#include "bench/measure.h"
#include "bench/options.h"
#include "bench/report.h"
#include "shm/clock.h"
#include "shm/event.h"

#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define RING_SLOTS   8192
#define READERS_MOST 4
#define SAY_EVERY    256 /* events, a reader its place; the producer looks as often */
#define WARM_UP      2

enum kind { LINE, EVENT, KINDS };

/* What all processes see. Positions never go back, so no slot looks as if it were there already. */
struct arena {
	alignas(128) _Atomic uint64_t slice; /* how many were begun */
	struct {
		alignas(128) _Atomic uint64_t position; /* read up to there */
	} reader[READERS_MOST];
	alignas(128) _Atomic uint64_t wrong;
	alignas(128) struct rdx_slot slots[KINDS][RING_SLOTS];
};

struct bench {
	struct arena *arena;
	uint64_t events; /* a slice */
	uint64_t position;
	uint64_t begun; /* slices before the readers were there */
	uint32_t readers;
	int crowded; /* more processes than processors */
};

/* Waiting for another process: where they take turns on a processor, let it run. */
static void wait_turn(const struct bench *bench, uint32_t *spins)
{
	if (bench->crowded && ++*spins % 64 == 0)
		sched_yield();
	else
		measure_spin(spins);
}

static void put_line(struct arena *arena, uint64_t at)
{
	struct rdx_slot *slot = &arena->slots[LINE][at % RING_SLOTS];

	for (int i = 1; i < RDX_SLOT_WORDS; i++)
		atomic_store_explicit(&slot->word[i], at, memory_order_relaxed);
	atomic_store_explicit(&slot->word[0], at + 1, memory_order_release);
}

/* Is it there? What it holds is added up. */
static int get_line(struct arena *arena, uint64_t at, uint64_t *sum)
{
	struct rdx_slot *slot = &arena->slots[LINE][at % RING_SLOTS];

	if (atomic_load_explicit(&slot->word[0], memory_order_acquire) != at + 1)
		return 0;
	for (int i = 1; i < RDX_SLOT_WORDS; i++)
		*sum += atomic_load_explicit(&slot->word[i], memory_order_relaxed);
	return 1;
}

static void put_event(struct arena *arena, uint64_t at)
{
	struct rdx_ring ring = {arena->slots[EVENT], RING_SLOTS - 1};
	struct rdx_event_head head = {
		.event_id = at + 1, .kind = RDX_EVENT_STORED, .count = 1, .time_ns = at};

	rdx_event_append(&ring, at, &head, &at);
}

static int get_event(struct arena *arena, uint64_t at, uint64_t *sum)
{
	struct rdx_ring_view ring = {arena->slots[EVENT], RING_SLOTS - 1};
	uint64_t hashes[RDX_PAYLOAD_WORDS * 2];
	struct rdx_event_head head = {.event_id = 0};
	uint32_t slots = 0;

	if (rdx_event_read(&ring, at, 1, &head, hashes, &slots) == RDX_RING_PENDING)
		return 0;
	*sum += slots == 1 && head.event_id == at + 1 ? hashes[0] * (RDX_SLOT_WORDS - 1) : 0;
	return 1;
}

/* Read a slice to its end, and compare the sum. */
#define READ(kind)                                                                                 \
	static void read_##kind##s(const struct bench *bench, uint32_t me, uint64_t at,            \
				   uint64_t end)                                                   \
	{                                                                                          \
		uint64_t sum = 0, expected = 0;                                                    \
		uint32_t spins = 0;                                                                \
                                                                                                   \
		for (; at < end; at++) {                                                           \
			while (!get_##kind(bench->arena, at, &sum))                                \
				wait_turn(bench, &spins);                                          \
			expected += at * (RDX_SLOT_WORDS - 1);                                     \
			if (at % SAY_EVERY == 0)                                                   \
				atomic_store_explicit(&bench->arena->reader[me].position, at,      \
						      memory_order_release);                       \
		}                                                                                  \
		if (sum != expected)                                                               \
			atomic_fetch_add(&bench->arena->wrong, 1);                                 \
		atomic_store_explicit(&bench->arena->reader[me].position, end,                     \
				      memory_order_release);                                       \
	}
READ(line)
READ(event)

/* Until all readers have read up to `position`. */
static void wait_readers(const struct bench *bench, uint64_t position)
{
	uint32_t spins = 0;

	for (uint32_t i = 0; i < bench->readers; i++)
		while (atomic_load_explicit(&bench->arena->reader[i].position,
					    memory_order_acquire) < position)
			wait_turn(bench, &spins);
}

/* One slice: nanoseconds of an event from the first append until the last reader has the last. */
#define SLICE(kind)                                                                                \
	static double kind##_slice(void *context)                                                  \
	{                                                                                          \
		struct bench *bench = context;                                                     \
		uint64_t at = bench->position, end = at + bench->events, start = rdx_clock_ns();   \
                                                                                                   \
		atomic_fetch_add(&bench->arena->slice, 1);                                         \
		for (; at < end; at++) {                                                           \
			if (at % SAY_EVERY == 0 && at > RING_SLOTS - 2 * SAY_EVERY)                \
				wait_readers(bench, at - (RING_SLOTS - 2 * SAY_EVERY));            \
			put_##kind(bench->arena, at);                                              \
		}                                                                                  \
		wait_readers(bench, end);                                                          \
		bench->position = end;                                                             \
		return (double)(rdx_clock_ns() - start) / (double)bench->events;                   \
	}
SLICE(line)
SLICE(event)

/* A reader: slice after slice in the order of measure_alternate. */
static void serve(const struct bench *bench, uint32_t me, uint32_t rounds)
{
	uint64_t at = bench->position;
	uint32_t spins = 0;

	for (uint32_t i = 0; i < rounds * KINDS; i++) {
		enum kind kind = i / KINDS % 2 ? KINDS - 1 - i % KINDS : i % KINDS;

		while (atomic_load(&bench->arena->slice) < bench->begun + i + 1)
			wait_turn(bench, &spins);
		if (kind == LINE)
			read_lines(bench, me, at, at + bench->events);
		else
			read_events(bench, me, at, at + bench->events);
		at += bench->events;
	}
}

static void give(struct report *report, uint32_t readers, const struct measure_side *sides,
		 uint32_t rounds)
{
	char floor[32], id[32], what[64];

	snprintf(floor, sizeof(floor), "stream.%u.floor", readers);
	snprintf(id, sizeof(id), "stream.%u.ringdex", readers);
	snprintf(what, sizeof(what), "one-slot events, %u reader%s, an event", readers,
		 readers > 1 ? "s" : "");
	REPORT_ROW(report, .id = floor, .what = "floor: lines of 8 words", .unit = "ns",
		   .values = sides[LINE].values, .count = rounds);
	REPORT_ROW(report, .id = id, .what = what, .unit = "ns", .values = sides[EVENT].values,
		   .count = rounds, .floor = floor);
}

static void measure(struct bench *bench, struct report *report, uint32_t rounds)
{
	struct measure_side sides[KINDS] = {{line_slice, bench, measure_values(rounds)},
					    {event_slice, bench, measure_values(rounds)}};
	pid_t reader[READERS_MOST];

	bench->begun = atomic_load(&bench->arena->slice);
	for (uint32_t i = 0; i < bench->readers; i++) {
		atomic_store(&bench->arena->reader[i].position, bench->position);
		reader[i] = measure_fork();
		if (reader[i] == 0) {
			measure_pin(1 + i);
			serve(bench, i, WARM_UP + rounds);
			_exit(0);
		}
	}
	measure_alternate(sides, KINDS, WARM_UP, rounds);
	for (uint32_t i = 0; i < bench->readers; i++)
		waitpid(reader[i], NULL, 0);
	give(report, bench->readers, sides, rounds);
	free(sides[LINE].values);
	free(sides[EVENT].values);
}

int main(int argc, char **argv)
{
	struct options options = {
		.name = "stream",
		.question = "How fast do events pass from one process to 1, 2 and 4 others?",
		.rounds_by_length = {40, 15, 1}};
	uint32_t processors = measure_processors();
	struct report *report;
	struct bench bench = {.position = 1};
	int r;

	options_parse(argc, argv, &options);
	measure_pin(0);
	report = report_begin(&options);
	bench.arena = measure_memory(sizeof(*bench.arena), MEASURE_SHARED);
	if (!bench.arena)
		return 1;
	for (bench.readers = 1; bench.readers <= READERS_MOST; bench.readers *= 2) {
		bench.crowded = bench.readers + 1 > processors;
		bench.events = options_pick(&options, bench.crowded ? 20000 : 200000, 20000, 2000);
		measure(&bench, report, options.rounds);
		if (bench.crowded)
			report_note(report, "%u processes took turns on %u processors",
				    bench.readers + 1, processors);
	}
	report_check(report, atomic_load(&bench.arena->wrong) == 0,
		     "each reader reads every event, whole");
	r = report_end(report);
	measure_memory_free(bench.arena, sizeof(*bench.arena));
	return r;
}
