/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by tests of ringdex-bridge: an engine's sockets with what they send, and a bridge that runs.
 */
#ifndef RDX_TESTS_BRIDGE_RIG_H
#define RDX_TESTS_BRIDGE_RIG_H

#include "tests/feed_rig.h"

#include <msgpack.h>
#include <ringdex/rdx_types.h>

#define BRIDGE_BATCHES_MAX 256
#define BRIDGE_NEVER       "--lost-after=1h"  /* however slow the machine */
#define BRIDGE_PATIENT     "--replay-wait=1h" /* likewise */

/* An engine: a stream, a replay, and the batches that the replay has. */
struct bridge_engine {
	void *context;
	void *stream;
	void *replay; /* NULL: it has none, or does not answer */
	char endpoint[64];
	char replay_endpoint[64];
	const char *topic;
	uint64_t sequence; /* of the next batch */
	uint64_t oldest;   /* batch that the replay still has */
	uint32_t subscribers;
	int sends_topic; /* in replays */
	uint32_t
		queue_max; /* of an answer; what is beyond is dropped, the end mark too; 0: nothing is */
	int connects;      /* its stream does, to a bridge that listens */
	double time_s; /* of its batches, in the clock of the world; 0: others, one each */
	msgpack_sbuffer batches[BRIDGE_BATCHES_MAX];
	msgpack_sbuffer next; /* the batch that is being written */
	msgpack_packer packer;
};

/* Choose addresses for it, of this process and `number`. It listens to nothing yet. */
void bridge_engine_make(struct bridge_engine *engine, uint32_t number);

/* Begin to listen, with batch 0. */
void bridge_engine_start(struct bridge_engine *engine, int has_replay);

/* The same without a replay; -errno where the address is taken. */
int bridge_engine_try(struct bridge_engine *engine);

/* End as a process does. */
void bridge_engine_stop(struct bridge_engine *engine);

/* Its stream breaks, and is there again; its replay is there no longer. It is the same process. */
void bridge_engine_break(struct bridge_engine *engine);
void bridge_engine_mend(struct bridge_engine *engine);
void bridge_engine_mute(struct bridge_engine *engine);

/* Answer what was asked, and see who subscribes. Does not wait. */
void bridge_engine_serve(struct bridge_engine *engine);

/* Of that only the answers, also where its stream is broken; and wait for a question, which stays. */
void bridge_engine_answer(struct bridge_engine *engine);
void bridge_engine_await_question(struct bridge_engine *engine);

/* Serve until one more has subscribed than `before`. */
void bridge_engine_await(struct bridge_engine *engine, uint32_t before);

/* A batch: begin it, write its events by the packer, and send it, or lose it on the way. */
msgpack_packer *bridge_batch(struct bridge_engine *engine, uint32_t events);
void bridge_send(struct bridge_engine *engine);
void bridge_lose(struct bridge_engine *engine);

/* The same, of a rank that it names. */
void bridge_send_of(struct bridge_engine *engine, uint64_t dp_rank);

/* Any three frames. */
void bridge_send_frames(struct bridge_engine *engine, const char *topic, size_t number_bytes,
			const void *bytes, size_t count);

/* A batch with a store of one block of two tokens, {name, name + 1}, below `parent` (0: none); a removal;
 * a clear. */
void bridge_store(struct bridge_engine *engine, uint64_t name, uint64_t parent);
void bridge_remove(struct bridge_engine *engine, uint64_t name);
void bridge_clear(struct bridge_engine *engine);

/* A batch of that alone: a store below the root, sent or lost; a clear, sent. */
void bridge_send_store(struct bridge_engine *engine, uint64_t name);
void bridge_lose_store(struct bridge_engine *engine, uint64_t name);
void bridge_send_clear(struct bridge_engine *engine);

/* A text. */
void bridge_text(msgpack_packer *packer, const char *text);

/* Run the bridge for an engine as worker 1, in blocks of 2, with up to two more options. Its output is
 * the test's to read: few lines fit before it waits for that. */
void bridge_start(struct rig *rig, struct program *program, const struct bridge_engine *engine,
		  const char *option, const char *other);

/* The same, asking the engine's replay. */
void bridge_start_replaying(struct rig *rig, struct program *program,
			    const struct bridge_engine *engine, const char *option);

/* An engine, number 0, without a replay or with one, and a bridge that hears it from the beginning; both
 * end. */
void bridge_begin(struct rig *rig, struct program *program, struct bridge_engine *engine,
		  const char *option, const char *other);
void bridge_begin_replaying(struct rig *rig, struct program *program, struct bridge_engine *engine,
			    const char *option);
void bridge_end(struct program *program, struct bridge_engine *engine);

/* Serve until worker 1's rank lives, holds as many blocks in the device, and is worth that. */
void bridge_until(struct rig *rig, struct bridge_engine *engine, uint64_t held, int inexact);

/* Serve until worker 1's rank does not live. */
void bridge_until_gone(struct rig *rig, struct bridge_engine *engine);

/* What the rank holds, with these blocks each below the root, is that and no more. */
void bridge_expect(struct rig *rig, uint64_t worker, uint32_t dp_rank, const uint64_t *names,
		   uint32_t count);

/* What worker 1's segment says of its source; of kind RDX_SOURCE_NONE also where there is none. */
struct rdx_source bridge_source(struct rig *rig);

/* Does the rank live, hold and say that? */
int bridge_shows(struct rig *rig, uint64_t worker, uint32_t dp_rank, uint64_t held, int inexact);

#endif
