/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long does a lookup take while events are applied?
 *
 * One thread publishes the events of a corpus, 64 at a time, and polls until they are applied. When
 * it begins to poll, another one looks up, on the other processor, the queries that the corpus has
 * between these events, cut at 268 blocks; those of the corpus's second half count. After each slice
 * of it the same queries are looked up at rest: the row beside. Flood: 4,096 events wait. A value is
 * the percentile of one pass. A worker that no event is of holds prompts whose answers never change:
 * they are compared all the time; at rest all answers are.
 */
#include "bench/beside.h"
#include "bench/corpus/find.h"
#include "bench/measure.h"
#include "shm/clock.h"
#include "tools/trace/random.h"

#include <stdio.h>
#include <stdlib.h>

#define CUT_BLOCKS  268
#define SLICES      16
#define COMPARED    50 /* queries of a slice */
#define FEW_EVENTS  64
#define MANY_EVENTS 4096
#define KNOWN       64                    /* prompts that never change */
#define PASSES_NS   UINT64_C(15000000000) /* for all of one corpus */

struct ingest {
	const struct options *options;
	struct report *report;
	const char *name;
	const struct corpus *corpus;
	uint32_t waiting; /* events */

	/* all passes */
	double *busy[ASKING_PERCENTILES];
	double *rest[ASKING_PERCENTILES];
	uint64_t wrong;
	uint64_t wrong_beside;

