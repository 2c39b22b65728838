/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast does one process hand messages to 1, 2 or 4 others, by another way? Each reader gets
 * each message. From the first sent to the last received.
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
		void *shared;
		void *end;
		uint64_t next;
	} of[CREW_KINDS];
};

static void send_one(struct party *party, int kind)
{
	struct message message;

	for (int i = 0; i < MESSAGE_WORDS; i++)
		message.word[i] = party->of[kind].next;
	crew_kind[kind]->send(party->of[kind].end, &message);
}

static void receive_one(struct party *party, int kind)
{
	struct message message;
	uint64_t differ = 0;

	crew_kind[kind]->receive(party->of[kind].end, &message);
	for (int i = 0; i < MESSAGE_WORDS; i++)
		differ |= message.word[i] ^ party->of[kind].next;
	if (differ)
		crew_wrong(&party->crew);
}

static void slice(void *context, int kind, uint32_t count)
{
	struct party *party = context;

	for (uint32_t i = 0; i < count; i++) {
		if (party->crew.me == 0)
			send_one(party, kind);
		else
			receive_one(party, kind);
		party->of[kind].next++;
	}
}

static int make(struct party *party, const char *dir, uint32_t readers)
{
	for (int kind = 0; kind < CREW_KINDS; kind++)
		if (!(party->of[kind].shared = crew_kind[kind]->make(dir, readers)))
			return -1;
	return 0;
}

static int join(struct party *party)
{
	for (int kind = 0; kind < CREW_KINDS; kind++) {
		/* process 0 writes, the others are readers 0, 1, ... */
		int32_t reader = (int32_t)party->crew.me - 1;

		party->of[kind].end = crew_kind[kind]->join(party->of[kind].shared, reader);
		if (!party->of[kind].end)
			return -1;
	}
	return 0;
}

static void leave(struct party *party)
{
	crew_meet(&party->crew);
	for (int kind = 0; kind < CREW_KINDS; kind++)
		if (crew_kind[kind]->leave)
			crew_kind[kind]->leave(party->of[kind].end);
}

/* As crew_end. */
static int64_t work(struct party *party, const struct options *options, uint32_t readers,
		    double *const ns[CREW_KINDS])
{
	if (crew_start(&party->crew, 1 + readers) < 0 || join(party) < 0)
		return crew_end(&party->crew, 1);
	crew_run(&party->crew, options, slice, party, ns);
	leave(party);
	return crew_end(&party->crew, 0);
}

/* Likewise. */
static int64_t run(const struct options *options, const char *dir, uint32_t readers,
		   double *const ns[CREW_KINDS])
{
	struct party party = {0};
	int64_t wrong = make(&party, dir, readers);

	if (wrong == 0)
		wrong = work(&party, options, readers, ns);
	for (int kind = 0; kind < CREW_KINDS; kind++)
		if (crew_kind[kind]->discard)
			crew_kind[kind]->discard(party.of[kind].shared);
	return wrong;
}

static void give(struct report *report, uint32_t readers, double *const ns[CREW_KINDS],
		 uint32_t rounds)
{
	char floor_id[64], id[64], what[128];

	snprintf(floor_id, sizeof(floor_id), "stream-floor.%u.%s", readers, channel_peer.name);
	snprintf(id, sizeof(id), "stream.%u.%s", readers, channel_peer.name);
	snprintf(what, sizeof(what), "%u readers: %s", readers, channel_peer.what);
	REPORT_ROW(report, .id = floor_id, .what = "floor beside it: lines of 8 words",
		   .unit = "ns", .values = ns[0], .count = rounds);
	REPORT_ROW(report, .id = id, .what = what, .unit = "ns", .values = ns[1], .count = rounds,
		   .floor = floor_id);
}

int main(int argc, char **argv)
{
	static const uint32_t readers[] = {1, 2, 4};
	struct options options = {.name = "stream",
				  .question = "How fast does one process hand messages to others?",
				  .rounds_by_length = {40, 20, 1}};
	struct report *report;
	double *ns[CREW_KINDS];

	options_parse(argc, argv, &options);
	report = report_begin(&options);
	for (int kind = 0; kind < CREW_KINDS; kind++)
		ns[kind] = measure_values(options.rounds);
	for (int i = 0; i < 3; i++) {
		char dir[SCRATCH_BYTES];
		int64_t wrong = -1;

		if (scratch_make(dir) == 0) {
			wrong = run(&options, dir, readers[i], ns);
			scratch_remove(dir);
		}
		if (wrong >= 0)
			give(report, readers[i], ns, options.rounds);
		report_check(report, wrong == 0, "%u readers got each message in its order (%lld)",
			     readers[i], (long long)wrong);
	}
	for (int kind = 0; kind < CREW_KINDS; kind++)
		free(ns[kind]);
	return report_end(report);
}
