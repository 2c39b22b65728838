/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many answers are wrong?
 *
 * Every query of the corpora at its moment, cut at 268 blocks and whole, between the events of the
 * corpus: the rows of all workers against the oracle. Plain; with polls of random size at random
 * moments and an indexer that restarts; and with rings so small that the indexer, which polls seldom,
 * is lapped again and again, and ranks instead of workers. Nothing is timed.
 */
#include "bench/corpus/find.h"
#include "bench/stage.h"
#include "tools/trace/random.h"
#include <ringdex/rdx_reader.h>

#include <stdio.h>

#define CUT_BLOCKS 268

struct way {
	const char *name;
	uint32_t restarts;   /* of the indexer, about */
	uint32_t poll_in;    /* after one event of so many a small poll; 0: none */
	uint32_t ask_every;  /* queries; the others are passed by */
	uint64_t ring_slots; /* 0: the default */
	uint32_t ranks;
};

static const struct way ways[] = {
	{"plain", 0, 0, 1, 0, 1},
	{"restarts", 40, 20, 1, 0, 1},
	{"laps", 2, 3000, 25, 512, 4},
};

struct check {
	const struct options *options;
	struct report *report;
	struct random_state random;
	uint64_t lookups;
	uint64_t wrong;
	uint64_t restarts;
	uint64_t recoveries;
	uint64_t slots_lost;
};

static int draw(struct check *check, uint32_t in)
{
	return in && random_below(&check->random, in) == 0;
}

/* Close the index, and keep what its indexer counted. */
static void close_index(struct check *check, struct stage *stage)
{
	struct rdx_indexer_stats stats = stage_stats(stage);

	check->recoveries += stats.recoveries[RDX_RECOVERED_BARRIER];
	check->recoveries += stats.recoveries[RDX_RECOVERED_LEDGER];
	check->slots_lost += stats.slots_lost;
	stage_close_index(stage);
}

static void ask(struct check *check, struct stage *stage, const struct corpus_record *query,
		uint32_t restart_in)
{
	uint32_t cut = query->count < CUT_BLOCKS ? query->count : CUT_BLOCKS;

	if (draw(check, restart_in)) {
		close_index(check, stage);
		stage_open_index(stage);
		check->restarts++;
	}
	stage_drain(stage);
	stage_settle(stage);
	check->wrong += stage_wrong(stage, query->local, cut) != 0;
	check->wrong += stage_wrong(stage, query->local, query->count) != 0;
	check->lookups += 2;
}

static void run_corpus(struct check *check, struct stage *stage, const struct way *way,
		       const struct corpus *corpus)
{
	uint64_t asked = corpus->header->queries / way->ask_every, at = 0, query = 0;
	uint32_t restart_in = way->restarts ? (uint32_t)(asked / way->restarts) + 1 : 0;
	struct corpus_record record;
	int read;

	while (corpus_next(corpus, &at, &record)) {
		if (record.kind != CORPUS_QUERY) {
			stage_publish(stage, &record);
			if (!draw(check, way->poll_in))
				continue;
			read = rdx_indexer_poll(stage->indexer,
						1 + random_below(&check->random, 200));
			stage_must(stage, read, "rdx_indexer_poll");
		} else if (++query % way->ask_every == 0) {
			ask(check, stage, &record, restart_in);
		}
	}
}

static void check_corpus(struct check *check, const char *name, const struct corpus *corpus,
			 const struct way *way)
{
	struct stage stage;
	char id[64], what[96];
	uint64_t trouble;

	check->lookups = check->wrong = 0;
	check->restarts = check->recoveries = check->slots_lost = 0;
	stage_make(&stage, check->options, (uint32_t)corpus->header->workers);
	stage.ring_slots = way->ring_slots ? way->ring_slots : stage.ring_slots;
	stage.ranks = way->ranks;
	for (uint64_t w = 0; w < corpus->header->workers; w++)
		stage_join(&stage, corpus->header->capacity);
	stage_open_index(&stage);
	run_corpus(check, &stage, way, corpus);
	close_index(check, &stage);
	trouble = stage_trouble(&stage);
	snprintf(id, sizeof(id), "check.%s.%s.ringdex", name, way->name);
	snprintf(what, sizeof(what), "%s, %s: wrong answers", name, way->name);
	report_number(check->report, id, what, "", (double)check->wrong);
	report_check(check->report, check->wrong + trouble == 0 && check->lookups > 0,
		     "%s, %s: %llu lookups, %llu wrong", name, way->name,
		     (unsigned long long)check->lookups, (unsigned long long)check->wrong);
	report_note(check->report,
		    "%s, %s: %llu lookups, %llu restarts, %llu recoveries, %llu slots lost", name,
		    way->name, (unsigned long long)check->lookups,
		    (unsigned long long)check->restarts, (unsigned long long)check->recoveries,
		    (unsigned long long)check->slots_lost);
	stage_close(&stage);
}

int main(int argc, char **argv)
{
	static const char *const names[OPTIONS_LENGTHS][FIND_MOST] = {
		[OPTIONS_FULL] = {"A", "A1", "B", "C", "H1", "H20", "R", "S4", "S64"},
		[OPTIONS_QUICK] = {"A"},
		[OPTIONS_SMOKE] = {"A", "H20"},
	};
	struct options options = {.name = "check",
				  .question = "How many answers are wrong?",
				  .rounds_by_length = {1, 1, 1}};
	struct check check = {.options = &options, .random = {1}};
	struct corpus corpus;

	options_parse(argc, argv, &options);
	check.report = report_begin(&options);
	for (const char *const *name = names[options.length]; *name; name++) {
		if (!find_corpus(&options, check.report, *name, &corpus))
			continue;
		for (size_t w = 0; w < sizeof(ways) / sizeof(*ways); w++)
			check_corpus(&check, *name, &corpus, &ways[w]);
		corpus_close(&corpus);
	}
	return report_end(check.report);
}
