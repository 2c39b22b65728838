/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long does a lookup take while events are applied?
 *
 * One thread publishes events of a corpus, 64 at a time, and polls until they are applied; another
 * one looks up, on the other processor, the queries that the corpus had until then, cut at 268
 * blocks. Only lookups that begin during a poll count. After each slice of the corpus's second half
 * the same is looked up at rest: the row beside. Flood: 4,096 events wait. A worker that no event is
 * of holds prompts whose answers never change: each is compared. At rest all answers are.
 */
#include "bench/beside.h"
#include "bench/corpus/find.h"
#include "bench/measure.h"
#include "tools/trace/random.h"

#include <stdio.h>
#include <stdlib.h>

#define CUT_BLOCKS   268
#define SLICES_MOST  24
#define QUERIES      2000 /* of the corpus, the newest */
#define COMPARED     50   /* of them, after each slice */
#define REST_LOOKUPS 8000
#define FEW_EVENTS   64
#define MANY_EVENTS  4096
#define KNOWN        64 /* prompts that never change */

struct ingest {
	const struct options *options;
	struct report *report;
	struct stage stage;
	struct beside beside;
	struct beside_known known[KNOWN];
	uint64_t *known_local;
	struct asking_prompt prompts[2 * QUERIES]; /* the newest are at the end */
	uint32_t prompt_count;
	uint64_t wrong;
	double *busy[ASKING_PERCENTILES];
	double *rest[ASKING_PERCENTILES];
	uint32_t slices;
};

/* One worker more holds prompts of its own. */
static void store_known(struct ingest *ingest, uint32_t worker)
{
	struct stage *stage = &ingest->stage;

	ingest->known_local = calloc(KNOWN * CUT_BLOCKS, sizeof(uint64_t));
	if (!ingest->known_local)
		exit(1);
	for (uint32_t p = 0; p < KNOWN; p++) {
		uint64_t *local = &ingest->known_local[p * CUT_BLOCKS];

		for (uint32_t i = 0; i < CUT_BLOCKS; i++)
			local[i] = rdx_trace_mix((uint64_t)p << 32 | (i + 1)) | 1;
		corpus_names(local, CUT_BLOCKS, stage->names);
		stage_store(stage, worker, local, stage->names, 0, CUT_BLOCKS);
		ingest->known[p] =
			(struct beside_known){{.local = local, .blocks = CUT_BLOCKS}, worker};
	}
}

static void remember_query(struct ingest *ingest, const struct corpus_record *record)
{
	if (ingest->prompt_count == 2 * QUERIES) {
		ingest->prompt_count = QUERIES;
		for (uint32_t i = 0; i < QUERIES; i++)
			ingest->prompts[i] = ingest->prompts[QUERIES + i];
	}
	ingest->prompts[ingest->prompt_count++] =
		(struct asking_prompt){.local = record->local, .blocks = record->count};
}

/* What the thread beside looks up from now on. */
static void set_prompts(struct ingest *ingest)
{
	uint32_t count = ingest->prompt_count < QUERIES ? ingest->prompt_count : QUERIES;

	ingest->beside.prompts = &ingest->prompts[ingest->prompt_count - count];
	ingest->beside.prompt_count = count;
}

/* Publish and apply events until the next slice begins; 0 at the end of the corpus. */
static int run_slice(struct ingest *ingest, const struct corpus *corpus, uint64_t *at,
		     uint64_t events, uint32_t waiting)
{
	struct stage *stage = &ingest->stage;
	uint64_t until = stage->events + events;
	struct corpus_record record;
	uint32_t wait = 0;

	while (stage->events < until && corpus_next(corpus, at, &record)) {
		if (record.kind == CORPUS_QUERY)
			continue;
		stage_publish(stage, &record);
		if (++wait < waiting && !stage_is_full(stage, record.worker))
			continue;
		beside_drain(&ingest->beside, stage);
		wait = 0;
	}
	beside_drain(&ingest->beside, stage);
	return stage->events == until;
}

/* The queries between two places of the corpus. */
static void remember_queries(struct ingest *ingest, const struct corpus *corpus, uint64_t from,
			     uint64_t to)
{
	struct corpus_record record;

	while (from < to && corpus_next(corpus, &from, &record)) {
		if (record.kind == CORPUS_QUERY)
			remember_query(ingest, &record);
	}
}

/* At rest: times, and answers. */
static void rest(struct ingest *ingest)
{
	struct beside *beside = &ingest->beside;

	beside_rest(beside, (uint32_t)options_pick(ingest->options, REST_LOOKUPS, REST_LOOKUPS,
						   beside->prompt_count));
	asking_percentiles(beside->times, beside->count, ingest->rest, ingest->slices);
	for (uint32_t i = 0; i < COMPARED && i < beside->prompt_count; i++) {
		const struct asking_prompt *prompt = &beside->prompts[beside->prompt_count - 1 - i];

		ingest->wrong += stage_wrong(&ingest->stage, prompt->local, prompt->blocks) != 0;
	}
}

