/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mock engine's events, published, each call timed.
 */
#ifndef MOCK_ANNOUNCE_H
#define MOCK_ANNOUNCE_H

#include "tools/mock/engine.h"
#include "tools/program/samples.h"
#include <ringdex/rdx_publisher.h>

struct announcer {
	struct rdx_publisher *publisher;
	struct samples calls;   /* of publish calls */
	uint64_t stored_ns;     /* in calls that store blocks with tokens, ... */
	uint64_t stored_blocks; /* ... and how many those were */
	uint64_t blocks;        /* stored and removed, as the engine told them */
	uint64_t failed;        /* calls that did not answer 0 */
	uint64_t epoch;
	uint64_t *wide; /* names of 32 bytes */
	uint32_t wide_capacity;
	uint8_t name_bytes;
	int first_error;
};

/* Open the rank. `ret_key` gets the key of its namespace. Errors as rdx_publisher_open. */
int announcer_open(struct announcer *ret_announcer, const struct rdx_publisher_options *options,
		   uint8_t name_bytes, struct rdx_hash_key *ret_key);
void announcer_close(struct announcer *announcer);

/* Publish one event; `context` is the announcer. An engine's emit. */
void announcer_event(void *context, const struct engine_event *event);

#endif
