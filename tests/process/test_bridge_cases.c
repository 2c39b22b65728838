/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what ringdex-bridge takes and refuses: malformed messages by name, topics, ranks and ports,
 * many engines of a file, a rank that another process has, wrong command lines and files; and from an
 * engine's batches to a router's answer.
 */
#include "tests/bridge_rig.h"
#include "tests/patience.h"
#include "tests/tools_rig.h"
#include <ringdex/rdx_reader.h>

#include <fcntl.h>
#include <signal.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#define NAMES(...)                                                                                 \
	(const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)
#define IMAGE "abababababababababababababababab" /* its hash, 16 bytes */

static struct bridge_engine engine, other;
static struct program program;

/* What the rank must be after a message that says nothing, and what it was refused for; and that a clear
 * of all mends it. */
static void refused(struct rig *rig, const char *name)
{
	char part[64];

	snprintf(part, sizeof(part), "\"%s\":1", name);
	bridge_until(rig, &engine, 1, RDX_INEXACT_UNKNOWN);
	bridge_send_clear(&engine);
	bridge_until(rig, &engine, 0, 0);
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, 0);
	assert_true(tools_wait_for(&program, part));
}

static void malformed_messages(void **state)
{
	static const char text[] = "\x93\x00\xdd\xff\xff\xff\xff";
	struct rig *rig = *state;
	msgpack_packer *packer;

	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, NULL);
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, 0);
	bridge_send_frames(&engine, engine.topic, 7, text, sizeof(text));
	refused(rig, "bad_frames");
	/* its number counts: what comes next is no gap */
	bridge_send_frames(&engine, engine.topic, 8, text, sizeof(text));
	engine.batches[engine.sequence++] = (msgpack_sbuffer){0};
	refused(rig, "bad_msgpack");
	packer = bridge_batch(&engine, 1);
	msgpack_pack_true(packer);
	bridge_send(&engine);
	refused(rig, "bad_event");
	packer = bridge_batch(&engine, 0);
	msgpack_pack_uint64(packer, 3); /* and the end of the batch behind it */
	bridge_send(&engine);
	refused(rig, "bad_msgpack\":2,\"bad_event");
	bridge_end(&program, &engine);
}

/* A bad event costs itself, and its rank that it is EXACT, not the rest of its batch. */
static void a_bad_event_among_good_ones(void **state)
{
	struct rig *rig = *state;
	msgpack_packer *packer;
	struct msgpack_sbuffer one;

	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, NULL);
	bridge_store(&engine, 10, 0);
	/* [ts, [store, nil], nil] of [ts, [store], nil] */
	one = engine.next;
	packer = bridge_batch(&engine, 2);
	msgpack_sbuffer_write(&engine.next, one.data + 11, one.size - 11);
	msgpack_pack_nil(packer);
	bridge_send(&engine);
	bridge_until(rig, &engine, 1, RDX_INEXACT_UNKNOWN);
	bridge_expect(rig, 1, 0, NAMES(10));
	msgpack_sbuffer_destroy(&one);
	bridge_end(&program, &engine);
}

static void pack_removal(msgpack_packer *packer, uint64_t name)
{
	msgpack_pack_map(packer, 2);
	bridge_text(packer, "type");
	bridge_text(packer, "BlockRemoved");
	bridge_text(packer, "block_hashes");
	msgpack_pack_array(packer, 1);
	msgpack_pack_uint64(packer, name);
}

/* Removals that the rank's ring has. */
static uint32_t removals_of(struct rig *rig)
{
	struct rdx_event event = {.size = sizeof(event)};
	struct rdx_reader *reader;
	uint32_t count = 0;

	assert_int_equal(rdx_reader_open(&reader, rig->dir, 1, 0), 0);
	while (rdx_reader_next(reader, &event) > 0)
		count += event.kind == RDX_EVENT_REMOVED;
	rdx_reader_close(reader);
	return count;
}

/* Neighbours are one event of the ring; what stands between others stays between them, and the last one
 * of a batch does not wait for the next batch. */
static void removals_of_one_batch(void **state)
{
	struct rig *rig = *state;
	msgpack_packer *packer;

	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, NULL);
	for (uint64_t name = 10; name <= 50; name += 10)
		bridge_send_store(&engine, name);
	bridge_until(rig, &engine, 5, 0);
	packer = bridge_batch(&engine, 5);
	pack_removal(packer, 10);
	pack_removal(packer, 20);
	msgpack_pack_nil(packer); /* no event: what is before it is published before it */
	pack_removal(packer, 30);
	pack_removal(packer, 40);
	bridge_send(&engine);
	bridge_until(rig, &engine, 1, RDX_INEXACT_UNKNOWN);
	bridge_expect(rig, 1, 0, NAMES(50));
	assert_int_equal(removals_of(rig), 2);
	bridge_end(&program, &engine);
}

