/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: local hashes against the vectors of another system that uses the same; the
 * chain of prefix hashes: mixing, collisions, uniformity, dependence on the key.
 */
#include "tests/patience.h"
#include "tests/rig.h"
#include <ringdex/rdx_hash.h>

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define PREFIXES_LOG2 18
#define SAMPLES       4096
#else
#define PREFIXES_LOG2 (is_long() ? 22 : 20)
#define SAMPLES       16384
#endif
#define PREFIXES (UINT64_C(1) << PREFIXES_LOG2)
#define VECTORS  RDX_SOURCE_DIR "/../shared/reference/vectors/dynamo-hashes.jsonl"

enum { TOKENS_MAX = 4096, BUCKETS = 65536 };

static struct rdx_hash_key make_key(uint64_t seed)
{
	uint8_t bytes[RDX_KEY_BYTES];
	struct rdx_hash_key key;

	for (int i = 0; i < RDX_KEY_BYTES; i++)
		bytes[i] = (uint8_t)rig_random(&seed);
	rdx_hash_key_expand(bytes, &key);
	return key;
}

static uint64_t chain_1(const struct rdx_hash_key *key, uint64_t parent, uint64_t local)
{
	uint64_t prefix;

	rdx_hash_chain(key, parent, &local, 1, &prefix);
	return prefix;
}

static const char *text_of(json_object *line, const char *name)
{
	json_object *value = json_object_object_get(line, name);

	return value ? json_object_get_string(value) : NULL;
}

/* Block by block. With a window longer than the block ("eagle") each is a block of its own. */
static void check_vector(json_object *line)
{
	json_object *ids = json_object_object_get(line, "token_ids");
	json_object *want = json_object_object_get(line, "block_hashes");
	uint32_t block = (uint32_t)json_object_get_int(json_object_object_get(line, "block_size"));
	int eagle = json_object_get_boolean(json_object_object_get(line, "eagle"));
	uint64_t seed = rdx_hash_seed(text_of(line, "lora_name"), text_of(line, "cache_salt"));
	size_t tokens_count = json_object_array_length(ids);
	static uint32_t tokens[TOKENS_MAX];
	uint64_t got[TOKENS_MAX], count = 0;

	assert_true(tokens_count <= TOKENS_MAX && block > 0);
	for (size_t i = 0; i < tokens_count; i++)
		tokens[i] = (uint32_t)json_object_get_int64(json_object_array_get_idx(ids, i));
	if (eagle)
		for (size_t at = 0; at + block + 1 <= tokens_count; at += block)
			count += rdx_hash_blocks(seed, tokens + at, block + 1, block + 1,
						 got + count);
	else
		count = rdx_hash_blocks(seed, tokens, tokens_count, block, got);
	assert_int_equal(count, json_object_array_length(want));
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(got[i],
				 json_object_get_uint64(json_object_array_get_idx(want, i)));
}

static void test_local_hash_vectors(void **state)
{
	FILE *file = fopen(VECTORS, "r");
	size_t room = 0;
	char *text = NULL;
	int vectors = 0;

	(void)state;
	if (!file) {
		print_message("the vectors of the other system are not here: not compared\n");
		skip();
	}
	while (getline(&text, &room, file) > 0) {
		json_object *line = json_tokener_parse(text);

		assert_non_null(line);
		check_vector(line);
		json_object_put(line);
		vectors++;
	}
	free(text);
	fclose(file);
	print_message("%d vectors\n", vectors);
	assert_true(vectors >= 10);
}

/* Sizes that have code of their own, and those around them. */
static void test_local_hashes_of_any_size(void **state)
{
	static const uint32_t sizes[] = {1, 8, 15, 16, 17, 31, 32, 33, 64, 128, 1000};
	uint32_t tokens[2000];
	uint64_t got[2000], random = rig_seed();

	(void)state;
	for (uint32_t i = 0; i < 2000; i++)
		tokens[i] = (uint32_t)rig_random(&random);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t count = rdx_hash_blocks(random, tokens, 2000, sizes[i], got);

		assert_int_equal(count, 2000 / sizes[i]);
		for (uint64_t at = 0; at < count; at++)
			assert_int_equal(got[at],
					 XXH3_64bits_withSeed(tokens + at * sizes[i],
							      sizes[i] * sizeof(*tokens), random));
	}
}

