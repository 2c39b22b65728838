/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine holds and the rank does not say: names whose blocks could not be represented, with
 * their copies, a bounded set for each tier and for RDX_TIER_OTHER; and flags where no name says
 * when it is over.
 *
 * An entry is doubted where what the rank says of its name may be wrong: the name was held, and came
 * with other content. While there is one, the rank is UNKNOWN; while there are others only, LACKING.
 * A doubted entry without copies stands for those that the rank does say.
 *
 * Nothing here allocates or is shared. Every call is O(1): the sets are at most half full, and are
 * cleared by their generation, of which 2^64 do not come round.
 */
#ifndef RDX_LACKING_H
#define RDX_LACKING_H

#include "producer/names.h"

#define RDX_LACKING_TIERS     (RDX_TIER_COUNT + 1) /* the last is RDX_TIER_OTHER */
#define RDX_LACKING_ALL_TIERS ((1u << RDX_LACKING_TIERS) - 1)
#define RDX_LACKING_SLOTS_MIN 1024
#define RDX_LACKING_SLOTS_MAX 65536

struct rdx_lacking_entry {
	uint64_t name; /* as in a node */
	uint64_t generation;
	uint32_t home;   /* some bits of the name's hash */
	uint32_t copies; /* that are not represented */
	uint32_t kind;   /* RDX_NODE_KIND_NAME of a node */
	uint32_t doubted;
};

/* Open addressing; an entry of another generation is free. */
struct rdx_lacking_set {
	struct rdx_lacking_entry *entries;
	uint64_t generation;
	uint32_t mask;
	uint32_t count;
	uint32_t doubted; /* of these */
};

struct rdx_lacking {
	struct rdx_lacking_set sets[RDX_LACKING_TIERS];
	uint32_t count;   /* of all sets */
	uint32_t doubted; /* likewise */
	uint8_t flags[3]; /* by RDX_INEXACT_...: bit a tier, until it is cleared */
};

/* Bytes that rdx_lacking_init needs. */
uint64_t rdx_lacking_bytes(const uint64_t *tier_blocks);

/* `memory`: zeroed, aligned to 8, the caller's to free. */
void rdx_lacking_init(struct rdx_lacking *lacking, void *memory, const uint64_t *tier_blocks);

/* Just made, for as many or more: all that is in `from`. */
void rdx_lacking_copy(struct rdx_lacking *lacking, const struct rdx_lacking *from);

/* The name's entry in the tier, or NULL. */
struct rdx_lacking_entry *rdx_lacking_find(struct rdx_lacking *lacking, uint8_t tier,
					   const struct rdx_name_key *key);

/* The same, but made if there is none, without copies: to be given some, doubted, or deleted. NULL:
 * the set is full. */
struct rdx_lacking_entry *rdx_lacking_add(struct rdx_lacking *lacking, uint8_t tier,
					  const struct rdx_name_key *key);

void rdx_lacking_doubt(struct rdx_lacking *lacking, uint8_t tier, struct rdx_lacking_entry *entry);

/* Pointers to other entries of the tier end with it. */
void rdx_lacking_delete(struct rdx_lacking *lacking, uint8_t tier, struct rdx_lacking_entry *entry);

/* Something is inexact as `how` says, in one of the tiers, until all of these are cleared. */
static inline void rdx_lacking_flag(struct rdx_lacking *lacking, uint8_t how, uint8_t tiers)
{
	lacking->flags[how] |= tiers;
}

/* The scope, a tier or RDX_SCOPE_ALL, is empty. */
void rdx_lacking_clear(struct rdx_lacking *lacking, uint8_t scope);

/* May the tier hold something that the rank does not say? */
static inline int rdx_lacking_in(const struct rdx_lacking *lacking, int tier)
{
	return lacking->sets[tier].count != 0 ||
	       (lacking->flags[RDX_INEXACT_LACKING] | lacking->flags[RDX_INEXACT_UNKNOWN]) >> tier &
		       1;
}

/* 0 or RDX_INEXACT_...: what all that is here makes of the rank. */
static inline uint8_t rdx_lacking_state(const struct rdx_lacking *lacking)
{
	if (lacking->doubted || lacking->flags[RDX_INEXACT_UNKNOWN])
		return RDX_INEXACT_UNKNOWN;
	return lacking->count || lacking->flags[RDX_INEXACT_LACKING] ? RDX_INEXACT_LACKING : 0;
}

#endif
