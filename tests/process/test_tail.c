/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ringdex-tail and ringdex-range: events as JSON lines and from an id on, what was
 * lost, a new epoch, a truncated file, and a round trip through ringdex-feed.
 */
#include "tests/patience.h"
#include "tests/tools_rig.h"

#include <ringdex/rdx_reader.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct json_object *ask(struct rig *rig, const char *first, const char *last)
{
	struct json_object *object;
	struct program_result r;

	RUN(&r, 0, "ringdex-range", NULL, "--dir", rig->dir, "--json", "--first", first, "--last",
	    last, "7:0");
	object = parsed(r.out);
	program_result_free(&r);
	return object;
}

static void range_has_four_outcomes(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producer;
	struct json_object *object;
	struct program_result r;

	tools_claim(rig, &producer, 7, 0, 64);
	for (uint64_t i = 1; i <= 100; i++)
		rig_store(rig, &producer, i);

	object = ask(rig, "90", "95");
	assert_string_equal(string(object, "outcome"), "EVENTS");
	assert_int_equal(number(object, "first_event_id"), 90);
	assert_int_equal(number(object, "last_event_id"), 100);
	json_object_put(object);
	object = ask(rig, "3", "100");
	assert_string_equal(string(object, "outcome"), "SNAPSHOT");
	json_object_put(object);
	object = ask(rig, "101", "200");
	assert_string_equal(string(object, "outcome"), "TOO_NEW");
	assert_int_equal(number(object, "last_event_id"), 100);
	json_object_put(object);
	object = ask(rig, "5", "4");
	assert_string_equal(string(object, "outcome"), "INVALID_RANGE");
	json_object_put(object);

	RUN(&r, 0, "ringdex-range", NULL, "--dir", rig->dir, "7", "--epoch", "1");
	assert_has(r.out, "SNAPSHOT: ");
	program_result_free(&r);
	rig_clear(&producer);
	rig_store(rig, &producer, 200);
	RUN(&r, 0, "ringdex-range", NULL, "--dir", rig->dir, "7", "--first", "3", "--events");
	assert_has(r.err, "EVENTS: 101 through 102, from position 100, the newest clear");
	assert_has(r.out, "\"type\":\"cleared\"");
	assert_has(r.out, "\"event_id\":102}\n");
	program_result_free(&r);
	rig_release(&producer);
	RUN(&r, 1, "ringdex-range", NULL, "--dir", rig->dir, "7:5");
	assert_has(r.err, "no segment of 7:5 in");
	program_result_free(&r);
}

static void tail_prints_what_feed_accepts(void **state)
{
	const uint64_t local[3] = {11, UINT64_MAX, 13};
	struct rig *rig = *state;
	struct json_object *object;
	struct rig_producer producer;
	struct program_result r;
	uint64_t prefix[3];
	char *line;

	tools_claim(rig, &producer, 7, 1, 64);
	rdx_hash_chain(&rig->key, 0, local, 3, prefix);
	rig_append(&producer, RDX_EVENT_REMOVED, 0, 0, prefix, 2);
	rig_append(&producer, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0, NULL, 0);
	rig_append(&producer, RDX_EVENT_STORED, RDX_TIER_HOST, prefix[0], local + 1, 2);
	rig_append(&producer, RDX_EVENT_CLEARED, RDX_TIER_DISK, 0, NULL, 0);

	RUN(&r, 0, "ringdex-tail", NULL, "--dir", rig->dir, "--from-barrier", "--once");
	line = strtok(r.out, "\n");
	object = parsed(line);
	assert_string_equal(string(object, "type"), "cleared");
	assert_false(json_object_object_get_ex(object, "tier", NULL));
	json_object_put(object);

	object = parsed(strtok(NULL, "\n"));
	assert_int_equal(number(object, "worker"), 7);
	assert_int_equal(number(object, "dp_rank"), 1);
	assert_string_equal(string(object, "type"), "stored");
	assert_string_equal(string(object, "tier"), "host");
	assert_true(number(object, "parent") == prefix[0]);
	assert_int_equal(json_object_array_length(member(object, "names")), 2);
	for (size_t i = 0; i < 2; i++) {
		struct json_object *names = member(object, "names");
		struct json_object *hashes = member(object, "local_hashes");

		assert_true(json_object_get_uint64(json_object_array_get_idx(names, i)) ==
			    prefix[i + 1]);
		assert_true(json_object_get_uint64(json_object_array_get_idx(hashes, i)) ==
			    local[i + 1]);
	}
	json_object_put(object);

	object = parsed(strtok(NULL, "\n"));
	assert_string_equal(string(object, "type"), "cleared");
	assert_string_equal(string(object, "tier"), "disk");
	json_object_put(object);
	assert_null(strtok(NULL, "\n"));
	program_result_free(&r);

	/* from now on: nothing; and a rank that is not there */
	RUN(&r, 0, "ringdex-tail", NULL, "--dir", rig->dir, "--once");
	assert_string_equal(r.out, "");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-tail", NULL, "--dir", rig->dir, "--once", "8");
	assert_has(r.err, "no segment of 8 in");
	program_result_free(&r);
	rig_release(&producer);
}