/* A few of our own, so that something is compared where those are not at hand. */
static void test_local_hashes_are_fixed(void **state)
{
	uint32_t tokens[40];
	uint64_t got[3] = {0};

	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		tokens[i] = i + 1;
	assert_int_equal(rdx_hash_blocks(rdx_hash_seed(NULL, NULL), tokens, 40, 16, got), 2);
	assert_int_equal(got[0], UINT64_C(16863443419780771464));
	assert_int_equal(got[1], UINT64_C(2287610619914608821));
	assert_int_equal(got[2], 0); /* the partial block is ignored */
	assert_int_equal(rdx_hash_blocks(1337, tokens, 15, 16, got), 0);
	assert_int_equal(rdx_hash_seed(NULL, NULL), 1337);
	assert_int_equal(rdx_hash_seed("", ""), 1337);
	assert_int_not_equal(rdx_hash_seed("x", NULL), rdx_hash_seed(NULL, "x"));
	assert_int_not_equal(rdx_hash_seed("x", "y"), rdx_hash_seed("y", "x"));
}

/* Every input bit of parent and local hash flips every output bit half of the time. */
static void test_avalanche(void **state)
{
	struct rdx_hash_key key = make_key(1);
	static uint32_t flips[128][64];
	uint64_t random = rig_seed();
	double worst = 0;

	(void)state;
	memset(flips, 0, sizeof(flips));
	for (int sample = 0; sample < SAMPLES; sample++) {
		uint64_t parent = rig_random(&random), local = rig_random(&random);
		uint64_t base = chain_1(&key, parent, local);

		for (int bit = 0; bit < 128; bit++) {
			uint64_t flip = UINT64_C(1) << bit % 64;
			uint64_t changed = base ^ (bit < 64 ? chain_1(&key, parent ^ flip, local)
							    : chain_1(&key, parent, local ^ flip));

			for (int out = 0; out < 64; out++)
				flips[bit][out] += changed >> out & 1;
		}
	}
	for (int bit = 0; bit < 128; bit++)
		for (int out = 0; out < 64; out++) {
			double off = fabs((double)flips[bit][out] / SAMPLES - 0.5);

			if (off > worst)
				worst = off;
		}
	/* 8,192 pairs: 6.5 standard deviations of a fair coin are not exceeded by chance */
	print_message("worst bias %.4f; of a fair coin up to %.4f\n", worst,
		      6.5 * 0.5 / sqrt(SAMPLES));
	assert_true(worst < 6.5 * 0.5 / sqrt(SAMPLES));
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* How far from uniform, in standard deviations of a chi-square of BUCKETS - 1. */
static double unevenness(const uint64_t *hashes, uint64_t count, int shift)
{
	static uint32_t buckets[BUCKETS];
	double expected = (double)count / BUCKETS, sum = 0;

	memset(buckets, 0, sizeof(buckets));
	for (uint64_t i = 0; i < count; i++)
		buckets[hashes[i] >> shift & (BUCKETS - 1)]++;
	for (int i = 0; i < BUCKETS; i++)
		sum += (buckets[i] - expected) * (buckets[i] - expected) / expected;
	return (sum - (BUCKETS - 1)) / sqrt(2.0 * (BUCKETS - 1));
}

static void assert_distinct_and_uniform(uint64_t *hashes, const char *what)
{
	double worst = 0;

	for (int shift = 0; shift <= 48; shift += 16) {
		double off = unevenness(hashes, PREFIXES, shift);

		worst = fabs(off) > fabs(worst) ? off : worst;
	}
	qsort(hashes, PREFIXES, sizeof(*hashes), compare);
	for (uint64_t i = 1; i < PREFIXES; i++)
		assert_true(hashes[i] != hashes[i - 1]);
	assert_true(hashes[0] != 0);
	print_message("%s: %llu prefixes, no collision, worst chi-square %+.1f sigma\n", what,
		      (unsigned long long)PREFIXES, worst);
	assert_true(fabs(worst) < 6);
}

/* One long chain; many short ones; weak local hashes (1, 2, 3, ...), all the same one. */
static void test_no_collisions_and_uniform(void **state)
{
	uint64_t *hashes = malloc(PREFIXES * sizeof(*hashes));
	struct rdx_hash_key key = make_key(2);
	uint64_t random = rig_seed();

	(void)state;
	assert_non_null(hashes);
	for (uint64_t i = 0; i < PREFIXES; i++)
		hashes[i] = rig_random(&random);
	rdx_hash_chain(&key, 0, hashes, PREFIXES, hashes);
	assert_distinct_and_uniform(hashes, "one chain");
	for (uint64_t i = 0; i < PREFIXES; i++)
		hashes[i] = i;
	for (uint64_t i = 0; i < PREFIXES; i += 64)
		rdx_hash_chain(&key, 0, hashes + i, 64, hashes + i);
	assert_distinct_and_uniform(hashes, "chains of 64, counting");
	for (uint64_t i = 0; i < PREFIXES; i++)
		hashes[i] = 42;
	rdx_hash_chain(&key, 0, hashes, PREFIXES, hashes);
	assert_distinct_and_uniform(hashes, "the same block again and again");
	for (uint64_t i = 0; i < PREFIXES; i++)
		hashes[i] = i << 42;
	for (uint64_t i = 0; i < PREFIXES; i++)
		rdx_hash_chain(&key, 7, hashes + i, 1, hashes + i);
	assert_distinct_and_uniform(hashes, "high bits of the local hash only");
	free(hashes);
}

/* Children of one parent, and one block below many parents, never meet by construction. */
static void test_siblings_and_cousins(void **state)
{
	uint64_t *hashes = malloc(PREFIXES * sizeof(*hashes));
	struct rdx_hash_key key = make_key(3);

	(void)state;
	assert_non_null(hashes);
	for (uint64_t i = 0; i < PREFIXES; i++)
		hashes[i] = chain_1(&key, UINT64_C(0x1234567890abcdef), i + 1);
	assert_distinct_and_uniform(hashes, "siblings");
	for (uint64_t i = 0; i < PREFIXES; i++)
		hashes[i] = chain_1(&key, chain_1(&key, 0, i), 99);
	assert_distinct_and_uniform(hashes, "one block below many parents");
	free(hashes);
}

/* The parent that a product forgets. */
static uint64_t weak_parent(const struct rdx_hash_key *key)
{
	return key->chain_mask ^ key->chain_mask >> 33;
}

/* The local hash that is `mixed` when it is premixed. */
static uint64_t unmix(const struct rdx_hash_key *key, uint64_t mixed)
{
	const uint64_t factor = UINT64_C(0xd6e8feb86659fd93);
	uint64_t inverse = factor, x = mixed;

	for (int i = 0; i < 5; i++)
		inverse *= 2 - factor * inverse;
	x = (x ^ x >> 32) * inverse;
	return x ^ x >> 32 ^ key->premix_mask;
}

/* A parent that makes the product 0, or a local hash that premixes to 0, are its weak points: the
 * result is still never 0 and still knows the other input. */
static void test_never_zero_and_no_weak_input(void **state)
{
	uint64_t random = 5;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct rdx_hash_key key = make_key(rig_random(&random));
		uint64_t local = rig_random(&random), weak = weak_parent(&key);
		const uint64_t two[] = {unmix(&key, key.chain_mask), local};
		uint64_t prefix[2];

		/* the product is 0 here */
		assert_true(chain_1(&key, weak, local) != 0);
		assert_true(chain_1(&key, weak, local) != chain_1(&key, weak, local + 1));
		/* here the premixed local hash is 0 */
		assert_true(chain_1(&key, local, key.premix_mask) != 0);
		assert_true(chain_1(&key, local, key.premix_mask) !=
			    chain_1(&key, local + 1, key.premix_mask));
		/* and here the prefix hash itself would be 0 */
		assert_int_equal(chain_1(&key, weak, two[0]), 1);
		rdx_hash_chain(&key, weak, two, 2, prefix);
		assert_int_equal(prefix[0], 1);
		assert_int_equal(prefix[1], chain_1(&key, 1, local));
	}
}

