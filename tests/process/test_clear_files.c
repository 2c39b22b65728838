/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a worker's clear file that is lost, copied, or written over under its ranks: no rank
 * keeps what was cleared, and none is EXACT that may hold what it does not say.
 */
#include "producer/publisher_state.h"
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include <errno.h>
#include <fcntl.h>
#include <ringdex/rdx_reader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKER    5
#define RANKS     3
#define BLOCKS    9
#define FILE_SIZE 64
#define BESIDE    3 /* positions that a call needs besides those of its blocks */

struct worker {
	struct indexer_rig x;
	char dir[128];
	struct rdx_publisher *rank[RANKS];
};

static void open_rank(struct worker *w, uint32_t rank)
{
	struct rdx_publisher_options options = prompt_options(&w->x, WORKER, rank, 2, 64);

	options.clear_scope = RDX_CLEAR_WORKER;
	assert_int_equal(rdx_publisher_open(&w->rank[rank], &options), 0);
}

static void begin(struct worker *w, uint32_t ranks)
{
	memset(w, 0, sizeof(*w));
	indexer_rig_make(&w->x);
	snprintf(w->dir, sizeof(w->dir), "%s/ns", w->x.rig.dir);
	w->x.dir = w->dir;
	for (uint32_t i = 0; i < ranks; i++)
		open_rank(w, i);
}

static void end(struct worker *w)
{
	for (int i = 0; i < RANKS; i++)
		rdx_publisher_close(w->rank[i]);
	indexer_rig_end(&w->x);
}

/* In the worker's directory. */
static void run(const struct worker *w, const char *what)
{
	char command[256];

	snprintf(command, sizeof(command), "cd %s/%d && %s", w->dir, WORKER, what);
	assert_int_equal(system(command), 0);
}

static void check(struct worker *w, int rank, int result)
{
	assert_int_equal(rdx_publisher_check(w->rank[rank]), result);
}

static void clear(struct worker *w, int rank)
{
	assert_int_equal(rdx_publish_cleared(w->rank[rank], RDX_SCOPE_ALL, 0), 0);
}

static void store(struct worker *w, int rank, uint64_t prompt, uint32_t count)
{
	prompt_store(w->rank[rank], prompt, count, 0);
}

static void expect(struct worker *w, int rank, uint64_t held, uint32_t inexact)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_publisher_get_stats(w->rank[rank], &stats), 0);
	assert_int_equal(stats.held[RDX_TIER_DEVICE], held);
	assert_int_equal(stats.inexact, inexact);
}

/* A clear of one rank is one of the other again, once both have looked. */
static void test_lost(void **state)
{
	struct worker w;

	(void)state;
	begin(&w, 2);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 2; i++)
			store(&w, i, 1, BLOCKS);
		run(&w, round ? "rm -rf ../5" : "rm clear");
		check(&w, 0, RDX_CHECK_RENEWED);
		if (round == 1) /* into the lost file: brought along */
			clear(&w, 1);
		check(&w, 1, RDX_CHECK_RENEWED);
		if (round != 1)
			clear(&w, 1);
		store(&w, 0, 2, 1);
		expect(&w, 0, 1, round == 1 ? RDX_INEXACT_LACKING : 0);
		clear(&w, 0);
	}
	end(&w);
}