/* The first batch says which rank it is; one that says another one later is refused. */
static void a_rank_of_the_batch(void **state)
{
	struct rig *rig = *state;

	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, NULL);
	for (uint64_t rank = 3; rank < 5; rank++) {
		bridge_store(&engine, 10 * rank, 0);
		bridge_send_of(&engine, rank);
		UNTIL (bridge_shows(rig, 1, 3, 1, rank == 3 ? 0 : RDX_INEXACT_UNKNOWN)) {
			usleep(2000);
		}
	}
	assert_true(tools_wait_for(&program, "\"other_rank\":1"));
	assert_false(bridge_shows(rig, 1, 4, 1, 0));
	bridge_end(&program, &engine);
}

/* A first batch without a rank is of the first rank, and what was published stays there: a rank that is
 * named later is another one. */
static void a_rank_that_is_named_late(void **state)
{
	struct rig *rig = *state;

	bridge_begin(rig, &program, &engine, "--first-rank=2", BRIDGE_NEVER);
	bridge_send_store(&engine, 10);
	bridge_send_store(&engine, 20);
	UNTIL (bridge_shows(rig, 1, 2, 2, 0)) {
		usleep(2000);
	}
	bridge_store(&engine, 30, 0);
	bridge_send_of(&engine, 1);
	UNTIL (bridge_shows(rig, 1, 2, 2, RDX_INEXACT_UNKNOWN)) {
		usleep(2000);
	}
	assert_true(tools_wait_for(&program, "\"other_rank\":1"));
	bridge_send_clear(&engine);
	bridge_store(&engine, 40, 0);
	bridge_send_of(&engine, 2);
	UNTIL (bridge_shows(rig, 1, 2, 1, 0)) {
		usleep(2000);
	}
	assert_false(bridge_shows(rig, 1, 1, 1, 0));
	bridge_end(&program, &engine);
}

/* A subscription to "kv" gets "kv1", too. */
static void topics(void **state)
{
	struct rig *rig = *state;

	bridge_begin(rig, &program, &engine, "--topic=kv", BRIDGE_NEVER);
	bridge_send_store(&engine, 10);
	bridge_send_frames(&engine, "kv1", 8, "x", 1);
	bridge_send_frames(&engine, "k", 8, "x", 1);
	bridge_send_store(&engine, 20);
	bridge_until(rig, &engine, 2, 0);
	bridge_end(&program, &engine);
}

static void a_stream_that_is_said_to_be_late(void **state)
{
	struct rig *rig = *state;

	bridge_begin(rig, &program, &engine, "--joined-late", BRIDGE_NEVER);
	bridge_send_store(&engine, 10);
	bridge_until(rig, &engine, 1, RDX_INEXACT_LACKING);
	bridge_end(&program, &engine);
}

