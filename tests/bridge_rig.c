/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bridge_rig.h"

#include "tests/patience.h"
#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define HELD_MAX     1024
#define NUMBER_BYTES 8

void bridge_engine_make(struct bridge_engine *engine, uint32_t number)
{
	*engine = (struct bridge_engine){.topic = "kv"};
	/* abstract: nothing stays */
	snprintf(engine->endpoint, sizeof(engine->endpoint), "ipc://@ringdex-%d-%u", (int)getpid(),
		 number);
	snprintf(engine->replay_endpoint, sizeof(engine->replay_endpoint),
		 "ipc://@ringdex-%d-%u-replay", (int)getpid(), number);
}

static int bind_to(struct bridge_engine *engine, int type, const char *endpoint, void **ret_socket)
{
	void *socket = zmq_socket(engine->context, type);
	int zero = 0, r;

	assert_non_null(socket);
	zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof(zero));
	zmq_setsockopt(socket, ZMQ_SNDHWM, &zero, sizeof(zero));
	if (engine->connects && type == ZMQ_XPUB)
		r = zmq_connect(socket, endpoint) < 0 ? -errno : 0;
	else
		r = zmq_bind(socket, endpoint) < 0 ? -errno : 0;
	if (r < 0)
		zmq_close(socket);
	else
		*ret_socket = socket;
	return r;
}

static void *bound(struct bridge_engine *engine, int type, const char *endpoint)
{
	struct patience patience = patience_begin();
	void *socket = NULL;
	int r;

	/* who had the address before is about to leave it */
	while ((r = bind_to(engine, type, endpoint, &socket)) < 0) {
		assert_int_equal(r, -EADDRINUSE);
		patience_check(&patience, endpoint, __FILE__, __LINE__);
		usleep(1000);
	}
	return socket;
}

/* Each subscription shows, not only the first one. */
static void show_subscriptions(struct bridge_engine *engine)
{
	int one = 1;

	zmq_setsockopt(engine->stream, ZMQ_XPUB_VERBOSE, &one, sizeof(one));
}

void bridge_engine_mend(struct bridge_engine *engine)
{
	engine->stream = bound(engine, ZMQ_XPUB, engine->endpoint);
	show_subscriptions(engine);
}

int bridge_engine_try(struct bridge_engine *engine)
{
	int r;

	engine->context = zmq_ctx_new();
	engine->sends_topic = 1;
	r = bind_to(engine, ZMQ_XPUB, engine->endpoint, &engine->stream);
	if (r < 0)
		zmq_ctx_term(engine->context);
	else
		show_subscriptions(engine);
	return r;
}

void bridge_engine_break(struct bridge_engine *engine)
{
	zmq_close(engine->stream);
	engine->stream = NULL;
}

void bridge_engine_mute(struct bridge_engine *engine)
{
	zmq_close(engine->replay);
	engine->replay = NULL;
}

void bridge_engine_start(struct bridge_engine *engine, int has_replay)
{
	engine->context = zmq_ctx_new();
	bridge_engine_mend(engine);
	engine->replay = has_replay ? bound(engine, ZMQ_ROUTER, engine->replay_endpoint) : NULL;
	engine->sequence = engine->oldest = 0;
	engine->subscribers = 0;
	engine->sends_topic = 1;
}

void bridge_engine_stop(struct bridge_engine *engine)
{
	for (uint64_t i = 0; i < engine->sequence; i++)
		msgpack_sbuffer_destroy(&engine->batches[i]);
	zmq_close(engine->stream);
	if (engine->replay)
		zmq_close(engine->replay);
	zmq_ctx_term(engine->context);
	engine->stream = engine->replay = engine->context = NULL;
}

static void send_frame(void *socket, const void *bytes, size_t count, int flags)
{
	assert_int_equal(zmq_send(socket, bytes, count, flags), count);
}

static void send_number(void *socket, uint64_t number)
{
	uint8_t bytes[NUMBER_BYTES];

	for (int i = 0; i < NUMBER_BYTES; i++)
		bytes[i] = (uint8_t)(number >> (56 - 8 * i));
	send_frame(socket, bytes, sizeof(bytes), ZMQ_SNDMORE);
}

static void answer(struct bridge_engine *engine, const void *who, size_t who_bytes, uint64_t number,
		   const msgpack_sbuffer *batch)
{
	send_frame(engine->replay, who, who_bytes, ZMQ_SNDMORE);
	send_frame(engine->replay, "", 0, ZMQ_SNDMORE);
	if (engine->sends_topic)
		send_frame(engine->replay, engine->topic, strlen(engine->topic), ZMQ_SNDMORE);
	send_number(engine->replay, number);
	send_frame(engine->replay, batch ? batch->data : "", batch ? batch->size : 0, 0);
}

