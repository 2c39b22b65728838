/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extra keys of an event, block by block.
 */
#ifndef RDX_ENGINE_KEYS_H
#define RDX_ENGINE_KEYS_H

#include <ringdex/rdx_engine.h>

/* Where reading stands. The salt is known, and all contradictions, once it has begun. */
struct rdx_engine_key_reader {
	const struct rdx_engine_event *event;
	const char *salt;
	uint64_t next;       /* of the keys of blocks, which end before the tokens */
	uint64_t next_token; /* of those that are tokens */
	uint64_t tokens_begin;
	uint32_t block_tokens;
	int contradicts;
};

/* Begin with an event whose blocks are of `block_tokens` tokens. -EINVAL: keys not in order, of a
 * block or a token that the event has not. */
int rdx_engine_keys_begin(struct rdx_engine_key_reader *ret_reader,
			  const struct rdx_engine_event *event, uint32_t block_tokens);

/* The next block that has keys; UINT64_MAX: none. */
uint64_t rdx_engine_keys_block(const struct rdx_engine_key_reader *reader);

/* Read that block's keys, at most RDX_ENGINE_BLOCK_KEYS_MAX, sorted: how many there are. Texts that
 * mean the adapter or the salt are none. -EBADMSG: they are not understood; nothing was read. */
int rdx_engine_keys_read(struct rdx_engine_key_reader *reader, struct rdx_block_key *ret_keys);

#endif