static void write_file(const struct rig *rig, const char *text, char *ret_path)
{
	int fd;

	snprintf(ret_path, 128, "%s/engines.conf", rig->dir);
	fd = open(ret_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Two engines in one process: each is its own, also when one ends. */
static void two_engines_of_a_file(void **state)
{
	struct rig *rig = *state;
	char path[128], text[512];
	char *arguments[] = {"ringdex-bridge", "--dir", rig->dir,      "-b2", "--lost-after=20ms",
			     "--json",         path,    "--blocks=64", NULL};

	bridge_engine_make(&engine, 0);
	bridge_engine_make(&other, 1);
	bridge_engine_start(&engine, 0);
	bridge_engine_start(&other, 0);
	snprintf(text, sizeof(text),
		 "# two of them\n\nworker=1 endpoint=%s lost-after=1h # stays\n"
		 "\tworker=2  endpoint=%s first-rank=5\n",
		 engine.endpoint, other.endpoint);
	write_file(rig, text, path);
	assert_int_equal(program_start(&program, arguments[0], arguments, 0), 0);
	bridge_engine_await(&engine, 0);
	bridge_engine_await(&other, 0);
	bridge_send_store(&engine, 10);
	bridge_send_store(&other, 20);
	bridge_send_store(&other, 30);
	bridge_until(rig, &engine, 1, 0);
	UNTIL (bridge_shows(rig, 2, 5, 2, 0)) {
		usleep(2000);
	}
	bridge_engine_stop(&other);
	UNTIL (!bridge_shows(rig, 2, 5, 2, 0)) {
		usleep(2000);
	}
	bridge_send_store(&engine, 40);
	bridge_until(rig, &engine, 2, 0);
	bridge_expect(rig, 1, 0, NAMES(10, 40));
	bridge_end(&program, &engine);
}

/* Listen at two ports in a row. */
static uint32_t listen_at_ports(void)
{
	for (uint32_t port = 20000 + (uint32_t)getpid() % 10000;; port += 2) {
		snprintf(engine.endpoint, sizeof(engine.endpoint), "tcp://127.0.0.1:%u", port);
		snprintf(other.endpoint, sizeof(other.endpoint), "tcp://127.0.0.1:%u", port + 1);
		if (bridge_engine_try(&engine) < 0)
			continue;
		if (bridge_engine_try(&other) == 0)
			return port;
		bridge_engine_stop(&engine);
	}
}

static void ranks_have_ports(void **state)
{
	struct rig *rig = *state;

	bridge_engine_make(&engine, 0);
	bridge_engine_make(&other, 1);
	listen_at_ports();
	bridge_start(rig, &program, &engine, "--dp-ranks=2", BRIDGE_NEVER);
	bridge_engine_await(&engine, 0);
	bridge_engine_await(&other, 0);
	/* a batch cannot take the rank of the stream beside it */
	bridge_store(&engine, 5, 0);
	bridge_send_of(&engine, 1);
	assert_true(tools_wait_for(&program, "\"other_rank\":1"));
	bridge_send_clear(&engine);
	bridge_send_store(&engine, 10);
	bridge_send_store(&other, 20);
	bridge_send_store(&other, 30);
	bridge_until(rig, &engine, 1, 0);
	UNTIL (bridge_shows(rig, 1, 1, 2, 0)) {
		usleep(2000);
	}
	bridge_engine_stop(&other);
	bridge_end(&program, &engine);
}

/* The rank is another process's: nothing of what comes meanwhile is lost. */
static void a_rank_that_is_held(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producer;

	tools_claim(rig, &producer, 1, 0, 64);
	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, "--wait-for-rank=0s");
	bridge_send_store(&engine, 10);
	assert_true(tools_wait_for_err(&program, "another running process has it"));
	bridge_send_store(&engine, 20);
	rig_release(&producer);
	bridge_until(rig, &engine, 2, 0);
	bridge_expect(rig, 1, 0, NAMES(10, 20));
	bridge_end(&program, &engine);
}

/* It is waited for in silence, and the engine's other rank does not wait. */
static void a_predecessor_that_ends(void **state)
{
	struct rig *rig = *state;
	char *arguments[] = {
		"ringdex-bridge", "--dir", rig->dir,           "--worker=1",   "--dp-ranks=2",
		"--endpoint",     NULL,    "--block-tokens=2", "--blocks=512", "--wait-for-rank=1h",
		BRIDGE_NEVER,     NULL};
	struct rig_producer producer;
	struct pollfd said;

	bridge_engine_make(&engine, 0);
	bridge_engine_make(&other, 1);
	listen_at_ports();
	arguments[6] = engine.endpoint;
	tools_claim(rig, &producer, 1, 0, 64);
	assert_int_equal(program_start(&program, arguments[0], arguments, 0), 0);
	bridge_engine_await(&engine, 0);
	bridge_engine_await(&other, 0);
	for (uint64_t name = 10; name < 30; name += 10) {
		bridge_send_store(&engine, name);
		bridge_send_store(&other, name + 30);
	}
	UNTIL (bridge_shows(rig, 1, 1, 2, 0)) {
		usleep(2000);
	}
	rig_release(&producer);
	bridge_until(rig, &engine, 2, 0);
	said = (struct pollfd){.fd = program.err, .events = POLLIN};
	assert_int_equal(poll(&said, 1, 0), 0);
	bridge_engine_stop(&other);
	bridge_end(&program, &engine);
}

/* What a lost engine said, and nobody could publish, does not come back when the rank is free. */
static void a_rank_that_is_held_too_long(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producer;

	tools_claim(rig, &producer, 1, 0, 64);
	bridge_begin(rig, &program, &engine, "--lost-after=20ms", "--wait-for-rank=0s");
	bridge_send_store(&engine, 10);
	assert_true(tools_wait_for_err(&program, "another running process has it"));
	bridge_send_store(&engine, 20);
	bridge_engine_stop(&engine);
	assert_true(tools_wait_for(&program, "\"state\":\"lost\""));
	rig_release(&producer);
	bridge_engine_start(&engine, 0);
	bridge_engine_await(&engine, 0);
	bridge_send_store(&engine, 30);
	bridge_until(rig, &engine, 1, 0);
	bridge_expect(rig, 1, 0, NAMES(30));
	bridge_engine_stop(&engine);
	/* nothing was published before it */
	assert_true(tools_wait_for(&program, "\"losses\":2,\"asks\":0,\"unanswered\":0,"
					     "\"replayed\":0,\"repeats\":0,\"gaps\":0,"
					     "\"restarts\":0"));
	program_stop(&program);
}

/* What an engine said that has ended is not its successor's, though nobody could publish it before. */
static void a_rank_that_is_held_over_a_restart(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producer;
	char text[4096];

	tools_claim(rig, &producer, 1, 0, 64);
	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, "--wait-for-rank=0s");
	for (uint64_t name = 10; name < 40; name += 10)
		bridge_send_store(&engine, name);
	assert_true(tools_wait_for_err(&program, "another running process has it"));
	bridge_engine_stop(&engine);
	assert_true(tools_wait_for(&program, "\"state\":\"broken\""));
	bridge_engine_start(&engine, 0);
	assert_true(tools_wait_for(&program, "\"connections\":2"));
	rig_release(&producer);
	bridge_engine_await(&engine, 0);
	bridge_send_store(&engine, 40);
	bridge_until(rig, &engine, 1, 0);
	bridge_expect(rig, 1, 0, NAMES(40));
	bridge_engine_stop(&engine);
	/* nothing was published before it */
	assert_true(tools_read_until(&program, "\"state\":\"broken\"", text, sizeof(text)));
	assert_null(strstr(text, "\"restarts\":1"));
	program_stop(&program);
}