/* What each event says of the rank's worth, and that it is EXACT again. */
static void tail_prints_what_is_lacking(void **state)
{
	static const char lines[] =
		"{\"worker\":7,\"type\":\"stored\",\"names\":[2],\"parent\":1,\"local_hashes\":[2]}"
		"\n"
		"{\"worker\":7,\"type\":\"stored\",\"names\":[3],\"local_hashes\":[3]}\n"
		"{\"worker\":7,\"type\":\"removed\",\"names\":[2]}\n";
	static const char *const worth[] = {"lacking", "lacking", "exact"};
	struct rig *rig = *state;
	struct json_object *object;
	struct program_result r;
	char *line;

	RUN(&r, 0, "ringdex-feed", lines, "--dir", rig->dir, "--quiet", "-");
	program_result_free(&r);
	RUN(&r, 0, "ringdex-tail", NULL, "--dir", rig->dir, "--from-barrier", "--once");
	line = strtok(r.out, "\n");
	for (int i = 0; i < 3; i++) {
		object = parsed(line);
		assert_string_equal(string(object, "type"), i == 1 ? "stored" : "inexact");
		assert_string_equal(string(object, "inexact"), worth[i]);
		json_object_put(object);
		line = strtok(NULL, "\n");
	}
	assert_null(line);
	program_result_free(&r);
}

static void tail_says_what_was_lost(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producer;
	struct program_result r;

	tools_claim(rig, &producer, 7, 0, 64);
	for (uint64_t i = 1; i <= 100; i++)
		rig_store(rig, &producer, i);
	RUN(&r, 1, "ringdex-tail", NULL, "--dir", rig->dir, "--from-barrier", "--count", "3");
	assert_has(r.err, "7:0: lost the events 1 to 36: the ring wrapped over them");
	assert_has(r.out, "\"event_id\":37}");
	assert_has(r.out, "\"event_id\":39}");
	assert_null(strstr(r.out, "\"event_id\":40}"));
	program_result_free(&r);
	rig_release(&producer);
}

static void tail_follows_through_another_life(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producers[2];
	char *arguments[] = {"ringdex-tail", "--dir", rig->dir, "--from-barrier", NULL};
	struct program_result r;
	struct program program;

	tools_claim(rig, &producers[0], 7, 0, 64);
	rig_store(rig, &producers[0], 1);
	assert_int_equal(program_start(&program, arguments[0], arguments, 0), 0);
	assert_true(tools_wait_for(&program, "\"event_id\":1}"));
	rig_store(rig, &producers[0], 2);
	rig_release(&producers[0]);
	tools_claim(rig, &producers[0], 7, 0, 64);
	tools_claim(rig, &producers[1], 8, 0, 64);
	rig_append(&producers[0], RDX_EVENT_REMOVED, 0, 0, &(uint64_t){77}, 1);
	assert_true(tools_wait_for(&program, "\"names\":[\"77\"]"));
	rig_append(&producers[1], RDX_EVENT_REMOVED, 0, 0, &(uint64_t){88}, 1);
	assert_true(tools_wait_for(&program, "\"names\":[\"88\"]"));
	kill(program.pid, SIGTERM);
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.err, "");
	program_result_free(&r);
	rig_release(&producers[0]);
	rig_release(&producers[1]);
}

/* Told to stop while a reader does not read: what is being written still comes, whole. */
static void tail_does_not_cut_off_a_slow_reader(void **state)
{
	struct rig *rig = *state;
	char *arguments[] = {"ringdex-tail", "--dir", rig->dir, "--from-barrier", NULL};
	struct rig_producer producer;
	struct program_result r;
	struct program program;
	int waiting = 0;

	tools_claim(rig, &producer, 7, 0, 4096);
	assert_int_equal(program_start(&program, arguments[0], arguments, 0), 0);
	assert_true(fcntl(program.out, F_SETPIPE_SZ, 4096) >= 4096); /* while it is empty */
	for (uint64_t i = 1; i <= 1000; i++)
		rig_store(rig, &producer, i);
	UNTIL (waiting >= 4096)
		assert_int_equal(ioctl(program.out, FIONREAD, &waiting), 0);
	/* the first ends a write that the pipe took a part of, the next one that it took none of */
	for (int i = 0; i < 10; i++) {
		kill(program.pid, SIGINT);
		patience_nap(i + 10);
	}
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	assert_string_equal(r.err, "");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out + strlen(r.out) - 2, "}\n");
	program_result_free(&r);
	rig_release(&producer);
}

