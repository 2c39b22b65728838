/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request inside the mock engine: its tokens, what its blocks are called, and which
 * physical blocks it holds.
 */
#ifndef MOCK_SEQUENCE_H
#define MOCK_SEQUENCE_H

#include "tools/trace/request.h"
#include <ringdex/rdx_hash.h>

enum sequence_state {
	SEQUENCE_WAITING, /* holds nothing */
	SEQUENCE_PREFILLING,
	SEQUENCE_DECODING,
};

struct sequence {
	uint64_t order;        /* of arrival */
	uint32_t total_tokens; /* prompt and answer */
	uint32_t done_tokens;  /* prompt and the answer so far */
	uint32_t step_tokens;  /* that the next timer brings */
	uint32_t full_blocks;  /* of total_tokens */
	uint32_t held;         /* physical blocks, the first of `blocks` */
	uint32_t named;        /* leading blocks that are named */
	enum sequence_state state;
	uint32_t *tokens;   /* total_tokens */
	uint64_t *locals;   /* full_blocks each: local hashes, ... */
	uint64_t *names;    /* ... the engine's own names, ... */
	uint64_t *prefixes; /* ... and prefix hashes, for checks only */
	uint32_t *blocks;
};

/* How blocks are called: names of one process mean nothing to another. */
struct sequence_naming {
	uint64_t seed;           /* of the engine's own names, random per process */
	struct rdx_hash_key key; /* of the namespace, for prefix hashes */
	uint32_t block_tokens;
};

/* -ENOMEM. */
int sequence_open(struct sequence **ret_sequence, const struct trace_request *request,
		  const struct sequence_naming *naming);
void sequence_close(struct sequence *sequence);

#endif
