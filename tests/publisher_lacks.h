/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of the publisher's model: names that the engine holds and that are not represented. A plain array,
 * from which nothing ever goes.
 */
#ifndef RDX_TESTS_PUBLISHER_LACKS_H
#define RDX_TESTS_PUBLISHER_LACKS_H

#include <ringdex/rdx_types.h>

#define LACKS_TIERS (RDX_TIER_COUNT + 1)
#define LACKS       1024
#define LACKS_ALL   0x1f /* every tier */

struct lack {
	uint8_t bytes;
	uint8_t group;
	uint8_t text[32];
	uint8_t is[LACKS_TIERS]; /* 1: it is remembered in the tier */
	uint8_t doubted[LACKS_TIERS];
	uint32_t copies[LACKS_TIERS];
};

struct lacks {
	struct lack list[LACKS];
	uint32_t used;
	uint32_t max; /* names of one tier that are remembered; 0: all */
	uint32_t counts[LACKS_TIERS];
	uint32_t doubted;
	uint8_t flags[3]; /* by RDX_INEXACT_... */
};

/* Its place, or NULL. */
struct lack *lacks_find(struct lacks *lacks, const void *text, uint8_t bytes, uint8_t group);

/* The same, made if there is none. */
struct lack *lacks_of(struct lacks *lacks, const void *text, uint8_t bytes, uint8_t group);

/* More copies of it, perhaps none; where it does not fit, a flag. */
void lacks_add(struct lacks *lacks, struct lack *lack, uint8_t tier, uint32_t copies, int doubted);
void lacks_end(struct lacks *lacks, struct lack *lack, uint8_t tier);

void lacks_clear(struct lacks *lacks, uint8_t scope);

uint32_t lacks_count(const struct lacks *lacks);
int lacks_in(const struct lacks *lacks, uint8_t tier);

/* 0 or RDX_INEXACT_... */
uint8_t lacks_state(const struct lacks *lacks);

#endif
