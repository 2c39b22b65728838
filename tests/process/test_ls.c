/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ringdex-ls: segments that are live, dead, unreadable, and none; what indexes say of them.
 */
#include "consumer/index/refused_file.h"
#include "consumer/writer/writer.h"
#include "shm/clock.h"
#include "shm/source.h"
#include "tests/tools_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

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
	assert_has(r.err, "start a worker");
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

	tools_claim(rig, &producer, UINT64_MAX, 3, 64);
	for (uint64_t i = 1; i <= 5; i++)
		rig_store(rig, &producer, i);
	rig_clear(&producer);
	rig_store(rig, &producer, 9);
	rdx_word_store(&producer.owner.live->counters[RDX_COUNTER_UNKNOWN_PARENTS], 12);
	rdx_word_store(&producer.owner.live->counters[RDX_COUNTER_HELD], 1);
	rdx_word_store(&producer.owner.live->counters[RDX_COUNTER_FLAGS],
		       RDX_LIVE_UNKNOWN | RDX_LIVE_DISK_BACKED);

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
	assert_string_equal(string(row, "inexact"), "unknown");
	assert_true(json_object_get_boolean(member(row, "disk_backed")));
	assert_false(json_object_get_boolean(member(row, "rings_bell")));
	json_object_put(object);
	program_result_free(&r);

	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir);
	assert_has(r.out, "18446744073709551615:3 live");
	assert_has(r.out, "2 ago");
	assert_has(r.out, "unknown disk");
	assert_has(r.out, "18446744073709551615:3: INEXACT: what it says may be wrong either way: "
			  "prefer others, or clear its cache\n");
	assert_has(r.out, ": 12 blocks dropped: unknown parent\n");
	program_result_free(&r);
	rig_release(&producer);
}

static void ls_shows_dead_ranks_and_chooses(void **state)
{
	struct rig *rig = *state;
	struct json_object *object, *segments;
	struct rig_producer producers[3];
	struct program_result r;

	tools_claim(rig, &producers[0], 10, 0, 64);
	tools_claim(rig, &producers[1], 9, 1, 64);
	tools_claim(rig, &producers[2], 9, 0, 64);
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

/* Its columns are there where a rank has one; what is not known is empty, and null. */
static void ls_shows_what_feeds_a_rank(void **state)
{
	struct rdx_source source = {.next_sequence = UINT64_MAX,
				    .gaps_lost = 12,
				    .gaps_filled = 34,
				    .replayed = 567,
				    .lag_ns = 3400000,
				    .heard_ns = 1,
				    .said_ns = 1,
				    .kind = RDX_SOURCE_BRIDGE};
	struct rig *rig = *state;
	struct json_object *object, *segments, *shown;
	struct rig_producer producers[2];
	struct program_result r;

	tools_claim(rig, &producers[0], 7, 0, 64);
	tools_claim(rig, &producers[1], 8, 0, 64);
	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir);
	assert_null(strstr(r.out, "SOURCE"));
	program_result_free(&r);

	rdx_source_store(producers[0].owner.source, &source);
	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir);
	assert_has(r.out, "SOURCE              MESSAGE GAPS REPLAYED    LAG");
	assert_has(r.out, "bridge 18446744073709551614   12      567 3.4 ms");
	assert_has(r.out, "7:0: its bridge has said nothing for ");
	assert_null(strstr(r.out, "8:0: its"));
	assert_null(strstr(r.out, "away"));
	program_result_free(&r);
	object = list(rig, 0, &r, &segments);
	shown = member(json_object_array_get_idx(segments, 0), "source");
	assert_string_equal(string(shown, "kind"), "bridge");
	assert_string_equal(string(shown, "sequence"), "18446744073709551614");
	assert_int_equal(number(shown, "gaps_lost"), 12);
	assert_int_equal(number(shown, "gaps_filled"), 34);
	assert_int_equal(number(shown, "replayed"), 567);
	assert_int_equal(number(shown, "lag_ns"), 3400000);
	assert_null(member(json_object_array_get_idx(segments, 1), "source"));
	json_object_put(object);
	program_result_free(&r);

	/* one that has just begun, of a newer version */
	source = (struct rdx_source){
		.said_ns = UINT64_MAX, .kind = RDX_SOURCE_BRIDGE + 1, .is_away = 1};
	rdx_source_store(producers[0].owner.source, &source);
	object = list(rig, 0, &r, &segments);
	shown = member(json_object_array_get_idx(segments, 0), "source");
	assert_null(member(shown, "kind"));
	assert_null(member(shown, "sequence"));
	assert_null(member(shown, "lag_ns"));
	assert_null(member(shown, "heard_age_ns"));
	assert_null(member(shown, "said_age_ns"));
	assert_true(json_object_get_boolean(member(shown, "away")));
	json_object_put(object);
	program_result_free(&r);
	rig_release(&producers[0]);
	rig_release(&producers[1]);
}

