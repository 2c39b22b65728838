/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long does one message take from one process to another, by another way? As bench/crossing.c:
 * two processes pass a turn to and fro, half of a round trip is one crossing.
 */
#include "bench/measure.h"
#include "bench/options.h"
#include "bench/peers/channel/crew.h"
#include "bench/report.h"
#include "bench/scratch.h"

#include <stdio.h>
#include <stdlib.h>

struct party {
	struct crew crew;
	struct {
		void *shared[2]; /* the channel from process 0 to 1, and the one back */
		void *out, *in;  /* ends */
		uint64_t turn;
	} of[CREW_KINDS];
};

static void give_turn(struct party *party, int kind)
{
	struct message message;

	for (int i = 0; i < MESSAGE_WORDS; i++)
		message.word[i] = party->of[kind].turn;
	crew_kind[kind]->send(party->of[kind].out, &message);
}

static void take_turn(struct party *party, int kind)
{
	struct message message;
	uint64_t differ = 0;

	crew_kind[kind]->receive(party->of[kind].in, &message);
	for (int i = 0; i < MESSAGE_WORDS; i++)
		differ |= message.word[i] ^ party->of[kind].turn;
	if (differ)
		crew_wrong(&party->crew);
}

/* `count` crossings. */
static void slice(void *context, int kind, uint32_t count)
{
	struct party *party = context;

	for (uint32_t i = 0; i < count / 2; i++) {
		if (party->crew.me == 0)
			give_turn(party, kind);
		take_turn(party, kind);
		if (party->crew.me == 1)
			give_turn(party, kind);
		party->of[kind].turn++;
	}
}

static int make(struct party *party, const char *dir)
{
	for (int kind = 0; kind < CREW_KINDS; kind++)
		for (int way = 0; way < 2; way++) {
			void *shared = crew_kind[kind]->make(dir, 1);

			if (!shared)
				return -1;
			party->of[kind].shared[way] = shared;
		}
	return 0;
}

static int join(struct party *party)
{
	for (int kind = 0; kind < CREW_KINDS; kind++)
		for (uint32_t way = 0; way < 2; way++) {
			int writes = way == party->crew.me;
			void *end = crew_kind[kind]->join(party->of[kind].shared[way],
							  writes ? CHANNEL_WRITER : 0);

			if (!end)
				return -1;
			*(writes ? &party->of[kind].out : &party->of[kind].in) = end;
		}
	return 0;
}

static void leave(struct party *party)
{
	crew_meet(&party->crew);
	for (int kind = 0; kind < CREW_KINDS; kind++)
		if (crew_kind[kind]->leave) {
			crew_kind[kind]->leave(party->of[kind].out);
			crew_kind[kind]->leave(party->of[kind].in);
		}
}

/* As crew_end. */
static int64_t work(struct party *party, const struct options *options,
		    double *const ns[CREW_KINDS])
{
	if (crew_start(&party->crew, 2) < 0 || join(party) < 0)
		return crew_end(&party->crew, 1);
	crew_run(&party->crew, options, slice, party, ns);
	leave(party);
	return crew_end(&party->crew, 0);
}

/* Likewise. */
static int64_t run(const struct options *options, const char *dir, double *const ns[CREW_KINDS])
{
	struct party party = {0};
	int64_t wrong = make(&party, dir);

	if (wrong == 0)
		wrong = work(&party, options, ns);
	for (int kind = 0; kind < CREW_KINDS; kind++)
		for (int way = 0; way < 2; way++)
			if (crew_kind[kind]->discard)
				crew_kind[kind]->discard(party.of[kind].shared[way]);
	return wrong;
}

static void give(struct report *report, double *const ns[CREW_KINDS], uint32_t rounds)
{
	char floor_id[64], id[64], what[128];

	snprintf(floor_id, sizeof(floor_id), "crossing-floor.event.%s", channel_peer.name);
	snprintf(id, sizeof(id), "crossing.event.%s", channel_peer.name);
	snprintf(what, sizeof(what), "64 bytes: %s", channel_peer.what);
	REPORT_ROW(report, .id = floor_id, .what = "floor beside it: a line of 8 words",
		   .unit = "ns", .values = ns[0], .count = rounds);
	REPORT_ROW(report, .id = id, .what = what, .unit = "ns", .values = ns[1], .count = rounds,
		   .floor = floor_id);
}

int main(int argc, char **argv)
{
	struct options options = {
		.name = "crossing",
		.question = "How long does one message take from one process to another?",
		.rounds_by_length = {60, 30, 1}};
	struct report *report;
	char dir[SCRATCH_BYTES];
	double *ns[CREW_KINDS];
	int64_t wrong;

	options_parse(argc, argv, &options);
	if (scratch_make(dir) < 0)
		return 1;
	report = report_begin(&options);
	for (int kind = 0; kind < CREW_KINDS; kind++)
		ns[kind] = measure_values(options.rounds);
	wrong = run(&options, dir, ns);
	scratch_remove(dir);
	if (wrong >= 0)
		give(report, ns, options.rounds);
	report_note(report, "half of a round trip of 64 bytes");
	report_check(report, wrong == 0, "each message is the one that was sent (%lld)",
		     (long long)wrong);
	for (int kind = 0; kind < CREW_KINDS; kind++)
		free(ns[kind]);
	return report_end(report);
}
