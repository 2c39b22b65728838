/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what a bridge says in its rank's segment of how it fares, and what ringdex-ls shows of that:
 * numbers, holes that were filled and not, replays, lag, an engine that is away, a bridge that was killed.
 */
#include "tests/bridge_rig.h"
#include "tests/patience.h"
#include "tests/tools_rig.h"

#include "shm/clock.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LAG_S    5
#define NS_PER_S UINT64_C(1000000000)

static struct bridge_engine engine;
static struct program program;

/* Serve until the number after the last message is that. */
static struct rdx_source until_next(struct rig *rig, uint64_t next_sequence)
{
	struct rdx_source source = bridge_source(rig);

	UNTIL (source.next_sequence == next_sequence) {
		bridge_engine_serve(&engine);
		usleep(2000);
		source = bridge_source(rig);
	}
	assert_int_equal(source.kind, RDX_SOURCE_BRIDGE);
	return source;
}

/* The same, until it says that of holes too: each word stands alone, and a bridge may not be scheduled between
 * two of them. */
static struct rdx_source until_holes(struct rig *rig, uint64_t next_sequence, uint64_t gaps_lost,
				     uint64_t gaps_filled)
{
	struct rdx_source source = until_next(rig, next_sequence);

	UNTIL (source.gaps_lost == gaps_lost && source.gaps_filled == gaps_filled) {
		bridge_engine_serve(&engine);
		usleep(2000);
		source = until_next(rig, next_sequence);
	}
	return source;
}

static void until_away(struct rig *rig, uint32_t is_away)
{
	UNTIL (bridge_source(rig).is_away == is_away) {
		bridge_engine_serve(&engine);
		usleep(2000);
	}
}

/* The row of the rank in ringdex-ls. */
static struct json_object *row_of(struct rig *rig, struct json_object **ret_whole)
{
	struct program_result r;

	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir, "--json");
	*ret_whole = parsed(r.out);
	program_result_free(&r);
	return json_object_array_get_idx(member(*ret_whole, "segments"), 0);
}

static void a_hole_stays(void **state)
{
	struct rig *rig = *state;
	struct json_object *whole, *shown;
	struct rdx_source source;
	struct program_result r;

	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, NULL);
	bridge_send_store(&engine, 10);
	source = until_next(rig, 1);
	assert_true(source.heard_ns && source.heard_ns <= source.said_ns);
	assert_true(source.lag_ns == 0); /* its time stamp is none of the world */
	assert_int_equal(source.gaps_lost + source.gaps_filled + source.replayed, 0);
	bridge_lose_store(&engine, 20);
	bridge_lose_store(&engine, 30);
	bridge_send_store(&engine, 40);
	source = until_holes(rig, 4, 1, 0);
	assert_int_equal(source.replayed, 0);
	shown = member(row_of(rig, &whole), "source");
	assert_string_equal(string(shown, "kind"), "bridge");
	assert_int_equal(number(shown, "sequence"), 3);
	assert_int_equal(number(shown, "gaps_lost"), 1);
	assert_int_equal(number(shown, "gaps_filled"), 0);
	assert_false(json_object_get_boolean(member(shown, "away")));
	assert_null(member(shown, "lag_ns"));
	assert_non_null(member(shown, "heard_age_ns"));
	json_object_put(whole);
	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir);
	assert_has(r.out, "SOURCE MESSAGE GAPS REPLAYED LAG");
	assert_has(r.out, "bridge       3    1        0");
	program_result_free(&r);
	bridge_end(&program, &engine);
}

/* A hole that a live message shows is counted, once; not one that the bridge met when it looked at the replay
 * by itself, which it does twice. */
static void holes_are_filled(void **state)
{
	struct rig *rig = *state;
	struct rdx_source source;
	uint64_t holes = 0, heard_ns;

	bridge_begin_replaying(rig, &program, &engine, BRIDGE_PATIENT);
	bridge_send_store(&engine, 10);
	source = until_next(rig, engine.sequence);
	assert_int_equal(source.gaps_lost + source.gaps_filled, 0);
	while (source.gaps_filled < 2) {
		bridge_lose_store(&engine, 20 + 30 * holes);
		bridge_send_store(&engine, 30 + 30 * holes);
		heard_ns = until_next(rig, engine.sequence).heard_ns;
		/* is taken when the answer has come to its end; when it was heard is said behind the rest */
		bridge_send_store(&engine, 40 + 30 * holes);
		UNTIL ((source = until_next(rig, engine.sequence)).heard_ns != heard_ns)
			usleep(2000);
		assert_in_range(++holes, 1, 4);
	}
	assert_int_equal(source.gaps_lost, 0);
	assert_in_range(source.replayed, holes, 3 * holes + 1);
	bridge_end(&program, &engine);
}

