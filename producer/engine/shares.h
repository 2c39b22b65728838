/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that several cache groups must hold before a prefix hit has their blocks: how many copies
 * of a name each group has in each tier. Bounded: what does not fit is not held here, and is told
 * apart.
 */
#ifndef RDX_ENGINE_SHARES_H
#define RDX_ENGINE_SHARES_H

#include <ringdex/rdx_engine.h>

#include "producer/names.h"

/* Of one name in one tier. */
struct rdx_engine_share {
	uint64_t name;       /* as in a node; of a free one: the next free one */
	uint32_t kind;       /* likewise, with the tier in the place of the group */
	uint32_t generation; /* of its tier: an older one has no copies */
	uint16_t copies[RDX_ENGINE_GROUPS_MAX];
};

struct rdx_engine_shares {
	struct rdx_engine_share *nodes;
	void *lines; /* the table's memory */
	struct rdx_buckets table;
	uint32_t groups;
	uint32_t capacity;
	uint32_t used;     /* nodes that were ever taken */
	uint32_t free;     /* the first that was given back, or RDX_BUCKETS_NONE */
	uint32_t hand;     /* where to look next for one that was cleared */
	uint32_t in_table; /* of these are cleared all that are in no `live` */
	uint32_t live[RDX_TIER_COUNT];
	uint32_t generations[RDX_TIER_COUNT];
};

/* What a call did to a name. */
enum rdx_engine_share_change {
	RDX_ENGINE_SHARE_SAME,    /* some groups hold it, or all, as before */
	RDX_ENGINE_SHARE_WHOLE,   /* the last group came */
	RDX_ENGINE_SHARE_BROKEN,  /* the first one went */
	RDX_ENGINE_SHARE_UNKNOWN, /* the group has no copy to take */
	RDX_ENGINE_SHARE_FULL     /* no room for one more copy */
};

/* -ENOMEM. */
int rdx_engine_shares_open(struct rdx_engine_shares *ret_shares, uint32_t groups,
			   uint32_t capacity);
void rdx_engine_shares_close(struct rdx_engine_shares *shares);

/* One copy more in a group. `names`: whose keys are given. `ret_had`: copies that it had. */
enum rdx_engine_share_change rdx_engine_share_add(struct rdx_engine_shares *shares,
						  const struct rdx_names *names,
						  const struct rdx_name_key *key, uint32_t group,
						  uint32_t *ret_had);

/* `left` copies are left in a group; UINT32_MAX: one less. */
enum rdx_engine_share_change rdx_engine_share_leave(struct rdx_engine_shares *shares,
						    const struct rdx_name_key *key, uint32_t group,
						    uint32_t left);

/* Nothing is held in a tier, or RDX_SCOPE_ALL. O(1). */
void rdx_engine_shares_clear(struct rdx_engine_shares *shares, uint8_t scope);

#endif
