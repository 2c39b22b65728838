/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine holds, by what it says alone: names with their copies, in every tier, and what each
 * stood for when it was stored last. It knows of no segment, no room and nothing that is left out.
 */
#ifndef RDX_TESTS_PUBLISHER_TRUTH_H
#define RDX_TESTS_PUBLISHER_TRUTH_H

#include "tests/publisher_oracle.h"

#define TRUTH_NAMES 1024
#define TRUTH_TIERS (RDX_TIER_COUNT + 1)

struct truth_name {
	uint8_t bytes;
	uint8_t group;
	uint8_t text[32];
	uint64_t prefix;
	const char *lora;
	const char *salt;
	uint32_t copies[TRUTH_TIERS];
};

struct truth {
	struct rdx_hash_key key;
	struct truth_name names[TRUTH_NAMES];
	uint32_t used;
	uint32_t block_tokens;
	uint32_t report_mode;
	uint64_t nowhere; /* contents that no publisher can know */
};

void truth_make(struct truth *truth, const struct rdx_hash_key *key,
		const struct rdx_publisher_options *options);
void truth_stored(struct truth *truth, const struct rdx_stored *stored);
void truth_removed(struct truth *truth, const struct rdx_removed *removed);
void truth_unrepresented(struct truth *truth, const struct rdx_removed *blocks);
void truth_cleared(struct truth *truth, uint8_t scope);

/* Adapters and salts are those of a name's first store while it was held, as the contract has it:
 * they are taken from the model. */
void truth_learn_spaces(struct truth *truth, struct oracle *oracle);

/* Blocks held in the tier: their prefix hashes, sorted, each once. Room for TRUTH_NAMES. */
uint32_t truth_held(const struct truth *truth, uint8_t tier, uint64_t *ret_prefixes);

/* Does the model account for every copy: represented, or remembered as lacking? */
int truth_is_accounted(const struct truth *truth, struct oracle *oracle);

#endif
