/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the demo itself, small. Workers and the indexer are killed, stopped and started
 * again; the index must equal every worker's ledger and every engine's own cache; each of the three
 * ways of recovery is taken; routing by overlap finds more than routing at random. Nothing is left
 * behind when it is stopped or killed, an engine that lists another block than it holds is found
 * out, requests wait for an index that is not complete, and a tmpfs that is too small is reported.
 */
#include "tests/expect.h"
#include "tests/patience.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEMO "ringdex-demo"

#define TICK_REQUESTS_MAX 20 /* of the generated trace: 24 a second arrive, a tick is 0.1 s */

/* The hit rate of a pass. */
static double rate(struct json_object *run, const char *policy)
{
	struct json_object *list = member(run, "policies");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *row = json_object_array_get_idx(list, i);

		if (strcmp(json_object_get_string(member(row, "policy")), policy) == 0)
			return json_object_get_double(member(row, "hit_rate"));
	}
	fail_msg("no pass %s", policy);
	return 0;
}

/* The one JSON line of a run that ended well. */
static struct json_object *result_of(struct program_result *result)
{
	struct json_object *object;

	if (result->status != 0)
		print_error("%s", result->err);
	assert_int_equal(result->status, 0);
	object = json_tokener_parse(result->out);
	assert_non_null(object);
	program_result_free(result);
	return object;
}

/* Recoveries of a way ("" for any), after something ("" likewise). */
static int count_recoveries(struct json_object *run, const char *way, const char *after)
{
	struct json_object *list = member(run, "recoveries");
	int count = 0;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *row = json_object_array_get_idx(list, i);

		count += (!*way || !strcmp(json_object_get_string(member(row, "way")), way)) &&
			 (!*after || !strcmp(json_object_get_string(member(row, "after")), after));
	}
	return count;
}

static void assert_exact(struct json_object *run, int64_t requests, size_t incidents)
{
	struct json_object *first = json_object_array_get_idx(member(run, "policies"), 0);

	assert_int_equal(number(first, "requests"), requests);
	assert_int_equal(number(run, "divergences"), 0);
	assert_int_equal(number(run, "comparisons_failed"), 0);
	assert_true(number(run, "comparisons") > 0);
	assert_true(number(run, "blocks_compared") > 0);
	assert_int_equal(json_object_array_length(member(run, "incidents")), incidents);
}

static void test_exact_through_kills(void **state)
{
	struct program_result result;
	struct json_object *run;

	(void)state;
	assert_int_equal(program_run(&result, DEMO, NULL, "--requests", "300", "--json", NULL), 0);
	run = result_of(&result);
	assert_exact(run, 300, 10);
	assert_true(count_recoveries(run, "barrier", "worker killed") >= 2);
	assert_true(count_recoveries(run, "", "indexer killed") >= 8);
	assert_true(count_recoveries(run, "continue", "indexer stopped") >= 1);
	assert_true(rate(run, "overlap, disturbed") > 0);
	assert_true(rate(run, "overlap") > rate(run, "random"));
	assert_true(rate(run, "overlap") > rate(run, "round robin"));
	json_object_put(run);
}

/* Rings of 1,024 slots have wrapped when the indexer dies: only the ledger is left. */
static void test_ledger_way(void **state)
{
	struct program_result result;
	struct json_object *run;

	(void)state;
	assert_int_equal(program_run(&result, DEMO, NULL, "--requests", "300", "--json",
				     "--no-baselines", "--ring-slots", "1024", "--blocks", "4096",
				     "--host-blocks", "512", "--workers", "2", "--clears", "0",
				     "--wait", "epoll", NULL),
			 0);
	run = result_of(&result);
	assert_exact(run, 300, 6);
	assert_true(count_recoveries(run, "ledger", "indexer killed") >= 1);
	assert_string_equal(json_object_get_string(member(member(run, "indexer"), "wait")),
			    "epoll");
	json_object_put(run);
}

