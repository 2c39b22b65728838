/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache groups of hybrid models: which of them decide a prefix hit. Stores say what a group is for,
 * removals do not: the kind is learned for each group.
 */
#ifndef RDX_ENGINE_GROUPS_H
#define RDX_ENGINE_GROUPS_H

#include <ringdex/rdx_engine.h>

#define RDX_ENGINE_GROUP_NONE 256 /* the place of events without a group */

/* What an event's group means for it. */
enum rdx_engine_group_verdict {
	RDX_ENGINE_GROUP_COUNTS,
	RDX_ENGINE_GROUP_OTHER,      /* decides no prefix hit */
	RDX_ENGINE_GROUP_UNSEEN,     /* likewise, as far as known: no store said its kind */
	RDX_ENGINE_GROUP_STRANGE,    /* of a kind that nobody knows */
	RDX_ENGINE_GROUP_FURTHER,    /* one more that counts than there should be */
	RDX_ENGINE_GROUP_CONTRADICTS /* beyond 255, of another kind than before, or none where
					several count */
};

struct rdx_engine_groups {
	const char *const *counting_kinds;
	uint32_t capacity;                        /* groups that may count */
	uint32_t count;                           /* that do */
	uint16_t counting[RDX_ENGINE_GROUPS_MAX]; /* in the order in which they came */
	uint8_t kinds[RDX_ENGINE_GROUP_NONE + 1]; /* what was learned */
};

void rdx_engine_group_begin(struct rdx_engine_groups *groups,
			    const struct rdx_engine_options *options);

/* Nothing is held: which groups count is learned anew, and a group may change its kind; until a store
 * says another, it has the one that it had. */
void rdx_engine_group_clear(struct rdx_engine_groups *groups);

/* It is another process: what was learned is of no use. */
void rdx_engine_group_forget(struct rdx_engine_groups *groups);

/* Judge, and learn from a store. `ret_place`, where it counts: which of those that do, from 0. */
enum rdx_engine_group_verdict rdx_engine_group_judge(struct rdx_engine_groups *groups,
						     const struct rdx_engine_event *event,
						     int stores, uint32_t *ret_place);

#endif
