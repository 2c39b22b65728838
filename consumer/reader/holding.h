/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one rank holds, in private memory: prefix hash -> tiers. For side readers (resident,
 * verify); the shared index is made by other code, so that one can check the other.
 */
#ifndef RDX_HOLDING_H
#define RDX_HOLDING_H

#include "consumer/reader/reader.h"

struct rdx_holding {
	uint64_t *hashes;  /* 0: free */
	uint8_t *tiers;    /* bit per tier; 0: no longer held */
	uint64_t capacity; /* a power of two, 0: nothing yet */
	uint64_t used;     /* places with a hash */
	uint64_t count[RDX_TIER_COUNT];
};

void rdx_holding_free(struct rdx_holding *holding);

/* -ENOMEM */
int rdx_holding_add(struct rdx_holding *holding, uint64_t prefix, uint8_t tier);
void rdx_holding_drop(struct rdx_holding *holding, uint64_t prefix, uint8_t tier);

/* Bits of the tiers that hold `prefix`. */
uint8_t rdx_holding_tiers(const struct rdx_holding *holding, uint64_t prefix);

/* Apply one event; `key` chains its local hashes. -ENOMEM. */
int rdx_holding_apply(struct rdx_holding *holding, const struct rdx_hash_key *key,
		      const struct rdx_event *event);

/*
 * What the rank holds after the event at *ret_exact_at, at or after `at_least_event_id`,
 * from its ledger and the ring after it. As rdx_reader_resident: -EAGAIN, -EOWNERDEAD,
 * -EBADMSG, -ENOMEM. *ret_holding is the caller's to free.
 */
int rdx_holding_of(struct rdx_reader *reader, uint64_t at_least_event_id,
		   struct rdx_holding *ret_holding, struct rdx_cursor *ret_exact_at);

#endif
