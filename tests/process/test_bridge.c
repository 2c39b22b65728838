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
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NAMES(...)                                                                                 \
	(const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)

static struct bridge_engine engine;
static struct program program;
static char replay_option[96];

/* An engine with or without a replay, and a bridge that hears it from the beginning. */
static void begin(struct rig *rig, int has_replay, const char *option)
{
	bridge_engine_make(&engine, 0);
	bridge_engine_start(&engine, has_replay);
	snprintf(replay_option, sizeof(replay_option), "--replay=%s", engine.replay_endpoint);
	if (has_replay)
		bridge_start(rig, &program, &engine, replay_option, option);
	else
		bridge_start(rig, &program, &engine, option, NULL);
	bridge_engine_await(&engine, 0);
}

static void end(void)
{
	program_stop(&program);
	bridge_engine_stop(&engine);
}

static void store(uint64_t name)
{
	bridge_store(&engine, name, 0);
	bridge_send(&engine);
}

static void store_lost(uint64_t name)
{
	bridge_store(&engine, name, 0);
	bridge_lose(&engine);
}

static void clear(void)
{
	bridge_clear(&engine);
	bridge_send(&engine);
}

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

	begin(rig, 0, BRIDGE_NEVER);
	store(10);
	store(20);
	bridge_store(&engine, 30, 20);
	bridge_send(&engine);
	bridge_until(rig, &engine, 3, 0);
	bridge_remove(&engine, 30);
	bridge_send(&engine);
	bridge_until(rig, &engine, 2, 0);
	bridge_expect(rig, 1, 0, NAMES(10, 20));
	clear();
	bridge_until(rig, &engine, 0, 0);
	end();
}

/* Without a replay a gap is UNKNOWN until a clear. */
static void a_gap(void **state)
{
	struct rig *rig = *state;

	begin(rig, 0, BRIDGE_NEVER);
	store(10);
	bridge_until(rig, &engine, 1, 0);
	store_lost(20);
	store(30);
	bridge_until(rig, &engine, 2, RDX_INEXACT_UNKNOWN);
	assert_true(tools_wait_for(&program, "\"gaps\":1"));
	store(40);
	bridge_until(rig, &engine, 3, RDX_INEXACT_UNKNOWN);
	clear();
	store(50);
	bridge_until(rig, &engine, 1, 0);
	bridge_expect(rig, 1, 0, NAMES(50));
	end();
}

/* By both forms of an answer. */
static void a_gap_that_the_replay_fills(void **state)
{
	struct rig *rig = *state;

	begin(rig, 1, BRIDGE_PATIENT);
	store(10);
	bridge_until(rig, &engine, 1, 0);
	for (int i = 0; i < 2; i++) {
		uint64_t name = 100 + (uint64_t)i * 100;

		engine.sends_topic = i;
		store_lost(name);
		store_lost(name + 10);
		store(name + 20);
		store(name + 30);
		bridge_until(rig, &engine, 5 + 4 * (uint64_t)i, 0);
	}
	bridge_expect(rig, 1, 0, NAMES(10, 100, 110, 120, 130, 200, 210, 220, 230));
	end();
}

/* The replay has no longer what is missing: that is not hidden. */
static void a_gap_that_the_replay_has_forgotten(void **state)
{
	struct rig *rig = *state;

	begin(rig, 1, BRIDGE_PATIENT);
	store(10);
	bridge_until(rig, &engine, 1, 0);
	store_lost(20);
	store_lost(30);
	engine.oldest = 2;
	store(40);
	bridge_until(rig, &engine, 3, RDX_INEXACT_UNKNOWN);
	bridge_expect(rig, 1, 0, NAMES(10, 30, 40));
	end();
}

/* Nobody answers: the stream goes on after a while. */
static void a_replay_that_is_silent(void **state)
{
	struct rig *rig = *state;

	begin(rig, 1, "--replay-wait=50ms");
	store(10);
	bridge_until(rig, &engine, 1, 0);
	bridge_engine_mute(&engine);
	store_lost(20);
	store(30);
	bridge_until(rig, &engine, 2, RDX_INEXACT_UNKNOWN);
	assert_true(tools_wait_for(&program, "\"gaps\":1"));
	end();
}

/* A new process, seen by its numbers or because the bridge looked; with a replay nothing of it is
 * missing, though the subscription was late. */
static void a_restart(void **state)
{
	struct rig *rig = *state;

	begin(rig, 1, BRIDGE_PATIENT);
	store(10);
	store(20);
	bridge_until(rig, &engine, 2, 0);
	bridge_engine_stop(&engine);
	bridge_engine_start(&engine, 1);
	store_lost(30);
	bridge_until(rig, &engine, 1, 0);
	bridge_expect(rig, 1, 0, NAMES(30));
	/* one that is ahead of where the old one was */
	bridge_engine_stop(&engine);
	bridge_engine_start(&engine, 1);
	for (uint64_t name = 100; name < 180; name += 10)
		store_lost(name);
	bridge_until(rig, &engine, 8, 0);
	bridge_expect(rig, 1, 0, NAMES(100, 110, 120, 130, 140, 150, 160, 170));
	end();
}