/* From batches to the answer to a request. */
static void a_router_asks(void **state)
{
	struct rig *rig = *state;
	struct program follow;
	struct program_result r;

	tools_start_follow(rig, &follow, NULL);
	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, "--model=m");
	bridge_send_store(&engine, 10);
	bridge_store(&engine, 12, 10);
	bridge_send(&engine);
	bridge_store(&engine, 14, 12);
	bridge_send(&engine);
	bridge_until(rig, &engine, 3, 0);
	UNTIL (!program_run(&r, "ringdex-query", "[10,11,12,13,14,15,16,17]\n", "--dir", rig->dir,
			    "--json", "--model=m", "-", NULL) &&
	       r.status == 0 && strstr(r.out, "\"device\":3") &&
	       strstr(r.out, "\"state\":\"EXACT\"")) {
		program_result_free(&r);
		usleep(2000);
	}
	program_result_free(&r);
	program_stop(&follow);
	bridge_end(&program, &engine);
}

/* An image of a block, as TensorRT-LLM has it. */
static void pack_image(msgpack_packer *packer, const char *hash)
{
	msgpack_pack_map(packer, 3);
	bridge_text(packer, "type");
	bridge_text(packer, "mm_key");
	bridge_text(packer, "hash");
	bridge_text(packer, hash);
	bridge_text(packer, "start_offset");
	msgpack_pack_int(packer, 0);
}

/* A block as TensorRT-LLM pushes it: a name of all 64 bits, a token that is a text, images in `mm_keys`. */
static void store_of_tensorrt(const char *hash)
{
	msgpack_packer *packer = bridge_batch(&engine, 1);

	msgpack_pack_map(packer, 7);
	bridge_text(packer, "type");
	bridge_text(packer, "BlockStored");
	bridge_text(packer, "block_hashes");
	msgpack_pack_array(packer, 1);
	msgpack_pack_uint64(packer, UINT64_MAX - 1);
	bridge_text(packer, "parent_block_hash");
	msgpack_pack_nil(packer);
	bridge_text(packer, "token_ids");
	msgpack_pack_array(packer, 2);
	bridge_text(packer, "a text");
	msgpack_pack_int(packer, 11);
	bridge_text(packer, "block_size");
	msgpack_pack_int(packer, 2);
	bridge_text(packer, "medium");
	bridge_text(packer, "GPU");
	bridge_text(packer, "mm_keys");
	msgpack_pack_array(packer, 1);
	msgpack_pack_array(packer, 1);
	pack_image(packer, hash);
	bridge_send(&engine);
}