/* JSON is UTF-8, whatever an engine calls its model. */
static void ls_prints_json_of_any_name(void **state)
{
	struct rdx_segment_spec spec = rig_spec(7, 0, 64, 1024);
	struct rig *rig = *state;
	struct json_object *object, *segments;
	struct rig_producer producer;
	struct program_result r;

	spec.model = "a\xff\xc3\xbc\xe2\x82";
	assert_int_equal(rig_claim(rig, &producer, &spec), 0);
	object = list(rig, 0, &r, &segments);
	assert_string_equal(string(json_object_array_get_idx(segments, 0), "model"),
			    "a\xef\xbf\xbd\xc3\xbc\xef\xbf\xbd\xef\xbf\xbd");
	json_object_put(object);
	program_result_free(&r);
	rig_release(&producer);
}

/* A segment may say anything; in JSON it is a number that every reader has exactly, or digits. */
static void ls_shows_any_number(void **state)
{
	struct rig *rig = *state;
	struct json_object *object, *segments, *row;
	struct rig_producer producer;
	struct program_result r;

	tools_claim(rig, &producer, 7, 0, 64);
	producer.event_id = UINT64_MAX - 2;
	rig_store(rig, &producer, 1);
	rdx_word_store(&producer.owner.live->counters[RDX_COUNTER_HELD], UINT64_MAX);
	object = list(rig, 0, &r, &segments);
	row = json_object_array_get_idx(segments, 0);
	assert_string_equal(string(row, "last_event_id"), "18446744073709551614");
	assert_string_equal(string(member(member(row, "tiers"), "device"), "held_blocks"),
			    "18446744073709551615");
	json_object_put(object);
	program_result_free(&r);
	rig_release(&producer);
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
		{0, 1, -1, "it is not a segment", "EBADMSG"},
		{8, 99, -1, "format version 99; this ringdex reads version 3", "EPROTONOSUPPORT"},
		{24, 4, -1, "features (0x4)", "EPROTONOSUPPORT"},
		{32, 4, -1, "it has another layout", "EBADMSG"},
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
		tools_claim(rig, &producer, i, 0, 64);
		rig_release(&producer);
		tools_damage(rig, i, cases[i].at, cases[i].word, cases[i].cut);
	}
	tools_claim(rig, &producer, count, 0, 64);
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

/* The same beside an indexer, which has the first segment in an index. Where it is not scheduled in the midst of
 * a change, the index does not answer: it is asked again. */
static struct json_object *list_indexed(struct rig *rig, struct program_result *r,
					struct json_object **ret_segments)
{
	struct json_object *object = list(rig, 0, r, ret_segments);

	UNTIL (member(json_object_array_get_idx(*ret_segments, 0), "index")) {
		json_object_put(object);
		program_result_free(r);
		usleep(20000);
		object = list(rig, 0, r, ret_segments);
	}
	return object;
}

