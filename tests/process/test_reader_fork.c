/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a process with a reader and an index handle forks. Both go on with copies of
 * their own, and what the child closes stays open in the parent.
 */
#include "tests/indexer_rig.h"

#include <ringdex/rdx_reader.h>

#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 3

/* What both find: one rank, alive, whose one event stored BLOCKS blocks. 0, or the line that
 * found something else; a child must not come back into cmocka. */
static int ask(struct rdx_index *index, struct rdx_reader *reader)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_event event = {.size = sizeof(event)};
	struct rdx_run run = {.size = sizeof(run)};

	if (rdx_index_lookup(index, NULL, 0, &run, 1) != 1 || run.worker_id != 2)
		return __LINE__;
	if (rdx_reader_alive(reader) != 1)
		return __LINE__;
	if (rdx_reader_recover(reader, NULL, &recovery) < 0)
		return __LINE__;
	if (rdx_reader_next(reader, &event) != 1 || event.count != BLOCKS)
		return __LINE__;
	return rdx_reader_next(reader, &event) == 0 ? 0 : __LINE__;
}

static void test_both_go_on(void **state)
{
	struct rdx_publisher *publisher;
	struct rdx_index_rank info;
	struct rdx_reader *reader;
	struct indexer_rig x;
	int status, line;
	pid_t pid;

	(void)state;
	indexer_rig_make(&x);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	publisher = prompt_publisher(&x, 2, 0);
	prompt_store(publisher, 1, BLOCKS, 0);
	until_state(&x, 2, 0, RDX_STATE_EXACT, publisher, &info);
	assert_int_equal(rdx_reader_open(&reader, x.dir, 2, 0), 0);
	assert_int_equal(ask(x.index, reader), 0);
	pid = fork();
	if (pid == 0) {
		line = ask(x.index, reader);
		rdx_index_close(x.index);
		rdx_reader_close(reader);
		_exit(line ? 1 : 0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(ask(x.index, reader), 0);
	rdx_reader_close(reader);
	rdx_publisher_close(publisher);
	indexer_rig_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