static void a_router_asks_of_tensorrt(void **state)
{
	static const char requests[] =
		"{\"token_ids\":[\"a text\",11],\"mm_keys\":[[{\"type\":\"mm_key\","
		"\"hash\":\"" IMAGE "\",\"start_offset\":0}]]}\n";
	struct rig *rig = *state;
	struct program follow;
	struct program_result r;

	tools_start_follow(rig, &follow, NULL);
	bridge_begin(rig, &program, &engine, BRIDGE_NEVER, "--model=m");
	store_of_tensorrt(IMAGE);
	bridge_until(rig, &engine, 1, 0);
	UNTIL (!program_run(&r, "ringdex-query", requests, "--dir", rig->dir, "--json", "--model=m",
			    "-", NULL) &&
	       r.status == 0 && strstr(r.out, "\"device\":1") &&
	       strstr(r.out, "\"state\":\"EXACT\"")) {
		program_result_free(&r);
		usleep(2000);
	}
	program_result_free(&r);
	RUN_UNTIL(&r, 0, "ringdex-query", "[10,11]\n", "--dir", rig->dir, "--json", "--model=m",
		  "-");
	assert_null(strstr(r.out, "\"device\":1"));
	program_result_free(&r);
	bridge_remove(&engine, UINT64_MAX - 1);
	bridge_send(&engine);
	bridge_until(rig, &engine, 0, 0);
	program_stop(&follow);
	bridge_end(&program, &engine);
}

static void wrong(const char *text, const char *expected, struct rig *rig)
{
	struct program_result r;
	char path[128];

	write_file(rig, text, path);
	RUN(&r, 2, "ringdex-bridge", NULL, "--dir", rig->dir, path);
	assert_has(r.err, expected);
	assert_null(strstr(r.err, "--help")); /* no command has the name of a line */
	assert_ptr_equal(strchr(r.err, '\n'), r.err + strlen(r.err) - 1);
	program_result_free(&r);
}

static void wrong_lines(void **state)
{
	struct rig *rig = *state;
	struct program_result r;

	wrong("# nothing\n", "no engine in it", rig);
	wrong("worker=1\n", "engines.conf:1: missing option: --endpoint", rig);
	wrong("\nworker=x endpoint=tcp://h:1\n", "engines.conf:2: --worker: 'x' is not a whole",
	      rig);
	wrong("endpoint=tcp://h:1 nonsense=1\n",
	      "engines.conf:1: unrecognized option '--nonsense=1'", rig);
	wrong("endpoint=tcp://h:1 worker\n", "engines.conf:1: option '--worker' requires", rig);
	wrong("medium=CPU endpoint=tcp://h:1\n", "engines.conf:1: --medium: 'CPU' is not", rig);
	wrong("endpoint=udp://h:1\n", "neither tcp:// nor ipc://", rig);
	wrong("endpoint=tcp://*:5557\n", "name its host", rig);
	wrong("bind endpoint=tcp://*:5557 replay=tcp://*:5558\n", "--replay: 'tcp://*:5558'", rig);
	wrong("endpoint=tcp://h\n", "without a port", rig);
	wrong("endpoint=tcp://h:x\n", "without a port", rig);
	wrong("endpoint=tcp://h:65535 dp-ranks=2\n", "above 65535", rig);
	wrong("endpoint=ipc://x dp-ranks=2\n", "of one rank", rig);
	wrong("endpoint=tcp://h:1 replay=h:2\n", "--replay: 'h:2' is neither", rig);
	wrong("endpoint=tcp://h:1 dp-ranks=3\nendpoint=tcp://h:9 first-rank=2\n",
	      "two engines are worker 0 with the same rank", rig);
	RUN(&r, 2, "ringdex-bridge", NULL, "--endpoint=tcp://h:1", "engines.conf");
	assert_has(r.err, "--endpoint is of one engine");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-bridge", NULL, "/nonexistent/engines.conf");
	program_result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(malformed_messages, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_bad_event_among_good_ones, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(removals_of_one_batch, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_rank_of_the_batch, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_rank_that_is_named_late, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(topics, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_stream_that_is_said_to_be_late, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(two_engines_of_a_file, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(ranks_have_ports, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_rank_that_is_held, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_predecessor_that_ends, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_rank_that_is_held_too_long, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(a_rank_that_is_held_over_a_restart, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(a_router_asks, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_router_asks_of_tensorrt, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(wrong_lines, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
