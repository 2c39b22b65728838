/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ringdex-bridge beside engines that lose messages, begin again, go away and come back: what
 * its rank then holds is what the engine's batches say, or it says that it is not. The sockets are real.
 */
#include "tests/bridge_rig.h"
#include "tests/patience.h"
#include "tests/tools_rig.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NAMES(...)                                                                                 \
	(const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)

/* How long the bridge waits for an answer, in scenes in which that time has to pass, and in which it is answered
 * within it before: longer each time, for the engine is this process, which may not be scheduled for long. */
static const char *const waits[] = {"--replay-wait=1s", "--replay-wait=8s", "--replay-wait=30s"};
#define WAITS (sizeof(waits) / sizeof(waits[0]))

static struct bridge_engine engine;
static struct program program;

/* It ends and begins again, and the bridge hears it. */
static void restart(int has_replay)
{
	bridge_engine_stop(&engine);
	bridge_engine_start(&engine, has_replay);
	bridge_engine_await(&engine, 0);
}

static void hears_an_engine(void **state)
{
	struct rig *rig = *state;

	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, NULL);
	bridge_send_store(&engine, 10);
	bridge_send_store(&engine, 20);
	bridge_store(&engine, 30, 20);
	bridge_send(&engine);
	bridge_until(rig, &engine, 3, 0);
	bridge_remove(&engine, 30);
	bridge_send(&engine);
	bridge_until(rig, &engine, 2, 0);
	bridge_expect(rig, 1, 0, NAMES(10, 20));
	bridge_send_clear(&engine);
	bridge_until(rig, &engine, 0, 0);
	bridge_end(&program, &engine);
}

/* Without a replay a gap is UNKNOWN until a clear. */
static void a_gap(void **state)
{
	struct rig *rig = *state;

	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, NULL);
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, 0);
	bridge_lose_store(&engine, 20);
	bridge_send_store(&engine, 30);
	bridge_until(rig, &engine, 2, RDX_INEXACT_UNKNOWN);
	assert_true(tools_wait_for(&program, "\"gaps\":1"));
	bridge_send_store(&engine, 40);
	bridge_until(rig, &engine, 3, RDX_INEXACT_UNKNOWN);
	bridge_send_clear(&engine);
	bridge_send_store(&engine, 50);
	bridge_until(rig, &engine, 1, 0);
	bridge_expect(rig, 1, 0, NAMES(50));
	bridge_end(&program, &engine);
}

/* By both forms of an answer. */
static void a_gap_that_the_replay_fills(void **state)
{
	struct rig *rig = *state;

	bridge_begin_replaying(rig, &program, &engine, BRIDGE_PATIENT);
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, 0);
	for (int i = 0; i < 2; i++) {
		uint64_t name = 100 + (uint64_t)i * 100;

		engine.sends_topic = i;
		bridge_lose_store(&engine, name);
		bridge_lose_store(&engine, name + 10);
		bridge_send_store(&engine, name + 20);
		bridge_send_store(&engine, name + 30);
		bridge_until(rig, &engine, 5 + 4 * (uint64_t)i, 0);
	}
	bridge_expect(rig, 1, 0, NAMES(10, 100, 110, 120, 130, 200, 210, 220, 230));
	bridge_end(&program, &engine);
}

/* The replay has no longer what is missing: that is not hidden. */
static void a_gap_that_the_replay_has_forgotten(void **state)
{
	struct rig *rig = *state;

	bridge_begin_replaying(rig, &program, &engine, BRIDGE_PATIENT);
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, 0);
	bridge_lose_store(&engine, 20);
	bridge_lose_store(&engine, 30);
	engine.oldest = 2;
	bridge_send_store(&engine, 40);
	bridge_until(rig, &engine, 3, RDX_INEXACT_UNKNOWN);
	bridge_expect(rig, 1, 0, NAMES(10, 30, 40));
	bridge_end(&program, &engine);
}

