/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what a growing rank meets. On a file system that is full it stays EXACT in what it has, is
 * LACKING where that is full too, and goes on when there is room. A process that forks in the middle of
 * it, or while another thread is there, has a child whose handle is dead, and is itself as before.
 */
#include "producer/enlarge.h"
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER     1
#define REMEMBERED 64
#define FORKS      12
#define PAGE_BYTES 4096

static struct rdx_publisher *open_small(const struct indexer_rig *x)
{
	struct rdx_publisher_options options = prompt_options(x, WORKER, 0, 1, 1);
	struct rdx_publisher *publisher = NULL;

	options.remembered_names = REMEMBERED;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	return publisher;
}

static struct rdx_publisher_stats stats_of(const struct rdx_publisher *publisher)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_publisher_get_stats(publisher, &stats), 0);
	return stats;
}

static uint64_t file_bytes(const struct rdx_publisher *publisher)
{
	struct stat st;

	assert_int_equal(fstat(publisher->owner.mapping.fd, &st), 0);
	return (uint64_t)st.st_size;
}

/* -- a full file system -- */

/* One file more takes what there is. */
static void fill(const char *dir, char *ret_path)
{
	static const char page[PAGE_BYTES];
	int fd;

	sprintf(ret_path, "%s/filler", dir);
	fd = open(ret_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (write(fd, page, sizeof(page)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void run_full(struct indexer_rig *x)
{
	struct rdx_publisher *publisher;
	uint64_t bytes;
	char filler[160];

	indexer_rig_open(x, RDX_WAIT_AUTO);
	publisher = open_small(x);
	until_state(x, WORKER, 0, RDX_STATE_EXACT, publisher, NULL);
	fill(x->dir, filler);
	bytes = file_bytes(publisher);
	prompt_store(publisher, 1, REMEMBERED, 0); /* in its spare records */
	assert_int_equal(stats_of(publisher).outgrown, 1);
	until_state(x, WORKER, 0, RDX_STATE_EXACT, publisher, NULL);
	publisher->enlarge_ns = 0;
	assert_int_equal(rdx_publisher_check(publisher), -ENOSPC);
	prompt_store(publisher, 1, 4 * REMEMBERED, 0);
	assert_int_equal(stats_of(publisher).inexact, RDX_INEXACT_LACKING);
	until_state(x, WORKER, 0, RDX_STATE_LACKING, publisher, NULL);
	assert_int_equal(stats_of(publisher).growths, 0);
	assert_true(file_bytes(publisher) == bytes);

	assert_int_equal(unlink(filler), 0);
	publisher->enlarge_ns = 0;
	assert_int_equal(rdx_publisher_check(publisher), 0);
	prompt_store(publisher, 1, 4 * REMEMBERED, 0);
	assert_int_equal(stats_of(publisher).inexact, 0);
	until_state(x, WORKER, 0, RDX_STATE_EXACT, publisher, NULL);
	assert_int_equal(prompt_run(x->index, 1, 4 * REMEMBERED, WORKER, 0), 4 * REMEMBERED);
	rdx_publisher_close(publisher);
}

static void test_full(void **state)
{
	struct indexer_rig x;
	char small[128];

	(void)state;
	indexer_rig_make(&x);
	snprintf(small, sizeof(small), "%s/small", x.dir);
	assert_int_equal(mkdir(small, 0700), 0);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", small, "tmpfs", 0, "size=4m,mode=700") < 0) {
		rig_remove(&x.rig);
		print_message("skipped: not allowed to mount\n");
		skip();
	}
	x.dir = small;
	run_full(&x);
	rdx_index_close(x.index);
	rdx_indexer_close(x.indexer);
	umount2(small, MNT_DETACH);
	rig_remove(&x.rig);
}

/* -- forks -- */

static struct rdx_publisher *grown; /* what the child of a fork tries */

static int try_in_child(void)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	uint64_t name = 1;
	struct rdx_removed removed = {
		.size = sizeof(removed), .names = &name, .count = 1, .name_bytes = 8};

	if (rdx_publish_removed(grown, &removed) != -EOWNERDEAD)
		return 1;
	if (rdx_publisher_get_stats(grown, &stats) != -EOWNERDEAD)
		return 2;
	if (rdx_publisher_check(grown) != -EOWNERDEAD)
		return 3;
	rdx_publisher_close(grown);
	return 0;
}

/* 0, or what is wrong in the child. */
static int fork_now(void)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -1;
	if (child == 0)
		_exit(try_in_child());
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -2;
	return WEXITSTATUS(status);
}

/* It has grown, and holds what it was told, which the index says too. */
static void expect_whole(struct indexer_rig *x, uint32_t blocks)
{
	assert_int_equal(stats_of(grown).inexact, 0);
	assert_int_equal(stats_of(grown).held[0], blocks);
	until_state(x, WORKER, 0, RDX_STATE_EXACT, grown, NULL);
	assert_int_equal(prompt_run(x->index, 1, blocks, WORKER, 0), blocks);
	rdx_publisher_close(grown);
}

#ifdef RDX_HOOKS
static int forks, wrong;

static void fork_here(enum rdx_hook_step step)
{
	if (step != RDX_HOOK_LEDGER_ALLOCATED || forks == FORKS)
		return;
	forks++;
	wrong |= fork_now();
}

/* The file is longer, and its owner does not use that yet. */
static void test_fork_in_the_middle(void **state)
{
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	grown = open_small(&x);
	forks = wrong = 0;
	rdx_hook_function = fork_here;
	prompt_store(grown, 1, PROMPT_MAX, 0);
	rdx_hook_function = NULL;
	assert_int_equal(wrong, 0);
	assert_true(forks > 3);
	expect_whole(&x, PROMPT_MAX);
	indexer_rig_end(&x);
}
#endif

static _Atomic int is_forking;

/* What one of the engine's other threads does: the count of children that found something wrong. */
static void *fork_again(void *none)
{
	intptr_t bad = 0;

	(void)none;
	for (int i = 0; i < FORKS; i++)
		bad += fork_now() != 0;
	atomic_store(&is_forking, 0);
	return (void *)bad;
}

static void test_fork_beside(void **state)
{
	struct indexer_rig x;
	uint32_t blocks = 0;
	pthread_t thread;
	void *bad;

	(void)state;
	indexer_rig_make(&x);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	grown = open_small(&x);
	atomic_store(&is_forking, 1);
	assert_int_equal(pthread_create(&thread, NULL, fork_again, NULL), 0);
	while (blocks < PROMPT_MAX) {
		blocks += 4;
		prompt_store(grown, 1, blocks, 0);
		if (atomic_load(&is_forking) && blocks == PROMPT_MAX / 2)
			usleep(1000); /* so that there are forks before and after */
	}
	assert_int_equal(pthread_join(thread, &bad), 0);
	assert_null(bad);
	assert_true(stats_of(grown).growths > 3);
	expect_whole(&x, PROMPT_MAX);
	indexer_rig_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_fork_in_the_middle),
#endif
		cmocka_unit_test(test_fork_beside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