static void tools_survive_a_truncated_file(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producers[2];
	char *arguments[] = {"ringdex-tail", "--dir", rig->dir, "--from-barrier", NULL};
	struct program_result r;
	struct program tail, follow;

	tools_claim(rig, &producers[0], 7, 0, 64);
	tools_claim(rig, &producers[1], 8, 0, 64);
	rig_store(rig, &producers[0], 1);
	tools_start_follow(rig, &follow, "--interval=50ms");
	assert_true(tools_wait_for(&follow, "\"last_event_id\":1"));
	assert_int_equal(program_start(&tail, arguments[0], arguments, 0), 0);
	assert_true(tools_wait_for(&tail, "\"event_id\":1}"));

	tools_damage(rig, 7, 0, 0, 0);
	assert_true(tools_wait_for(&follow, "\"cause\":\"EBADMSG\""));
	rig_store(rig, &producers[1], 1);
	rig_store(rig, &producers[1], 2);
	assert_true(tools_wait_for(&tail, "{\"worker\":\"8\","));
	assert_true(tools_wait_for(&follow, "\"last_event_id\":2,"));
	/* which it says when it is that rank's turn */
	assert_true(tools_wait_for_err(&tail, "ringdex-tail: cannot read 7:0: truncated: 0 bytes"));
	kill(tail.pid, SIGTERM);
	assert_int_equal(program_finish(&tail, NULL, &r), 0);
	assert_int_equal(r.status, 1);
	program_result_free(&r);
	program_stop(&follow);
	rig_release(&producers[0]);
	rig_release(&producers[1]);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int compare_hashes(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* What rank 3:0 holds in a tier, sorted. */
static uint64_t resident(const char *dir, uint8_t tier, uint64_t *ret_hashes, uint64_t capacity)
{
	struct rdx_reader *reader;
	struct rdx_cursor exact_at;
	uint64_t count;

	assert_int_equal(rdx_reader_open(&reader, dir, 3, 0), 0);
	assert_int_equal(rdx_reader_resident(reader, tier, ret_hashes, capacity, &count, &exact_at),
			 0);
	rdx_reader_close(reader);
	qsort(ret_hashes, count, sizeof(*ret_hashes), compare_hashes);
	return count;
}

/* An engine's events, printed by tail and fed into a second namespace with the same key,
 * make a rank that holds the same and prints the same. */
static void tail_and_feed_go_round(void **state)
{
	enum { BLOCKS = 4000 };
	static uint64_t hashes[2][BLOCKS];
	struct rig *rig = *state;
	struct program_result trace, events, again, r;
	char other[sizeof(rig->dir) + 8], path[sizeof(rig->dir) + 16], key[RDX_KEY_BYTES];
	int fd;

	RUN(&trace, 0, "ringdex", NULL, "trace", "generate", "--requests", "60", "--seed", "7");
	snprintf(path, sizeof(path), "%s/requests", rig->dir);
	write_file(path, trace.out);
	RUN(&r, 0, "ringdex", NULL, "mock", "--dir", rig->dir, "--worker-id", "3", "--blocks",
	    "1000", "--host-blocks", "1500", "--trace", path);
	program_result_free(&r);
	RUN(&events, 0, "ringdex", NULL, "tail", "--dir", rig->dir, "--from-barrier", "--once");
	assert_has(events.out, "\"tier\":\"host\"");
	assert_has(events.out, "\"removed\"");

	snprintf(other, sizeof(other), "%s/other", rig->dir);
	assert_int_equal(mkdir(other, 0700), 0);
	fd = openat(rig->dir_fd, "key", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, key, sizeof(key)), sizeof(key));
	close(fd);
	fd = openat(rig->dir_fd, "other/key", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, key, sizeof(key)), sizeof(key));
	close(fd);
	RUN(&r, 0, "ringdex", events.out, "feed", "--dir", other, "--blocks", "1000",
	    "--host-blocks", "1500", "--quiet", "-");
	assert_string_equal(r.err, "");
	program_result_free(&r);

	for (uint8_t tier = 0; tier < 2; tier++) {
		uint64_t count = resident(rig->dir, tier, hashes[0], BLOCKS);

		assert_in_range(count, 500, BLOCKS);
		assert_int_equal(resident(other, tier, hashes[1], BLOCKS), count);
		assert_memory_equal(hashes[0], hashes[1], count * sizeof(uint64_t));
	}
	RUN(&again, 0, "ringdex", NULL, "tail", "--dir", other, "--from-barrier", "--once");
	assert_string_equal(again.out, events.out);
	program_result_free(&trace);
	program_result_free(&events);
	program_result_free(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(range_has_four_outcomes, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(tail_prints_what_feed_accepts, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(tail_prints_what_is_lacking, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(tail_says_what_was_lost, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(tail_follows_through_another_life, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(tail_does_not_cut_off_a_slow_reader, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(tools_survive_a_truncated_file, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(tail_and_feed_go_round, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
