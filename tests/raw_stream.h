/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine, as far as its cache goes: what it really holds, and the events that it makes of what
 * it does. It knows nothing of publishers. A life is one process of it: its groups, its way to
 * write events and all its prompts follow from a seed.
 */
#ifndef RDX_TESTS_RAW_STREAM_H
#define RDX_TESTS_RAW_STREAM_H

#include <ringdex/rdx_engine.h>

#define RAW_NODES        160
#define RAW_BLOCK_TOKENS 4
#define RAW_GROUPS       4
#define RAW_TIERS        5 /* the last one is a medium that nobody knows */
#define RAW_RUN_MAX      12

/* A block: what comes before it, what it is, how the engine calls it. */
struct raw_node {
	int parent; /* or -1 */
	uint32_t depth;
	uint32_t tokens[RAW_BLOCK_TOKENS];
	uint32_t next;    /* the token behind them, which is part of it where tokens are pairs */
	uint8_t has_lora; /* as its root */
	uint8_t has_salt;
	uint8_t has_image;
	uint8_t is_strange; /* it has a key that nobody understands, or hangs below such a one */
	char image[16];
	uint64_t name;
	uint64_t prefix; /* of the index; 0: strange */
};

struct raw_life {
	struct raw_node nodes[RAW_NODES];
	uint16_t copies[RAW_TIERS][RAW_GROUPS][RAW_NODES];
	uint64_t groups[RAW_GROUPS];
	uint32_t counting; /* groups that decide a hit: the first ones */
	uint8_t says_kinds;
	uint8_t says_group;
	uint8_t has_pairs;
	uint8_t has_presence; /* a second store is a repetition */
	uint8_t clears_device;
	uint8_t salts_by_key;
	/* the event made last */
	uint64_t names[RAW_NODES];
	uint64_t parent;
	uint32_t tokens[2 * RAW_RUN_MAX * RAW_BLOCK_TOKENS];
	uint32_t remaining[RAW_NODES];
	struct rdx_engine_key keys[4 * RAW_RUN_MAX];
};

/* Begin a life that holds nothing; or begin it again, with the same prompts. */
void raw_begin(struct raw_life *life, const struct rdx_hash_key *key, uint64_t *random);
void raw_restart(struct raw_life *life);

/* Do something at random, and say it: 1, and what is said in `ret_event`, until the next one is
 * made; 0 where there was nothing to do. */
int raw_act(struct raw_life *life, uint64_t *random, struct rdx_engine_event *ret_event);

/* Prefix hashes of what a prefix hit finds in a tier, sorted: how many. */
uint32_t raw_held(const struct raw_life *life, uint8_t tier, uint64_t *ret_prefixes);

/* Is a block held there that no event can say? */
int raw_holds_strange(const struct raw_life *life, uint8_t tier);

#endif
