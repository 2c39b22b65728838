/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: lines of ringdexd's log that do not fit are lost, counted and said, and those that follow are not.
 */
#include "tests/expect.h"
#include "tests/patience.h"
#include "tools/ringdexd/log_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One behind a line that was lost is lost, too, until the thread knows of that. */
static int is_taken(const char *line)
{
	uint64_t before = log_queue_lost();

	log_queue_put(line, strlen(line));
	return log_queue_lost() == before;
}

static char *say_lost(uint64_t lines, size_t *ret_bytes)
{
	char *line = NULL;
	int bytes = asprintf(&line, "lost %llu\n", (unsigned long long)lines);

	assert_true(bytes > 0);
	*ret_bytes = (size_t)bytes;
	return line;
}

/* A line that is longer than all that may wait: it wakes the thread, or nothing would be taken any more. */
static void a_line_that_never_fits(void **state)
{
	char *line = malloc(LOG_QUEUE_BYTES + 1), wanted[64], got[64] = "";
	int ends[2], was = dup(STDERR_FILENO);

	(void)state;
	assert_non_null(line);
	memset(line, 'x', LOG_QUEUE_BYTES);
	line[LOG_QUEUE_BYTES] = '\n';
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(log_queue_open(say_lost), 0);
	assert_true(is_taken("first\n"));
	log_queue_drain(rdx_clock_ns() + patience_ns()); /* the thread sleeps */
	log_queue_put(line, LOG_QUEUE_BYTES + 1);
	assert_int_equal(log_queue_lost(), 1);
	UNTIL (is_taken("next\n"))
		patience_nap(10);
	log_queue_drain(rdx_clock_ns() + patience_ns());
	dup2(was, STDERR_FILENO);
	snprintf(wanted, sizeof(wanted), "first\nlost %llu\nnext\n",
		 (unsigned long long)log_queue_lost());
	assert_int_equal(read(ends[0], got, sizeof(got) - 1), strlen(wanted));
	assert_string_equal(got, wanted);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_that_never_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
