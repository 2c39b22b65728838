/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the command-line tools of the router's side, run as programs: what they
 * print, how they end, what they say when something is wrong.
 */
#include "tests/expect.h"
#include "tests/patience.h"

#include "shm/namespace.h"
#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NEVER_STALE "--stale-after=24h" /* however slow the machine */

static const char *string(struct json_object *object, const char *name)
{
	return json_object_get_string(member(object, name));
}

static void claim(struct rig *rig, struct rig_producer *producer, uint64_t worker, uint32_t rank,
		  uint64_t slots)
{
	struct rdx_segment_spec spec = rig_spec(worker, rank, slots, 1024);

	assert_int_equal(rig_claim(rig, producer, &spec), 0);
}

/* --- the dispatcher --- */

static void lists_commands(void **state)
{
	struct program_result r;

	(void)state;
	RUN(&r, 0, "ringdex", NULL);
	assert_has(r.out, "query ");
	assert_has(r.out, "verify ");
	program_result_free(&r);
	RUN(&r, 0, "ringdex", NULL, "--help");
	assert_has(r.out, "ls ");
	program_result_free(&r);
	RUN(&r, 0, "ringdex", NULL, "--version");
	assert_string_equal(r.out, "ringdex " RDX_VERSION "\n");
	program_result_free(&r);
}

static void runs_a_command(void **state)
{
	struct rig *rig = *state;
	struct program_result r;

	RUN(&r, 0, "ringdex", NULL, "ls", "--dir", rig->dir, "--json");
	assert_has(r.out, "\"segments\"");
	program_result_free(&r);
	RUN(&r, 2, "ringdex", NULL, "ls", "--no-such-option");
	assert_has(r.err, "ringdex-ls: unrecognized option");
	program_result_free(&r);
	RUN(&r, 0, "ringdex", NULL, "help", "ls");
	assert_has(r.out, "Usage: ringdex-ls");
	program_result_free(&r);
}

static void names_the_nearest_command(void **state)
{
	struct program_result r;

	(void)state;
	RUN(&r, 2, "ringdex", NULL, "qeury");
	assert_has(r.err, "'qeury' is not a command");
	assert_has(r.err, "ringdex query\n");
	program_result_free(&r);
	RUN(&r, 2, "ringdex", NULL, "no-such-command");
	assert_null(strstr(r.err, "Did you mean"));
	program_result_free(&r);
	RUN(&r, 2, "ringdex", NULL, "--no-such-option");
	program_result_free(&r);
}

/* --- every tool alike --- */

static void says_when_the_directory_is_missing(void **state)
{
	static const char *const tools[] = {"ringdex-ls", "ringdex-tail"};
	struct program_result r;

	(void)state;
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		RUN(&r, 1, tools[i], NULL, "--dir", "/dev/shm/no/such/directory");
		assert_has(r.err, tools[i]);
		assert_has(r.err, ": cannot open /dev/shm/no/such/directory: No such file or "
				  "directory: start a worker or name the directory with --dir\n");
		assert_string_equal(r.out, "");
		program_result_free(&r);
	}
	RUN(&r, 1, "ringdex-range", NULL, "--dir", "/dev/shm/no/such/directory", "7");
	assert_has(r.err, "cannot open");
	program_result_free(&r);
}

static void refuses_bad_arguments(void **state)
{
	struct program_result r;

	(void)state;
	RUN(&r, 2, "ringdex-ls", NULL, "7:x");
	assert_has(r.err, "'7:x' is not a rank");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-query", NULL, "--local", "--prefix", "-");
	assert_has(r.err, "one of --tokens, --local, --prefix");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-range", NULL);
	program_result_free(&r);
	RUN(&r, 2, "ringdex-range", NULL, "7", "8");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-range", NULL, "--first", "-1", "7");
	assert_has(r.err, "--first: '-1' is not a whole number");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-tail", NULL, "--count", "0");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-tail", NULL, "18446744073709551616");
	program_result_free(&r);
}

/* --- ls --- */