/* Without a replay a break is a doubt, which ends where a lower number shows the new process. */
static void a_restart_without_a_replay(void **state)
{
	struct rig *rig = *state;

	begin(rig, 0, BRIDGE_NEVER);
	store(10);
	store(20);
	bridge_until(rig, &engine, 2, 0);
	restart(0);
	bridge_until(rig, &engine, 2, RDX_INEXACT_UNKNOWN);
	store(30);
	bridge_until(rig, &engine, 1, 0);
	bridge_expect(rig, 1, 0, NAMES(30));
	/* that was heard late */
	store(40);
	bridge_until(rig, &engine, 2, 0);
	bridge_engine_stop(&engine);
	bridge_engine_start(&engine, 0);
	store_lost(50);
	bridge_engine_await(&engine, 0);
	store(60);
	bridge_until(rig, &engine, 1, RDX_INEXACT_LACKING);
	end();
}

/* The same process behind a broken connection is known again. */
static void a_break(void **state)
{
	struct rig *rig = *state;

	begin(rig, 1, BRIDGE_PATIENT);
	store(10);
	bridge_until(rig, &engine, 1, 0);
	bridge_engine_break(&engine);
	store_lost(20);
	bridge_engine_mend(&engine);
	bridge_until(rig, &engine, 2, 0);
	assert_true(tools_wait_for(&program, "\"replayed\":"));
	store(30);
	bridge_until(rig, &engine, 3, 0);
	bridge_expect(rig, 1, 0, NAMES(10, 20, 30));
	end();
}

/* LACKING where the beginning is not to be had. */
static void a_late_join(void **state)
{
	struct rig *rig = *state;

	bridge_engine_make(&engine, 0);
	bridge_engine_start(&engine, 0);
	store(10);
	bridge_start(rig, &program, &engine, BRIDGE_NEVER, NULL);
	bridge_engine_await(&engine, 0);
	store(20);
	bridge_until(rig, &engine, 1, RDX_INEXACT_LACKING);
	clear();
	bridge_until(rig, &engine, 0, 0);
	end();
}

/* A bridge that is killed leaves a dead rank; the next one has all again by the replay, before the engine
 * says anything. */
static void a_killed_bridge(void **state)
{
	struct rig *rig = *state;
	struct program_result r;

	begin(rig, 1, BRIDGE_PATIENT);
	store(10);
	store(20);
	bridge_until(rig, &engine, 2, 0);
	kill(program.pid, SIGKILL);
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	program_result_free(&r);
	bridge_until_gone(rig, &engine);
	store(30);
	bridge_start(rig, &program, &engine, replay_option, BRIDGE_PATIENT);
	bridge_until(rig, &engine, 3, 0);
	bridge_expect(rig, 1, 0, NAMES(10, 20, 30));
	end();
}

/* An engine that comes up long after its bridge. */
static void a_slow_start(void **state)
{
	struct rig *rig = *state;

	bridge_engine_make(&engine, 0);
	snprintf(replay_option, sizeof(replay_option), "--replay=%s", engine.replay_endpoint);
	bridge_start(rig, &program, &engine, replay_option, BRIDGE_PATIENT);
	assert_true(tools_wait_for(&program, "\"state\":\"waiting\""));
	bridge_engine_start(&engine, 1);
	store(10);
	bridge_until(rig, &engine, 1, 0);
	end();
}

/* An engine that stays away takes its blocks with it, and comes back as another one. */
static void an_engine_is_lost(void **state)
{
	struct rig *rig = *state;

	begin(rig, 1, "--lost-after=20ms");
	store(10);
	bridge_until(rig, &engine, 1, 0);
	bridge_engine_stop(&engine);
	bridge_until_gone(rig, &engine);
	assert_true(tools_wait_for(&program, "\"state\":\"lost\""));
	bridge_engine_start(&engine, 1);
	store(20);
	store(30);
	bridge_until(rig, &engine, 2, 0);
	bridge_expect(rig, 1, 0, NAMES(20, 30));
	end();
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
	store(10);
	store(20);
	bridge_until(rig, &engine, 2, 0);
	for (int i = 0; i < 3; i++)
		a_stranger();
	store(30);
	bridge_until(rig, &engine, 3, 0);
	older = engine;
	engine = (struct bridge_engine){.topic = older.topic, .connects = 1};
	memcpy(engine.endpoint, older.endpoint, sizeof(engine.endpoint));
	bridge_engine_start(&engine, 0);
	bridge_engine_await(&engine, 0);
	store(40);
	bridge_until(rig, &engine, 1, 0);
	bridge_engine_stop(&older);
	usleep(200000); /* it would be lost meanwhile, if it were gone */
	store(50);
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
		cmocka_unit_test_setup_teardown(a_restart, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_restart_without_a_replay, rig_setup,
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
