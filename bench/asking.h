/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lookups, each timed by itself, in turn with their floor; and their answers compared.
 */
#ifndef RDX_BENCH_ASKING_H
#define RDX_BENCH_ASKING_H

#include "bench/floor.h"
#include "bench/report.h"
#include "bench/stage.h"

#define ASKING_PERCENTILES 3 /* p50, p99, p999 */

struct asking_prompt {
	const uint64_t *local;
	const uint32_t *tokens; /* where they are asked for */
	uint32_t blocks;
};

enum asking_way { ASKING_LOCAL, ASKING_PREFIX, ASKING_TOKENS };

enum asking_floor {
	ASKING_READ,      /* one dependent random read of a table as large */
	ASKING_READ_HASH, /* and the hash of one block */
	ASKING_XXH3,      /* the local hashes of the tokens */
};

struct asking {
	const struct options *options;
	struct report *report;
	struct stage *stage;
	struct floor_table floor;
	uint64_t *hashes; /* of the prompt that is asked for: in cache, as a router has them */
	uint32_t *tokens;
	double *times; /* of one pass */
};

/* What is asked, over and over. */
struct asking_case {
	const char *id;   /* "A.268" */
	const char *what; /* for people */
	const struct asking_prompt *prompts;
	uint32_t count;
	uint32_t cut; /* blocks of a prompt at most; 0: all */
	enum asking_way way;
	enum asking_floor floor;
};

void asking_open(struct asking *ret_asking, const struct options *options, struct report *report);
void asking_close(struct asking *asking);

/* The stage that is asked from now on. */
void asking_on(struct asking *asking, struct stage *stage);

/* How many prompts get a wrong answer. */
uint64_t asking_wrong(struct asking *asking, const struct asking_case *asked);

/* One lookup: nanoseconds. One that an indexer beside disturbs too often is asked again, and that is in them.
 * Ends the program if it fails. */
double asking_once(struct asking *asking, const struct asking_prompt *prompt, uint32_t blocks,
		   enum asking_way way);

/* The floor of the `i`-th prompt. */
double asking_floor_once(struct asking *asking, const struct asking_case *asked, uint32_t i);

/* Passes of lookups and of the floor in turn: rows lookup.ID.p50.floor, lookup.ID.p50.ringdex and
 * so on. */
void asking_measure(struct asking *asking, const struct asking_case *asked);

/* Three rows of percentiles, ID.p50.WHOSE and so on; `values[p]` has `count`. Measured in turn with
 * them: rows FLOOR_ID.p50.FLOOR_WHOSE and so on; NULL: nothing. */
struct asking_rows {
	const char *id;
	const char *whose;
	const char *what;
	double *const *values;
	uint32_t count;
	const char *floor_id;
	const char *floor_whose;
};
void asking_report(struct report *report, const struct asking_rows *rows);

/* ASKING_PERCENTILES arrays of `count` values. */
void asking_values_open(double *values[ASKING_PERCENTILES], uint32_t count);
void asking_values_close(double *values[ASKING_PERCENTILES]);

/* Sorts `times` and puts their percentiles at place `at` of `values`. */
void asking_percentiles(double *times, uint32_t count, double *const values[ASKING_PERCENTILES],
			uint32_t at);

#endif