/* Slices of the second half, each with its rest. */
static void run_slices(struct ingest *ingest, const struct corpus *corpus, uint32_t waiting)
{
	const struct corpus_header *header = corpus->header;
	uint64_t half = (header->stored_events + header->removed_events) / 2, at = 0, before;
	uint64_t slices = options_pick(ingest->options, 20, 10, 2);
	int more = run_slice(ingest, corpus, &at, half, waiting);

	remember_queries(ingest, corpus, 0, at);
	set_prompts(ingest);
	beside_rest(&ingest->beside, ingest->beside.prompt_count); /* warms up */
	while (more && ingest->slices < SLICES_MOST) {
		before = at;
		beside_start(&ingest->beside);
		more = run_slice(ingest, corpus, &at, half / slices, waiting);
		beside_stop(&ingest->beside);
		asking_percentiles(ingest->beside.times, ingest->beside.count, ingest->busy,
				   ingest->slices);
		rest(ingest);
		/* a slice in which the other thread never ran says nothing */
		ingest->slices += ingest->busy[0][ingest->slices] > 0;
		remember_queries(ingest, corpus, before, at);
		set_prompts(ingest);
	}
}

static void give(const struct ingest *ingest, const char *name, uint32_t waiting)
{
	char id[32], idle[48], what[96], idle_what[64];

	snprintf(id, sizeof(id), "ingest.%s", name);
	snprintf(idle, sizeof(idle), "ingest.%s.idle", name);
	snprintf(idle_what, sizeof(idle_what), "%s: a lookup at rest", name);
	snprintf(what, sizeof(what), "%s: a lookup while %u events wait", name, waiting);
	asking_report(ingest->report,
		      &(struct asking_rows){idle, "ringdex", idle_what, ingest->rest,
					    ingest->slices, NULL, NULL});
	asking_report(ingest->report, &(struct asking_rows){id, "ringdex", what, ingest->busy,
							    ingest->slices, idle, "ringdex"});
}

static void measure(const struct options *options, struct report *report, const char *name,
		    const struct corpus *corpus, uint32_t waiting)
{
	struct ingest *ingest = calloc(1, sizeof(*ingest));
	uint32_t workers = (uint32_t)corpus->header->workers;

	if (!ingest)
		exit(1);
	ingest->options = options;
	ingest->report = report;
	asking_values_open(ingest->busy, SLICES_MOST + 1);
	asking_values_open(ingest->rest, SLICES_MOST + 1);
	stage_make(&ingest->stage, options, workers + 1);
	for (uint32_t w = 0; w < workers; w++)
		stage_join(&ingest->stage, corpus->header->capacity);
	stage_join(&ingest->stage, KNOWN * CUT_BLOCKS);
	store_known(ingest, workers);
	stage_open_index(&ingest->stage);
	beside_open(&ingest->beside, options, &ingest->stage);
	ingest->beside.cut = CUT_BLOCKS;
	ingest->beside.known = ingest->known;
	ingest->beside.known_count = KNOWN;
	run_slices(ingest, corpus, waiting);
	beside_close(&ingest->beside);
	if (ingest->slices)
		give(ingest, name, waiting);
	report_check(report, ingest->wrong + stage_trouble(&ingest->stage) == 0,
		     "%s: answers at rest: %llu wrong", name, (unsigned long long)ingest->wrong);
	report_check(report, ingest->beside.wrong == 0,
		     "%s: answers that never change, while events are applied: %llu wrong", name,
		     (unsigned long long)ingest->beside.wrong);
	stage_close(&ingest->stage);
	asking_values_close(ingest->busy);
	asking_values_close(ingest->rest);
	free(ingest->known_local);
	free(ingest);
}

int main(int argc, char **argv)
{
	static const char *const names[OPTIONS_LENGTHS][FIND_MOST] = {
		[OPTIONS_FULL] = {"A", "B", "R", "S4"},
		[OPTIONS_QUICK] = {"A"},
		[OPTIONS_SMOKE] = {"A"},
	};
	struct options options = {
		.name = "ingest",
		.question = "How long does a lookup take while events are applied?",
		.rounds_by_length = {1, 1, 1},
	};
	struct report *report;
	struct corpus corpus;

	options_parse(argc, argv, &options);
	measure_pin(0);
	report = report_begin(&options);
	for (const char *const *name = names[options.length]; *name; name++) {
		if (!find_corpus(&options, report, *name, &corpus))
			continue;
		measure(&options, report, *name, &corpus, FEW_EVENTS);
		if ((*name)[0] == 'A')
			measure(&options, report, "flood", &corpus, MANY_EVENTS);
		corpus_close(&corpus);
	}
	return report_end(report);
}
