/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/compare.h"

#include "tools/trace/trace_tokens.h"

#include <errno.h>
#include <stdlib.h>

#define HASH_BASE 16

/* One tier of what the index shows without what the engine holds. */
struct digest {
	int64_t blocks;
	uint64_t sum; /* of mixed hashes */
};

static void add_block(struct digest *digest, uint64_t hash, int sign)
{
	uint64_t mixed = rdx_trace_mix(hash + RDX_TRACE_GOLDEN);

	digest->blocks += sign;
	digest->sum += sign < 0 ? -mixed : mixed;
}

static void add_key(void *context, uint64_t prefix, uint8_t tiers)
{
	struct digest *digests = context;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (tiers >> tier & 1)
			add_block(&digests[tier], prefix, 1);
	}
}

/* Blocks that one of the two lacks: at least as many as the counts differ, or one. */
static uint64_t differences(struct digest digest, struct json_object *held)
{
	size_t count = held ? json_object_array_length(held) : 0;

	for (size_t i = 0; i < count; i++) {
		const char *hash = json_object_get_string(json_object_array_get_idx(held, i));

		add_block(&digest, strtoull(hash, NULL, HASH_BASE), -1);
	}
	return digest.blocks ? (uint64_t)llabs(digest.blocks) : digest.sum != 0;
}

int compare_worker(struct comparison *comparison, const struct crew *crew, uint32_t w)
{
	const struct worker *worker = &crew->workers[w];
	uint64_t event_id = crew_number(worker->answer, "last_event_id");
	struct digest digests[RDX_TIER_COUNT] = {{0, 0}};
	struct rdx_difference ledger = {.size = sizeof(ledger)};
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	int r = rdx_index_each(crew->index, w, 0, add_key, digests, &mark);

	if (r == 0 && (mark.epoch != worker->epoch || mark.event_id != event_id))
		r = -EAGAIN;
	if (r == 0)
		r = rdx_index_verify(crew->index, w, 0, &ledger);
	if (r == 0 && ledger.event_id != event_id)
		r = -EAGAIN;
	if (r < 0)
		return r;
	comparison->blocks += ledger.compared;
	comparison->divergences += ledger.differences;
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		comparison->divergences += differences(
			digests[tier], json_object_object_get(worker->answer, rdx_tier_text(tier)));
	return 0;
}