/* A chain goes on from the 1 that stands for a 0, also where it is made in place. */
static void test_chain_beyond_zero(void **state)
{
	struct rdx_hash_key key = make_key(9);
	uint64_t parent = weak_parent(&key);
	uint64_t local[] = {unmix(&key, key.chain_mask), 5, 6, 7}, prefix[4];

	(void)state;
	rdx_hash_chain(&key, parent, local, 4, prefix);
	rdx_hash_chain(&key, parent, local, 0, NULL);
	assert_int_equal(prefix[0], 1);
	for (uint64_t i = 1; i < 4; i++)
		assert_int_equal(prefix[i], chain_1(&key, prefix[i - 1], local[i]));
	rdx_hash_chain(&key, parent, local, 4, local);
	assert_memory_equal(local, prefix, sizeof(local));
}

/* Who changes the function changes RDX_HASH_SCHEME, and docs/format.md. */
static void test_the_chain_is_that_of_the_scheme(void **state)
{
	static const uint64_t local[] = {1, 2, 3};
	uint8_t bytes[RDX_KEY_BYTES];
	struct rdx_hash_key key;
	uint64_t prefix[3];

	(void)state;
	for (uint8_t i = 0; i < RDX_KEY_BYTES; i++)
		bytes[i] = i;
	rdx_hash_key_expand(bytes, &key);
	rdx_hash_chain(&key, 0, local, 3, prefix);
	assert_int_equal(RDX_HASH_SCHEME, 2);
	assert_int_equal(prefix[0], UINT64_C(0xa6b08db96cce8b61));
	assert_int_equal(prefix[1], UINT64_C(0xb7e7e8306f9f8c81));
	assert_int_equal(prefix[2], UINT64_C(0x8a0306ae408acd77));
}

