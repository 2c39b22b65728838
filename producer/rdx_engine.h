/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What engines say, translated: one event of vLLM, SGLang, TensorRT-LLM or LMCache, decoded but
 * not interpreted, becomes calls of the rank's publisher. No other place knows what a medium, a
 * cache group or an extra key means. docs/engines.md: what to choose for which engine.
 *
 * It fails closed. What is not understood makes the rank INEXACT: LACKING where no answer can be
 * too high by it, else UNKNOWN; what is provably harmless is left out. Either is counted under a
 * name of its own (rdx_engine_stats). A row of the index says EXACT only when every event was
 * understood.
 *
 * The publisher's rules hold here too: a handle serves one thread at a time; calls are wait-free
 * and allocate nothing; after fork() they answer -EOWNERDEAD in the child.
 */
#ifndef RDX_ENGINE_H
#define RDX_ENGINE_H

#include <ringdex/rdx_hash.h>
#include <ringdex/rdx_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What names blocks besides their tokens. A TEXT means what its place says:
 *   the adapter     the first of its block, and equal to the event's lora_name
 *   the cache salt  bare in the event's first block, where that has no parent; or anywhere with
 *                   "dynamo-cache-salt:" before it, as long as the first block has the same
 *   nothing known   anywhere else: the block and those behind it are not understood
 */
#define RDX_ENGINE_KEY_TEXT 1 /* a bare string; a NUL follows its bytes */
#define RDX_ENGINE_KEY_OBJECT                                                                      \
	2                       /* an image, video or sound: its identifier. Its offset in the
				   prompt is no part of any hash */
#define RDX_ENGINE_KEY_DIGEST 3 /* of a prompt embedding */
#define RDX_ENGINE_KEY_OTHER  4 /* anything else: not understood */
#define RDX_ENGINE_KEY_TOKEN                                                                       \
	5 /* a token that is a text: rdx_engine_token(text) stands for it in
				   the tokens, the text itself is a key of its block */
struct rdx_engine_key {
	const void *bytes;
	uint32_t byte_count; /* without the NUL of a TEXT */
	uint32_t at;         /* block of the event, counted from 0; of a TOKEN: its index in the
				tokens */
	uint8_t kind;        /* RDX_ENGINE_KEY_... */
	uint8_t reserved[7];
};

/* Of one block; one with more is not understood. */
#define RDX_ENGINE_BLOCK_KEYS_MAX 256

/* What is there that no value can say. */
#define RDX_ENGINE_GROUP   1u /* `group` was given */
#define RDX_ENGINE_LORA_ID 2u /* a lora_id was given, and is not null */
#define RDX_ENGINE_PAIRS   4u /* tokens are pairs [token, next]: two ids each, token_count pairs */
#define RDX_ENGINE_KEYS    8u /* a list of extra keys was given, with key_blocks entries */

/*
 * One event as the engine said it. NULL or 0 is what was absent or null. Texts end with a NUL.
 * Nothing of it is kept after the call.
 */
struct rdx_engine_event {
	uint64_t size;          /* sizeof(struct rdx_engine_event) */
	uint64_t time_ns;       /* CLOCK_MONOTONIC; 0: not stamped */
	const char *type;       /* BlockStored, BlockRemoved, AllBlocksCleared, or stored, removed,
				    cleared, inexact, or one of the options. Required */
	const char *medium;     /* where: GPU, CPU, DISK and so on, or device, host, disk, external;
				    NULL: the device, of a clear what cleared_means says */
	const char *spec_kind;  /* what the cache group is for: kv_cache_spec_kind */
	const char *locality;   /* other than LOCAL: not this worker's */
	const char *ownership;  /* not NULL: not this worker's */
	const char *lora_name;  /* NULL or "": as the parent, else none */
	const char *cache_salt; /* likewise */
	const void *names;      /* count * name_bytes bytes */
	const void *parent;     /* name_bytes bytes; NULL: the run starts a prompt */
	const uint32_t *tokens; /* token_count ids, twice that of PAIRS */
	uint64_t token_count;   /* 0, as local_hashes NULL: the names are known already */
	const uint64_t *local_hashes; /* instead of tokens: one a name */
	const uint32_t *remaining; /* of a removal, one a name: how many copies are left; or NULL */
	const struct rdx_engine_key *keys; /* of blocks, in order, then TOKENs, in order */
	uint64_t key_count;
	uint64_t key_blocks;     /* entries of the engine's list of keys: one a block */
	uint64_t group;          /* group_idx */
	uint32_t count;          /* names */
	uint32_t block_tokens;   /* block_size; 0: the segment's */
	uint32_t flags;          /* RDX_ENGINE_GROUP and so on */
	uint32_t unknown_fields; /* fields of the event for which rdx_engine_field says UNKNOWN */
	uint8_t name_bytes;      /* 8 or 32, of the parent too */
	uint8_t reserved[7];
};

#ifdef __cplusplus
}
#endif
#endif
