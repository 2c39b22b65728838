/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index against the worker's own ledger, at one watermark.
 */
#include "consumer/reader/holding.h"
#include "consumer/index/index_handle.h"
#include "shm/sized.h"

#include <errno.h>
#include <time.h>

#define TRIES    200
#define PAUSE_NS 2000000
#define SETTLE   60 /* looks, in all longer than an indexer sleeps */

struct collected {
	struct rdx_holding holding;
	int error;
};

static void collect(void *context, uint64_t prefix, uint8_t tiers)
{
	struct collected *collected = context;

	for (uint8_t tier = 0; tier < RDX_TIER_COUNT && collected->error == 0; tier++)
		if (tiers >> tier & 1)
			collected->error = rdx_holding_add(&collected->holding, prefix, tier);
}

/* Count the hashes that `a` holds and `b` does not, and keep the first of them. */
static void compare(const struct rdx_holding *a, const struct rdx_holding *b, uint8_t in_index,
		    struct rdx_difference *difference)
{
	for (uint64_t i = 0; i < a->capacity; i++) {
		uint8_t more = a->tiers[i] & (uint8_t)~rdx_holding_tiers(b, a->hashes[i]);
		uint8_t nearest;

		if (!more)
			continue;
		nearest = (uint8_t)__builtin_ctz(more);
		if (difference->differences == 0 || nearest < difference->first_tier ||
		    (nearest == difference->first_tier && a->hashes[i] < difference->first_hash)) {
			difference->first_hash = a->hashes[i];
			difference->first_tier = nearest;
			difference->first_in_index = in_index;
		}
		difference->differences += (uint64_t)__builtin_popcount(more);
	}
}

/* Look at both sides once. -EAGAIN if they were not at one watermark. */
static int look(struct rdx_index *index, struct rdx_reader *reader, uint64_t worker_id,
		uint32_t dp_rank, struct rdx_difference *ret_difference)
{
	struct collected collected = {.error = 0};
	struct rdx_holding holding = {.capacity = 0};
	struct rdx_difference difference = {.size = sizeof(difference)};
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	struct rdx_cursor exact_at;
	int r = rdx_index_each(index, worker_id, dp_rank, collect, &collected, &mark);

	if (r == 0)
		r = collected.error;
	if (r == 0 && mark.epoch != reader->info.epoch)
		r = -ESTALE;
	if (r == 0)
		r = rdx_holding_of(reader, mark.event_id, &holding, &exact_at);
	if (r == 0 && exact_at.event_id != mark.event_id)
		r = -EAGAIN;
	if (r == 0) {
		compare(&collected.holding, &holding, 1, &difference);
		if (!mark.partial)
			compare(&holding, &collected.holding, 0, &difference);
		difference.partial = (uint8_t)mark.partial;
		difference.event_id = mark.event_id;
		for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
			difference.compared += holding.count[tier];
		*ret_difference = difference;
	}
	rdx_holding_free(&collected.holding);
	rdx_holding_free(&holding);
	return r;
}

int rdx_index_verify(struct rdx_index *index, uint64_t worker_id, uint32_t dp_rank,
		     struct rdx_difference *ret_difference)
{
	struct rdx_difference difference;
	struct rdx_reader *reader;
	int r = rdx_sized_check(ret_difference);

	if (r == 0)
		r = rdx_reader_open_at(&reader, index->dir_fd, &index->hash_key, worker_id,
				       dp_rank);
	if (r < 0)
		return r;
	r = -EAGAIN;
	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		if (i > 0)
			nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
		r = look(index, reader, worker_id, dp_rank, &difference);
		/* a clear of the worker moves no watermark of its idle ranks: give the index time
		 * to see it */
		if (r == 0 && difference.differences && reader->info.clear_id && i < SETTLE)
			r = -EAGAIN;
	}
	if (r == 0)
		rdx_sized_give(ret_difference, &difference, sizeof(difference));
	rdx_reader_close(reader);
	return r;
}
