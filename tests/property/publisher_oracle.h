/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a publisher must come to, written down naively: plain arrays, every question
 * answered by looking at everything. Knows the header's contract, none of its means.
 */
#ifndef RDX_TESTS_PUBLISHER_ORACLE_H
#define RDX_TESTS_PUBLISHER_ORACLE_H

#include <ringdex/rdx_hash.h>
#include <ringdex/rdx_publisher.h>

#define ORACLE_NAMES 256

struct oracle_name {
	uint8_t known;
	uint8_t bytes;
	uint8_t group;
	uint8_t text[32];
	uint64_t prefix;
	uint64_t local;
	uint64_t parent; /* prefix hash, 0: root */
	const char *lora; /* the caller's texts, which outlive the oracle; NULL: none */
	const char *salt;
	uint32_t copies[RDX_TIER_COUNT];
};

struct oracle {
	const struct rdx_hash_key *key;
	struct oracle_name names[ORACLE_NAMES];
	uint32_t names_max;
	uint64_t tier_blocks[RDX_TIER_COUNT];
	uint32_t block_tokens;
	uint32_t report_mode;
	int inexact;
	uint8_t inexact_tiers; /* where the causes are that no clear ended */
	struct rdx_publisher_stats stats; /* events, slots and bells are not kept */
};

void oracle_stored(struct oracle *oracle, const struct rdx_stored *stored);
void oracle_removed(struct oracle *oracle, const struct rdx_removed *removed);
void oracle_cleared(struct oracle *oracle, uint8_t scope);
void oracle_inexact(struct oracle *oracle);

/* Is the block held in the tier? */
int oracle_holds(const struct oracle *oracle, uint64_t prefix, uint8_t tier);

/* Blocks held in the tier. Writes their prefix hashes, sorted; room for ORACLE_NAMES. */
uint32_t oracle_held(const struct oracle *oracle, uint8_t tier, uint64_t *ret_prefixes);

/* Blocks held in the tiers 0 .. set without their parent there. */
uint32_t oracle_orphans(const struct oracle *oracle, uint8_t set);

/* The name, or NULL if it is not known. */
struct oracle_name *oracle_find(struct oracle *oracle, const void *text, uint8_t bytes,
				uint8_t group);
int oracle_name_held(const struct oracle_name *name);

#endif
