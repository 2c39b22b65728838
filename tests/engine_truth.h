/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated engine, whose cache is the truth, and the raw events by which it tells of it: all that
 * rdx_engine_event can say, understood or not. What is held is kept apart from what is said, so that
 * an event may be lost, damaged, or of a kind that nobody knows.
 */
#ifndef RDX_TESTS_ENGINE_TRUTH_H
#define RDX_TESTS_ENGINE_TRUTH_H

#include <ringdex/rdx_engine.h>

#define TRUTH_BLOCKS       300 /* that may be held */
#define TRUTH_BLOCK_TOKENS 4
#define TRUTH_KEYS_MAX     4 /* extra keys of a block */
#define TRUTH_RUN_MAX      8 /* names in an event */
#define TRUTH_GROUPS_MAX   2 /* that count */
#define TRUTH_EVENTS_MAX   8 /* of one step */
#define TRUTH_NAME_BYTES   32
#define TRUTH_ROOT         UINT32_MAX
#define TRUTH_TIER_UNKNOWN RDX_TIER_COUNT /* of the engine alone: nobody knows its medium */
#define TRUTH_TIERS        (RDX_TIER_COUNT + 1)

/* One block that may be held: its content, and what names it. */
struct truth_block {
	uint64_t prefix; /* hash; that of a block that cannot be represented is nobody's */
	uint64_t name[TRUTH_NAME_BYTES / sizeof(uint64_t)];
	uint32_t parent; /* block, or TRUTH_ROOT */
	uint32_t depth;
	uint32_t children;
	uint32_t tokens[TRUTH_BLOCK_TOKENS + 1]; /* the last is the first of every block below */
	const char *lora;
	const char *salt;
	struct rdx_engine_key keys[TRUTH_KEYS_MAX];
	uint32_t key_count;
	int lora_is_number; /* the adapter is told by lora_id alone */
};

/* The blocks, the same for all engines of one kind of tokens. */
struct truth_prompts {
	struct truth_block blocks[TRUTH_BLOCKS];
	int pairs;
};

/* `pairs`: blocks of SGLang's EAGLE. */
void truth_prompts_make(struct truth_prompts *prompts, const struct rdx_hash_key *key,
			uint64_t seed, int pairs);

/* How the engine tells what it does. */
struct truth_manner {
	uint32_t groups;       /* cache groups that count: 1 or TRUTH_GROUPS_MAX */
	uint32_t report_mode;  /* RDX_REPORT_COPIES or RDX_REPORT_PRESENCE */
	uint8_t cleared_means; /* RDX_ENGINE_CLEARED_... */
	uint8_t name_bytes;
	uint8_t tells_copies; /* how many are left, with removals */
	uint8_t salt_in_keys; /* else in cache_salt */
	uint8_t is_faulty;    /* loses and damages events, and says what nobody knows */
};

/* How an event reaches the translator. */
enum truth_delivery { TRUTH_SAID, TRUTH_UNREADABLE, TRUTH_LOST };

struct truth_event {
	struct rdx_engine_event event;
	enum truth_delivery delivery;
	uint8_t names[TRUTH_RUN_MAX * TRUTH_NAME_BYTES];
	uint8_t parent[TRUTH_NAME_BYTES];
	uint32_t tokens[2 * TRUTH_RUN_MAX * TRUTH_BLOCK_TOKENS];
	uint32_t remaining[TRUTH_RUN_MAX];
	struct rdx_engine_key
		keys[TRUTH_RUN_MAX * (TRUTH_KEYS_MAX + 2)]; /* an adapter and a salt beside */
};

struct truth_engine {
	const struct truth_prompts *prompts;
	struct truth_manner manner;
	uint64_t random;
	uint16_t copies[TRUTH_TIERS][TRUTH_GROUPS_MAX][TRUTH_BLOCKS];
	uint32_t named[TRUTH_BLOCKS];  /* whose name of the prompts the block goes by */
	uint8_t renamed[TRUTH_BLOCKS]; /* and was not stored by it yet */
	struct truth_event events[TRUTH_EVENTS_MAX]; /* of the last step */
	uint32_t event_count;
	int restarted; /* by the last step: it is another process */
};

void truth_engine_make(struct truth_engine *engine, const struct truth_prompts *prompts,
		       const struct truth_manner *manner, uint64_t seed);

/* Do something, and tell of it. */
void truth_engine_step(struct truth_engine *engine);

/* The tiers in which a block is held, by all groups that count: bit TRUTH_TIER_UNKNOWN too. */
uint8_t truth_engine_tiers(const struct truth_engine *engine, uint32_t block);

#endif
