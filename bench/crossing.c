/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long does one event take from one process to another?
 *
 * Two processes on two processors pass a turn to and fro; half of a round trip is one
 * crossing. Floors, in the same run and in turn with the subject: one word on one line,
 * and lines of 8 words over a ring of the same size. Subject: a one-slot event appended by
 * the ring's core and read by rdx_event_read, both ways.
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
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RING_SLOTS     4096
#define KINDS          3
#define WARM_UP_ROUNDS 5

/* What both processes see. One side for each direction. */
struct side {
	alignas(128) _Atomic uint64_t word;
	alignas(128) _Atomic uint64_t arrived; /* how often this side waited for the other */
	alignas(128) struct rdx_slot slots[RING_SLOTS];
};
struct arena {
	struct side side[2];
	alignas(128) _Atomic uint64_t torn;
};

struct party {
	struct arena *arena;
	int me;             /* 0: begins and measures */
	uint32_t exchanges; /* a slice */
	uint64_t turn[KINDS];
};

/* Kind 0: one word. */
static void word_send(struct party *party, uint64_t turn)
{
	atomic_store_explicit(&party->arena->side[party->me].word, turn + 1, memory_order_release);
}

static void word_receive(struct party *party, uint64_t turn)
{
	uint32_t spins = 0;

	while (atomic_load_explicit(&party->arena->side[!party->me].word, memory_order_acquire) !=
	       turn + 1)
		measure_spin(&spins);
}

/* Kind 1: a raw line of 8 words, the next line each time. */
static void line_send(struct party *party, uint64_t turn)
{
	struct rdx_slot *slot = &party->arena->side[party->me].slots[turn % RING_SLOTS];

	for (int i = 1; i < RDX_SLOT_WORDS; i++)
		atomic_store_explicit(&slot->word[i], turn, memory_order_relaxed);
	atomic_store_explicit(&slot->word[0], turn + 1, memory_order_release);
}

static void line_receive(struct party *party, uint64_t turn)
{
	struct rdx_slot *slot = &party->arena->side[!party->me].slots[turn % RING_SLOTS];
	uint64_t sum = 0;
	uint32_t spins = 0;

	while (atomic_load_explicit(&slot->word[0], memory_order_acquire) != turn + 1)
		measure_spin(&spins);
	for (int i = 1; i < RDX_SLOT_WORDS; i++)
		sum += atomic_load_explicit(&slot->word[i], memory_order_relaxed);
	if (sum != turn * (RDX_SLOT_WORDS - 1))
		atomic_fetch_add(&party->arena->torn, 1);
}

/* Kind 2: an event. */
static void event_send(struct party *party, uint64_t turn)
{
	struct rdx_ring ring = {party->arena->side[party->me].slots, RING_SLOTS - 1};
	struct rdx_event_head head = {
		.event_id = turn + 1, .kind = RDX_EVENT_STORED, .count = 1, .time_ns = turn};

	rdx_event_append(&ring, turn, &head, &turn);
}

static void event_receive(struct party *party, uint64_t turn)
{
	struct rdx_ring_view ring = {party->arena->side[!party->me].slots, RING_SLOTS - 1};
	uint64_t hashes[RDX_PAYLOAD_WORDS * 2];
	struct rdx_event_head head = {.event_id = 0};
	uint32_t slots = 0, spins = 0;

	while (rdx_event_read(&ring, turn, 1, &head, hashes, &slots) == RDX_RING_PENDING)
		measure_spin(&spins);
	if (slots != 1 || head.event_id != turn + 1 || hashes[0] != turn)
		atomic_fetch_add(&party->arena->torn, 1);
}

/* One slice: exchanges of one kind. Nanoseconds of one crossing. */
#define SLICE(kind)                                                                                \
	static double kind##_slice(struct party *party, uint64_t *turn)                            \
	{                                                                                          \
		uint64_t start = rdx_clock_ns();                                                   \
                                                                                                   \
		for (uint32_t i = 0; i < party->exchanges; i++, (*turn)++) {                       \
			if (party->me == 0)                                                        \
				kind##_send(party, *turn);                                         \
			kind##_receive(party, *turn);                                              \
			if (party->me == 1)                                                        \
				kind##_send(party, *turn);                                         \
		}                                                                                  \
		return (double)(rdx_clock_ns() - start) / party->exchanges / 2;                    \
	}
SLICE(word)
SLICE(line)
SLICE(event)

/* Wait until both are here. */
static void meet(struct party *party)
{
	uint64_t mine = atomic_fetch_add(&party->arena->side[party->me].arrived, 1) + 1;
	uint32_t spins = 0;

	while (atomic_load(&party->arena->side[!party->me].arrived) < mine)
		measure_spin(&spins);
}

static void run(struct party *party, uint32_t rounds, double *ret_ns[KINDS])
{
	double (*const slice[KINDS])(struct party *, uint64_t *) = {word_slice, line_slice,
								    event_slice};

	for (uint32_t round = 0; round < rounds + WARM_UP_ROUNDS; round++)
		for (int kind = 0; kind < KINDS; kind++) {
			double ns;

			/* lines and events share slots: begin each slice with clean ones */
			meet(party);
			memset(party->arena->side[party->me].slots, 0,
			       sizeof(party->arena->side[0].slots));
			meet(party);
			ns = slice[kind](party, &party->turn[kind]);

			if (round >= WARM_UP_ROUNDS && ret_ns)
				ret_ns[kind][round - WARM_UP_ROUNDS] = ns;
		}
}

static void give(struct report *report, const struct party *party, double *const *ns,
		 uint32_t rounds)
{
	unsigned long long torn = atomic_load(&party->arena->torn);

	REPORT_ROW(report, .id = "crossing.word.floor", .what = "floor: one word", .unit = "ns",
		   .values = ns[0], .count = rounds);
	REPORT_ROW(report, .id = "crossing.event.floor", .what = "floor: a line of 8 words",
		   .unit = "ns", .values = ns[1], .count = rounds);
	REPORT_ROW(report, .id = "crossing.event.ringdex",
		   .what = "a one-slot event, ring and reader", .unit = "ns", .values = ns[2],
		   .count = rounds, .floor = "crossing.event.floor");
	report_note(report, "half of a round trip, %u exchanges a slice, %d slots",
		    party->exchanges, RING_SLOTS);
	report_check(report, torn == 0, "no event is torn or another one (%llu)", torn);
}

int main(int argc, char **argv)
{
	struct options options = {
		.name = "crossing",
		.question = "How long does one event take from one process to another?",
		.rounds_by_length = {60, 30, 1}};
	struct party party = {.me = 0};
	struct report *report;
	double *ns[KINDS];
	pid_t child;
	int r;

	options_parse(argc, argv, &options);
	report = report_begin(&options);
	party.exchanges = (uint32_t)options_pick(&options, 20000, 20000, 20);
	party.arena = measure_memory(sizeof(*party.arena), MEASURE_SHARED);
	if (!party.arena)
		return 1;
	for (int kind = 0; kind < KINDS; kind++)
		ns[kind] = measure_values(options.rounds);
	child = measure_fork();
	if (child == 0) {
		party.me = 1;
		measure_pin(1);
		run(&party, options.rounds, NULL);
		_exit(0);
	}
	measure_pin(0);
	run(&party, options.rounds, ns);
	waitpid(child, NULL, 0);
	give(report, &party, ns, options.rounds);
	r = report_end(report);
	for (int kind = 0; kind < KINDS; kind++)
		free(ns[kind]);
	measure_memory_free(party.arena, sizeof(*party.arena));
	return r;
}
