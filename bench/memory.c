/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory does the index take for one distinct block?
 *
 * Events of a corpus are published and applied. After each poll the index's files are measured, and
 * how much private memory the polls took; that is divided by the distinct blocks that are held then,
 * which are counted here. A value of a row is the mean over one turnover: as many blocks removed as
 * are held. The peak is the highest of all. Churn: prompts come and go, many times over (--churn), for
 * two minutes at most: what leaks or decays is seen in the last turnovers.
 */
#include "bench/corpus/find.h"
#include "bench/corpus/names.h"
#include "bench/measure.h"
#include "bench/stage.h"
#include "shm/clock.h"
#include "tools/trace/random.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define POLL_SLOTS     2048 /* a poll: short, so that a peak is seen */
#define EVENTS_A_DRAIN 256
#define TURNOVERS_MOST 16384
#define CHURN_WORKERS  8
#define CHURN_BLOCKS   64 /* of a prompt */
#define CHURN_CAPACITY 65536
#define CHURN_LOOK     1024 /* prompts, then a look at the clock */
#define QUERIES        200  /* compared at the end of churn */
#define SECOND_NS      UINT64_C(1000000000)
#define PROGRESS_NS    (10 * SECOND_NS)

/* How many workers hold each block; without `names` each block is held once, and only counted. */
struct holders {
	uint64_t *names; /* hash table, 0: empty */
	uint16_t *counts;
	uint64_t mask;
	uint64_t distinct;
};

/* What was measured since the last turnover. */
struct watch {
	struct report *report;
	struct holders holders;
	uint64_t private_bytes;
	uint64_t removed; /* in this turnover */
	double sum;
	uint64_t samples;
	double peak;
	double *turnovers; /* bytes a block, one each */
	uint32_t turnover_count;
	int filled; /* blocks were removed: it is not the first filling */
};

static void holders_open(struct holders *holders, uint64_t most)
{
	uint64_t places = 1024;

	while (places < 2 * most)
		places *= 2;
	holders->names = measure_memory(places * sizeof(uint64_t), MEASURE_PRIVATE);
	holders->counts = measure_memory(places * sizeof(uint16_t), MEASURE_PRIVATE);
	holders->mask = places - 1;
	holders->distinct = 0;
	if (!holders->names || !holders->counts)
		exit(1);
}

static void holders_close(struct holders *holders)
{
	if (!holders->names)
		return;
	measure_memory_free(holders->names, (holders->mask + 1) * sizeof(uint64_t));
	measure_memory_free(holders->counts, (holders->mask + 1) * sizeof(uint16_t));
}

static uint64_t holders_find(const struct holders *holders, uint64_t name)
{
	return names_find(holders->names, holders->mask, name);
}

static void holders_add(struct holders *holders, uint64_t name)
{
	uint64_t at = holders_find(holders, name);

	holders->names[at] = name;
	holders->distinct += holders->counts[at]++ == 0;
}

static void holders_drop(struct holders *holders, uint64_t name)
{
	uint64_t gap = holders_find(holders, name), from;

	if (!holders->names[gap] || --holders->counts[gap])
		return;
	holders->distinct--;
	for (; (from = names_mover(holders->names, holders->mask, gap)) != gap; gap = from) {
		holders->names[gap] = holders->names[from];
		holders->counts[gap] = holders->counts[from];
	}
	holders->names[gap] = 0;
	holders->counts[gap] = 0;
}

/* Memory of the files in the namespace's index folder. */
static uint64_t index_bytes(const struct stage *stage)
{
	char path[SCRATCH_BYTES + 512];
	struct dirent *entry;
	uint64_t bytes = 0;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/index", stage->dir);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/index/%s", stage->dir, entry->d_name);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_blocks * 512;
	}
	if (dir)
		closedir(dir);
	return bytes;
}

/* Private memory of this process. */
static uint64_t private_bytes(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file) && sscanf(line, "RssAnon: %lu", &kib) != 1)
		;
	if (file)
		fclose(file);
	return (uint64_t)kib * 1024;
}