static struct json_object *list(struct rig *rig, int status, struct program_result *r,
				struct json_object **ret_segments)
{
	struct json_object *object;

	RUN(r, status, "ringdex-ls", NULL, "--dir", rig->dir, "--json");
	object = parsed(r->out);
	*ret_segments = member(object, "segments");
	return object;
}

static void ls_of_nothing(void **state)
{
	struct rig *rig = *state;
	struct json_object *object, *segments;
	struct program_result r;

	object = list(rig, 0, &r, &segments);
	assert_int_equal(json_object_array_length(segments), 0);
	json_object_put(object);
	program_result_free(&r);
	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir);
	assert_has(r.err, "no worker has been there yet");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-ls", NULL, "--dir", rig->dir, "7");
	assert_has(r.err, "no segment of 7 in");
	program_result_free(&r);
}

static void ls_shows_a_live_rank(void **state)
{
	struct rig *rig = *state;
	struct json_object *object, *segments, *row;
	struct rig_producer producer;
	struct program_result r;

	claim(rig, &producer, UINT64_MAX, 3, 64);
	for (uint64_t i = 1; i <= 5; i++)
		rig_store(rig, &producer, i);
	rig_clear(&producer);
	rig_store(rig, &producer, 9);
	rdx_word_store(&producer.owner.live->counters[RDX_COUNTER_UNKNOWN_PARENTS], 12);
	rdx_word_store(&producer.owner.live->counters[RDX_COUNTER_HELD], 1);
	rdx_word_store(&producer.owner.live->counters[RDX_COUNTER_FLAGS],
		       RDX_LIVE_INEXACT | RDX_LIVE_DISK_BACKED);

	object = list(rig, 0, &r, &segments);
	assert_int_equal(json_object_array_length(segments), 1);
	row = json_object_array_get_idx(segments, 0);
	assert_true(number(row, "worker") == UINT64_MAX);
	assert_int_equal(number(row, "dp_rank"), 3);
	assert_string_equal(string(row, "state"), "live");
	assert_string_equal(string(row, "model"), "model");
	assert_string_equal(string(row, "instance"), "http://localhost:8000");
	assert_int_equal(number(row, "block_tokens"), 16);
	assert_true(number(row, "epoch") == producer.owner.header->epoch);
	assert_int_equal(number(row, "ring_slots"), 64);
	assert_int_equal(number(row, "last_event_id"), 7);
	assert_int_equal(number(member(row, "barrier"), "event_id"), 6);
	assert_int_equal(number(member(row, "barrier"), "slots_ago"), 2);
	assert_int_equal(number(member(member(row, "tiers"), "device"), "held_blocks"), 1);
	assert_int_equal(number(member(row, "counters"), "unknown_parents"), 12);
	assert_true(json_object_get_boolean(member(row, "inexact")));
	assert_true(json_object_get_boolean(member(row, "disk_backed")));
	assert_false(json_object_get_boolean(member(row, "rings_bell")));
	json_object_put(object);
	program_result_free(&r);

	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir);
	assert_has(r.out, "18446744073709551615:3 live");
	assert_has(r.out, "2 ago");
	assert_has(r.out, "inexact disk");
	assert_has(r.out, "18446744073709551615:3: INEXACT until its next clear of all tiers\n");
	assert_has(r.out, ": 12 blocks dropped: their parent is unknown\n");
	program_result_free(&r);
	rig_release(&producer);
}

