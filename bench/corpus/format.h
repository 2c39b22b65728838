/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a corpus file, as format.md has them.
 */
#ifndef CORPUS_FORMAT_H
#define CORPUS_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define CORPUS_MAGIC        UINT64_C(0x3170726f63786472) /* "rdxcorp1" */
#define CORPUS_VERSION      1
#define CORPUS_BLOCK_TOKENS 16
#define CORPUS_NAME_SEED    1337
#define CORPUS_EVENT_BLOCKS 128   /* most of one Stored or Removed */
#define CORPUS_BLOCKS_MAX   65536 /* most of one prompt */

enum corpus_kind {
	CORPUS_STORED = 1,
	CORPUS_REMOVED = 2,
	CORPUS_CLEARED = 3,
	CORPUS_QUERY = 4,
};

struct corpus_header {
	uint64_t magic;
	uint64_t version;
	uint64_t header_words;
	uint64_t fingerprint;
	uint64_t workers;
	uint64_t capacity; /* blocks of each */
	uint64_t block_tokens;
	uint64_t seed;
	uint64_t records;
	uint64_t words; /* of all records */
	uint64_t stored_events;
	uint64_t stored_blocks;
	uint64_t removed_events;
	uint64_t removed_blocks;
	uint64_t clears;
	uint64_t queries;
	uint64_t query_blocks;
	uint64_t held_pairs; /* (worker, block) at the end */
	uint64_t held_blocks;
	uint64_t reserved[5];
	char name[64];
};
static_assert(sizeof(struct corpus_header) == 32 * 8, "header is 32 words");

/* A record's first word. */
static inline uint64_t corpus_word(enum corpus_kind kind, int has_parent, uint32_t worker,
				   uint32_t count)
{
	return (uint64_t)kind | (uint64_t)(has_parent != 0) << 8 | (uint64_t)worker << 16 |
	       (uint64_t)count << 32;
}

#endif
