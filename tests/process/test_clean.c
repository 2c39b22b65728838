/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ringdex-clean, and ringdex-feed where the dead are in its way, run as programs: what is
 * said and removed; restarts under new worker ids in a small file system; a successor that is there
 * before its predecessor has ended.
 */
#include "tests/feed_rig.h"
#include "tests/patience.h"
#include "tests/tools_rig.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LINE_BYTES 128

static const char line_of[] = "{\"worker\":%d,\"type\":\"stored\",\"names\":[11],"
			      "\"local_hashes\":[7]}\n";

static int exists(const struct rig *rig, const char *name)
{
	return faccessat(rig->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void live_and_die(struct rig *rig, int worker)
{
	struct program_result r;
	char line[LINE_BYTES];

	snprintf(line, sizeof(line), line_of, worker);
	RUN(&r, 0, "ringdex-feed", line, "-q", "--blocks=64", "--host-blocks=64", "--ring-slots=64",
	    "--dir", rig->dir, "-");
	program_result_free(&r);
}

static void clean_says_what_it_removes(void **state)
{
	struct rig *rig = *state;
	struct rig_producer alive;
	struct json_object *object;
	struct program_result r;

	live_and_die(rig, 1);
	live_and_die(rig, 2);
	tools_claim(rig, &alive, 3, 0, 64);
	RUN(&r, 0, "ringdex-clean", NULL, "--dry-run", "--dir", rig->dir);
	assert_has(r.out, "would remove rank 1/0.seg: ");
	assert_has(r.out, "would remove worker 2: 0 bytes\n");
	assert_null(strstr(r.out, "3/0"));
	program_result_free(&r);
	assert_true(exists(rig, "1/0.seg"));
	RUN(&r, 0, "ringdex-clean", NULL, "--dead-for=1h", "--dir", rig->dir);
	assert_has(r.out, "kept rank 1/0.seg: ");
	assert_has(r.out, "freed 0 bytes in 0 items, kept 2 (");
	program_result_free(&r);
	RUN(&r, 0, "ringdex-clean", NULL, "--json", "--dir", rig->dir);
	object = parsed(r.out);
	assert_int_equal(number(object, "removed"), 4);
	assert_int_equal(number(object, "failed"), 0);
	assert_int_equal(json_object_array_length(member(object, "items")), 4);
	json_object_put(object);
	program_result_free(&r);
	assert_false(exists(rig, "1") || exists(rig, "2"));
	assert_true(exists(rig, "3/0.seg"));
	RUN(&r, 0, "ringdex-clean", NULL, "--dir", rig->dir);
	assert_string_equal(r.out, "freed 0 bytes in 0 items\n");
	program_result_free(&r);
	rig_release(&alive);
	RUN(&r, 1, "ringdex-clean", NULL, "--dir", "/dev/shm/no/such");
	program_result_free(&r);
}

/* Is its worker, or its first line, there? */
static int has_published(const struct rig *rig, int worker)
{
	return feed_has_published(rig, (uint64_t)worker);
}

static void start_feed(struct rig *rig, struct program *feed)
{
	char *arguments[] = {"ringdex-feed",
			     "--blocks=64",
			     "--ring-slots=64",
			     "--hold",
			     "--dir",
			     rig->dir,
			     "--wait-for-rank=1h",
			     "-",
			     NULL};
	char line[LINE_BYTES];

	snprintf(line, sizeof(line), line_of, 1);
	assert_int_equal(program_start(feed, "ringdex-feed", arguments, 1), 0);
	assert_int_equal(write(feed->in, line, strlen(line)), strlen(line));
}

static void feed_waits_for_its_predecessor(void **state)
{
	struct rig *rig = *state;
	struct program first, second, third;
	struct program_result r;

	start_feed(rig, &first);
	UNTIL (has_published(rig, 1))
		usleep(1000);
	start_feed(rig, &second);
	assert_true(tools_wait_for_err(&second, "is still held by another process: waiting up to"));
	kill(first.pid, SIGKILL);
	program_finish(&first, NULL, &r);
	program_result_free(&r);
	/* nothing of its lines was lost */
	UNTIL (has_published(rig, 1))
		usleep(1000);
	assert_int_equal(feed_inexact(rig, 1, 0), 0);
	/* one that waits ends when it is told to */
	start_feed(rig, &third);
	assert_true(tools_wait_for_err(&third, "is still held by another process"));
	kill(third.pid, SIGTERM);
	assert_int_equal(program_finish(&third, NULL, &r), 0);
	assert_int_equal(r.status, 1);
	program_result_free(&r);
	kill(second.pid, SIGTERM);
	assert_int_equal(program_finish(&second, NULL, &r), 0);
	assert_int_equal(r.status, 0);
	program_result_free(&r);
}

/* Last: from here on this process has mounts of its own. */
static void feed_reaps_its_dead(void **state)
{
	struct rig *rig = *state;
	struct program_result r;
	char line[LINE_BYTES], dir[HELD_PATH_BYTES + 8];
	struct statvfs fs;

	snprintf(dir, sizeof(dir), "%s/small", rig->dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", 0, "size=4m,mode=755") < 0) {
		print_message("no tmpfs can be mounted here\n");
		skip();
	}
	for (int worker = 1; worker <= 20; worker++) {
		snprintf(line, sizeof(line), line_of, worker);
		RUN(&r, 0, "ringdex-feed", line, "-q", "--blocks=64", "--host-blocks=64",
		    "--ring-slots=16384", "--dir", dir, "-");
		program_result_free(&r);
	}
	/* without: it says who has the space */
	snprintf(line, sizeof(line), line_of, 21);
	for (int i = 0; i < 2; i++) {
		snprintf(line, sizeof(line), line_of, 21 + i);
		assert_int_equal(program_run(&r, "ringdex-feed", line, "-q", "--blocks=64",
					     "--host-blocks=64", "--ring-slots=16384",
					     "--keep-dead", "--dir", dir, "-", NULL),
				 0);
		if (r.status == 1)
			break;
		program_result_free(&r);
	}
	assert_int_equal(r.status, 1);
	assert_has(r.err, "No space left on device");
	assert_has(r.err, "dead workers hold ");
	assert_has(r.err, " of 4.0 MiB: ringdex clean removes that");
	program_result_free(&r);
	RUN(&r, 0, "ringdex-clean", NULL, "--dir", dir);
	program_result_free(&r);
	assert_int_equal(statvfs(dir, &fs), 0);
	assert_true(fs.f_blocks - fs.f_bfree < fs.f_blocks / 4);
	umount(dir);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clean_says_what_it_removes),
		TEST(feed_waits_for_its_predecessor),
		TEST(feed_reaps_its_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