/* Nobody answers: the stream goes on after a while. */
static void a_replay_that_is_silent(void **state)
{
	struct rig *rig = *state;

	bridge_begin_replaying(rig, &program, &engine, "--replay-wait=50ms");
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, 0);
	bridge_engine_mute(&engine);
	bridge_lose_store(&engine, 20);
	bridge_send_store(&engine, 30);
	bridge_until(rig, &engine, 2, RDX_INEXACT_UNKNOWN);
	assert_true(tools_wait_for(&program, "\"gaps\":1"));
	bridge_end(&program, &engine);
}

/* 1, or 0: the bridge has waited in vain. */
static int cut_short(struct rig *rig, const char *wait)
{
	int is_filled;

	bridge_begin_replaying(rig, &program, &engine, wait);
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, 0);
	engine.queue_max = 3;
	for (uint64_t name = 20; name < 90; name += 10)
		bridge_lose_store(&engine, name);
	bridge_send_store(&engine, 90);
	UNTIL ((is_filled = bridge_shows(rig, 1, 0, 9, 0)) ||
	       feed_inexact(rig, 1, 0) == RDX_INEXACT_UNKNOWN) {
		bridge_engine_serve(&engine);
		usleep(2000);
	}
	if (is_filled)
		bridge_expect(rig, 1, 0, NAMES(10, 20, 30, 40, 50, 60, 70, 80, 90));
	bridge_end(&program, &engine);
	return is_filled;
}

/* Its queue drops the rest of each answer, the end mark with it: it is asked again until nothing is missing. */
static void a_replay_that_is_cut_short(void **state)
{
	size_t i = 0;

	while (!cut_short(*state, waits[i]))
		assert_in_range(++i, 1, WAITS - 1);
}

/* A new process, seen by its numbers or because the bridge looked; with a replay nothing of it is
 * missing, though the subscription was late. */
static void a_restart(void **state)
{
	struct rig *rig = *state;

	bridge_begin_replaying(rig, &program, &engine, BRIDGE_PATIENT);
	bridge_send_store(&engine, 10);
	bridge_send_store(&engine, 20);
	bridge_until(rig, &engine, 2, 0);
	bridge_engine_stop(&engine);
	bridge_engine_start(&engine, 1);
	bridge_lose_store(&engine, 30);
	bridge_until(rig, &engine, 1, 0);
	bridge_expect(rig, 1, 0, NAMES(30));
	/* one that is ahead of where the old one was */
	bridge_engine_stop(&engine);
	bridge_engine_start(&engine, 1);
	for (uint64_t name = 100; name < 180; name += 10)
		bridge_lose_store(&engine, name);
	bridge_until(rig, &engine, 8, 0);
	bridge_expect(rig, 1, 0, NAMES(100, 110, 120, 130, 140, 150, 160, 170));
	bridge_end(&program, &engine);
}

/* Without a replay a break is a doubt, which ends where a lower number shows the new process. */
static void a_restart_without_a_replay(void **state)
{
	struct rig *rig = *state;

	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, NULL);
	bridge_send_store(&engine, 10);
	bridge_send_store(&engine, 20);
	bridge_until(rig, &engine, 2, 0);
	restart(0);
	bridge_until(rig, &engine, 2, RDX_INEXACT_UNKNOWN);
	bridge_send_store(&engine, 30);
	bridge_until(rig, &engine, 1, 0);
	bridge_expect(rig, 1, 0, NAMES(30));
	/* that was heard late */
	bridge_send_store(&engine, 40);
	bridge_until(rig, &engine, 2, 0);
	bridge_engine_stop(&engine);
	bridge_engine_start(&engine, 0);
	bridge_lose_store(&engine, 50);
	bridge_engine_await(&engine, 0);
	bridge_send_store(&engine, 60);
	bridge_until(rig, &engine, 1, RDX_INEXACT_LACKING);
	bridge_end(&program, &engine);
}

