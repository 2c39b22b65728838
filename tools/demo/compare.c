/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/compare.h"

#include "consumer/index/index_handle.h"
#include "shm/clock.h"
#include "tools/demo/narrate.h"
#include "tools/program/messages.h"
#include "tools/program/figures.h"

#include <errno.h>
#include <inttypes.h>

#define PATIENCE_NS UINT64_C(10000000000) /* the index may take that long to get there */

void compare_begin(struct comparison *comparison)
{
	comparison->worker = 0;
	comparison->until_ns = rdx_clock_ns() + PATIENCE_NS;
	comparison->blocks_before = comparison->blocks;
	comparison->divergences_before = comparison->divergences;
}

static void add_key(void *context, uint64_t prefix, uint8_t tiers)
{
	struct crew_digest *digests = context;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (tiers >> tier & 1)
			crew_digest_add(&digests[tier], prefix);
	}
}

/* Blocks that one of the two lacks: at least as many as the counts differ, or one. */
static uint64_t differences(const struct crew_digest *a, const struct crew_digest *b)
{
	if (a->blocks != b->blocks)
		return a->blocks > b->blocks ? a->blocks - b->blocks : b->blocks - a->blocks;
	return a->sum != b->sum;
}

/* -EAGAIN where the index is not at the event of the dump. */
static int compare_worker(struct comparison *comparison, const struct crew *crew, uint32_t w)
{
	const struct worker *worker = &crew->workers[w];
	struct crew_digest digests[RDX_TIER_COUNT] = {{0, 0}};
	struct rdx_difference ledger;
	struct rdx_index_mark mark;
	int r = rdx_index_each(crew->index, w, 0, add_key, digests, &mark);

	if (r == 0 && (mark.epoch != worker->epoch || mark.event_id != worker->dump_event_id))
		r = -EAGAIN;
	if (r == 0)
		r = rdx_index_verify(crew->index, w, 0, &ledger);
	if (r == 0 && ledger.event_id != worker->dump_event_id)
		r = -EAGAIN;
	if (r < 0)
		return r;
	comparison->blocks += ledger.compared;
	comparison->divergences += ledger.differences;
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		comparison->divergences += differences(&digests[tier], &worker->cache[tier]);
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
			"event %" PRIu64 ": %s",
			comparison->worker, crew->workers[comparison->worker].dump_event_id,
			messages_explain(r));
		comparison->failed++;
	}
	comparison->times++;
	narrate("index compared with ledgers and engines' own caches: %s blocks, %s different",
		figures_grouped(comparison->blocks - comparison->blocks_before, a),
		figures_grouped(comparison->divergences - comparison->divergences_before, b));
	return 1;
}
