/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ringdex-follow: the states of ranks that come and go, how it rests, what it cannot read,
 * how it ends.
 */
#include "tests/patience.h"
#include "tests/tools_rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void follow_maintains_an_index(void **state)
{
	static const char *const ways[] = {"--wait=auto", "--wait=epoll"};
	struct rig *rig = *state;
	struct json_object *object, *rank;
	struct rig_producer producers[2];
	struct program program;
	struct program_result r;

	tools_claim(rig, &producers[0], 7, 0, 64);
	for (size_t i = 0; i < 2; i++) {
		tools_start_follow(rig, &program, ways[i]);
		assert_true(tools_wait_for(&program, "\"recovered\":[{\"way\":\"barrier\","
						     "\"worker\":\"7\",\"dp_rank\":0,"));
		program_stop(&program);
	}
	tools_start_follow(rig, &program, "--interval=50ms");
	assert_true(tools_wait_for(&program, "\"state\":\"EXACT\""));
	RUN(&r, 1, "ringdex-follow", NULL, "--dir", rig->dir);
	assert_has(r.err, "another running process maintains the index");
	program_result_free(&r);

	tools_claim(rig, &producers[1], 8, 1, 64);
	assert_true(tools_wait_for(
		&program, "{\"worker\":\"8\",\"dp_rank\":1,\"followed\":true,\"cause\":null,"
			  "\"state\":\"EXACT\""));
	rig_release(&producers[0]);
	assert_true(tools_wait_for(
		&program, "{\"worker\":\"7\",\"dp_rank\":0,\"followed\":true,\"cause\":null,"
			  "\"state\":\"GONE\""));
	for (uint64_t i = 1; i <= 20; i++)
		rig_store(rig, &producers[1], i);
	assert_true(tools_wait_for(&program, "\"last_event_id\":20"));
	program_stop(&program);

	/* the index of a dead indexer shows it */
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

/* One more event, and how often follow had napped when that was in the index. */
static long naps_after(struct program *feed, struct program *follow, int event)
{
	static const char member_of[] = "\"naps\":";
	char line[128], shown[64], text[65536], *last = NULL;
	int length = snprintf(line, sizeof(line),
			      "{\"worker\":7,\"type\":\"stored\",\"names\":[%d],"
			      "\"local_hashes\":[%d]}\n",
			      event, event);

	assert_int_equal(write(feed->in, line, (size_t)length), length);
	snprintf(shown, sizeof(shown), "\"last_event_id\":%d", event);
	assert_true(tools_read_until(follow, shown, text, sizeof(text)));
	for (char *at = strstr(text, member_of); at; at = strstr(at + 1, member_of))
		last = at;
	assert_non_null(last);
	return strtol(last + strlen(member_of), NULL, 10);
}

/* By default behind events in naps, else never. */
static void follow_rests_as_it_is_told(void **state)
{
	static const struct {
		const char *option;
		int naps;
	} rests[] = {{"--rest=hybrid", 1}, {"--rest=sleep", 0}, {"--rest=spin", 0}};
	struct rig *rig = *state;
	char *feeds[] = {"ringdex-feed", "--dir", rig->dir, "--hold", "-", NULL};
	struct program feed, follow;
	struct program_result r;
	int event = 0;

	assert_int_equal(program_start(&feed, feeds[0], feeds, 1), 0);
	for (size_t i = 0; i < sizeof(rests) / sizeof(*rests); i++) {
		char *follows[] = {"ringdex-follow",
				   "--dir",
				   rig->dir,
				   "--json",
				   TOOLS_NEVER_STALE,
				   "--interval=20ms",
				   (char *)rests[i].option,
				   NULL};
		long naps;

		assert_int_equal(program_start(&follow, follows[0], follows, 0), 0);
		naps = naps_after(&feed, &follow, ++event);
		if (rests[i].naps) /* on a busy machine a nap's time may be over before it is asked */
			UNTIL (naps_after(&feed, &follow, ++event) > naps)
				;
		for (int j = 0; !rests[i].naps && j < 10; j++)
			assert_int_equal(naps_after(&feed, &follow, ++event), naps);
		program_stop(&follow);
	}
	program_stop(&feed);
	RUN(&r, 2, "ringdex-follow", NULL, "--dir", rig->dir, "--rest=doze");
	assert_has(r.err, "'doze' is not one of hybrid, sleep, spin");
	program_result_free(&r);
}

/* Not as a rank of the index and again as a segment that is not followed. */
static void follow_says_once_that_a_rank_is_gone(void **state)
{
	struct rig *rig = *state;
	char *arguments[] = {"ringdex-follow", "--dir", rig->dir, TOOLS_NEVER_STALE, NULL};
	struct rig_producer producers[2];
	struct program program;
	struct program_result r;

	tools_claim(rig, &producers[0], 7, 0, 64);
	tools_claim(rig, &producers[1], 8, 0, 64);
	assert_int_equal(program_start(&program, arguments[0], arguments, 0), 0);
	assert_true(tools_wait_for(&program, "8:0 recovered by its barrier in "));
	rig_release(&producers[0]);
	assert_true(tools_wait_for(&program, "7:0 GONE: no running process holds it\n"));
	usleep(300000); /* in which it would print that again */
	rig_release(&producers[1]);
	assert_true(tools_wait_for_first(&program, "8:0 GONE: no running process holds it\n"));
	kill(program.pid, SIGHUP); /* the terminal was closed */
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "");
	assert_string_equal(r.err, "");
	program_result_free(&r);

	/* dead from the start */
	assert_int_equal(program_start(&program, arguments[0], arguments, 0), 0);
	assert_true(tools_wait_for(&program, "\n7:0 GONE: no running process holds it\n"
					     "8:0 GONE: no running process holds it\n"));
	kill(program.pid, SIGTERM);
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	assert_int_equal(r.status, 0);
	program_result_free(&r);
}

