/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ringdex-follow outlives a want of descriptors, and says so once, and of memory; notices that nobody
 * reads its output, and goes on where nobody reads its messages; shows when a rank last published, and that it has
 * no lock any more; removes what is dead for long.
 */
#include "shm/clock.h"
#include "tests/patience.h"
#include "tests/tools_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODELS      24
#define DESCRIPTORS 48

#define SLOTS        65536 /* 4 MiB */
#define LITTLE_BYTES (UINT64_C(2) << 20)

static void start_with_few_descriptors(struct rig *rig, struct program *program)
{
	char *arguments[] = {"ringdex-follow", "--dir", rig->dir, TOOLS_NEVER_STALE, NULL};
	struct rlimit before, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = DESCRIPTORS;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(program_start(program, arguments[0], arguments, 0), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static uint32_t count(const char *text, const char *part)
{
	uint32_t found = 0;

	for (text = strstr(text, part); text; text = strstr(text + 1, part))
		found++;
	return found;
}

static void it_outlives_a_want_of_descriptors(void **state)
{
	struct rig_producer producers[MODELS + 1];
	struct rig *rig = *state;
	struct program program;
	struct program_result r;
	char model[MODELS][16];

	tools_claim(rig, &producers[MODELS], 1000, 0, 64);
	start_with_few_descriptors(rig, &program);
	assert_true(tools_wait_for(&program, "1000:0 EXACT"));
	for (uint32_t i = 0; i < MODELS; i++) {
		struct rdx_segment_spec spec = rig_spec(1, i, 64, 64);

		snprintf(model[i], sizeof(model[i]), "model %u", i);
		spec.model = model[i];
		assert_int_equal(rig_claim(rig, &producers[i], &spec), 0);
	}
	assert_true(tools_wait_for_err(&program, "Too many open files"));
	/* it goes on: its rank is answered for, and others are when there is room */
	RUN_UNTIL(&r, 0, "ringdex-query", "1", "--dir", rig->dir, "--local", "--model=model", "-");
	program_result_free(&r);
	for (uint32_t i = 0; i < MODELS; i++)
		rig_release(&producers[i]);
	rig_release(&producers[MODELS]);
	assert_true(tools_wait_for(&program, "1000:0 GONE"));
	kill(program.pid, SIGTERM);
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	assert_int_equal(r.status, 0);
	assert_true(count(r.err, "tries again") <= 2);
	program_result_free(&r);
}

/* Of address space, in bytes. */
static uint64_t in_use(pid_t pid)
{
	unsigned long pages = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* One rank cannot be mapped; the others are answered for, and it is when there is memory. */
static void it_outlives_a_want_of_memory(void **state)
{
	struct rig_producer producers[2];
	struct rig *rig = *state;
	struct rlimit little, before;
	struct program program;
	struct program_result r;

	if (in_use(getpid()) > UINT64_C(1) << 40)
		skip(); /* a sanitizer takes all addresses, and does not live without memory */
	tools_claim(rig, &producers[0], 7, 0, 64);
	tools_start_follow(rig, &program, TOOLS_NEVER_STALE);
	assert_true(tools_wait_for(&program, "\"state\":\"EXACT\""));
	assert_int_equal(prlimit(program.pid, RLIMIT_AS, NULL, &before), 0);
	little = before;
	little.rlim_cur = in_use(program.pid) + LITTLE_BYTES;
	assert_int_equal(prlimit(program.pid, RLIMIT_AS, &little, NULL), 0);
	tools_claim(rig, &producers[1], 8, 0, SLOTS);
	assert_true(tools_wait_for(&program, "\"cause\":\"ENOMEM\""));
	RUN_UNTIL(&r, 0, "ringdex-query", "1", "--dir", rig->dir, "--local", "--model=model", "-");
	assert_has(r.out, "7:0");
	program_result_free(&r);
	assert_int_equal(prlimit(program.pid, RLIMIT_AS, &before, NULL), 0);
	assert_true(tools_wait_for(&program, "{\"worker\":\"8\",\"dp_rank\":0,\"followed\":true,"
					     "\"cause\":null,\"state\":\"EXACT\""));
	program_stop(&program);
	for (int i = 0; i < 2; i++)
		rig_release(&producers[i]);
}

static void it_notices_that_nobody_reads(void **state)
{
	struct rig *rig = *state;
	struct program program;
	struct program_result r;

	tools_start_follow(rig, &program, NULL);
	assert_true(tools_wait_for(&program, "\"ranks\":[]"));
	close(program.out);
	program.out = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	assert_int_equal(r.status, 1);
	assert_has(r.err, "nobody reads the output");
	program_result_free(&r);
}

static void it_shows_when_a_rank_last_published(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producer;
	struct program program;
	struct program_result r;
	struct json_object *object, *segment;

	tools_claim(rig, &producer, 7, 0, 64);
	tools_start_follow(rig, &program, "--interval=50ms");
	assert_true(tools_wait_for(&program, "\"event_age_ns\":null"));
	rig_publish(&producer, &(struct rdx_publish){
				       .head = {.kind = RDX_EVENT_CLEARED,
						.tier = RDX_SCOPE_ALL,
						.time_ns = rdx_clock_ns() - 5000000000},
			       });
	UNTIL (0) {
		char line[4096], behind;
		uint64_t age;
		const char *at;
		ssize_t got = read(program.out, line, sizeof(line) - 1);

		assert_true(got > 0);
		line[got] = 0;
		at = strstr(line, "\"event_age_ns\":");
		/* a number that has an end: where much is read at once it is cut anywhere */
		if (at && sscanf(at, "\"event_age_ns\":%lu%c", &age, &behind) == 2) {
			assert_true(age >= 5000000000);
			break;
		}
	}
	program_stop(&program);
	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir, "--json");
	object = parsed(r.out);
	segment = json_object_array_get_idx(member(object, "segments"), 0);
	assert_true(number(segment, "last_event_age_ns") >= 5000000000);
	json_object_put(object);
	program_result_free(&r);
	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir);
	assert_has(r.out, " AGE ");
	program_result_free(&r);
	rig_release(&producer);
}

/* Start follow, and make ready what its lock file may be exchanged for: a directory that is not empty. */
static void start_stuck(struct rig *rig, struct program *ret_program)
{
	char *arguments[] = {"ringdex-follow", "--dir", rig->dir, "--json", "-i", "50ms", NULL};

	assert_int_equal(mkdirat(rig->dir_fd, "stuck", 0755), 0);
	assert_int_equal(mkdirat(rig->dir_fd, "stuck/x", 0755), 0);
	assert_int_equal(program_start(ret_program, arguments[0], arguments, 0), 0);
	assert_true(tools_wait_for(ret_program, "\"lock_cause\":null"));
}

/* Exchange them, or back. */
static void exchange_lock(struct rig *rig)
{
	assert_int_equal(
		renameat2(rig->dir_fd, "stuck", rig->dir_fd, "indexer.lock", RENAME_EXCHANGE), 0);
}

static void it_says_that_it_has_no_lock(void **state)
{
	struct rig *rig = *state;
	struct program program;

	start_stuck(rig, &program);
	exchange_lock(rig);
	assert_true(tools_wait_for(&program, "\"lock_cause\":\"EISDIR\""));
	exchange_lock(rig);
	assert_true(tools_wait_for(&program, "\"lock_cause\":null"));
	program_stop(&program);
}

/* Nor its messages, which has nothing to do with its output. */
static void it_goes_on_when_its_messages_are_not_read(void **state)
{
	struct rig *rig = *state;
	struct program program;

	start_stuck(rig, &program);
	close(program.err);
	program.err = open("/dev/null", O_RDONLY | O_CLOEXEC);
	exchange_lock(rig); /* which it says */
	assert_true(tools_wait_for(&program, "\"lock_cause\":\"EISDIR\""));
	exchange_lock(rig);
	assert_true(tools_wait_for(&program, "\"lock_cause\":null"));
	program_stop(&program);
}

static void it_cleans(void **state)
{
	struct rig *rig = *state;
	char *arguments[] = {"ringdex-follow",       "--dir", rig->dir, TOOLS_NEVER_STALE,
			     "--clean-dead-for=1ms", NULL};
	struct rig_producer dead, alive;
	struct program program;

	tools_claim(rig, &dead, 7, 0, 64);
	tools_claim(rig, &alive, 8, 0, 64);
	rig_release(&dead);
	assert_int_equal(program_start(&program, arguments[0], arguments, 0), 0);
	assert_true(tools_wait_for(&program, "removed 7/0.seg, which was dead: "));
	assert_int_equal(faccessat(rig->dir_fd, "8/0.seg", F_OK, 0), 0);
	program_stop(&program);
	rig_release(&alive);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_outlives_a_want_of_descriptors),
		TEST(it_outlives_a_want_of_memory),
		TEST(it_notices_that_nobody_reads),
		TEST(it_shows_when_a_rank_last_published),
		TEST(it_says_that_it_has_no_lock),
		TEST(it_goes_on_when_its_messages_are_not_read),
		TEST(it_cleans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
