/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: an index whose last rank went, by a clock that is moved on: it stays for ten minutes, then
 * its files go, and who has it open lets go of its memory; it is made again when a rank comes.
 */
#include "consumer/index/index_handle.h"
#include "consumer/indexer/indexer_state.h"
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PROMPT 7
#define BLOCKS 20
#define MINUTE 60

int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);

static time_t later_s;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	int r = __real_clock_gettime(clock, ret_time);

	if (clock == CLOCK_MONOTONIC)
		ret_time->tv_sec += later_s;
	return r;
}

static uint64_t indexes(const struct indexer_rig *x)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_indexer_get_stats(x->indexer, &stats), 0);
	return stats.indexes;
}

/* Are the control file and the table there? 2, 1, 0. */
static int files(const struct indexer_rig *x, const struct rdx_index_id *id, uint64_t generation)
{
	char name[RDX_NAME_BYTES];
	int there;

	rdx_index_file_ctl_name(id, 0, name);
	there = faccessat(x->rig.dir_fd, name, F_OK, 0) == 0;
	rdx_index_file_gen_name(id, generation, name);
	return there + (faccessat(x->rig.dir_fd, name, F_OK, 0) == 0);
}

/* Minutes pass, in steps that a running indexer makes. */
static void pass(struct indexer_rig *x, int minutes)
{
	for (int i = 0; i < minutes; i++) {
		later_s += MINUTE;
		indexer_poll(x);
	}
}

static int look_up(struct indexer_rig *x)
{
	struct rdx_run run = {.size = sizeof(run)};
	uint64_t key = 1;

	return rdx_index_lookup(x->index, &key, 1, &run, 1);
}

static struct rdx_publisher *come(struct indexer_rig *x)
{
	struct rdx_publisher *publisher = prompt_publisher(x, 1, 0);

	prompt_store(publisher, PROMPT, BLOCKS, 0);
	until_state(x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	return publisher;
}

static void go(struct indexer_rig *x, struct rdx_publisher *publisher)
{
	rdx_publisher_close(publisher);
	until_state(x, 1, 0, RDX_STATE_GONE, NULL, NULL);
}

static void test_unfed_for_long(void **state)
{
	struct rdx_publisher *publisher;
	struct rdx_index_id id;
	struct indexer_rig x;
	uint64_t generation;

	(void)state;
	indexer_rig_make(&x);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	publisher = come(&x);
	id = x.index->id;
	pass(&x, 20); /* fed by an idle rank */
	go(&x, publisher);
	pass(&x, 8);
	assert_int_equal(look_up(&x), 0);
	generation = x.index->lookup.generation;
	assert_int_equal(indexes(&x), 1);
	assert_int_equal(files(&x, &id, generation), 2);
	publisher = come(&x); /* in time */
	pass(&x, 1);
	go(&x, publisher);
	pass(&x, 8);
	assert_int_equal(indexes(&x), 1);

	pass(&x, 4);
	assert_int_equal(indexes(&x), 0);
	assert_int_equal(files(&x, &id, generation), 0);
	UNTIL (look_up(&x) == -EIDRM)
		later_s++;
	for (int i = 0; i < 3; i++)
		assert_null(x.index->tables.file[i].mapping.base);
	assert_int_equal(look_up(&x), -EIDRM);

	publisher = prompt_publisher(&x, 1, 0);
	prompt_store(publisher, PROMPT, BLOCKS, 0);
	UNTIL (indexes(&x) == 1 && look_up(&x) >= 0)
		indexer_poll(&x);
	until_state(&x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	assert_int_equal(prompt_run(x.index, PROMPT, BLOCKS, 1, 0), BLOCKS);
	rdx_publisher_close(publisher);
	indexer_rig_end(&x);
}

/* The files of a dead indexer are taken away, and put back: a handle lets go, and is right again. */
static void test_files_that_come_back(void **state)
{
	char name[RDX_NAME_BYTES], away[RDX_NAME_BYTES + 8];
	struct rdx_publisher *publisher;
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	publisher = come(&x);
	rdx_index_file_ctl_name(&x.index->id, 0, name);
	snprintf(away, sizeof(away), "%s.away", name);
	assert_int_equal(renameat(x.rig.dir_fd, name, x.rig.dir_fd, away), 0);
	later_s += MINUTE; /* the indexer makes no heartbeat meanwhile */
	UNTIL (look_up(&x) == -EIDRM)
		later_s++;
	assert_int_equal(renameat(x.rig.dir_fd, away, x.rig.dir_fd, name), 0);
	later_s++;
	assert_int_equal(prompt_run(x.index, PROMPT, BLOCKS, 1, 0), BLOCKS);
	rdx_publisher_close(publisher);
	indexer_rig_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unfed_for_long),
		cmocka_unit_test(test_files_that_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
