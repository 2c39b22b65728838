/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a process that maintains an index forks. In the child the handle is dead and closes
 * cleanly; when the parent dies its lock is free although the child lives.
 */
#include "tests/rig.h"
#include <ringdex/rdx_indexer.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_indexer(const struct rig *rig, struct rdx_indexer **ret_indexer)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};

	options.dir = rig->dir;
	return rdx_indexer_open(ret_indexer, &options);
}

/* The child: reports how its handle answers, then waits until the test closes its end. */
static void be_child(struct rdx_indexer *indexer, int said_fd, int wait_fd)
{
	int answers[2] = {rdx_indexer_poll(indexer, 0), rdx_indexer_wait(indexer, 0)};
	char byte;

	rdx_indexer_close(indexer);
	if (write(said_fd, answers, sizeof(answers)) != sizeof(answers))
		_exit(1);
	while (read(wait_fd, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

static void be_parent(const struct rig *rig, int said_fd, int wait_fd)
{
	struct rdx_indexer *indexer;

	if (open_indexer(rig, &indexer) < 0 || rdx_indexer_poll(indexer, 0) < 0)
		_exit(1);
	if (fork() == 0)
		be_child(indexer, said_fd, wait_fd);
	for (;;) {
		rdx_indexer_poll(indexer, 0);
		rdx_indexer_wait(indexer, -1);
	}
}

static void test_child_keeps_no_lock(void **state)
{
	struct rig *rig = *state;
	int said[2], held[2], answers[2], status;
	struct rdx_indexer *indexer;
	pid_t pid;

	assert_int_equal(pipe(said), 0);
	assert_int_equal(pipe(held), 0);
	pid = fork();
	if (pid == 0) {
		close(held[1]);
		be_parent(rig, said[1], held[0]);
	}
	assert_true(pid > 0);
	assert_int_equal(read(said[0], answers, sizeof(answers)), sizeof(answers));
	assert_int_equal(answers[0], -EOWNERDEAD);
	assert_int_equal(answers[1], -EOWNERDEAD);
	/* the child closed its copy: the parent's lock holds */
	assert_int_equal(open_indexer(rig, &indexer), -EBUSY);

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(open_indexer(rig, &indexer), 0);
	assert_true(rdx_indexer_poll(indexer, 0) >= 0);
	rdx_indexer_close(indexer);
	close(held[1]);
	close(held[0]);
	close(said[0]);
	close(said[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_child_keeps_no_lock, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
