/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: tests that are killed (SIGKILL) leave neither files nor processes, nor do those
 * that CTest ends by their time-out. Test programs of several kinds are killed in mid-run, and
 * one whose children ignore every signal that can be ignored, make files without end, and have
 * mounted something.
 */
#include "tests/child.h"
#include "tests/patience.h"
#include "tests/programs.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STUBBORN_ROLE "stubborn"

/* The first directory that process `pid` holds there. 1, or 0: none. */
static int find_held(const char *where, pid_t pid, char *ret_path)
{
	char pattern[HELD_PATH_BYTES];
	glob_t found;
	int r;

	snprintf(pattern, sizeof(pattern), "%s/rdx-test-%d-*", where, (int)pid);
	r = glob(pattern, 0, NULL, &found) == 0;
	if (r)
		snprintf(ret_path, HELD_PATH_BYTES, "%s", found.gl_pathv[0]);
	globfree(&found);
	return r;
}

static int exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Wait until the process holds a directory, with `inside` in it. 0: it has ended before that was seen, and was
 * waited for. */
static int await_held(pid_t pid, const char *inside, char *ret_path)
{
	char path[HELD_PATH_BYTES + 64];

	UNTIL (find_held("/dev/shm", pid, ret_path) || find_held("/tmp", pid, ret_path)) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return 0;
		usleep(1000);
	}
	snprintf(path, sizeof(path), "%s/%s", ret_path, inside);
	UNTIL (exists(path)) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return 0;
		usleep(1000);
	}
	return 1;
}

/* It is dead: soon nothing is left of what it held. */
static void await_nothing(const char *path)
{
	UNTIL (!exists(path))
		usleep(1000);
	UNTIL (held_processes(path, 0) == 0)
		usleep(1000);
}

static void kill_and_look(pid_t pid, const char *path)
{
	char none[HELD_PATH_BYTES];

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	await_nothing(path);
	/* nor of what it held in the other place, which another guardian removes */
	UNTIL (!find_held("/dev/shm", pid, none) && !find_held("/tmp", pid, none))
		usleep(1000);
}

/* Start a program, and wait until it holds a directory; again where it was over before that was seen. */
static void start_holding(struct program *ret_program, const char *name, char *ret_path)
{
	char *arguments[] = {(char *)name, NULL};

	assert_int_equal(program_start(ret_program, name, arguments, 0), 0);
	UNTIL (await_held(ret_program->pid, "", ret_path)) {
		close(ret_program->out);
		close(ret_program->err);
		assert_int_equal(program_start(ret_program, name, arguments, 0), 0);
	}
}

static void test_programs_killed_in_mid_run(void **state)
{
	static const char *const names[] = {
#ifdef RDX_HOOKS /* without them these are skipped before they hold anything */
		"test_kill_producer", "test_kill_indexer", "test_chaos",
#endif
		"test_indexer",       "test_query",        "test_lap",   "test_programs",
	};
	uint64_t random = rig_seed();

	(void)state;
	for (uint32_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[HELD_PATH_BYTES];
		struct program program;

		start_holding(&program, names[i], path);
		if (rig_random(&random) % 2) /* at once, or anywhere in its run */
			usleep((useconds_t)(rig_random(&random) % 100000));
		kill_and_look(program.pid, path);
		close(program.out);
		close(program.err);
	}
}

/* Its parent and it ignore what they can; files appear for as long as it lives. */
static void litter(const struct rig *rig)
{
	char path[HELD_PATH_BYTES + 32];

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_IGN);
	for (unsigned int i = 0;; i++) {
		snprintf(path, sizeof(path), "%s/litter%u", rig->dir, i % 1000);
		close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
}

static int be_stubborn(void)
{
	char path[HELD_PATH_BYTES + 32];
	struct rig rig;

	rig_make(&rig);
	snprintf(path, sizeof(path), "%s/mounted", rig.dir);
	if (mkdir(path, 0700) < 0)
		return 1;
	(void)mount("tmpfs", path, "tmpfs", 0, "size=64k,mode=700"); /* where that is allowed */
	printf("holds %s\n", rig.dir);
	fflush(stdout);
	for (int i = 0; i < 2; i++)
		if (fork() == 0)
			litter(&rig);
	for (;;)
		pause();
}

static void test_children_that_do_not_want_to_go(void **state)
{
	char path[HELD_PATH_BYTES], role[] = STUBBORN_ROLE, name[] = "test_held";
	char *arguments[] = {name, role, NULL};
	struct program program;

	(void)state;
	assert_int_equal(program_start(&program, name, arguments, 0), 0);
	assert_true(await_held(program.pid, "1/litter999", path));
	UNTIL (held_processes(path, 0) == 3) /* one litters before the other one is there */
		usleep(1000);
	kill_and_look(program.pid, path);
	close(program.out);
	close(program.err);
}

/* Let CTest run the stubborn one for `seconds`, from `dir`. What that held, "" where it came to
 * nothing before. */
static void run_by_ctest(const char *dir, uint32_t seconds, char ret_path[HELD_PATH_BYTES])
{
	char text[4096] = "", own[PATH_MAX] = "", name[HELD_PATH_BYTES + 32];
	int timed_out = 0;
	FILE *file;

	assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
	snprintf(name, sizeof(name), "%s/CTestTestfile.cmake", dir);
	file = fopen(name, "w");
	assert_non_null(file);
	fprintf(file,
		"add_test(slow \"%s\" " STUBBORN_ROLE ")\n"
		"set_tests_properties(slow PROPERTIES TIMEOUT %u)\n",
		own, seconds);
	fclose(file);
	snprintf(text, sizeof(text), CTEST " --test-dir %s --output-on-failure 2>&1", dir);
	file = popen(text, "r");
	assert_non_null(file);
	ret_path[0] = 0;
	while (fgets(text, sizeof(text), file)) {
		timed_out |= strstr(text, "Timeout") != NULL;
		sscanf(text, "holds %63s", ret_path);
	}
	assert_int_not_equal(pclose(file), 0);
	assert_true(timed_out);
}

static void test_timed_out_by_ctest(void **state)
{
	char dir[HELD_PATH_BYTES], path[HELD_PATH_BYTES] = "";

	(void)state;
	assert_int_equal(held_make(HELD_ON_DISK, dir), 0);
	for (uint32_t seconds = 1; !path[0]; seconds *= 2)
		run_by_ctest(dir, seconds, path);
	*strrchr(path, '/') = 0;
	await_nothing(path);
	held_remove(dir);
}

/* A failed test leaves its directory to the end of its process. */
static void test_the_end_of_a_process(void **state)
{
	char path[HELD_PATH_BYTES];
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct rig rig;

		rig_make(&rig);
		exit(exists(rig.dir) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(find_held("/dev/shm", pid, path));
	assert_false(find_held("/tmp", pid, path));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs_killed_in_mid_run),
		cmocka_unit_test(test_children_that_do_not_want_to_go),
		cmocka_unit_test(test_timed_out_by_ctest),
		cmocka_unit_test(test_the_end_of_a_process),
	};

	if (argc == 2 && strcmp(argv[1], STUBBORN_ROLE) == 0)
		return be_stubborn();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