/* Answer one question, if there is one. */
static int serve_replay(struct bridge_engine *engine)
{
	uint8_t who[256], number[NUMBER_BYTES];
	uint64_t first = 0;
	int who_bytes =
		engine->replay ? zmq_recv(engine->replay, who, sizeof(who), ZMQ_DONTWAIT) : -1;

	if (who_bytes < 0)
		return 0;
	assert_int_equal(zmq_recv(engine->replay, number, sizeof(number), 0), 0);
	assert_int_equal(zmq_recv(engine->replay, number, sizeof(number), 0), NUMBER_BYTES);
	for (int i = 0; i < NUMBER_BYTES; i++)
		first = first << 8 | number[i];
	if (first < engine->oldest)
		first = engine->oldest;
	for (uint64_t left = engine->queue_max; first < engine->sequence; first++) {
		if (engine->queue_max && left-- == 0)
			return 1;
		answer(engine, who, (size_t)who_bytes, first, &engine->batches[first]);
	}
	answer(engine, who, (size_t)who_bytes, UINT64_MAX, NULL);
	return 1;
}

void bridge_engine_answer(struct bridge_engine *engine)
{
	while (serve_replay(engine))
		;
}

void bridge_engine_await_question(struct bridge_engine *engine)
{
	zmq_pollitem_t item = {.socket = engine->replay, .events = ZMQ_POLLIN};

	UNTIL (zmq_poll(&item, 1, 0) > 0) {
		usleep(1000);
	}
}

void bridge_engine_serve(struct bridge_engine *engine)
{
	uint8_t frame[256];

	if (!engine->stream)
		return;
	while (zmq_recv(engine->stream, frame, sizeof(frame), ZMQ_DONTWAIT) >= 0)
		engine->subscribers += frame[0] == 1;
	bridge_engine_answer(engine);
}

void bridge_engine_await(struct bridge_engine *engine, uint32_t before)
{
	UNTIL (engine->subscribers > before) {
		bridge_engine_serve(engine);
		usleep(1000);
	}
}

msgpack_packer *bridge_batch(struct bridge_engine *engine, uint32_t events)
{
	msgpack_sbuffer_init(&engine->next);
	msgpack_packer_init(&engine->packer, &engine->next, msgpack_sbuffer_write);
	msgpack_pack_array(&engine->packer, 3);
	/* no two processes send the same, as by their clocks */
	msgpack_pack_double(&engine->packer,
			    engine->time_s > 0 ? engine->time_s : (double)rdx_clock_ns());
	msgpack_pack_array(&engine->packer, events);
	return &engine->packer;
}

/* The batch has its end: the replay has it. */
static void keep(struct bridge_engine *engine)
{
	assert_true(engine->sequence < BRIDGE_BATCHES_MAX);
	engine->batches[engine->sequence++] = engine->next;
}

void bridge_lose(struct bridge_engine *engine)
{
	msgpack_pack_nil(&engine->packer);
	keep(engine);
}

static void send_kept(struct bridge_engine *engine)
{
	keep(engine);
	send_frame(engine->stream, engine->topic, strlen(engine->topic), ZMQ_SNDMORE);
	send_number(engine->stream, engine->sequence - 1);
	send_frame(engine->stream, engine->next.data, engine->next.size, 0);
}

void bridge_send(struct bridge_engine *engine)
{
	msgpack_pack_nil(&engine->packer);
	send_kept(engine);
}

void bridge_send_of(struct bridge_engine *engine, uint64_t dp_rank)
{
	msgpack_pack_uint64(&engine->packer, dp_rank);
	send_kept(engine);
}

void bridge_send_frames(struct bridge_engine *engine, const char *topic, size_t number_bytes,
			const void *bytes, size_t count)
{
	uint8_t number[16] = {0};

	send_frame(engine->stream, topic, strlen(topic), ZMQ_SNDMORE);
	number[NUMBER_BYTES - 1] = (uint8_t)engine->sequence;
	send_frame(engine->stream, number, number_bytes, ZMQ_SNDMORE);
	send_frame(engine->stream, bytes, count, 0);
}

void bridge_text(msgpack_packer *packer, const char *text)
{
	msgpack_pack_str(packer, strlen(text));
	msgpack_pack_str_body(packer, text, strlen(text));
}

static void pack_numbers(msgpack_packer *packer, const char *field, const uint64_t *numbers,
			 uint32_t count)
{
	bridge_text(packer, field);
	msgpack_pack_array(packer, count);
	for (uint32_t i = 0; i < count; i++)
		msgpack_pack_uint64(packer, numbers[i]);
}

static void pack_type(msgpack_packer *packer, uint32_t fields, const char *type)
{
	msgpack_pack_map(packer, fields);
	bridge_text(packer, "type");
	bridge_text(packer, type);
}

void bridge_store(struct bridge_engine *engine, uint64_t name, uint64_t parent)
{
	msgpack_packer *packer = bridge_batch(engine, 1);

	pack_type(packer, 5, "BlockStored");
	pack_numbers(packer, "block_hashes", &name, 1);
	bridge_text(packer, "parent_block_hash");
	if (parent)
		msgpack_pack_uint64(packer, parent);
	else
		msgpack_pack_nil(packer);
	pack_numbers(packer, "token_ids", (uint64_t[]){name, name + 1}, 2);
	bridge_text(packer, "block_size");
	msgpack_pack_uint64(packer, 2);
}

