/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/feed_rig.h"

#include <ringdex/rdx_reader.h>

#include <stdlib.h>

#define HASHES_MAX 4096

static int compare_words(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static uint64_t read_held(const struct rig *rig, uint64_t worker, uint32_t dp_rank, uint8_t tier,
			  uint64_t *ret_held)
{
	struct rdx_reader *reader;
	struct rdx_cursor at;
	uint64_t count = 0;

	assert_int_equal(rdx_reader_open(&reader, rig->dir, worker, dp_rank), 0);
	assert_int_equal(rdx_reader_resident(reader, tier, ret_held, HASHES_MAX, &count, &at), 0);
	rdx_reader_close(reader);
	return count;
}

void feed_expect_runs(const struct rig *rig, uint64_t worker, uint32_t dp_rank, uint8_t tier,
		      const uint64_t *locals, const uint32_t *runs, uint32_t run_count)
{
	uint64_t expected[HASHES_MAX], held[HASHES_MAX], count, total = 0;

	for (uint32_t i = 0; i < run_count; i++) {
		rdx_hash_chain(&rig->key, 0, locals + total, runs[i], expected + total);
		total += runs[i];
	}
	count = read_held(rig, worker, dp_rank, tier, held);
	assert_int_equal(count, total);
	qsort(expected, total, sizeof(*expected), compare_words);
	qsort(held, count, sizeof(*held), compare_words);
	assert_memory_equal(held, expected, total * sizeof(*held));
}

void feed_expect_run(const struct rig *rig, uint64_t worker, uint8_t tier, const uint64_t *locals,
		     uint32_t count)
{
	feed_expect_runs(rig, worker, 0, tier, locals, &count, 1);
}

uint64_t feed_held_by(const struct rig *rig, uint64_t worker, uint32_t dp_rank, uint8_t tier)
{
	uint64_t held[HASHES_MAX];

	return read_held(rig, worker, dp_rank, tier, held);
}

uint64_t feed_held(const struct rig *rig, uint64_t worker, uint8_t tier)
{
	return feed_held_by(rig, worker, 0, tier);
}

int feed_has_published(const struct rig *rig, uint64_t worker)
{
	struct rdx_event event = {.size = sizeof(event)};
	struct rdx_reader *reader;
	int r;

	if (rdx_reader_open(&reader, rig->dir, worker, 0) < 0)
		return 0;
	r = rdx_reader_next(reader, &event) > 0 && rdx_reader_alive(reader) > 0;
	rdx_reader_close(reader);
	return r;
}

uint8_t feed_inexact(const struct rig *rig, uint64_t worker, uint32_t dp_rank)
{
	struct rdx_event event = {.size = sizeof(event)};
	struct rdx_reader *reader;
	uint8_t inexact = 0;

	assert_int_equal(rdx_reader_open(&reader, rig->dir, worker, dp_rank), 0);
	while (rdx_reader_next(reader, &event) > 0)
		inexact = event.inexact;
	rdx_reader_close(reader);
	return inexact;
}

void feed_hash(const char *lora, const char *salt, const uint32_t *tokens, uint32_t count,
	       uint64_t *ret_locals)
{
	assert_int_equal(rdx_hash_blocks(rdx_hash_seed(lora, salt), tokens, count, 2, ret_locals),
			 count / 2);
}
