/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the corpora of the benchmarks: every record follows the rules of
 * bench/corpus/format.md, the header counts what there is, equal options make equal files, and what
 * is no corpus is refused.
 */
#include "bench/corpus/corpus.h"
#include "bench/corpus/oracle.h"
#include "bench/corpus/simulate.h"
#include "tests/rig.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIVIDE 64

struct made {
	char path[HELD_PATH_BYTES + 32];
	struct corpus corpus;
};

static void make(const struct rig *rig, const struct recipe *recipe, uint64_t seed,
		 struct made *ret_made)
{
	struct requests requests;
	struct simulate_options options = {&requests, seed, DIVIDE};

	assert_int_equal(requests_make(&requests, seed, DIVIDE), 0);
	snprintf(ret_made->path, sizeof(ret_made->path), "%s/%s-%" PRIu64, rig->dir, recipe->name,
		 seed);
	assert_int_equal(simulate_run(recipe, &options, ret_made->path), 0);
	assert_int_equal(corpus_open(&ret_made->corpus, ret_made->path), 0);
	assert_int_equal(ret_made->corpus.header->fingerprint,
			 simulate_fingerprint(recipe, &options));
	requests_free(&requests);
}

/* What a header counts, counted again. */
static void count(struct corpus_header *counted, const struct corpus_record *record)
{
	counted->records++;
	counted->stored_events += record->kind == CORPUS_STORED;
	counted->stored_blocks += record->kind == CORPUS_STORED ? record->count : 0;
	counted->removed_events += record->kind == CORPUS_REMOVED;
	counted->removed_blocks += record->kind == CORPUS_REMOVED ? record->count : 0;
	counted->clears += record->kind == CORPUS_CLEARED;
	counted->queries += record->kind == CORPUS_QUERY;
	counted->query_blocks += record->kind == CORPUS_QUERY ? record->count : 0;
}

/* A Stored's names follow from its parent and local hashes. */
static void check_names(const struct corpus_record *record)
{
	uint64_t pair[CORPUS_EVENT_BLOCKS + 1], names[CORPUS_EVENT_BLOCKS + 1];

	assert_in_range(record->count, 1, CORPUS_EVENT_BLOCKS);
	assert_int_equal(record->parent == NULL, record->first_block == 0);
	pair[0] = record->parent ? *record->parent : record->local[0];
	memcpy(&pair[1], record->local, record->count * sizeof(uint64_t));
	if (record->parent) {
		corpus_names(pair, record->count + 1, names);
		assert_memory_equal(&names[1], record->names, record->count * sizeof(uint64_t));
	} else {
		corpus_names(record->local, record->count, names);
		assert_memory_equal(names, record->names, record->count * sizeof(uint64_t));
	}
}

static void check_records(const struct corpus *corpus, const struct recipe *recipe)
{
	const struct corpus_header *header = corpus->header;
	struct corpus_header counted = {0};
	struct corpus_record record;
	struct oracle oracle;
	uint64_t at = 0, held = 0;

	assert_int_equal(oracle_open(&oracle, recipe->workers), 0);
	while (corpus_next(corpus, &at, &record)) {
		assert_in_range(record.worker, 0, recipe->workers - 1);
		if (record.kind == CORPUS_STORED)
			check_names(&record);
		count(&counted, &record);
		oracle_apply(&oracle, &record);
		assert_in_range(oracle.sets[record.worker].count, 0, header->capacity);
	}
	assert_int_equal(at, header->words);
	assert_int_equal(oracle.wrong, 0);
	for (uint32_t w = 0; w < oracle.workers; w++)
		held += oracle.sets[w].count;
	assert_int_equal(held, header->held_pairs);
	assert_in_range(header->held_blocks, 1, held);
	assert_int_equal(counted.records, header->records);
	assert_memory_equal(&counted.stored_events, &header->stored_events, 7 * sizeof(uint64_t));
	oracle_close(&oracle);
}

static void test_records_follow_the_rules(void **state)
{
	for (int i = 0; i < RECIPE_COUNT; i++) {
		const struct recipe *recipe = &recipe_all[i];
		const struct corpus_header *header;
		struct made made;

		make(*state, recipe, 3, &made);
		header = made.corpus.header;
		check_records(&made.corpus, recipe);
		assert_string_equal(header->name, recipe->name);
		assert_true(header->queries > 0);
		assert_true(recipe->held_stop || header->removed_blocks > 0);
		assert_int_equal(header->clears > 0, recipe->requests_per_clear > 0);
		assert_true(recipe->removed_blocks > 1 ||
			    header->removed_events == header->removed_blocks);
		assert_true(header->held_pairs >= recipe->held_stop / DIVIDE);
		corpus_close(&made.corpus);
	}
}

/* Blocks without their parent: of H20, and not of A. */
static uint64_t holes(const struct corpus *corpus, uint32_t workers)
{
	struct corpus_record record;
	struct oracle oracle;
	uint64_t at = 0, found = 0;

	assert_int_equal(oracle_open(&oracle, workers), 0);
	while (corpus_next(corpus, &at, &record)) {
		static uint64_t names[CORPUS_BLOCKS_MAX];

		oracle_apply(&oracle, &record);
		if (record.kind != CORPUS_QUERY)
			continue;
		corpus_names(record.local, record.count, names);
		for (uint32_t w = 0; w < workers; w++) {
			uint32_t run = oracle_leading(&oracle, w, names, record.count);

			for (uint32_t i = run; i < record.count && run; i++)
				found += oracle_leading(&oracle, w, &names[i], 1);
		}
	}
	oracle_close(&oracle);
	return found;
}

static void test_random_victims_leave_holes(void **state)
{
	struct made none, some;

	make(*state, recipe_find("A"), 3, &none);
	make(*state, recipe_find("H20"), 3, &some);
	assert_int_equal(holes(&none.corpus, 8), 0);
	assert_true(holes(&some.corpus, 8) > 0);
	corpus_close(&none.corpus);
	corpus_close(&some.corpus);
}

static void test_equal_options_make_equal_files(void **state)
{
	struct made first, again, other;

	make(*state, recipe_find("R"), 5, &first);
	make(*state, recipe_find("R"), 5, &again);
	make(*state, recipe_find("R"), 6, &other);
	assert_int_equal(first.corpus.bytes, again.corpus.bytes);
	assert_memory_equal(first.corpus.header, again.corpus.header, first.corpus.bytes);
	assert_int_not_equal(first.corpus.header->fingerprint, other.corpus.header->fingerprint);
	corpus_close(&first.corpus);
	corpus_close(&again.corpus);
	corpus_close(&other.corpus);
}

static void test_what_is_no_corpus_is_refused(void **state)
{
	struct corpus_header header;
	struct corpus corpus;
	struct made made;
	FILE *file;

	make(*state, recipe_find("E"), 1, &made);
	header = *made.corpus.header;
	corpus_close(&made.corpus);
	file = fopen(made.path, "r+");
	assert_non_null(file);
	header.words++;
	fwrite(&header, sizeof(header), 1, file);
	fclose(file);
	assert_int_equal(corpus_open(&corpus, made.path), -EBADMSG);
	assert_int_equal(corpus_open(&corpus, "/dev/null"), -EBADMSG);
	assert_int_equal(corpus_open(&corpus, "/nonexistent"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_records_follow_the_rules, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_random_victims_leave_holes, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_equal_options_make_equal_files, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_corpus_is_refused, rig_setup,
						rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