static void test_table_for_people(void **state)
{
	struct program_result result;
	const char *tables, *next;

	(void)state;
	assert_int_equal(program_run(&result, DEMO, NULL, "--requests", "100", "--no-baselines",
				     "--kills", "2", "--pauses", "0", NULL),
			 0);
	assert_int_equal(result.status, 0);
	assert_non_null(strstr(result.out, "killed with SIGKILL"));
	assert_non_null(strstr(result.out, "PREFIX HIT RATE"));
	assert_non_null(strstr(result.out, "divergences: 0."));
	tables = strstr(result.out, "\nRouting: ");
	assert_non_null(tables);
	for (tables++; *tables; tables = next + 1) { /* an ordinary terminal is enough */
		next = strchr(tables, '\n');
		assert_non_null(next);
		assert_true(next - tables <= 80);
	}
	program_result_free(&result);
}

static void test_bad_usage(void **state)
{
	struct program_result result;

	(void)state;
	assert_int_equal(program_run(&result, DEMO, NULL, "--workers", "0", NULL), 0);
	assert_int_equal(result.status, 2);
	program_result_free(&result);
	assert_int_equal(program_run(&result, DEMO, NULL, "--ring-slots", "1000", NULL), 0);
	assert_int_equal(result.status, 2);
	assert_non_null(strstr(result.err, "power of two"));
	program_result_free(&result);
	assert_int_equal(program_run(&result, DEMO, "{\"timestamp\": 0}\n", "--trace", "-", NULL),
			 0);
	assert_int_equal(result.status, 1);
	assert_non_null(strstr(result.err, "standard input:1: "));
	program_result_free(&result);
}

/* The folder that a run says it keeps its files in. */
static void folder_of(const char *text, char *ret_folder, size_t bytes)
{
	const char *at = strstr(text, "/dev/shm/ringdex-demo-");

	assert_non_null(at);
	snprintf(ret_folder, bytes, "%.*s", (int)strcspn(at, "\n"), at);
}

/* Start the demo; it has printed where its files are when this returns. */
static void start_and_hear(struct program *ret_program)
{
	char *arguments[] = {DEMO, "--no-baselines", NULL};
	struct pollfd said = {.events = POLLIN};

	assert_int_equal(program_start(ret_program, DEMO, arguments, 0), 0);
	said.fd = ret_program->out;
	assert_int_equal(poll(&said, 1, (int)(patience_ns() / 1000000)), 1);
}

static void test_told_to_stop(void **state)
{
	struct program_result result;
	struct program program;
	struct stat status;
	char folder[128];

	(void)state;
	start_and_hear(&program);
	kill(program.pid, SIGTERM);
	assert_int_equal(program_finish(&program, NULL, &result), 0);
	assert_int_equal(result.status, 1);
	assert_non_null(strstr(result.err, "told to stop"));
	folder_of(result.out, folder, sizeof(folder));
	assert_int_equal(stat(folder, &status), -1);
	program_result_free(&result);
}

/* What cannot be caught is cleaned up after by another process, as soon as it can. */
static void test_killed(void **state)
{
	struct program_result result;
	struct program program;
	struct stat status;
	char folder[128];

	(void)state;
	start_and_hear(&program);
	kill(program.pid, SIGKILL);
	assert_int_equal(program_finish(&program, NULL, &result), 0);
	assert_int_equal(result.status, -1);
	folder_of(result.out, folder, sizeof(folder));
	while (stat(folder, &status) == 0)
		usleep(1000);
	program_result_free(&result);
}

/* Put a demo into `dir` that finds the others beside itself, and a script in place of one. Returns
 * its name for program_run. */
static char *make_demo_with(const char *dir, const char *other, const char *script)
{
	static char name[HELD_PATH_BYTES + 64];
	char command[HELD_PATH_BYTES + 160], path[HELD_PATH_BYTES + 32], own[4096] = "";
	FILE *file;

	assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
	*strrchr(own, '/') = 0;
	setenv("REAL", own, 1);
	snprintf(command, sizeof(command),
		 "cd '%s' && ln -s \"$REAL\"/ringdex-* . && rm ringdex-demo %s && "
		 "cp \"$REAL/ringdex-demo\" .",
		 dir, other);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/%s", dir, other);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", script);
	fclose(file);
	assert_int_equal(chmod(path, 0700), 0);
	/* programs are named from where this one lies: up to the root, and down again */
	snprintf(name, sizeof(name), "../../../../../../../../../../../..%s/" DEMO, dir);
	return name;
}

