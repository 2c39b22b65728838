/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines for bench-bridge: their messages, made beforehand, and a socket that sends them.
 */
#ifndef RDX_BENCH_BRIDGE_ENGINE_H
#define RDX_BENCH_BRIDGE_ENGINE_H

#include <msgpack.h>
#include <stdint.h>

/* vLLM since 0.24 and until then; SGLang; TensorRT-LLM. */
enum bridge_layout {
	BRIDGE_VLLM_MAP,
	BRIDGE_VLLM_ARRAY,
	BRIDGE_SGLANG,
	BRIDGE_TENSORRT,
	BRIDGE_LAYOUTS
};

#define BRIDGE_STORE 8 /* blocks of a message that stores */
#define BRIDGE_GROUP 8 /* such messages before one removes the blocks of the group before */

struct bridge_messages {
	msgpack_sbuffer *batches;
	uint32_t count;
	uint64_t events;
	uint64_t blocks; /* stored and removed */
};

/*
 * `groups` of messages; what they store is removed in the end, but for one block. `single`: each message
 * is one event of one block. Memory ends the program.
 */
void bridge_messages_make(struct bridge_messages *messages, enum bridge_layout layout,
			  uint32_t groups, int single);
void bridge_messages_free(struct bridge_messages *messages);

struct bridge_engine {
	void *context;
	void *stream;
	char endpoint[64];
};

/* Listen. -errno. */
int bridge_engine_open(struct bridge_engine *engine);
void bridge_engine_close(struct bridge_engine *engine);

/* Until somebody subscribes. 0: nobody within a minute. */
int bridge_engine_await(struct bridge_engine *engine);

/* Send all, from number 0 on, `rate` messages a second or, 0, as fast as they go. */
void bridge_engine_send(struct bridge_engine *engine, const struct bridge_messages *messages,
			uint32_t rate);

#endif