static void sample(struct watch *watch, const struct stage *stage)
{
	double bytes = (double)(index_bytes(stage) + watch->private_bytes) /
		       (double)watch->holders.distinct;

	if (!watch->filled || !watch->holders.distinct)
		return;
	watch->sum += bytes;
	watch->samples++;
	if (bytes > watch->peak)
		watch->peak = bytes;
}

/* Poll until all is applied. What private memory grows by is the indexer's. */
static void drain(struct watch *watch, struct stage *stage)
{
	uint64_t before = private_bytes(), after;
	int read;

	do {
		read = rdx_indexer_poll(stage->indexer, POLL_SLOTS);
		stage_must(stage, read, "rdx_indexer_poll");
		sample(watch, stage);
	} while (read > 0);
	after = private_bytes();
	watch->private_bytes += after > before ? after - before : 0;
	stage_drain(stage);
}

static void end_turnover(struct watch *watch)
{
	if (watch->samples && watch->turnover_count < TURNOVERS_MOST)
		watch->turnovers[watch->turnover_count++] = watch->sum / (double)watch->samples;
	watch->sum = 0;
	watch->samples = watch->removed = 0;
}

/* A worker's clear: what it held has a holder less. */
static void holders_forget(struct holders *holders, const struct oracle_set *set)
{
	for (uint64_t i = 0; i <= set->mask; i++) {
		if (set->names[i])
			holders_drop(holders, set->names[i]);
	}
}

static void count(struct holders *holders, const struct corpus_record *record)
{
	if (!holders->names) {
		holders->distinct += record->kind == CORPUS_STORED ? record->count : 0;
		holders->distinct -= record->kind == CORPUS_REMOVED ? record->count : 0;
		return;
	}
	for (uint32_t i = 0; i < record->count; i++) {
		if (record->kind == CORPUS_STORED)
			holders_add(holders, record->names[i]);
		else if (record->kind == CORPUS_REMOVED)
			holders_drop(holders, record->names[i]);
	}
}

/* Publish an event, count its blocks, and apply it now and then. */
static void take(struct watch *watch, struct stage *stage, const struct corpus_record *record)
{
	if (record->kind == CORPUS_CLEARED)
		holders_forget(&watch->holders, &stage->oracle.sets[record->worker]);
	stage_publish(stage, record);
	count(&watch->holders, record);
	if (record->kind == CORPUS_REMOVED) {
		watch->removed += record->count;
		watch->filled = 1;
	}
	if (stage->events % EVENTS_A_DRAIN == 0 || stage_is_full(stage, record->worker))
		drain(watch, stage);
	if (watch->removed >= watch->holders.distinct)
		end_turnover(watch);
}

/* Of at most so many distinct blocks; 0: each is held once. */
static void watch_begin(struct watch *watch, struct stage *stage, uint64_t most)
{
	uint64_t before;

	if (most)
		holders_open(&watch->holders, most);
	watch->turnovers = measure_values(TURNOVERS_MOST);
	before = private_bytes();
	stage_open_index(stage);
	watch->private_bytes = private_bytes() - before;
}

static void watch_end(struct watch *watch, struct stage *stage, const char *name)
{
	char id[48], peak[48], what[96], peak_what[96];

	drain(watch, stage);
	if (watch->turnover_count == 0)
		end_turnover(watch);
	snprintf(id, sizeof(id), "memory.%s.ringdex", name);
	snprintf(peak, sizeof(peak), "memory.%s.peak.ringdex", name);
	snprintf(what, sizeof(what), "%s: a distinct block, mean of each turnover", name);
	snprintf(peak_what, sizeof(peak_what), "%s: the same, peak", name);
	REPORT_ROW(watch->report, .id = id, .what = what, .unit = "bytes",
		   .values = watch->turnovers, .count = watch->turnover_count);
	report_number(watch->report, peak, peak_what, "bytes", watch->peak);
	report_note(watch->report,
		    "%s: %u turnovers, %llu distinct blocks, %.1f MB of files, %.1f MB private, "
		    "%llu tables",
		    name, watch->turnover_count, (unsigned long long)watch->holders.distinct,
		    (double)index_bytes(stage) / 1e6, (double)watch->private_bytes / 1e6,
		    (unsigned long long)stage_stats(stage).generations);
	holders_close(&watch->holders);
	free(watch->turnovers);
}