void bridge_remove(struct bridge_engine *engine, uint64_t name)
{
	msgpack_packer *packer = bridge_batch(engine, 1);

	pack_type(packer, 2, "BlockRemoved");
	pack_numbers(packer, "block_hashes", &name, 1);
}

void bridge_clear(struct bridge_engine *engine)
{
	pack_type(bridge_batch(engine, 1), 1, "AllBlocksCleared");
}

void bridge_start(struct rig *rig, struct program *program, const struct bridge_engine *engine,
		  const char *option, const char *other)
{
	char *arguments[] = {"ringdex-bridge",
			     "--dir",
			     rig->dir,
			     "--worker=1",
			     "--block-tokens=2",
			     "--blocks=512",
			     "--json",
			     "--endpoint",
			     (char *)engine->endpoint,
			     (char *)option,
			     option ? (char *)other : NULL,
			     NULL};

	assert_int_equal(program_start(program, arguments[0], arguments, 0), 0);
}

void bridge_start_replaying(struct rig *rig, struct program *program,
			    const struct bridge_engine *engine, const char *option)
{
	char replay[96];

	snprintf(replay, sizeof(replay), "--replay=%s", engine->replay_endpoint);
	bridge_start(rig, program, engine, replay, option);
}

void bridge_begin(struct rig *rig, struct program *program, struct bridge_engine *engine,
		  const char *option, const char *other)
{
	bridge_engine_make(engine, 0);
	bridge_engine_start(engine, 0);
	bridge_start(rig, program, engine, option, other);
	bridge_engine_await(engine, 0);
}

void bridge_begin_replaying(struct rig *rig, struct program *program, struct bridge_engine *engine,
			    const char *option)
{
	bridge_engine_make(engine, 0);
	bridge_engine_start(engine, 1);
	bridge_start_replaying(rig, program, engine, option);
	bridge_engine_await(engine, 0);
}

void bridge_end(struct program *program, struct bridge_engine *engine)
{
	program_stop(program);
	bridge_engine_stop(engine);
}

void bridge_send_store(struct bridge_engine *engine, uint64_t name)
{
	bridge_store(engine, name, 0);
	bridge_send(engine);
}

void bridge_lose_store(struct bridge_engine *engine, uint64_t name)
{
	bridge_store(engine, name, 0);
	bridge_lose(engine);
}

void bridge_send_clear(struct bridge_engine *engine)
{
	bridge_clear(engine);
	bridge_send(engine);
}

/* What the newest event says the rank is worth. */
static int worth(struct rdx_reader *reader)
{
	struct rdx_event event = {.size = sizeof(event)};
	int inexact = 0;

	while (rdx_reader_next(reader, &event) > 0)
		inexact = event.inexact;
	return inexact;
}

int bridge_shows(struct rig *rig, uint64_t worker, uint32_t dp_rank, uint64_t held, int inexact)
{
	uint64_t hashes[HELD_MAX], count = 0;
	struct rdx_reader *reader;
	struct rdx_cursor at;
	int shows;

	if (rdx_reader_open(&reader, rig->dir, worker, dp_rank) < 0)
		return 0;
	shows = rdx_reader_alive(reader) > 0 &&
		rdx_reader_resident(reader, RDX_TIER_DEVICE, hashes, HELD_MAX, &count, &at) == 0 &&
		count == held && worth(reader) == inexact;
	rdx_reader_close(reader);
	return shows;
}

void bridge_until(struct rig *rig, struct bridge_engine *engine, uint64_t held, int inexact)
{
	UNTIL (bridge_shows(rig, 1, 0, held, inexact)) {
		bridge_engine_serve(engine);
		usleep(2000);
	}
}

struct rdx_source bridge_source(struct rig *rig)
{
	struct rdx_source source = {.size = sizeof(source)};
	struct rdx_reader *reader;

	if (rdx_reader_open(&reader, rig->dir, 1, 0) < 0)
		return source;
	assert_int_equal(rdx_reader_get_source(reader, &source), 0);
	rdx_reader_close(reader);
	return source;
}

static int lives(struct rig *rig)
{
	struct rdx_reader *reader;
	int r;

	if (rdx_reader_open(&reader, rig->dir, 1, 0) < 0)
		return 0;
	r = rdx_reader_alive(reader);
	rdx_reader_close(reader);
	return r != 0;
}

void bridge_until_gone(struct rig *rig, struct bridge_engine *engine)
{
	UNTIL (!lives(rig)) {
		bridge_engine_serve(engine);
		usleep(2000);
	}
}

void bridge_expect(struct rig *rig, uint64_t worker, uint32_t dp_rank, const uint64_t *names,
		   uint32_t count)
{
	uint64_t locals[HELD_MAX];
	uint32_t runs[HELD_MAX];

	for (uint32_t i = 0; i < count; i++) {
		const uint32_t tokens[] = {(uint32_t)names[i], (uint32_t)names[i] + 1};

		feed_hash(NULL, NULL, tokens, 2, &locals[i]);
		runs[i] = 1;
	}
	feed_expect_runs(rig, worker, dp_rank, RDX_TIER_DEVICE, locals, runs, count);
}
