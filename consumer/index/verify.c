/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index against the worker's own ledger, at one watermark.
 */
#include "consumer/reader/holding.h"
#include "consumer/index/index_handle.h"
#include "shm/clock.h"
#include "shm/sized.h"

#include <errno.h>
#include <time.h>

#define TRIES     200
#define PAUSE_NS  2000000
#define SETTLE    60         /* looks at least; and for so long, in which an indexer is heard of */
#define SETTLE_NS 2000000000 /* again if it is not dead, or gets no processor */
#define HEARD     2 /* times: what it says the second time, it began to look for after the first */

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

/* A clear of the worker moves no watermark of its idle ranks: they are different until the indexer has seen
 * it, which it does whenever it looks at a rank. */
struct doubt {
	uint64_t writer_id; /* of the indexer that is heard of */
	uint64_t until_ns;
	uint32_t stamp; /* of the newest clear */
	uint32_t looks; /* that found a difference */
	uint32_t heard; /* times that the indexer was heard of the rank since the clear was seen */
	uint64_t heard_ns;
};

/* Enough looks, for long enough. */
static int is_late(const struct doubt *doubt)
{
	return doubt->looks >= SETTLE && rdx_clock_ns() >= doubt->until_ns;
}

/* A look found a difference. Will the clear not be the cause of what the next one finds? */
static int is_settled(struct doubt *doubt, uint64_t writer_id, uint32_t stamp, uint64_t heard_ns)
{
	int is_new = !doubt->looks || stamp != doubt->stamp || writer_id != doubt->writer_id;

	if (!doubt->looks++)
		doubt->until_ns = rdx_clock_ns() + SETTLE_NS;
	doubt->heard = is_new ? 0 : doubt->heard + (heard_ns != doubt->heard_ns);
	doubt->heard_ns = heard_ns;
	doubt->stamp = stamp;
	doubt->writer_id = writer_id;
	return doubt->heard >= HEARD || is_late(doubt);
}

/* When the indexer was last heard of the rank of the last look, on its clock. */
static uint64_t heard_ns(const struct rdx_lookup *l, uint64_t worker_id, uint32_t dp_rank)
{
	int seat = rdx_lookup_seat(l, worker_id, dp_rank);

	return seat < 0 ? 0 : rdx_word_load(&l->live->pulse[seat].seen_ns);
}

/* Look until both are at one watermark, and a difference is one. */
static int look_again(struct rdx_index *index, struct rdx_reader *reader, uint64_t worker_id,
		      uint32_t dp_rank, struct rdx_difference *ret_difference)
{
	struct doubt doubt = {.looks = 0};
	int tries = 0, settled = !reader->info.clear_id, r = -EAGAIN;

	while (r == -EAGAIN && tries < TRIES) {
		uint32_t stamp;

		if (tries || doubt.looks)
			nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
		r = look(index, reader, worker_id, dp_rank, ret_difference);
		stamp = reader->info.clear_id ? rdx_reader_clear_stamp(reader) : 0;
		if (r < 0 || !ret_difference->differences || (settled && stamp == doubt.stamp)) {
			tries++;
			continue;
		}
		tries += is_late(&doubt);
		settled = is_settled(&doubt, index->writer_id, stamp,
				     heard_ns(&index->lookup, worker_id, dp_rank));
		r = -EAGAIN;
	}
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
	r = look_again(index, reader, worker_id, dp_rank, &difference);
	if (r == 0)
		rdx_sized_give(ret_difference, &difference, sizeof(difference));
	rdx_reader_close(reader);
	return r;
}