/* One hash of each engine's listing is wrong, the last digit of the first; their number is right:
 * that is seen. */
static void test_an_engine_that_lies(void **state)
{
	static const char liar[] =
		"\"$REAL/ringdex-mock\" \"$@\" | sed -u "
		"'s/\"device\":\\[\"\\([0-9a-f]*\\)[0-9a-e]\"/\"device\":[\"\\1f\"/'";
	struct program_result result;
	char dir[HELD_PATH_BYTES];
	struct json_object *run;

	(void)state;
	assert_int_equal(held_make(HELD_ON_DISK, dir), 0);
	assert_int_equal(program_run(&result, make_demo_with(dir, "ringdex-mock", liar), NULL,
				     "--requests", "200", "--json", "--no-baselines", "--kills",
				     "0", "--pauses", "0", NULL),
			 0);
	assert_int_equal(result.status, 1);
	run = json_tokener_parse(result.out);
	assert_non_null(run);
	assert_true(number(run, "divergences") > 0);
	assert_int_equal(number(run, "comparisons_failed"), 0);
	json_object_put(run);
	program_result_free(&result);
	held_remove(dir);
}

/* A second indexer that is long in coming: only those requests are answered meanwhile that were
 * under way, at most a tick's. */
static void test_requests_wait_for_the_index(void **state)
{
	static const char late[] = "sleep 1; exec \"$REAL/ringdex-follow\" \"$@\"";
	struct json_object *run, *killed, *recovery;
	struct program_result result;
	char dir[HELD_PATH_BYTES];

	(void)state;
	assert_int_equal(held_make(HELD_ON_DISK, dir), 0);
	assert_int_equal(program_run(&result, make_demo_with(dir, "ringdex-follow", late), NULL,
				     "--requests", "300", "--json", "--no-baselines", "--kills",
				     "2", "--clears", "0", "--pauses", "0", NULL),
			 0);
	run = result_of(&result);
	assert_exact(run, 300, 2);
	killed = json_object_array_get_idx(member(run, "incidents"), 1);
	assert_string_equal(json_object_get_string(member(killed, "what")), "indexer killed");
	assert_true(number(killed, "back_ns") > 1000000000);
	recovery = json_object_array_get_idx(
		member(run, "recoveries"), json_object_array_length(member(run, "recoveries")) - 1);
	assert_string_equal(json_object_get_string(member(recovery, "after")), "indexer killed");
	assert_true(number(recovery, "request") - number(killed, "request") <= TICK_REQUESTS_MAX);
	json_object_put(run);
	held_remove(dir);
}

/* Last: from here on this process has mounts of its own. */
static void test_small_tmpfs(void **state)
{
	struct program_result result;
	char dir[HELD_PATH_BYTES];

	(void)state;
	assert_int_equal(held_make(HELD_ON_DISK, dir), 0);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", 0, "size=64m") < 0) {
		rmdir(dir);
		skip();
	}
	assert_int_equal(program_run(&result, DEMO, NULL, "--requests", "300", "--json",
				     "--no-baselines", "--dir", dir, NULL),
			 0);
	assert_int_equal(result.status, 0);
	program_result_free(&result);
	assert_int_equal(umount(dir), 0);
	assert_int_equal(mount("none", dir, "tmpfs", 0, "size=4m"), 0);
	assert_int_equal(program_run(&result, DEMO, NULL, "--dir", dir, NULL), 0);
	assert_int_equal(result.status, 1);
	assert_non_null(strstr(result.err, "--blocks"));
	program_result_free(&result);
	umount(dir);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact_through_kills),
		cmocka_unit_test(test_ledger_way),
		cmocka_unit_test(test_table_for_people),
		cmocka_unit_test(test_bad_usage),
		cmocka_unit_test(test_told_to_stop),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_an_engine_that_lies),
		cmocka_unit_test(test_requests_wait_for_the_index),
		cmocka_unit_test(test_small_tmpfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
