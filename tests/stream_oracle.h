/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a stream (stream.h) without the generator of its operations: blocks with their
 * parents, what is held, and how many orphans there are.
 */
#ifndef RDX_TESTS_STREAM_ORACLE_H
#define RDX_TESTS_STREAM_ORACLE_H

#include "tests/stream.h"

/* Give a block its parent, STREAM_NONE or a block that has its own already. */
void stream_set_parent(struct stream *stream, uint32_t block, uint32_t parent);

/* Local and prefix hashes of all blocks. */
void stream_hash_blocks(struct stream *stream, const struct rdx_hash_key *key, uint64_t seed);

uint32_t stream_children(const struct stream *stream, uint32_t block);

/* Children that are held in the tiers 0 .. set. */
uint32_t stream_children_in_set(const struct stream *stream, uint32_t block, uint32_t set);

/* The block appears in the tier, or leaves it. */
void stream_hold(struct stream *stream, uint32_t block, uint8_t tier, int held);
int stream_is_held(const struct stream *stream, uint32_t block, uint8_t tier);

#endif