/* 1, or 0: the bridge had given up before the break. */
static int answer_late(struct rig *rig, const char *wait)
{
	int is_in_doubt;

	bridge_begin_replaying(rig, &program, &engine, wait);
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, 0);
	bridge_lose_store(&engine, 20);
	bridge_send_store(&engine, 30);
	bridge_engine_await_question(&engine);
	bridge_engine_break(&engine);
	assert_true(tools_wait_for(&program, "\"state\":\"broken\""));
	bridge_engine_answer(&engine);
	usleep(20000); /* it may come, or not any more */
	restart(0);
	UNTIL ((is_in_doubt = bridge_shows(rig, 1, 0, 1, RDX_INEXACT_UNKNOWN)) ||
	       bridge_shows(rig, 1, 0, 2, RDX_INEXACT_UNKNOWN)) {
		bridge_engine_serve(&engine);
		usleep(2000);
	}
	bridge_end(&program, &engine);
	return is_in_doubt;
}

/* An answer to a question of before a break says nothing of who is there after it. */
static void an_answer_of_the_one_before(void **state)
{
	size_t i = 0;

	while (!answer_late(*state, waits[i]))
		assert_in_range(++i, 1, WAITS - 1);
}

/* The first message of a process is its 0, also where the one before it sent no other one. */
static void a_restart_without_its_first_message(void **state)
{
	struct rig *rig = *state;

	bridge_begin_replaying(rig, &program, &engine, BRIDGE_PATIENT);
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, 0);
	restart(1);
	bridge_until(rig, &engine, 0, RDX_INEXACT_LACKING);
	bridge_lose_store(&engine, 20);
	engine.oldest = 1;
	bridge_send_store(&engine, 30);
	bridge_until(rig, &engine, 1, RDX_INEXACT_LACKING);
	bridge_expect(rig, 1, 0, NAMES(30));
	restart(1);
	bridge_send_store(&engine, 40);
	bridge_until(rig, &engine, 1, 0);
	bridge_expect(rig, 1, 0, NAMES(40));
	bridge_end(&program, &engine);
}

/* The same process behind a broken connection is known again. */
static void a_break(void **state)
{
	struct rig *rig = *state;

	bridge_begin_replaying(rig, &program, &engine, BRIDGE_PATIENT);
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, 0);
	bridge_engine_break(&engine);
	bridge_lose_store(&engine, 20);
	bridge_engine_mend(&engine);
	bridge_until(rig, &engine, 2, 0);
	assert_true(tools_wait_for(&program, "\"replayed\":"));
	bridge_send_store(&engine, 30);
	bridge_until(rig, &engine, 3, 0);
	bridge_expect(rig, 1, 0, NAMES(10, 20, 30));
	bridge_end(&program, &engine);
}

/* LACKING where the beginning is not to be had. */
static void a_late_join(void **state)
{
	struct rig *rig = *state;

	bridge_engine_make(&engine, 0);
	bridge_engine_start(&engine, 0);
	bridge_send_store(&engine, 10);
	bridge_start(rig, &program, &engine, BRIDGE_NEVER, NULL);
	bridge_engine_await(&engine, 0);
	bridge_send_store(&engine, 20);
	bridge_until(rig, &engine, 1, RDX_INEXACT_LACKING);
	bridge_send_clear(&engine);
	bridge_until(rig, &engine, 0, 0);
	bridge_end(&program, &engine);
}

/* A bridge that is killed leaves a dead rank; the next one has all again by the replay, before the engine
 * says anything. */
