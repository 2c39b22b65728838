/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain model of a publisher: names with their copies, in an array. Two indexes, by name and by
 * prefix hash, only make it fast enough for long streams. It knows the header's contract, not the
 * implementation.
 */
#ifndef RDX_TESTS_PUBLISHER_ORACLE_H
#define RDX_TESTS_PUBLISHER_ORACLE_H

#include "tests/publisher_lacks.h"
#include <ringdex/rdx_hash.h>
#include <ringdex/rdx_publisher.h>

#define ORACLE_NAMES   2048
#define ORACLE_BUCKETS 4096

struct oracle_name {
	uint8_t known;
	uint8_t unsure; /* it came with other content while it was held */
	uint8_t bytes;
	uint8_t group;
	uint8_t text[32];
	uint64_t prefix;
	uint64_t local;
	uint64_t parent;  /* prefix hash, 0: root */
	const char *lora; /* the caller's texts, which outlive the oracle; NULL: none */
	const char *salt;
	uint32_t copies[RDX_TIER_COUNT];
	uint32_t next_of_text; /* in the bucket: 1 + index, 0: none */
	uint32_t next_of_prefix;
};

struct oracle {
	struct rdx_hash_key key;
	struct oracle_name names[ORACLE_NAMES];
	uint32_t by_text[ORACLE_BUCKETS]; /* 1 + index of the first */
	uint32_t by_prefix[ORACLE_BUCKETS];
	uint32_t used;      /* names at or above were never known */
	uint32_t free_from; /* those below are known */
	uint32_t known;
	uint64_t held[RDX_TIER_COUNT]; /* blocks */
	uint32_t full; /* blocks at the end of the next store for which there is no room */
	uint64_t tier_blocks[RDX_TIER_COUNT];
	uint64_t spare; /* blocks that all tiers may hold beyond these */
	uint32_t block_tokens;
	uint32_t report_mode;
	uint8_t inexact; /* 0 or RDX_INEXACT_... */
	struct lacks lacks;
	struct rdx_publisher_stats stats; /* events, slots and bells are not kept */
};

/* For a publisher with these options. */
void oracle_make(struct oracle *oracle, const struct rdx_hash_key *key,
		 const struct rdx_publisher_options *options);

void oracle_stored(struct oracle *oracle, const struct rdx_stored *stored);
void oracle_removed(struct oracle *oracle, const struct rdx_removed *removed);
void oracle_cleared(struct oracle *oracle, uint8_t scope);
void oracle_unrepresented(struct oracle *oracle, const struct rdx_removed *blocks);
void oracle_inexact(struct oracle *oracle, uint8_t how);

/* Is there room for so many blocks more in the tier? */
int oracle_has_room(const struct oracle *oracle, uint8_t tier, uint64_t blocks);

/* Is the block held in the tier? */
int oracle_holds(const struct oracle *oracle, uint64_t prefix, uint8_t tier);

/* Blocks held in the tier. Writes their prefix hashes, sorted; room for ORACLE_NAMES. */
uint32_t oracle_held(const struct oracle *oracle, uint8_t tier, uint64_t *ret_prefixes);

/* Blocks held in the tiers 0 .. set without their parent there. */
uint32_t oracle_orphans(const struct oracle *oracle, uint8_t set);

/* How many of these blocks, from the first on, are held in the tiers 0 .. set. */
uint32_t oracle_run(const struct oracle *oracle, const uint64_t *prefixes, uint32_t count,
		    uint8_t set);

/* The name, or NULL if it is not known. */
struct oracle_name *oracle_find(struct oracle *oracle, const void *text, uint8_t bytes,
				uint8_t group);
int oracle_name_held(const struct oracle_name *name);

/* A publisher may forget a name that is not held, for want of room. */
void oracle_forget(struct oracle *oracle, struct oracle_name *name);

#endif
