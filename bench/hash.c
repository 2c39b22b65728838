/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do hashes of a prompt cost?
 *
 * A prompt of 4,288 tokens is 268 blocks of 16. Local hashes: bare XXH3 of each block is the floor.
 * The chain: one multiplication that depends on the one before is the floor, since no chain has
 * less. Prompts take turns, so that all stand in the second-level cache.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bench/measure.h"
#include "bench/options.h"
#include "bench/report.h"
#include "shm/clock.h"
#include <ringdex/rdx_hash.h>

#include <stdlib.h>
#include <string.h>

#define BLOCK_TOKENS 16
#define BLOCKS       268
#define TOKENS       (BLOCKS * BLOCK_TOKENS)
#define PROMPTS      16
#define WARM_UP      3

struct bench {
	struct rdx_hash_key key;
	uint32_t prompts_a_slice;
	uint64_t seed;
	uint32_t tokens[PROMPTS][TOKENS];
	uint64_t local[PROMPTS][BLOCKS];
	uint64_t prefix[BLOCKS];
};

/* The floors are not inlined where ringdex's own are not. */
__attribute__((noinline)) static void bare_blocks(uint64_t seed, const uint32_t *tokens,
						  uint64_t *ret_local)
{
	for (int i = 0; i < BLOCKS; i++)
		ret_local[i] = XXH3_64bits_withSeed(tokens + i * BLOCK_TOKENS,
						    BLOCK_TOKENS * sizeof(*tokens), seed);
}

__extension__ typedef unsigned __int128 product_t;

__attribute__((noinline)) static void bare_chain(const uint64_t *local, uint64_t *ret_prefix)
{
	uint64_t parent = 1;

	for (int i = 0; i < BLOCKS; i++) {
		product_t product = (product_t)parent * (local[i] | 1);

		ret_prefix[i] = parent = (uint64_t)product ^ (uint64_t)(product >> 64);
	}
}

/* One slice: a kind of hash of one prompt after the other. Nanoseconds of one prompt. */
#define SLICE(kind, CALL)                                                                          \
	static double kind##_slice(void *context)                                                  \
	{                                                                                          \
		struct bench *bench = context;                                                     \
		uint64_t start = rdx_clock_ns();                                                   \
                                                                                                   \
		for (uint32_t i = 0; i < bench->prompts_a_slice; i++) {                            \
			const uint32_t *tokens = bench->tokens[i % PROMPTS];                       \
			uint64_t *local = bench->local[i % PROMPTS];                               \
                                                                                                   \
			(void)tokens;                                                              \
			CALL;                                                                      \
			measure_use((uintptr_t)local);                                             \
		}                                                                                  \
		return (double)(rdx_clock_ns() - start) / bench->prompts_a_slice;                  \
	}
SLICE(bare_blocks, bare_blocks(bench->seed, tokens, local))
SLICE(blocks, rdx_hash_blocks(bench->seed, tokens, TOKENS, BLOCK_TOKENS, local))
SLICE(bare_chain, bare_chain(local, bench->prefix))
SLICE(chain, rdx_hash_chain(&bench->key, 0, local, BLOCKS, bench->prefix))
SLICE(whole, measure_use(XXH3_64bits_withSeed(tokens, sizeof(bench->tokens[0]), bench->seed)))
SLICE(prompt, rdx_hash_blocks(bench->seed, tokens, TOKENS, BLOCK_TOKENS, local);
      rdx_hash_chain(&bench->key, 0, local, BLOCKS, bench->prefix))

static const struct {
	double (*slice)(void *context);
	const char *id, *what, *floor;
	int blocks; /* its figure is of one of so many */
	const char *unit;
} sides[] = {
	{bare_blocks_slice, "hash.block.floor", "bare XXH3 of a block of 16 tokens", NULL, BLOCKS,
	 "ns"},
	{blocks_slice, "hash.block.ringdex", "rdx_hash_blocks, a block", "hash.block.floor", BLOCKS,
	 "ns"},
	{bare_chain_slice, "hash.chain.floor", "a multiplication that depends on the last", NULL,
	 BLOCKS, "ns"},
	{chain_slice, "hash.chain.ringdex", "rdx_hash_chain, a block", "hash.chain.floor", BLOCKS,
	 "ns"},
	{whole_slice, "hash.prompt.floor", "bare XXH3 of 4,288 tokens in one call", NULL, 1000,
	 "us"},
	{prompt_slice, "hash.prompt.ringdex", "4,288 tokens to prefix hashes", "hash.prompt.floor",
	 1000, "us"},
};
#define SIDES (sizeof(sides) / sizeof(sides[0]))

static void fill(struct bench *bench)
{
	uint8_t key[RDX_KEY_BYTES];
	uint64_t random = 88172645463325252;

	for (uint32_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)measure_random(&random);
	rdx_hash_key_expand(key, &bench->key);
	bench->seed = rdx_hash_seed(NULL, NULL);
	for (int i = 0; i < PROMPTS; i++)
		for (int at = 0; at < TOKENS; at++)
			bench->tokens[i][at] = (uint32_t)measure_random(&random) % 128000;
}

static void check(struct report *report, struct bench *bench)
{
	uint64_t bare[BLOCKS], rest[BLOCKS];

	bare_blocks(bench->seed, bench->tokens[0], bare);
	rdx_hash_blocks(bench->seed, bench->tokens[0], TOKENS, BLOCK_TOKENS, bench->local[0]);
	report_check(report, memcmp(bare, bench->local[0], sizeof(bare)) == 0,
		     "rdx_hash_blocks is XXH3 of each block");
	rdx_hash_chain(&bench->key, 0, bare, BLOCKS, bench->prefix);
	rdx_hash_chain(&bench->key, bench->prefix[99], bare + 100, BLOCKS - 100, rest);
	report_check(report, memcmp(rest, bench->prefix + 100, (BLOCKS - 100) * 8) == 0,
		     "a chain goes on where another one ended");
}

int main(int argc, char **argv)
{
	struct options options = {.name = "hash",
				  .question = "What do the hashes of a prompt cost?",
				  .rounds_by_length = {100, 50, 2}};
	struct measure_side turns[SIDES];
	struct report *report;
	struct bench *bench;

	options_parse(argc, argv, &options);
	measure_pin(0);
	report = report_begin(&options);
	bench = measure_memory(sizeof(*bench), MEASURE_PRIVATE);
	if (!bench)
		return 1;
	bench->prompts_a_slice = (uint32_t)options_pick(&options, 640, 640, 16);
	fill(bench);
	for (size_t i = 0; i < SIDES; i++)
		turns[i] = (struct measure_side){sides[i].slice, bench,
						 measure_values(options.rounds)};
	measure_alternate(turns, SIDES, WARM_UP, options.rounds);
	for (size_t i = 0; i < SIDES; i++) {
		for (uint32_t round = 0; round < options.rounds; round++)
			turns[i].values[round] /= sides[i].blocks;
		REPORT_ROW(report, .id = sides[i].id, .what = sides[i].what, .unit = sides[i].unit,
			   .values = turns[i].values, .count = options.rounds,
			   .floor = sides[i].floor);
		free(turns[i].values);
	}
	check(report, bench);
	measure_memory_free(bench, sizeof(*bench));
	return report_end(report);
}