static void measure_corpus(const struct options *options, struct report *report, const char *name,
			   const struct corpus *corpus)
{
	const struct corpus_header *header = corpus->header;
	struct watch watch = {.report = report};
	struct corpus_record record;
	struct stage stage;
	uint64_t at = 0, wrong = 0, query = 0, held;

	stage_open(&stage, options, (uint32_t)header->workers, header->capacity);
	watch_begin(&watch, &stage, header->workers * header->capacity);
	while (corpus_next(corpus, &at, &record)) {
		if (record.kind != CORPUS_QUERY)
			take(&watch, &stage, &record);
	}
	drain(&watch, &stage);
	held = watch.holders.distinct;
	for (at = 0; corpus_next(corpus, &at, &record);) {
		if (record.kind == CORPUS_QUERY && query++ + QUERIES >= header->queries)
			wrong += stage_wrong(&stage, record.local, record.count) != 0;
	}
	watch_end(&watch, &stage, name);
	report_check(report, wrong + stage_trouble(&stage) == 0, "%s: the last queries' answers",
		     name);
	report_check(report, held == header->held_blocks, "%s: %llu distinct blocks, as the corpus",
		     name, (unsigned long long)held);
	stage_close(&stage);
}

/* A prompt of the churn. */
static void make_prompt(uint64_t number, uint64_t *ret_local, uint64_t *ret_names)
{
	for (uint32_t i = 0; i < CHURN_BLOCKS; i++)
		ret_local[i] = rdx_trace_mix(number * CHURN_BLOCKS + i + 1) | 1;
	corpus_names(ret_local, CHURN_BLOCKS, ret_names);
}

/* What --churn and --seconds say. */
struct wanted {
	uint64_t blocks;
	uint64_t seconds;
};

/* Churn's prompts, and when it ends before all of them are stored. */
struct span {
	uint64_t prompts;
	uint64_t end_ns;
	uint64_t progress_ns; /* when there was news of it last */
};

/* Is there time for more? Says now and then how far it has come. */
static int goes_on(const struct watch *watch, struct span *span, uint64_t number)
{
	uint64_t now;

	if (number == span->prompts)
		return 0;
	if (number % CHURN_LOOK)
		return 1;
	now = rdx_clock_ns();
	if (now - span->progress_ns >= PROGRESS_NS) {
		fprintf(stderr, "churn: %llu of %llu million blocks, %u turnovers, %.2f bytes\n",
			(unsigned long long)(number * CHURN_BLOCKS / 1000000),
			(unsigned long long)(span->prompts * CHURN_BLOCKS / 1000000),
			watch->turnover_count,
			watch->turnover_count ? watch->turnovers[watch->turnover_count - 1] : 0);
		span->progress_ns = now;
	}
	return now < span->end_ns;
}

/* Each worker stores a new prompt and drops its oldest, in turn. Returns how many were stored. */
static uint64_t churn(struct watch *watch, struct stage *stage, struct span *span, uint64_t held)
{
	uint64_t local[CHURN_BLOCKS], names[CHURN_BLOCKS];
	struct corpus_record record = {.count = CHURN_BLOCKS, .local = local, .names = names};
	uint64_t number;

	for (number = 0; goes_on(watch, span, number); number++) {
		record.worker = (uint32_t)(number % CHURN_WORKERS);
		if (number >= held) {
			make_prompt(number - held, local, names);
			record.kind = CORPUS_REMOVED;
			take(watch, stage, &record);
		}
		make_prompt(number, local, names);
		record.kind = CORPUS_STORED;
		take(watch, stage, &record);
	}
	return number;
}

