/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a rank waits for its predecessor, a process that lives, while another rank of the worker
 * clears and the worker's clear file loses its name: what was cleared meanwhile is not undone.
 */
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include "producer/publisher_state.h"
#include "shm/clear.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER  5
#define WAIT_NS UINT64_C(600000000000)
#define NAPS    20 /* of one that waits: more than it may have before it does */

static struct rdx_publisher *open_rank(const struct indexer_rig *x, uint32_t dp_rank,
				       uint64_t wait_ns, int *ret)
{
	struct rdx_publisher_options options = prompt_options(x, WORKER, dp_rank, 1, 64);
	struct rdx_publisher *publisher = NULL;

	options.clear_scope = RDX_CLEAR_WORKER;
	options.wait_ns = wait_ns;
	*ret = rdx_publisher_open(&publisher, &options);
	return publisher;
}

/* A process that has the rank until it is killed. */
static pid_t start_predecessor(const struct indexer_rig *x)
{
	int ends[2], r;
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (open_rank(x, 0, 0, &r) && write(ends[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

struct successor {
	const struct indexer_rig *x;
	struct rdx_publisher *publisher;
	int r;
	_Atomic pid_t tid;
};

static void *succeed(void *argument)
{
	struct successor *s = argument;

	atomic_store(&s->tid, gettid());
	s->publisher = open_rank(s->x, 0, WAIT_NS, &s->r);
	return NULL;
}

/* How often it has waited for something. */
static unsigned long naps(pid_t tid)
{
	unsigned long count = 0;
	char text[128];
	FILE *file;

	snprintf(text, sizeof(text), "/proc/self/task/%d/status", (int)tid);
	file = fopen(text, "r");
	assert_non_null(file);
	while (fgets(text, sizeof(text), file))
		if (sscanf(text, "voluntary_ctxt_switches: %lu", &count) == 1)
			break;
	fclose(file);
	return count;
}

static void lose_clear_file(const struct indexer_rig *x)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%d/clear", x->dir, WORKER);
	assert_int_equal(unlink(path), 0);
}

static void test_a_clear_meanwhile(void **state)
{
	struct rdx_publisher *sibling;
	struct successor s = {0};
	struct indexer_rig x;
	pthread_t thread;
	pid_t pid;
	int r, status;

	(void)state;
	indexer_rig_make(&x);
	sibling = open_rank(&x, 1, 0, &r);
	assert_int_equal(r, 0);
	pid = start_predecessor(&x);
	s.x = &x;
	assert_int_equal(pthread_create(&thread, NULL, succeed, &s), 0);
	UNTIL (atomic_load(&s.tid))
		;
	UNTIL (naps(atomic_load(&s.tid)) >= NAPS)
		;
	assert_int_equal(rdx_publish_cleared(sibling, RDX_SCOPE_ALL, 0), 0);
	lose_clear_file(&x);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	pthread_join(thread, NULL);
	assert_int_equal(s.r, 0);
	assert_true(s.publisher->clear->made_from == sibling->clear->id);
	assert_true(rdx_clear_stamp(s.publisher->clear) == rdx_clear_stamp(sibling->clear));
	assert_true(rdx_clear_stamp(s.publisher->clear) > 0);
	rdx_publisher_close(s.publisher);
	rdx_publisher_close(sibling);
	indexer_rig_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_clear_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
