/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/compare.h"

#include "tools/demo/narrate.h"
#include "shm/clock.h"
#include "consumer/index/index_handle.h"
#include "tools/program/messages.h"
#include "tools/program/stop.h"
#include "tools/program/figures.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define WATERMARK_NS UINT64_C(10000000000) /* that long the index may take to get there */
#define TRY_AGAIN_NS UINT64_C(500000)
#define HASH_BASE    16

/* Prefix hashes of one tier, ascending once they are complete. */
struct blocks {
	uint64_t *hashes;
	uint64_t count;
	uint64_t capacity;
};

struct holding {
	struct blocks tiers[RDX_TIER_COUNT];
};

static void add(struct blocks *blocks, uint64_t hash)
{
	if (blocks->count == blocks->capacity) {
		uint64_t capacity = 2 * blocks->capacity + 4096;
		uint64_t *grown = reallocarray(blocks->hashes, capacity, sizeof(*grown));

		if (!grown)
			messages_no_memory();
		blocks->hashes = grown;
		blocks->capacity = capacity;
	}
	blocks->hashes[blocks->count++] = hash;
}

static void holding_free(struct holding *holding)
{
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		free(holding->tiers[tier].hashes);
	*holding = (struct holding){0};
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void sort(struct holding *holding)
{
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		struct blocks *blocks = &holding->tiers[tier];

		if (blocks->count)
			qsort(blocks->hashes, blocks->count, sizeof(*blocks->hashes), ascending);
	}
}

/* -- the engine's side -- */

static int read_tier(struct json_object *dump, uint8_t tier, struct holding *holding)
{
	struct json_object *list;
	size_t count;

	if (!json_object_object_get_ex(dump, rdx_tier_text(tier), &list))
		return 0;
	if (!json_object_is_type(list, json_type_array))
		return -EBADMSG;
	count = json_object_array_length(list);
	for (size_t i = 0; i < count; i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(list, i));
		char *end;
		uint64_t hash = text ? strtoull(text, &end, HASH_BASE) : 0;

		if (!text || *end || !hash)
			return -EBADMSG;
		add(&holding->tiers[tier], hash);
	}
	return 0;
}

static int read_dump(struct pass *pass, uint32_t worker, struct holding *ret_holding,
		     uint64_t *ret_event_id)
{
	struct json_object *dump;
	int r = pass_command(pass, worker, "{\"command\":\"dump\"}\n", &dump);

	for (uint8_t tier = 0; r == 0 && tier < RDX_TIER_COUNT; tier++)
		r = read_tier(dump, tier, ret_holding);
	if (r == 0 && !requests_number(dump, "last_event_id", UINT64_MAX, ret_event_id))
		r = -EBADMSG;
	if (r == 0)
		json_object_put(dump);
	if (r == -EBADMSG)
		messages_say("worker %u listed its cache in a way that cannot be understood", worker);
	return r;
}

/* -- the index's side -- */

static void on_key(void *context, uint64_t prefix, uint8_t tiers)
{
	struct holding *holding = context;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (tiers >> tier & 1)
			add(&holding->tiers[tier], prefix);
	}
}

/* What the index says at that event: 0, or why it does not get there. */
static int read_index(struct pass *pass, const struct worker *worker, uint64_t event_id,
		      struct holding *ret_holding)
{
	uint64_t until = rdx_clock_ns() + WATERMARK_NS;
	struct rdx_index_mark mark;
	int r;

	for (;;) {
		r = rdx_index_each(pass->index, worker->id, 0, on_key, ret_holding, &mark);
		if (r == 0 && mark.epoch == worker->epoch && mark.event_id == event_id)
			return 0;
		holding_free(ret_holding);
		if (rdx_clock_ns() > until)
			return r < 0 ? r : -EAGAIN;
		if (stop_asked())
			return -EINTR;
		stop_sleep(TRY_AGAIN_NS);
	}
}

/* -- both -- */

/* Hashes that only one of the two has. */
static uint64_t count_differences(const struct blocks *a, const struct blocks *b)
{
	uint64_t i = 0, j = 0, different = 0;

	while (i < a->count && j < b->count) {
		uint64_t x = a->hashes[i], y = b->hashes[j];

		i += x <= y;
		j += y <= x;
		different += x != y;
	}
	return different + (a->count - i) + (b->count - j);
}

static int compare_one(struct pass *pass, struct worker *worker, uint64_t *ret_blocks,
		       uint64_t *ret_differences)
{
	struct holding engine = {0}, index = {0};
	uint64_t event_id;
	int r = read_dump(pass, worker->id, &engine, &event_id);

	*ret_blocks = *ret_differences = 0;
	if (r < 0) {
		holding_free(&engine);
		return r;
	}
	r = read_index(pass, worker, event_id, &index);
	if (r == 0) {
		sort(&engine);
		sort(&index);
		for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
			*ret_blocks += engine.tiers[tier].count;
			*ret_differences += count_differences(&engine.tiers[tier],
							      &index.tiers[tier]);
		}
	} else if (r != -EINTR) {
		messages_say("worker %u cannot be compared: the index does not show it exact at its "
			 "event %" PRIu64 ": %s",
			 worker->id, event_id, messages_explain(r));
		pass->comparison.failed++;
		r = 0;
	}
	holding_free(&engine);
	holding_free(&index);
	return r;
}

int compare_all(struct pass *pass)
{
	uint64_t all_blocks = 0, all_differences = 0;
	char a[FIGURES_BYTES], b[FIGURES_BYTES];

	for (uint32_t i = 0; i < pass->settings->workers; i++) {
		uint64_t blocks, differences;
		int r = compare_one(pass, &pass->workers[i], &blocks, &differences);

		if (r < 0)
			return r;
		all_blocks += blocks;
		all_differences += differences;
	}
	pass->comparison.times++;
	pass->comparison.blocks += all_blocks;
	pass->comparison.divergences += all_differences;
	narrate("index compared with the engines' own caches: %s blocks, %s different",
		figures_grouped(all_blocks, a), figures_grouped(all_differences, b));
	return 0;
}