/* One clear in the lost file, one in the new: two, whatever was stored between them is gone. */
static void test_two_clears_around_a_lost_file(void **state)
{
	struct worker w;

	(void)state;
	begin(&w, 2);
	run(&w, "rm clear");
	check(&w, 0, RDX_CHECK_RENEWED);
	clear(&w, 1);
	store(&w, 1, 1, BLOCKS);
	clear(&w, 0);
	store(&w, 0, 2, BLOCKS);
	check(&w, 1, RDX_CHECK_EMPTIED);
	expect(&w, 1, 0, RDX_INEXACT_LACKING);
	/* that of the lost file is late for this one, which stored something since */
	check(&w, 0, RDX_CHECK_SOUND);
	expect(&w, 0, 0, RDX_INEXACT_LACKING);
	indexer_rig_open(&w.x, RDX_WAIT_AUTO);
	for (uint32_t i = 0; i < 2; i++)
		until_state(&w.x, WORKER, i, RDX_STATE_LACKING, NULL, NULL);
	/* once, and it is over with the next clear */
	store(&w, 0, 3, 1);
	check(&w, 0, RDX_CHECK_SOUND);
	expect(&w, 0, 1, RDX_INEXACT_LACKING);
	clear(&w, 1);
	for (uint32_t i = 0; i < 2; i++) {
		store(&w, (int)i, 4, 1);
		expect(&w, (int)i, 1, 0);
		until_state(&w.x, WORKER, i, RDX_STATE_EXACT, w.rank[i], NULL);
	}
	end(&w);
}

/* A reader hears of a clear from the file, before the rank has said that it followed it. */
static void expect_late_clear(struct rdx_reader *reader)
{
	struct rdx_event event = {.size = sizeof(event)};

	assert_int_equal(rdx_reader_next(reader, &event), 1);
	assert_int_equal(event.kind, RDX_EVENT_CLEARED);
	assert_int_equal(event.inexact, RDX_INEXACT_LACKING);
}

/* Whoever brings it over, and however many do. */
static void test_brought_over_once(void **state)
{
	struct rdx_reader *reader;
	struct worker w;

	(void)state;
	begin(&w, 3);
	run(&w, "rm clear");
	check(&w, 0, RDX_CHECK_RENEWED);
	clear(&w, 1);
	for (int i = 1; i < 3; i++)
		store(&w, i, 1, BLOCKS);
	assert_int_equal(rdx_reader_open(&reader, w.dir, WORKER, 0), 0);
	check(&w, 2, RDX_CHECK_RENEWED);
	expect_late_clear(reader);
	rdx_reader_close(reader);
	check(&w, 0, RDX_CHECK_SOUND);
	expect(&w, 0, 0, RDX_INEXACT_LACKING);
	store(&w, 0, 2, 1);
	check(&w, 1, RDX_CHECK_RENEWED);
	/* those who have heard of it in time are EXACT */
	for (int i = 0; i < 3; i++)
		check(&w, i, RDX_CHECK_SOUND);
	expect(&w, 0, 1, RDX_INEXACT_LACKING);
	for (int i = 1; i < 3; i++)
		expect(&w, i, BLOCKS, 0);
	end(&w);
}

/* The ranks of a file that was made and lost meanwhile come from one of which the third says nothing. */
static void test_lost_twice(void **state)
{
	struct worker w;

	(void)state;
	for (int clears = 0; clears < 2; clears++) {
		begin(&w, 3);
		for (int i = 0; i < 3; i++)
			store(&w, i, 1, BLOCKS);
		run(&w, "rm clear");
		check(&w, 0, RDX_CHECK_RENEWED);
		run(&w, "rm clear");
		if (clears)
			clear(&w, 0);
		store(&w, 0, 2, 1);
		check(&w, 1, RDX_CHECK_RENEWED);
		store(&w, 1, 2, 1);
		check(&w, 0, RDX_CHECK_EMPTIED);
		check(&w, 2, RDX_CHECK_EMPTIED);
		for (int i = 0; i < 3; i++) {
			(void)rdx_publisher_check(w.rank[i]);
			expect(&w, i, 0, RDX_INEXACT_LACKING);
		}
		end(&w);
	}
}

