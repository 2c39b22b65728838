/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a process that publishes forks. In the child the handle is dead and closes cleanly;
 * the parent goes on; and when the parent dies its lock is free although the child lives.
 */
#include "producer/publisher_state.h"
#include <ringdex/rdx_engine.h>
#include "shm/lock.h"
#include "tests/rig.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER 3

static int open_one(struct rdx_publisher **ret_p, const struct rig *rig, uint32_t dp_rank)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	options.dir = rig->dir;
	options.instance = "i";
	options.model = "m";
	options.worker_id = WORKER;
	options.dp_rank = dp_rank;
	options.ring_slots = 64;
	options.tier_blocks[0] = 16;
	options.clear_scope = RDX_CLEAR_WORKER;
	return rdx_publisher_open(ret_p, &options);
}

static int publish_one(struct rdx_publisher *p, uint64_t name)
{
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = &name,
				    .local_hashes = &name,
				    .count = 1,
				    .name_bytes = 8};

	return rdx_publish_stored(p, &stored);
}

/* Every call on a handle from before the fork. 0: each answered as it must. */
static int try_calls(struct rdx_publisher *p)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	uint64_t name = 1;
	struct rdx_removed removed = {
		.size = sizeof(removed), .names = &name, .count = 1, .name_bytes = 8};

	if (publish_one(p, 1) != -EOWNERDEAD)
		return 1;
	if (rdx_publish_removed(p, &removed) != -EOWNERDEAD)
		return 2;
	if (rdx_publish_cleared(p, RDX_SCOPE_ALL, 0) != -EOWNERDEAD)
		return 3;
	if (rdx_publish_inexact(p, RDX_INEXACT_UNKNOWN, 0) != -EOWNERDEAD)
		return 4;
	if (rdx_publisher_get_stats(p, &stats) != -EOWNERDEAD)
		return 5;
	return 0;
}

/* Those of a translator, whatever the event is. */
static int try_translator(struct rdx_engine *engine)
{
	struct rdx_engine_event event = {.size = sizeof(event), .type = "AllBlocksCleared"};
	struct rdx_engine_stats stats = {.size = sizeof(stats)};

	if (rdx_engine_publish(engine, &event) != -EOWNERDEAD)
		return 11;
	event.ownership = "pool"; /* of which the publisher is not told */
	if (rdx_engine_publish(engine, &event) != -EOWNERDEAD)
		return 12;
	if (rdx_engine_sequence(engine, 0, 0) != -EOWNERDEAD)
		return 13;
	if (rdx_engine_unreadable(engine, 0) != -EOWNERDEAD)
		return 14;
	if (rdx_engine_get_stats(engine, &stats) != -EOWNERDEAD)
		return 15;
	rdx_engine_close(engine);
	return 0;
}

static int child_of_fork(struct rdx_publisher *const *p, struct rdx_engine *engine,
			 const struct rig *rig)
{
	struct rdx_publisher *own;
	int r = try_translator(engine);

	for (int i = 0; r == 0 && i < 2; i++) {
		r = try_calls(p[i]);
		rdx_publisher_close(p[i]);
	}
	/* the rank is still the parent's, but the child may have one of its own */
	if (r == 0 && open_one(&own, rig, 0) != -EBUSY)
		r = 6;
	if (r == 0 && (open_one(&own, rig, 9) != 0 || publish_one(own, 1) != 0))
		r = 7;
	if (r == 0)
		rdx_publisher_close(own);
	return r;
}

static void test_child_is_refused(void **state)
{
	struct rig rig;
	struct rdx_engine_options options = {.size = sizeof(options)};
	struct rdx_publisher *p[2];
	struct rdx_engine *engine;
	int status;
	pid_t pid;

	(void)state;
	rig_make(&rig);
	assert_int_equal(open_one(&p[0], &rig, 0), 0);
	assert_int_equal(open_one(&p[1], &rig, 1), 0);
	assert_int_equal(publish_one(p[0], 1), 0);
	assert_int_equal(rdx_engine_open(&engine, p[0], &options), 0);
	pid = fork();
	if (pid == 0)
		_exit(child_of_fork(p, engine, &rig));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	/* nothing of it reached the parent */
	assert_int_equal(rdx_lock_held(p[0]->owner.mapping.fd), 0); /* one's own lock */
	assert_int_equal(publish_one(p[0], 2), 0);
	assert_int_equal(p[0]->counters[RDX_COUNTER_EVENTS], 2);
	rdx_engine_close(engine);
	rdx_publisher_close(p[0]);
	assert_int_equal(publish_one(p[1], 2), 0);
	rdx_publisher_close(p[1]);
	rig_remove(&rig);
}

/* The engine: opens, forks a child that outlives it, waits to be killed. */
static int engine(const struct rig *rig, int ready_fd, int wait_fd)
{
	struct rdx_publisher *p;
	pid_t child;
	char byte = 1;

	if (open_one(&p, rig, 0) < 0)
		return 1;
	child = fork();
	if (child == 0) {
		/* reported here: only now have the fork handlers run in the child */
		child = getpid();
		if (write(ready_fd, &child, sizeof(child)) != sizeof(child))
			_exit(1);
		/* waits until the test closes its end */
		while (read(wait_fd, &byte, 1) < 0 && errno == EINTR)
			;
		_exit(0);
	}
	if (child < 0)
		return 2;
	for (;;)
		pause();
}

static void test_child_keeps_no_lock(void **state)
{
	struct rdx_segment_view view;
	int ready[2], wait_pipe[2], status;
	pid_t pid, grandchild;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(wait_pipe), 0);
	pid = fork();
	if (pid == 0) {
		close(wait_pipe[1]);
		_exit(engine(&rig, ready[1], wait_pipe[0]));
	}
	assert_true(pid > 0);
	assert_int_equal(read(ready[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	assert_int_equal(rdx_segment_join(&view, rig.dir_fd, WORKER, 0, &rig.key), 0);
	assert_int_equal(rdx_lock_held(view.mapping.fd), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(kill(grandchild, 0), 0); /* it lives */
	assert_int_equal(rdx_lock_held(view.mapping.fd), 0);
	rdx_segment_leave(&view);
	close(wait_pipe[1]);
	close(wait_pipe[0]);
	close(ready[0]);
	close(ready[1]);
	rig_remove(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child_is_refused),
		cmocka_unit_test(test_child_keeps_no_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