	/* one pass */
	struct stage stage;
	struct beside beside;
	struct beside_known known[KNOWN];
	uint64_t *known_local;
	struct asking_prompt *prompts; /* all queries until now */
	uint32_t prompt_count;
	uint32_t asked; /* of them */
	double *busy_times;
	double *rest_times;
	uint32_t busy_count;
	uint32_t rest_count;
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

/* What waits is applied; the queries that came with it are looked up beside that. */
static void apply(struct ingest *ingest)
{
	beside_post(&ingest->beside, &ingest->prompts[ingest->asked],
		    ingest->prompt_count - ingest->asked);
	stage_drain(&ingest->stage);
	beside_wait(&ingest->beside);
	ingest->asked = ingest->prompt_count;
}

/* Publish and apply so many events. 0 at the end of the corpus. */
static int run_events(struct ingest *ingest, uint64_t *at, uint64_t events)
{
	struct stage *stage = &ingest->stage;
	uint64_t until = stage->events + events;
	struct corpus_record record;
	uint32_t wait = 0;

	while (stage->events < until && corpus_next(ingest->corpus, at, &record)) {
		if (record.kind == CORPUS_QUERY) {
			ingest->prompts[ingest->prompt_count++] = (struct asking_prompt){
				.local = record.local, .blocks = record.count};
			continue;
		}
		stage_publish(stage, &record);
		if (++wait < ingest->waiting && !stage_is_full(stage, record.worker))
			continue;
		apply(ingest);
		wait = 0;
	}
	apply(ingest);
	return stage->events == until;
}

/* The thread's times are moved to the end of `times`. */
static void keep_times(struct ingest *ingest, double *times, uint32_t *count)
{
	for (uint32_t i = 0; i < ingest->beside.count; i++)
		times[(*count)++] = ingest->beside.times[i];
	ingest->beside.count = 0;
}

/* The queries of a slice, at rest: times, and answers. */
static void rest(struct ingest *ingest, uint32_t first)
{
	beside_post(&ingest->beside, &ingest->prompts[first], ingest->prompt_count - first);
	beside_wait(&ingest->beside);
	keep_times(ingest, ingest->rest_times, &ingest->rest_count);
	for (uint32_t i = first; i < ingest->prompt_count && i < first + COMPARED; i++)
		ingest->wrong += stage_wrong(&ingest->stage, ingest->prompts[i].local,
					     ingest->prompts[i].blocks) != 0;
}

/* The first half only warms up. */
static void run_corpus(struct ingest *ingest)
{
	const struct corpus_header *header = ingest->corpus->header;
	uint64_t half = (header->stored_events + header->removed_events) / 2, at = 0;
	int more = run_events(ingest, &at, half);

	ingest->beside.count = 0;
	while (more) {
		uint32_t first = ingest->prompt_count;

		more = run_events(ingest, &at, half / SLICES + 1);
		keep_times(ingest, ingest->busy_times, &ingest->busy_count);
		rest(ingest, first);
	}
}

static void open_pass(struct ingest *ingest)
{
	const struct corpus_header *header = ingest->corpus->header;
	uint32_t workers = (uint32_t)header->workers;

	ingest->prompt_count = ingest->asked = ingest->busy_count = ingest->rest_count = 0;
	stage_make(&ingest->stage, ingest->options, workers + 1);
	for (uint32_t w = 0; w < workers; w++)
		stage_join(&ingest->stage, header->capacity);
	stage_join(&ingest->stage, KNOWN * CUT_BLOCKS);
	store_known(ingest, workers);
	stage_open_index(&ingest->stage);
	beside_open(&ingest->beside, ingest->options, &ingest->stage);
	ingest->beside.cut = CUT_BLOCKS;
	ingest->beside.known = ingest->known;
	ingest->beside.known_count = KNOWN;
}

static void run_pass(struct ingest *ingest, uint32_t at)
{
	open_pass(ingest);
	run_corpus(ingest);
	asking_percentiles(ingest->busy_times, ingest->busy_count, ingest->busy, at);
	asking_percentiles(ingest->rest_times, ingest->rest_count, ingest->rest, at);
	beside_close(&ingest->beside);
	ingest->wrong_beside += ingest->beside.wrong;
	ingest->wrong += stage_trouble(&ingest->stage) + (ingest->busy_count == 0);
	stage_close(&ingest->stage);
	free(ingest->known_local);
}

static void give(const struct ingest *ingest, uint32_t passes)
{
	const char *name = ingest->name;
	char id[32], idle[48], what[96], idle_what[64];

	snprintf(id, sizeof(id), "ingest.%s", name);
	snprintf(idle, sizeof(idle), "ingest.%s.idle", name);
	snprintf(idle_what, sizeof(idle_what), "%s: a lookup at rest", name);
	snprintf(what, sizeof(what), "%s: a lookup while %u events wait", name, ingest->waiting);
	asking_report(ingest->report, &(struct asking_rows){idle, "ringdex", idle_what,
							    ingest->rest, passes, NULL, NULL});
	asking_report(ingest->report, &(struct asking_rows){id, "ringdex", what, ingest->busy,
							    passes, idle, "ringdex"});
	report_check(ingest->report, ingest->wrong == 0, "%s: answers at rest: %llu wrong", name,
		     (unsigned long long)ingest->wrong);
	report_check(ingest->report, ingest->wrong_beside == 0,
		     "%s: answers that never change, while events are applied: %llu wrong", name,
		     (unsigned long long)ingest->wrong_beside);
}

/* Passes until there are enough of them, or their time is over. */
static void measure(const struct options *options, struct report *report, const char *name,
		    const struct corpus *corpus, uint32_t waiting)
{
	uint64_t queries = corpus->header->queries, start = rdx_clock_ns(), took = 0;
	struct ingest *ingest = calloc(1, sizeof(*ingest));
	uint32_t passes = 0;

	if (!ingest)
		exit(1);
	*ingest = (struct ingest){.options = options,
				  .report = report,
				  .name = name,
				  .corpus = corpus,
				  .waiting = waiting,
				  .prompts = calloc(queries, sizeof(*ingest->prompts)),
				  .busy_times = measure_values((uint32_t)queries),
				  .rest_times = measure_values((uint32_t)queries)};
	if (!ingest->prompts)
		exit(1);
	asking_values_open(ingest->busy, options->rounds);
	asking_values_open(ingest->rest, options->rounds);
	while (passes < options->rounds && (passes == 0 || took + took / passes < PASSES_NS)) {
		run_pass(ingest, passes++);
		took = rdx_clock_ns() - start;
	}
	give(ingest, passes);
	asking_values_close(ingest->busy);
	asking_values_close(ingest->rest);
	free(ingest->busy_times);
	free(ingest->rest_times);
	free(ingest->prompts);
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
		.rounds_by_length = {5, 1, 1},
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