static void test_depends_on_the_key(void **state)
{
	uint64_t random = rig_seed(), flipped = 0;
	struct rdx_hash_key key = make_key(6);

	(void)state;
	for (int bit = 0; bit < 128; bit++) {
		struct rdx_hash_key other = key;
		uint64_t parent = rig_random(&random), local = rig_random(&random);
		uint64_t changed;

		*(bit < 64 ? &other.chain_mask : &other.premix_mask) ^= UINT64_C(1) << bit % 64;
		changed = chain_1(&key, parent, local) ^ chain_1(&other, parent, local);
		assert_true(changed != 0);
		flipped += (uint64_t)__builtin_popcountll(changed);
	}
	assert_in_range(flipped, 128 * 29, 128 * 35);
}

/* The fingerprint depends on every byte of the key and is none of its masks. */
static void test_fingerprint_of_the_key(void **state)
{
	uint8_t bytes[RDX_KEY_BYTES] = {0};
	struct rdx_hash_key base, other;

	(void)state;
	rdx_hash_key_expand(bytes, &base);
	for (int i = 0; i < RDX_KEY_BYTES; i++) {
		bytes[i] ^= 1;
		rdx_hash_key_expand(bytes, &other);
		assert_true(other.fingerprint != base.fingerprint);
		assert_true(other.fingerprint != other.chain_mask &&
			    other.fingerprint != other.premix_mask);
		bytes[i] ^= 1;
	}
}

static void test_a_chain_in_parts_equals_the_whole(void **state)
{
	uint64_t local[300], whole[300], parts[300], random = rig_seed();
	struct rdx_hash_key key = make_key(7);

	(void)state;
	for (int i = 0; i < 300; i++)
		local[i] = rig_random(&random);
	rdx_hash_chain(&key, 0, local, 300, whole);
	for (int round = 0; round < 200; round++) {
		uint64_t parent = 0;

		for (uint64_t at = 0; at < 300;) {
			uint64_t part = 1 + rig_random(&random) % 50;

			part = part < 300 - at ? part : 300 - at;
			rdx_hash_chain(&key, parent, local + at, part, parts + at);
			at += part;
			parent = parts[at - 1];
		}
		assert_memory_equal(parts, whole, sizeof(whole));
	}
	rdx_hash_chain(&key, 0, local, 300, local); /* in place */
	assert_memory_equal(local, whole, sizeof(whole));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_local_hash_vectors),
		cmocka_unit_test(test_local_hashes_of_any_size),
		cmocka_unit_test(test_local_hashes_are_fixed),
		cmocka_unit_test(test_avalanche),
		cmocka_unit_test(test_no_collisions_and_uniform),
		cmocka_unit_test(test_siblings_and_cousins),
		cmocka_unit_test(test_never_zero_and_no_weak_input),
		cmocka_unit_test(test_chain_beyond_zero),
		cmocka_unit_test(test_the_chain_is_that_of_the_scheme),
		cmocka_unit_test(test_depends_on_the_key),
		cmocka_unit_test(test_fingerprint_of_the_key),
		cmocka_unit_test(test_a_chain_in_parts_equals_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