/* A worker has one rank more than it may: `ls` sees that it is in no index. */
static void ls_says_what_an_indexer_refuses(void **state)
{
	struct rig *rig = *state;
	struct json_object *object, *segments, *refused;
	struct rig_producer producers[2];
	struct program program;
	struct program_result r;

	tools_claim(rig, &producers[0], 7, 0, 64);
	tools_start_follow(rig, &program, "--worker-ranks=1");
	assert_true(tools_wait_for(&program, "\"state\":\"EXACT\""));
	tools_claim(rig, &producers[1], 7, 1, 64);
	assert_true(tools_wait_for(&program, "\"cause\":\"EDQUOT\""));
	object = list_indexed(rig, &r, &segments);
	assert_true(json_object_get_boolean(member(object, "has_indexer")));
	assert_string_equal(
		string(member(json_object_array_get_idx(segments, 0), "index"), "state"), "EXACT");
	refused = json_object_array_get_idx(segments, 1);
	assert_int_equal(number(refused, "dp_rank"), 1);
	assert_null(member(member(refused, "index"), "state"));
	assert_string_equal(string(member(refused, "index"), "cause"), "EDQUOT");
	json_object_put(object);
	program_result_free(&r);
	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir);
	UNTIL (strstr(r.out, " (1 rank of its worker is there)")) {
		program_result_free(&r);
		usleep(20000);
		RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir);
	}
	assert_has(r.out, "7:1: in no index: beyond what one worker, or user, may take");
	assert_null(strstr(r.out, "7:0: in no index"));
	program_result_free(&r);
	program_stop(&program);
	assert_int_equal(faccessat(rig->dir_fd, RDX_REFUSED_NAME, F_OK, 0), -1);
	/* where none runs it is no wonder */
	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir);
	assert_null(strstr(r.out, "in no index"));
	program_result_free(&r);
	for (int i = 0; i < 2; i++)
		rig_release(&producers[i]);
}

/* A rank that an index had before, and has without its blocks now. */
static void ls_says_what_an_index_lacks(void **state)
{
	const struct rdx_writer_options options = {.stale_after_ns = UINT64_C(1) << 60};
	struct rdx_writer_pulse pulse = {.state = RDX_STATE_INEXACT, .cause = -EDQUOT};
	struct rdx_rank_info info = {.worker_id = 7, .tier_blocks = {1024}};
	struct rig *rig = *state;
	struct rdx_index_writer *writer;
	struct json_object *object, *segments, *index;
	struct rig_producer producer;
	struct program_result r;

	tools_claim(rig, &producer, 7, 0, 64);
	assert_int_equal(
		rdx_writer_open(&writer, rig->dir_fd, &rig->key, "model", "", 16, &options), 0);
	info.epoch = pulse.epoch = producer.owner.header->epoch;
	pulse.seen_ns = rdx_clock_ns();
	rdx_writer_rank_pulse(writer, rdx_writer_rank_add(writer, &info), &pulse);
	assert_int_equal(rdx_writer_ready(writer), 0);
	object = list(rig, 0, &r, &segments);
	index = member(json_object_array_get_idx(segments, 0), "index");
	assert_string_equal(string(index, "state"), "INEXACT");
	assert_string_equal(string(index, "cause"), "EDQUOT");
	json_object_put(object);
	program_result_free(&r);
	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir);
	assert_has(r.out, "7:0: INEXACT in the index: beyond what one worker, or user, may take");
	program_result_free(&r);
	/* that was of another life */
	rig_release(&producer);
	tools_claim(rig, &producer, 7, 0, 64);
	object = list(rig, 0, &r, &segments);
	assert_null(member(json_object_array_get_idx(segments, 0), "index"));
	json_object_put(object);
	program_result_free(&r);
	rdx_writer_close(writer);
	rig_release(&producer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ls_of_nothing, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(ls_shows_a_live_rank, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(ls_shows_dead_ranks_and_chooses, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(ls_shows_what_feeds_a_rank, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(ls_prints_json_of_any_name, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(ls_shows_any_number, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(ls_says_why_a_rank_is_unreadable, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(ls_says_what_an_indexer_refuses, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(ls_says_what_an_index_lacks, rig_setup,
						rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