/* What of a hole is lost makes it a lost one, whatever else came of the replay. */
static void a_hole_is_filled_in_part(void **state)
{
	struct rig *rig = *state;

	bridge_begin_replaying(rig, &program, &engine, BRIDGE_PATIENT);
	bridge_send_store(&engine, 10);
	until_next(rig, 1);
	bridge_lose_store(&engine, 20);
	bridge_lose_store(&engine, 30);
	engine.oldest = 2;
	bridge_send_store(&engine, 40);
	until_holes(rig, 4, 1, 0);
	bridge_send_store(&engine, 50);
	assert_int_equal(until_next(rig, 5).gaps_filled, 0);
	bridge_end(&program, &engine);
}

static void the_lag(void **state)
{
	struct rig *rig = *state;
	struct timespec before, after;
	struct rdx_source source;
	uint64_t most_ns;

	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, NULL);
	clock_gettime(CLOCK_REALTIME, &before);
	engine.time_s = (double)before.tv_sec - LAG_S;
	bridge_send_store(&engine, 10);
	source = until_next(rig, 1);
	clock_gettime(CLOCK_REALTIME, &after);
	most_ns = ((uint64_t)(after.tv_sec - before.tv_sec) + LAG_S + 1) * NS_PER_S;
	assert_in_range(source.lag_ns, LAG_S * NS_PER_S, most_ns);
	bridge_end(&program, &engine);
}

/* An engine that says nothing, and one that is away: the bridge goes on to say so. */
static void silence(void **state)
{
	struct rig *rig = *state;
	struct rdx_source first, source;
	struct json_object *whole;
	struct program_result r;

	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, NULL);
	bridge_send_store(&engine, 10);
	first = source = until_next(rig, 1);
	UNTIL (source.said_ns > first.said_ns + NS_PER_S / 2) {
		usleep(10000);
		source = bridge_source(rig);
	}
	assert_true(source.heard_ns == first.heard_ns);
	assert_int_equal(source.is_away, 0);
	bridge_engine_break(&engine);
	until_away(rig, 1);
	assert_true(json_object_get_boolean(member(member(row_of(rig, &whole), "source"), "away")));
	json_object_put(whole);
	RUN(&r, 0, "ringdex-ls", NULL, "--dir", rig->dir);
	assert_has(r.out, "away ");
	assert_has(r.out, "1:0: its engine is away from the bridge");
	program_result_free(&r);
	bridge_engine_mend(&engine);
	until_away(rig, 0);
	bridge_end(&program, &engine);
}

/* What it said stays in the dead rank's file; the next bridge begins to count. */
static void a_killed_bridge(void **state)
{
	struct rig *rig = *state;
	struct rdx_source source;
	struct json_object *whole, *row;
	struct program_result r;
	uint64_t killed_ns;

	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, NULL);
	bridge_send_store(&engine, 10);
	bridge_lose_store(&engine, 20);
	bridge_send_store(&engine, 30);
	until_holes(rig, 3, 1, 0);
	kill(program.pid, SIGKILL);
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	program_result_free(&r);
	bridge_until_gone(rig, &engine);
	killed_ns = rdx_clock_ns();
	source = bridge_source(rig);
	assert_int_equal(source.kind, RDX_SOURCE_BRIDGE);
	assert_int_equal(source.gaps_lost, 1);
	assert_true(source.said_ns <= killed_ns);
	row = row_of(rig, &whole);
	assert_string_equal(string(row, "state"), "dead");
	assert_int_equal(number(member(row, "source"), "sequence"), 2);
	json_object_put(whole);
	bridge_start(rig, &program, &engine, BRIDGE_NEVER, NULL);
	bridge_engine_await(&engine, engine.subscribers);
	bridge_send_store(&engine, 40);
	source = until_next(rig, 4);
	assert_int_equal(source.gaps_lost, 0);
	assert_true(source.said_ns > killed_ns);
	bridge_end(&program, &engine);
}

/* Its files are removed under it: made again, they say the same. */
static void files_are_removed(void **state)
{
	struct rig *rig = *state;

	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, NULL);
	bridge_send_store(&engine, 10);
	bridge_lose_store(&engine, 20);
	bridge_send_store(&engine, 30);
	until_next(rig, 3);
	assert_int_equal(unlinkat(rig->dir_fd, "1/0.seg", 0), 0);
	assert_int_equal(until_next(rig, 3).gaps_lost, 1);
	bridge_end(&program, &engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_hole_stays, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(holes_are_filled, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_hole_is_filled_in_part, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(the_lag, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(silence, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_killed_bridge, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(files_are_removed, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