/* A worker's texts do not begin lines, and do not colour them. */
static void follow_prints_texts_as_one_line(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"stored\",\"names\":[1],\"local_hashes\":[7]}\n";
	struct rig *rig = *state;
	char *follows[] = {"ringdex-follow", "--dir", rig->dir, TOOLS_NEVER_STALE, NULL};
	char *feeds[] = {"ringdex-feed",
			 "--dir",
			 rig->dir,
			 "--hold",
			 "--instance",
			 "x\n7:0 GONE\033[31m \xc2\x9b \xff",
			 "-",
			 NULL};
	struct program feed, follow;
	struct program_result r;

	assert_int_equal(program_start(&feed, feeds[0], feeds, 1), 0);
	assert_int_equal(write(feed.in, input, strlen(input)), strlen(input));
	assert_int_equal(program_start(&follow, follows[0], follows, 0), 0);
	assert_true(tools_wait_for(&follow, " x\\x0a7:0 GONE\\x1b[31m \\xc2\\x9b \\xff\n"));
	kill(follow.pid, SIGTERM);
	assert_int_equal(program_finish(&follow, NULL, &r), 0);
	program_result_free(&r);
	kill(feed.pid, SIGTERM);
	assert_int_equal(program_finish(&feed, NULL, &r), 0);
	program_result_free(&r);
}

static void follow_shows_what_it_cannot_read(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producer;
	struct program program;
	struct program_result r;

	tools_claim(rig, &producer, 7, 0, 64);
	rig_release(&producer);
	tools_damage(rig, 7, 8, 99, -1);
	tools_start_follow(rig, &program, NULL);
	assert_true(tools_wait_for(&program, "{\"worker\":\"7\",\"dp_rank\":0,\"followed\":false,"
					     "\"cause\":\"EPROTONOSUPPORT\"}"));
	program_stop(&program);
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

	tools_claim(rig, &producer, 7, 0, 64);
	tools_start_follow(rig, &program, NULL);
	assert_true(tools_wait_for(&program, "\"state\":\"EXACT\""));
	rig_release(&producer);
	/* until it is gone, the indexer makes its files in it again */
	UNTIL (access(rig->dir, F_OK) < 0)
		held_remove(rig->dir);
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	assert_int_equal(r.status, 1);
	assert_has(r.err, "the directory was removed");
	program_result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(follow_maintains_an_index, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(follow_rests_as_it_is_told, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(follow_says_once_that_a_rank_is_gone, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(follow_prints_texts_as_one_line, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(follow_shows_what_it_cannot_read, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(follow_ends_when_the_directory_goes, rig_setup,
						rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
