/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long does it take to look up who holds how much of a prompt?
 *
 * The index is at rest. Of each corpus the newest queries, after all its events: from local hashes,
 * chain included, cut at 268 blocks and whole; of the first one from prefix hashes too. Then prompts
 * made for the question (lookup_made.c, lookup_tokens.c). Each lookup is timed by itself; what is
 * given to it is in cache. A value of a row is the percentile of one pass. Floor, in turn: a random
 * read of a table as large, timed the same way. Every answer is compared with the oracle first.
 */
#include "bench/lookup.h"

#include "bench/corpus/find.h"
#include "bench/measure.h"

#include <stdio.h>
#include <stdlib.h>

#define CUT_BLOCKS   268 /* 4,288 tokens */
#define QUERIES      2000
#define QUERIES_MORE 8000 /* where there are more than 8 workers */

/* The last queries of a corpus. */
static uint32_t last_queries(const struct corpus *corpus, struct asking_prompt **ret_prompts)
{
	uint64_t most = corpus->header->workers > 8 ? QUERIES_MORE : QUERIES;
	uint64_t all = corpus->header->queries, skip = all > most ? all - most : 0, at = 0;
	struct asking_prompt *prompts = calloc(most, sizeof(*prompts));
	struct corpus_record record;
	uint32_t count = 0;

	while (prompts && corpus_next(corpus, &at, &record)) {
		if (record.kind != CORPUS_QUERY || (skip && skip--))
			continue;
		prompts[count++] =
			(struct asking_prompt){.local = record.local, .blocks = record.count};
	}
	*ret_prompts = prompts;
	return count;
}

static void measure(struct asking *asking, const char *name, uint32_t cut, enum asking_way way,
		    const struct asking_prompt *prompts, uint32_t count)
{
	char id[32], what[64];
	struct asking_case asked = {id, what, prompts, count, cut, way, ASKING_READ};
	uint64_t wrong;

	snprintf(id, sizeof(id), "%s.%s%s", name, cut ? "268" : "full",
		 way == ASKING_PREFIX ? ".prefix" : "");
	snprintf(what, sizeof(what), "%s, %s%s", name, cut ? "268 blocks" : "whole prompts",
		 way == ASKING_PREFIX ? ", prefix hashes given" : "");
	wrong = asking_wrong(asking, &asked);
	report_check(asking->report, wrong == 0, "%s: every answer right: %llu wrong of %u", what,
		     (unsigned long long)wrong, count);
	asking_measure(asking, &asked);
}

static void measure_corpus(struct asking *asking, const char *name, const struct corpus *corpus)
{
	struct asking_prompt *prompts;
	uint32_t count = last_queries(corpus, &prompts);
	struct stage stage;

	stage_open(&stage, asking->options, (uint32_t)corpus->header->workers,
		   corpus->header->capacity);
	stage_open_index(&stage);
	stage_replay(&stage, corpus, 0);
	asking_on(asking, &stage);
	measure(asking, name, CUT_BLOCKS, ASKING_LOCAL, prompts, count);
	measure(asking, name, 0, ASKING_LOCAL, prompts, count);
	if (name[0] == 'A')
		measure(asking, name, CUT_BLOCKS, ASKING_PREFIX, prompts, count);
	report_check(asking->report, stage_trouble(&stage) == 0, "%s: no publisher in trouble",
		     name);
	stage_close(&stage);
	free(prompts);
}

int main(int argc, char **argv)
{
	static const char *const names[OPTIONS_LENGTHS][FIND_MOST] = {
		[OPTIONS_FULL] = {"A", "B", "C", "H1", "H20", "S4", "S64", "R"},
		[OPTIONS_QUICK] = {"A", "S4"},
		[OPTIONS_SMOKE] = {"A", "H20"},
	};
	struct options options = {
		.name = "lookup",
		.question = "How long does it take to look up who holds how much of a prompt?",
		.rounds_by_length = {12, 6, 1},
	};
	struct asking asking;
	struct corpus corpus;
	struct report *report;

	options_parse(argc, argv, &options);
	measure_pin(0);
	report = report_begin(&options);
	asking_open(&asking, &options, report);
	for (const char *const *name = names[options.length]; *name; name++) {
		if (!find_corpus(&options, report, *name, &corpus))
			continue;
		measure_corpus(&asking, *name, &corpus);
		corpus_close(&corpus);
	}
	lookup_made(&asking);
	lookup_tokens(&asking);
	asking_close(&asking);
	return report_end(report);
}
