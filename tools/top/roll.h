/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of ringdex-top: what a census says of each rank, and what became of it since the one
 * before.
 */
#ifndef TOP_ROLL_H
#define TOP_ROLL_H

#include "tools/inspect/census.h"
#include "tools/program/json.h"
#include "tools/program/table.h"

#define ROLL_CELL_BYTES RDX_TEXT_BYTES
#define ROLL_UNKNOWN    UINT64_MAX

enum roll_column {
	ROLL_RANK,
	ROLL_STATE,
	ROLL_BLOCKS,
	ROLL_RATE,
	ROLL_LAG,
	ROLL_AGE,
	ROLL_SEEN,
	ROLL_RECOVERED,
	ROLL_MODEL,
	ROLL_INSTANCE,
	ROLL_COLUMNS
};

struct roll_heading {
	const char *title;
	int width; /* on a screen; 0: the rest of the line */
	int is_number;
};
extern const struct roll_heading roll_headings[ROLL_COLUMNS];

struct roll_row {
	struct rank_name name;
	const char *state; /* that of the index, else that of the segment */
	enum table_tone tone;
	uint64_t epoch;
	uint64_t blocks; /* held, of all tiers */
	uint64_t last_event_id;
	double rate; /* events a second since the look before; below 0: not known */
	uint64_t
		lag; /* events that the index has not seen; this and the next may be ROLL_UNKNOWN */
	uint64_t age_ns;    /* since its newest event */
	uint64_t seen_ns;   /* since the index saw it alive, and was caught up */
	uint64_t recovered; /* recoveries of this indexer */
	char model[RDX_TEXT_BYTES];
	char instance[RDX_TEXT_BYTES];
};

struct roll {
	struct roll_row *rows;
	size_t count;
	size_t live;
	int has_indexer;
	double rate; /* of all */
	uint64_t taken_ns;
};

/* Look, and compare with the look before, which is freed; {0} at first. Says why it cannot; -errno, and
 * the roll stays. */
int roll_take(struct roll *roll, const struct space *space, const struct ranks *wanted);
void roll_free(struct roll *roll);

/* By a column, numbers from the greatest on, texts from A on; `reversed` the other way. Where equal, by
 * rank. */
void roll_sort(struct roll *roll, enum roll_column by, int reversed);

/* Does a cell of a text have this in it, in small or capital letters? "" is in all. */
int roll_matches(const struct roll_row *row, const char *filter);

/* A cell as people read it; texts of others are as they are. Returns ret_text. */
const char *roll_cell(const struct roll_row *row, enum roll_column column,
		      char ret_text[ROLL_CELL_BYTES]);

struct json_object *roll_json(const struct roll *roll);

#endif