/* Is the answer wrong that a living prompt has one holder, and a dead one none? */
static int is_wrong(struct stage *stage, uint64_t number, int is_living)
{
	uint64_t local[CHURN_BLOCKS], names[CHURN_BLOCKS];
	uint32_t right = 0, blocks = 0;
	int rows;

	make_prompt(number, local, names);
	stage->runs[0].size = sizeof(stage->runs[0]);
	rows = rdx_index_lookup_local(stage->index, local, CHURN_BLOCKS, stage->runs,
				      RDX_RANKS_MAX);
	for (int i = 0; i < rows; i++) {
		const struct rdx_run *run = &stage->runs[i];

		blocks += run->blocks[RDX_TIER_DEVICE];
		if (run->worker_id == number % CHURN_WORKERS)
			right = run->blocks[RDX_TIER_DEVICE];
	}
	return rows < 0 || blocks != right || right != (is_living ? CHURN_BLOCKS : 0);
}

static void measure_churn(const struct options *options, struct report *report,
			  const struct wanted *wanted)
{
	uint64_t capacity = options_pick(options, CHURN_CAPACITY, CHURN_CAPACITY, 1024);
	uint64_t held = capacity / CHURN_BLOCKS * CHURN_WORKERS, prompts, now;
	struct watch watch = {.report = report};
	uint64_t wrong = 0;
	struct stage stage;

	stage_open(&stage, options, CHURN_WORKERS, capacity);
	stage.is_untold = 1;
	watch_begin(&watch, &stage, 0);
	now = rdx_clock_ns();
	prompts = churn(&watch, &stage,
			&(struct span){wanted->blocks / CHURN_BLOCKS,
				       now + wanted->seconds * SECOND_NS, now},
			held);
	drain(&watch, &stage);
	for (uint64_t i = 0; i < 2 * QUERIES; i++) {
		/* of the living, and of those that are gone */
		uint64_t back = i * held / QUERIES;

		wrong += is_wrong(&stage, prompts - 1 - back, back < held);
	}
	watch_end(&watch, &stage, "churn");
	report_note(report, "churn: %llu of %llu blocks stored in %.0f s",
		    (unsigned long long)(prompts * CHURN_BLOCKS),
		    (unsigned long long)wanted->blocks, (double)(rdx_clock_ns() - now) / 1e9);
	report_check(report, wrong + stage_trouble(&stage) == 0, "churn: %llu wrong answers",
		     (unsigned long long)wrong);
	stage_close(&stage);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct wanted *wanted = state->input;

	switch (key) {
	case 'c':
		wanted->blocks = options_number(state, "churn", argument, 2000000, INT64_MAX);
		return 0;
	case 's':
		wanted->seconds = options_number(state, "seconds", argument, 1, 1000000);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const char *const names[OPTIONS_LENGTHS][FIND_MOST] = {
		[OPTIONS_FULL] = {"A", "B", "C", "H1", "S4", "R"},
		[OPTIONS_QUICK] = {"A", "S4"},
		[OPTIONS_SMOKE] = {"A", "R"},
	};
	static const struct argp_option known[] = {
		{"churn", 'c', "N", 0, "Store so many blocks in all (20 million)", 0},
		{"seconds", 's', "N", 0, "But for so long at most (120)", 0},
		{0},
	};
	static const struct argp own = {.options = known, .parser = parse};
	struct wanted wanted = {.seconds = 120};
	struct options options = {
		.name = "memory",
		.question = "How much memory does the index take for one distinct block?",
		.rounds_by_length = {1, 1, 1},
		.own = &own,
		.own_input = &wanted,
	};
	struct report *report;
	struct corpus corpus;

	options_parse(argc, argv, &options);
	report = report_begin(&options);
	for (const char *const *name = names[options.length]; *name; name++) {
		if (!find_corpus(&options, report, *name, &corpus))
			continue;
		measure_corpus(&options, report, *name, &corpus);
		corpus_close(&corpus);
	}
	if (!wanted.blocks)
		wanted.blocks = options_pick(&options, 20000000, 2000000, 100000);
	measure_churn(&options, report, &wanted);
	return report_end(report);
}