/* One whose ring ends, of which some clears may be missing, begins again in the new segment. */
static void test_missed_at_the_end(void **state)
{
	struct worker w;

	(void)state;
	for (uint64_t left = 0; left < 2 * BESIDE; left++) {
		begin(&w, 2);
		for (int i = 0; i < 2; i++)
			store(&w, i, 1, BLOCKS);
		run(&w, "rm clear");
		check(&w, 0, RDX_CHECK_RENEWED);
		run(&w, "rm clear");
		check(&w, 1, RDX_CHECK_RENEWED);
		w.rank[0]->position = RDX_POSITION_END - left;
		check(&w, 0, RDX_CHECK_EMPTIED);
		expect(&w, 0, 0, RDX_INEXACT_LACKING);
		indexer_rig_open(&w.x, RDX_WAIT_AUTO);
		until_state(&w.x, WORKER, 0, RDX_STATE_LACKING, NULL, NULL);
		if (left < BESIDE) {
			clear(&w, 1);
			store(&w, 0, 3, 1);
			expect(&w, 0, 1, 0);
			until_state(&w.x, WORKER, 0, RDX_STATE_EXACT, w.rank[0], NULL);
		}
		end(&w);
	}
}

static int open_reader(const struct worker *w, uint32_t rank)
{
	struct rdx_reader *reader;
	int r = rdx_reader_open(&reader, w->dir, WORKER, rank);

	if (r == 0)
		rdx_reader_close(reader);
	return r;
}

/* Who opens a rank while another clear file has the name would miss what it was cleared of. Of the clears
 * in a copy, or a file of a rank that knew of no other, nobody knows how they are among others. */
static void test_another_file(void **state)
{
	static const char *const how[] = {"cp -p clear other && mv other clear", "rm -r ../5"};
	struct worker w;

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(&w, 2);
		for (int k = 0; k < 2; k++)
			store(&w, k, 1, BLOCKS);
		assert_int_equal(open_reader(&w, 0), 0);
		run(&w, how[i]);
		open_rank(&w, 2);
		store(&w, 2, 2, 1);
		/* rank 0 has not said so yet, and the file that has the name does not */
		clear(&w, 1);
		assert_int_equal(open_reader(&w, 0), i ? -ENOENT : -EBADMSG);
		assert_int_equal(open_reader(&w, 2), 0);
		for (int k = 0; k < 2; k++)
			check(&w, k, RDX_CHECK_EMPTIED);
		assert_int_equal(open_reader(&w, 0), 0);
		for (int k = 0; k < 3; k++) {
			check(&w, k, RDX_CHECK_SOUND);
			expect(&w, k, 0, RDX_INEXACT_LACKING);
		}
		end(&w);
	}
}

/* The ranks hold what they held, and say nothing: they are not EXACT and empty. */
static void test_noise_under_an_index(void **state)
{
	static const char noise[FILE_SIZE] = "noise";
	char path[160];
	struct worker w;
	int fd;

	(void)state;
	begin(&w, 2);
	indexer_rig_open(&w.x, RDX_WAIT_AUTO);
	for (uint32_t i = 0; i < 2; i++) {
		store(&w, (int)i, i + 1, BLOCKS);
		clear(&w, (int)i);
	}
	for (uint32_t i = 0; i < 2; i++) {
		store(&w, (int)i, i + 1, BLOCKS);
		until_state(&w.x, WORKER, i, RDX_STATE_EXACT, w.rank[i], NULL);
	}
	snprintf(path, sizeof(path), "%s/%d/clear", w.dir, WORKER);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, noise, sizeof(noise), 0), sizeof(noise));
	close(fd);
	indexer_poll(&w.x);
	for (uint32_t i = 0; i < 2; i++)
		until_state(&w.x, WORKER, i, RDX_STATE_INEXACT, NULL, NULL);
	for (uint32_t i = 0; i < 2; i++) {
		check(&w, (int)i, RDX_CHECK_EMPTIED);
		until_state(&w.x, WORKER, i, RDX_STATE_LACKING, NULL, NULL);
	}
	clear(&w, 0);
	for (uint32_t i = 0; i < 2; i++) {
		store(&w, (int)i, i + 1, 1);
		until_state(&w.x, WORKER, i, RDX_STATE_EXACT, w.rank[i], NULL);
	}
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_two_clears_around_a_lost_file),
		cmocka_unit_test(test_brought_over_once),
		cmocka_unit_test(test_lost_twice),
		cmocka_unit_test(test_missed_at_the_end),
		cmocka_unit_test(test_another_file),
		cmocka_unit_test(test_noise_under_an_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