static void a_killed_bridge(void **state)
{
	struct rig *rig = *state;
	struct program_result r;

	bridge_begin_replaying(rig, &program, &engine, BRIDGE_PATIENT);
	bridge_send_store(&engine, 10);
	bridge_send_store(&engine, 20);
	bridge_until(rig, &engine, 2, 0);
	kill(program.pid, SIGKILL);
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	program_result_free(&r);
	bridge_until_gone(rig, &engine);
	bridge_send_store(&engine, 30);
	bridge_start_replaying(rig, &program, &engine, BRIDGE_PATIENT);
	bridge_until(rig, &engine, 3, 0);
	bridge_expect(rig, 1, 0, NAMES(10, 20, 30));
	bridge_end(&program, &engine);
}

/* An engine that comes up long after its bridge. */
static void a_slow_start(void **state)
{
	struct rig *rig = *state;

	bridge_engine_make(&engine, 0);
	bridge_start_replaying(rig, &program, &engine, BRIDGE_PATIENT);
	assert_true(tools_wait_for(&program, "\"state\":\"waiting\""));
	bridge_engine_start(&engine, 1);
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, 0);
	bridge_end(&program, &engine);
}

/* An engine that stays away takes its blocks with it, and comes back as another one. */
static void an_engine_is_lost(void **state)
{
	struct rig *rig = *state;

	bridge_begin_replaying(rig, &program, &engine, "--lost-after=20ms");
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, 0);
	bridge_engine_stop(&engine);
	bridge_until_gone(rig, &engine);
	assert_true(tools_wait_for(&program, "\"state\":\"lost\""));
	bridge_engine_start(&engine, 1);
	bridge_send_store(&engine, 20);
	bridge_send_store(&engine, 30);
	bridge_until(rig, &engine, 2, 0);
	bridge_expect(rig, 1, 0, NAMES(20, 30));
	bridge_end(&program, &engine);
}

/* Somebody connects, and is none who speaks as an engine. */
static void a_stranger(void)
{
	const char *name = engine.endpoint + strlen("ipc://@");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path + 1, name, strlen(name));
	assert_int_equal(
		connect(fd, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))),
		0);
	close(fd);
}

/* The bridge listens. Strangers are nothing, an engine that connects again is another process, also
 * where the one before it is not gone yet. */
static void engines_that_connect(void **state)
{
	struct rig *rig = *state;
	struct bridge_engine older;

	bridge_engine_make(&engine, 0);
	engine.connects = 1;
	bridge_start(rig, &program, &engine, "--bind", "--lost-after=50ms");
	bridge_engine_start(&engine, 0);
	bridge_engine_await(&engine, 0);
	bridge_send_store(&engine, 10);
	bridge_send_store(&engine, 20);
	bridge_until(rig, &engine, 2, 0);
	for (int i = 0; i < 3; i++)
		a_stranger();
	bridge_send_store(&engine, 30);
	bridge_until(rig, &engine, 3, 0);
	older = engine;
	engine = (struct bridge_engine){.topic = older.topic, .connects = 1};
	memcpy(engine.endpoint, older.endpoint, sizeof(engine.endpoint));
	bridge_engine_start(&engine, 0);
	bridge_engine_await(&engine, 0);
	bridge_until(rig, &engine, 3, RDX_INEXACT_UNKNOWN);
	bridge_send_store(&engine, 40);
	bridge_until(rig, &engine, 1, 0);
	bridge_engine_stop(&older);
	usleep(200000); /* it would be lost meanwhile, if it were gone */
	bridge_send_store(&engine, 50);
	bridge_until(rig, &engine, 2, 0);
	bridge_expect(rig, 1, 0, NAMES(40, 50));
	bridge_engine_stop(&engine);
	bridge_until_gone(rig, &engine);
	program_stop(&program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hears_an_engine, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_gap, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_gap_that_the_replay_fills, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(a_gap_that_the_replay_has_forgotten, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(a_replay_that_is_silent, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_replay_that_is_cut_short, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(a_restart, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_restart_without_a_replay, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(an_answer_of_the_one_before, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(a_restart_without_its_first_message, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(a_break, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_late_join, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_killed_bridge, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_slow_start, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(an_engine_is_lost, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(engines_that_connect, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
