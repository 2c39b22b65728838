/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/compare.h"

#include "shm/clock.h"
#include "tools/demo/narrate.h"
#include "tools/program/figures.h"
#include "tools/program/messages.h"
#include "tools/trace/trace_tokens.h"

#include <errno.h>
#include <stdlib.h>

#define HASH_BASE   16
#define PATIENCE_NS UINT64_C(10000000000) /* the index may take that long to get there */

void compare_begin(struct comparison *comparison)
{
	comparison->worker = 0;
	comparison->until_ns = rdx_clock_ns() + PATIENCE_NS;
	comparison->blocks_before = comparison->blocks;
	comparison->divergences_before = comparison->divergences;
}

/* One tier of what is held: as many blocks, and the sum of their mixed hashes. */
struct digest {
	uint64_t blocks;
	uint64_t sum;
};

static void add_block(struct digest *digest, uint64_t hash)
{
	digest->blocks++;
	digest->sum += rdx_trace_mix(hash + RDX_TRACE_GOLDEN);
}

static void add_key(void *context, uint64_t prefix, uint8_t tiers)
{
	struct digest *digests = context;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (tiers >> tier & 1)
			add_block(&digests[tier], prefix);
	}
}

static struct digest digest_of_dump(struct json_object *dump, uint8_t tier)
{
	struct json_object *list = json_object_object_get(dump, rdx_tier_text(tier));
	size_t count = list ? json_object_array_length(list) : 0;
	struct digest digest = {0, 0};

	for (size_t i = 0; i < count; i++) {
		struct json_object *hash = json_object_array_get_idx(list, i);

		add_block(&digest, strtoull(json_object_get_string(hash), NULL, HASH_BASE));
	}
	return digest;
}

/* Blocks that one of the two lacks: at least as many as the counts differ, or one. */
static uint64_t differences(struct digest a, struct digest b)
{
	if (a.blocks != b.blocks)
		return a.blocks > b.blocks ? a.blocks - b.blocks : b.blocks - a.blocks;
	return a.sum != b.sum;
}

/* -EAGAIN where the index is not at the event of the dump. */
static int compare_worker(struct comparison *comparison, const struct crew *crew, uint32_t w)
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
		comparison->divergences +=
			differences(digests[tier], digest_of_dump(worker->answer, tier));
	return 0;
}

int compare_step(struct comparison *comparison, const struct crew *crew)
{
	char a[FIGURES_BYTES], b[FIGURES_BYTES];

	for (; comparison->worker < crew->settings->workers; comparison->worker++) {
		int r = compare_worker(comparison, crew, comparison->worker);

		if (r < 0 && rdx_clock_ns() < comparison->until_ns)
			return 0;
		if (r == 0)
			continue;
		messages_say(
			"worker %u cannot be compared: the index does not show it exact at its "
			"last event: %s",
			comparison->worker, messages_explain(r));
		comparison->failed++;
	}
	comparison->times++;
	narrate("index compared with ledgers and engines' own caches: %s blocks, %s different",
		figures_grouped(comparison->blocks - comparison->blocks_before, a),
		figures_grouped(comparison->divergences - comparison->divergences_before, b));
	return 1;
}