static void ls_shows_dead_ranks_and_chooses(void **state)
{
	struct rig *rig = *state;
	struct json_object *object, *segments;
	struct rig_producer producers[3];
	struct program_result r;

	claim(rig, &producers[0], 10, 0, 64);
	claim(rig, &producers[1], 9, 1, 64);
	claim(rig, &producers[2], 9, 0, 64);
	rig_release(&producers[1]);
	object = list(rig, 0, &r, &segments);
	assert_int_equal(json_object_array_length(segments), 3);
	assert_int_equal(number(json_object_array_get_idx(segments, 0), "worker"), 9);
	assert_string_equal(string(json_object_array_get_idx(segments, 0), "state"), "live");
	assert_string_equal(string(json_object_array_get_idx(segments, 1), "state"), "dead");
	assert_int_equal(number(json_object_array_get_idx(segments, 2), "worker"), 10);
	json_object_put(object);
	program_result_free(&r);

	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir, "9:1", "10");
	assert_null(strstr(r.out, "9:0"));
	assert_has(r.out, "9:1 ");
	assert_has(r.out, "10:0 ");
	assert_has(r.out, "birth");
	program_result_free(&r);
	rig_release(&producers[0]);
	rig_release(&producers[2]);
}

/* Write into the segment's file of a dead rank, or cut it. */
static void damage(struct rig *rig, uint64_t worker, off_t at, uint64_t word, off_t cut)
{
	char name[RDX_NAME_BYTES];
	int fd;

	rdx_namespace_segment(worker, 0, name);
	fd = openat(rig->dir_fd, name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	if (cut >= 0)
		assert_int_equal(ftruncate(fd, cut), 0);
	else
		assert_int_equal(pwrite(fd, &word, sizeof(word), at), sizeof(word));
	close(fd);
}

static void ls_says_why_a_rank_is_unreadable(void **state)
{
	static const struct {
		off_t at;
		uint64_t word;
		off_t cut; /* -1: write the word instead */
		const char *reason;
		const char *error;
	} cases[] = {
		{0, 1, -1, "it is no segment", "EBADMSG"},
		{8, 99, -1, "format version 99; this ringdex reads version 1", "EPROTONOSUPPORT"},
		{24, 4, -1, "features (0x4)", "EPROTONOSUPPORT"},
		{32, 4, -1, "its layout is another one", "EBADMSG"},
		{40, 4, -1, "made with another key", "EKEYREJECTED"},
		{0, 0, 8192, "truncated: 8192 of its", "EBADMSG"},
		{0, 0, 10, "truncated: 10 bytes", "EBADMSG"},
		{0, 0, 0, "truncated: 0 bytes", "EBADMSG"},
	};
	const size_t count = sizeof(cases) / sizeof(cases[0]);
	struct rig *rig = *state;
	struct json_object *object, *segments;
	struct rig_producer producer;
	struct program_result r;

	for (size_t i = 0; i < count; i++) {
		claim(rig, &producer, i, 0, 64);
		rig_release(&producer);
		damage(rig, i, cases[i].at, cases[i].word, cases[i].cut);
	}
	claim(rig, &producer, count, 0, 64);
	object = list(rig, 1, &r, &segments);
	assert_int_equal(json_object_array_length(segments), count + 1);
	for (size_t i = 0; i < count; i++) {
		struct json_object *row = json_object_array_get_idx(segments, i);

		assert_string_equal(string(row, "state"), "unreadable");
		assert_has(string(row, "reason"), cases[i].reason);
		assert_string_equal(string(row, "error"), cases[i].error);
	}
	assert_string_equal(string(json_object_array_get_idx(segments, count), "state"), "live");
	json_object_put(object);
	program_result_free(&r);
	RUN(&r, 1, "ringdex-ls", NULL, "--dir", rig->dir);
	assert_has(r.out, "1:0: unreadable: format version 99");
	program_result_free(&r);
	rig_release(&producer);
}

/* --- range --- */

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

	claim(rig, &producer, 7, 0, 64);
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

/* --- tail --- */

static void tail_prints_what_feed_accepts(void **state)
{
	const uint64_t local[3] = {11, UINT64_MAX, 13};
	struct rig *rig = *state;
	struct json_object *object;
	struct rig_producer producer;
	struct program_result r;
	uint64_t prefix[3];
	char *line;

	claim(rig, &producer, 7, 1, 64);
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

static void tail_says_what_was_lost(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producer;
	struct program_result r;

	claim(rig, &producer, 7, 0, 64);
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

/* Read what a running program prints until it holds `part`. 1, or 0 when it takes too long,
 * with what there was printed. */
static int wait_for(struct program *program, const char *part)
{
	char text[65536];
	size_t length = 0;

	text[0] = 0;
	while (length + 1 < sizeof(text)) {
		struct pollfd fd = {program->out, POLLIN, 0};
		ssize_t got = 0;

		if (poll(&fd, 1, (int)(patience_ns() / 1000000)) > 0)
			got = read(program->out, text + length, sizeof(text) - 1 - length);
		if (got <= 0)
			break;
		length += (size_t)got;
		text[length] = 0;
		if (strstr(text, part))
			return 1;
	}
	print_error("waited for: %s\nthere was: %s\n", part, text);
	return 0;
}

/* The same, and there is nothing before it. */
static int wait_for_first(struct program *program, const char *part)
{
	char text[256];
	size_t length = 0, wanted = strlen(part);

	while (length < wanted) {
		ssize_t got = read(program->out, text + length, wanted - length);

		if (got <= 0)
			break;
		length += (size_t)got;
	}
	if (length == wanted && memcmp(text, part, wanted) == 0)
		return 1;
	print_error("not first: %s\nbut: %.*s\n", part, (int)length, text);
	return 0;
}

static void tail_follows_through_another_life(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producers[2];
	char *arguments[] = {"ringdex-tail", "--dir", rig->dir, "--from-barrier", NULL};
	struct program_result r;
	struct program program;

	claim(rig, &producers[0], 7, 0, 64);
	rig_store(rig, &producers[0], 1);
	assert_int_equal(program_start(&program, arguments[0], arguments, 0), 0);
	assert_true(wait_for(&program, "\"event_id\":1}"));
	rig_store(rig, &producers[0], 2);
	rig_release(&producers[0]);
	claim(rig, &producers[0], 7, 0, 64);
	claim(rig, &producers[1], 8, 0, 64);
	rig_append(&producers[0], RDX_EVENT_REMOVED, 0, 0, &(uint64_t){77}, 1);
	assert_true(wait_for(&program, "\"names\":[77]"));
	rig_append(&producers[1], RDX_EVENT_REMOVED, 0, 0, &(uint64_t){88}, 1);
	assert_true(wait_for(&program, "\"names\":[88]"));
	kill(program.pid, SIGTERM);
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.err, "");
	program_result_free(&r);
	rig_release(&producers[0]);
	rig_release(&producers[1]);
}

static void start_follow(struct rig *rig, struct program *program, const char *option)
{
	char *arguments[] = {"ringdex-follow", "--dir", rig->dir, "--json", NEVER_STALE,
			     (char *)option, NULL};

	assert_int_equal(program_start(program, arguments[0], arguments, 0), 0);
}

static void stop_follow(struct program *program)
{
	struct program_result r;

	kill(program->pid, SIGTERM);
	assert_int_equal(program_finish(program, NULL, &r), 0);
	if (r.status)
		print_error("%s\n%s\n", r.out, r.err);
	assert_int_equal(r.status, 0);
	program_result_free(&r);
}

static void tools_survive_a_truncated_file(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producers[2];
	char *arguments[] = {"ringdex-tail", "--dir", rig->dir, "--from-barrier", NULL};
	struct program_result r;
	struct program tail, follow;

	claim(rig, &producers[0], 7, 0, 64);
	claim(rig, &producers[1], 8, 0, 64);
	rig_store(rig, &producers[0], 1);
	start_follow(rig, &follow, "--interval=50ms");
	assert_true(wait_for(&follow, "\"last_event_id\":1"));
	assert_int_equal(program_start(&tail, arguments[0], arguments, 0), 0);
	assert_true(wait_for(&tail, "\"event_id\":1}"));

	damage(rig, 7, 0, 0, 0);
	assert_true(wait_for(&follow, "\"cause\":\"EBADMSG\""));
	rig_store(rig, &producers[1], 1);
	rig_store(rig, &producers[1], 2);
	assert_true(wait_for(&tail, "{\"worker\":8,"));
	assert_true(wait_for(&follow, "\"last_event_id\":2,"));
	kill(tail.pid, SIGTERM);
	assert_int_equal(program_finish(&tail, NULL, &r), 0);
	assert_int_equal(r.status, 1);
	assert_has(r.err, "ringdex-tail: cannot read 7:0: truncated: 0 bytes");
	program_result_free(&r);
	stop_follow(&follow);
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
	RUN(&r, 0, "ringdex", NULL, "mock", "--dir", rig->dir, "--worker-id", "3", "--blocks", "1000",
	    "--host-blocks", "1500", "--trace", path);
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

/* --- size --- */

static void size_adds_up(void **state)
{
	struct json_object *object;
	struct rdx_segment_header header;
	struct rdx_segment_spec spec = rig_spec(0, 0, 65536, 50000);
	struct program_result r;

	(void)state;
	spec.tier_blocks[RDX_TIER_HOST] = 20000;
	assert_int_equal(rdx_segment_plan(&spec, &header), 0);
	RUN(&r, 0, "ringdex-size", NULL, "--json", "--ranks", "4", "--blocks", "50000",
	    "--host-blocks", "20000", "--events-per-second", "1000", "--blocks-per-event", "9",
	    "--outage", "30s");
	object = parsed(r.out);
	assert_int_equal(number(object, "slots_per_event"), 2);
	assert_int_equal(number(object, "ring_slots_needed"), 60000);
	assert_int_equal(number(object, "ring_slots"), 65536);
	assert_int_equal(number(object, "segment_bytes"), header.file_bytes);
	assert_int_equal(number(object, "segments_bytes"), 4 * header.file_bytes);
	assert_int_equal(number(object, "index_blocks"), 4 * 70000);
	assert_true(number(object, "total_bytes") >= 5 * header.file_bytes + 280000 * 2 * 16);
	json_object_put(object);
	program_result_free(&r);

	RUN(&r, 0, "ringdex-size", NULL, "--blocks", "50000");
	assert_has(r.out, "Docker: --shm-size=");
	assert_has(r.out, "sizeLimit: ");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-size", NULL);
	assert_has(r.err, "missing option: --blocks");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-size", NULL, "--blocks", "1", "--outage", "24000h");
	assert_has(r.err, "bridge a shorter --outage");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-size", NULL, "--blocks", "1", "--events-per-second", "nan");
	program_result_free(&r);
}

/* --- follow, query, verify --- */

static void follow_maintains_an_index(void **state)
{
	static const char *const ways[] = {"--wait=auto", "--wait=epoll"};
	struct rig *rig = *state;
	struct json_object *object, *rank;
	struct rig_producer producers[2];
	struct program program;
	struct program_result r;

	claim(rig, &producers[0], 7, 0, 64);
	for (size_t i = 0; i < 2; i++) {
		start_follow(rig, &program, ways[i]);
		assert_true(wait_for(&program, "\"state\":\"EXACT\""));
		stop_follow(&program);
	}
	start_follow(rig, &program, "--interval=50ms");
	assert_true(wait_for(&program, "\"state\":\"EXACT\""));
	RUN(&r, 1, "ringdex-follow", NULL, "--dir", rig->dir);
	assert_has(r.err, "another live process maintains the index");
	program_result_free(&r);

	claim(rig, &producers[1], 8, 1, 64);
	assert_true(wait_for(&program, "{\"worker\":8,\"dp_rank\":1,\"followed\":true,\"cause\":null,"
				       "\"state\":\"EXACT\""));
	rig_release(&producers[0]);
	assert_true(wait_for(&program, "{\"worker\":7,\"dp_rank\":0,\"followed\":true,\"cause\":null,"
				       "\"state\":\"GONE\""));
	for (uint64_t i = 1; i <= 20; i++)
		rig_store(rig, &producers[1], i);
	assert_true(wait_for(&program, "\"last_event_id\":20"));
	stop_follow(&program);

	/* the index of a dead indexer says so */
	RUN(&r, 0, "ringdex-query", "1", "--dir", rig->dir, "--local", "--json", "-");
	assert_has(r.err, "no indexer runs");
	object = parsed(r.out);
	rank = json_object_array_get_idx(member(object, "ranks"), 0);
	assert_int_equal(number(rank, "worker"), 8);
	json_object_put(object);
	program_result_free(&r);
	RUN(&r, 3, "ringdex-verify", NULL, "--dir", rig->dir);
	assert_has(r.err, "start ringdex follow");
	program_result_free(&r);
	rig_release(&producers[1]);
}

/* Not as a rank of the index and again as a segment that is not followed. */
static void follow_says_once_that_a_rank_is_gone(void **state)
{
	struct rig *rig = *state;
	char *arguments[] = {"ringdex-follow", "--dir", rig->dir, NEVER_STALE, NULL};
	struct rig_producer producers[2];
	struct program program;
	struct program_result r;

	claim(rig, &producers[0], 7, 0, 64);
	claim(rig, &producers[1], 8, 0, 64);
	assert_int_equal(program_start(&program, arguments[0], arguments, 0), 0);
	assert_true(wait_for(&program, "8:0 EXACT"));
	rig_release(&producers[0]);
	assert_true(wait_for(&program, "7:0 GONE: no live process holds it\n"));
	usleep(300000); /* in which it would say so again */
	rig_release(&producers[1]);
	assert_true(wait_for_first(&program, "8:0 GONE: no live process holds it\n"));
	kill(program.pid, SIGHUP); /* the terminal was closed */
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "");
	assert_string_equal(r.err, "");
	program_result_free(&r);

	/* dead from the start */
	assert_int_equal(program_start(&program, arguments[0], arguments, 0), 0);
	assert_true(wait_for(&program, "\n7:0 GONE: no live process holds it\n"
				       "8:0 GONE: no live process holds it\n"));
	kill(program.pid, SIGTERM);
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	assert_int_equal(r.status, 0);
	program_result_free(&r);
}

static void follow_shows_what_it_cannot_read(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producer;
	struct program program;
	struct program_result r;

	claim(rig, &producer, 7, 0, 64);
	rig_release(&producer);
	damage(rig, 7, 8, 99, -1);
	start_follow(rig, &program, NULL);
	assert_true(wait_for(&program, "{\"worker\":7,\"dp_rank\":0,\"followed\":false,"
				       "\"cause\":\"EPROTONOSUPPORT\"}"));
	stop_follow(&program);
	RUN(&r, 2, "ringdex-follow", NULL, "--wait", "never");
	assert_has(r.err, "not one of auto, io_uring, epoll");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-follow", NULL, "--interval", "1s");
	program_result_free(&r);
}

static void follow_ends_when_the_directory_goes(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producer;
	struct program program;
	struct program_result r;

	claim(rig, &producer, 7, 0, 64);
	start_follow(rig, &program, NULL);
	assert_true(wait_for(&program, "\"state\":\"EXACT\""));
	rig_release(&producer);
	held_remove(rig->dir);
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	assert_int_equal(r.status, 1);
	assert_has(r.err, "the directory was removed");
	program_result_free(&r);
}

static uint64_t leading_blocks(struct json_object *object, size_t row, const char *set)
{
	struct json_object *ranks = member(object, "ranks");

	return number(member(json_object_array_get_idx(ranks, row), "leading_blocks"), set);
}

/* Wait until the index has all of it. */
static void wait_equal(struct rig *rig, struct program_result *r)
{
	assert_int_equal(program_run(r, "ringdex-verify", NULL, "--dir", rig->dir, NULL), 0);
	UNTIL(r->status == 0) {
		program_result_free(r);
		usleep(20000);
		assert_int_equal(program_run(r, "ringdex-verify", NULL, "--dir", rig->dir, NULL), 0);
	}
}

static void query_finds_the_longest_prefix(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producers[2];
	struct json_object *object;
	struct program_result r;
	struct program program;
	uint32_t tokens[64];
	uint64_t local[4], prefix[4];
	char text[1024];
	int length = 0;

	for (uint32_t i = 0; i < 64; i++) {
		tokens[i] = i * 1000003;
		length += snprintf(text + length, sizeof(text) - (size_t)length, "%" PRIu32 " ",
				   tokens[i]);
	}
	rdx_hash_blocks(rdx_hash_seed("adapter", NULL), tokens, 64, 16, local);
	rdx_hash_chain(&rig->key, 0, local, 4, prefix);
	claim(rig, &producers[0], 7, 0, 64);
	claim(rig, &producers[1], 8, 0, 64);
	rig_store_run(rig, &producers[0], local, 2);
	rig_store_run(rig, &producers[1], local, 3);
	start_follow(rig, &program, NULL);
	assert_true(wait_for(&program, "\"state\":\"EXACT\""));
	wait_equal(rig, &r);
	assert_has(r.out, "7:0: equal: 2 blocks after event 1\n");
	assert_has(r.out, "8:0: equal: 3 blocks after event 1\n");
	program_result_free(&r);

	RUN(&r, 0, "ringdex-query", text, "--dir", rig->dir, "--lora", "adapter", "--json", "-");
	object = parsed(r.out);
	assert_int_equal(number(object, "blocks"), 4);
	assert_int_equal(number(json_object_array_get_idx(member(object, "ranks"), 0), "worker"), 8);
	assert_int_equal(leading_blocks(object, 0, "device"), 3);
	assert_int_equal(leading_blocks(object, 1, "all"), 2);
	assert_string_equal(string(json_object_array_get_idx(member(object, "ranks"), 1), "state"),
			    "EXACT");
	json_object_put(object);
	program_result_free(&r);

	/* without the adapter these are other blocks */
	RUN(&r, 0, "ringdex-query", text, "--dir", rig->dir, "--json", "-");
	object = parsed(r.out);
	assert_int_equal(leading_blocks(object, 0, "all"), 0);
	json_object_put(object);
	program_result_free(&r);

	snprintf(text, sizeof(text), "[%" PRIu64 ", \"%" PRId64 "\"]\n\n%" PRIu64 ",%" PRIu64 "\n[1",
		 local[0], (int64_t)local[1], local[0], local[1]);
	RUN(&r, 1, "ringdex-query", text, "--dir", rig->dir, "--local", "--json", "-");
	assert_has(r.err, "ringdex-query: standard input:4: no JSON array: it does not end");
	object = parsed(strtok(r.out, "\n"));
	assert_int_equal(leading_blocks(object, 0, "all"), 2);
	json_object_put(object);
	object = parsed(strtok(NULL, "\n"));
	assert_int_equal(number(object, "line"), 3);
	assert_int_equal(leading_blocks(object, 1, "all"), 2);
	json_object_put(object);
	program_result_free(&r);

	snprintf(text, sizeof(text), "%" PRIu64 " 0x%" PRIx64, prefix[0], prefix[1]);
	RUN(&r, 0, "ringdex-query", text, "--dir", rig->dir, "--prefix", "-");
	assert_has(r.out, "request of line 1: 2 blocks\n");
	assert_has(r.out, "http://localhost:8000");
	program_result_free(&r);
	stop_follow(&program);
	rig_release(&producers[0]);
	rig_release(&producers[1]);
}

static void query_says_what_is_wrong(void **state)
{
	static const struct {
		const char *input;
		const char *message;
	} cases[] = {
		{"1 2 x", "standard input:1: number 3, 'x', is not a whole number up to 4294967295"},
		{"4294967296", "'4294967296', is not a whole number up to 4294967295"},
		{"-1", "'-1', is not"},
		{"[1, 2.5]", "'2.5', is not"},
		{"[1, {}]", "'{}', is not"},
		{"[1, \"2 3\"]", "an array of something else than numbers"},
		{"[1,]", "no JSON array"},
		{"[1] 2", "no JSON array: something follows it"},
	};
	struct rig *rig = *state;
	struct rig_producer producer;
	struct program program;
	struct program_result r;

	RUN(&r, 1, "ringdex-query", "1", "--dir", rig->dir, "-");
	assert_has(r.err, "no index in");
	program_result_free(&r);
	claim(rig, &producer, 7, 0, 64);
	start_follow(rig, &program, NULL);
	assert_true(wait_for(&program, "\"state\":\"EXACT\""));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		RUN(&r, 1, "ringdex-query", cases[i].input, "--dir", rig->dir, "-");
		assert_has(r.err, cases[i].message);
		program_result_free(&r);
	}
	RUN(&r, 1, "ringdex-query", "1", "--dir", rig->dir, "--model", "other", "-");
	assert_has(r.err, "no such index in");
	assert_has(r.err, "--model 'model' --tenant '' --block-tokens 16\n");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-query", NULL, "--dir", rig->dir, "/no/such/file");
	assert_has(r.err, "cannot open /no/such/file: No such file or directory");
	program_result_free(&r);
	stop_follow(&program);
	rig_release(&producer);
}

static void verify_finds_a_difference(void **state)
{
	struct rig *rig = *state;
	struct json_object *object, *row;
	struct rig_producer producers[2];
	struct program program;
	struct program_result r;

	claim(rig, &producers[0], 7, 0, 64);
	claim(rig, &producers[1], 9, 0, 64);
	rig_release(&producers[1]);
	rig_store_run(rig, &producers[0], (const uint64_t[]){1, 2, 3}, 3);
	start_follow(rig, &program, NULL);
	assert_true(wait_for(&program, "\"state\":\"EXACT\""));
	wait_equal(rig, &r);
	program_result_free(&r);

	/* in the ledger, but no event ever said so */
	rdx_ledger_set(producers[0].owner.live, &producers[0].owner.ledger[0], 0,
		       producers[0].used++, 4711, 1, 0);
	RUN(&r, 1, "ringdex-verify", NULL, "--dir", rig->dir);
	assert_has(r.out, "7:0: 1 differences, the ledger holding 4 blocks after event 1; the "
			  "first: prefix hash 4711, tier device, is in the ledger but not in the "
			  "index\n");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-verify", NULL, "--dir", rig->dir, "--json", "7:0");
	object = parsed(r.out);
	row = json_object_array_get_idx(member(object, "ranks"), 0);
	assert_string_equal(string(row, "result"), "different");
	assert_int_equal(number(row, "first_hash"), 4711);
	assert_string_equal(string(row, "first_side"), "ledger");
	json_object_put(object);
	program_result_free(&r);

	RUN(&r, 3, "ringdex-verify", NULL, "--dir", rig->dir, "9");
	assert_has(r.out, "9:0: not compared: it is dead");
	program_result_free(&r);
	RUN(&r, 3, "ringdex-verify", NULL, "--dir", rig->dir, "10");
	assert_has(r.err, "no segment of 10 in");
	program_result_free(&r);
	stop_follow(&program);
	rig_release(&producers[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_commands),
		cmocka_unit_test_setup_teardown(runs_a_command, rig_setup, rig_teardown),
		cmocka_unit_test(names_the_nearest_command),
		cmocka_unit_test(says_when_the_directory_is_missing),
		cmocka_unit_test(refuses_bad_arguments),
		cmocka_unit_test_setup_teardown(ls_of_nothing, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(ls_shows_a_live_rank, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(ls_shows_dead_ranks_and_chooses, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(ls_says_why_a_rank_is_unreadable, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(range_has_four_outcomes, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(tail_prints_what_feed_accepts, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(tail_says_what_was_lost, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(tail_follows_through_another_life, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(tools_survive_a_truncated_file, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(tail_and_feed_go_round, rig_setup, rig_teardown),
		cmocka_unit_test(size_adds_up),
		cmocka_unit_test_setup_teardown(follow_maintains_an_index, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(follow_says_once_that_a_rank_is_gone, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(follow_shows_what_it_cannot_read, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(follow_ends_when_the_directory_goes, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(query_finds_the_longest_prefix, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(query_says_what_is_wrong, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(verify_finds_a_difference, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
