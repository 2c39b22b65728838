/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/indexer/limits.h"
#include "consumer/indexer/unfed.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* More than engines have: data-parallel ranks of one deployment in a host, each with three tiers at
 * most; one model a worker, which changes with a restart; 500 million blocks of ledger. Less than
 * all of what an index has, so that another worker finds room. */
#define RANKS   64
#define COLUMNS (RDX_COLUMNS_MAX / 2)
#define INDEXES 8
#define BYTES   (UINT64_C(16) << 30)

/* Likewise, that another user finds room. */
#define USER_RANKS (RDX_RANKS_MAX / 4 * 3)

void rdx_limits_set(struct rdx_limits *limits, const struct rdx_indexer_options *options)
{
	*limits = (struct rdx_limits){
		.ranks = options->worker_ranks_max ? options->worker_ranks_max : RANKS,
		.columns = options->worker_columns_max ? options->worker_columns_max : COLUMNS,
		.indexes = options->worker_indexes_max ? options->worker_indexes_max : INDEXES,
		.bytes = options->worker_bytes_max ? options->worker_bytes_max : BYTES,
		.user_ranks = options->user_ranks_max ? options->user_ranks_max : USER_RANKS,
	};
}

/* Who runs the indexer needs no limit against himself. */
static int is_limited(uint32_t user)
{
	return user != 0 && user != geteuid();
}

/* Another one of the same worker, that is followed. */
static int is_sibling(const struct rdx_rank *rank, const struct rdx_rank *other)
{
	return other != rank && other->reader && other->file.worker_id == rank->file.worker_id;
}

/* Another one of the same user, likewise, where that one is limited. */
static int is_neighbour(const struct rdx_rank *rank, const struct rdx_rank *other)
{
	return other != rank && other->reader && other->file.owner == rank->file.owner &&
	       is_limited(rank->file.owner);
}

int rdx_limits_rank(const struct rdx_indexer *indexer, const struct rdx_rank *rank)
{
	uint32_t ranks = 0, neighbours = 0;

	for (uint32_t i = 0; i < indexer->rank_count; i++) {
		ranks += (uint32_t)is_sibling(rank, indexer->ranks[i]);
		neighbours += (uint32_t)is_neighbour(rank, indexer->ranks[i]);
	}
	if (neighbours >= indexer->limits.user_ranks)
		return -EDQUOT;
	return ranks < indexer->limits.ranks ? 0 : -EDQUOT;
}

/* Two columns are reserved for each tier. */
static uint32_t columns_of(const struct rdx_rank_info *info)
{
	uint32_t columns = 0;

	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		columns += info->tier_blocks[tier] ? 2 : 0;
	return columns;
}

static int same_index(const struct rdx_rank_info *a, const struct rdx_rank_info *b)
{
	return a->block_tokens == b->block_tokens && strcmp(a->model, b->model) == 0 &&
	       strcmp(a->tenant, b->tenant) == 0;
}

static int user_has_room(const struct rdx_indexer *indexer, const struct rdx_rank *rank,
			 const struct rdx_rank_info *info)
{
	uint64_t columns = columns_of(info);

	if (!is_limited(rank->file.owner))
		return 1;
	for (uint32_t i = 0; i < indexer->rank_count; i++) {
		const struct rdx_rank *other = indexer->ranks[i];

		if (is_neighbour(rank, other) && same_index(info, rdx_reader_info(other->reader)))
			columns += columns_of(rdx_reader_info(other->reader));
	}
	return columns <= 2 * (uint64_t)indexer->limits.user_ranks;
}

/* What the rank takes, with the others of its worker. */
struct taken {
	uint64_t bytes;
	uint32_t columns;
};

static struct taken taken_by_worker(const struct rdx_indexer *indexer, const struct rdx_rank *rank,
				    const struct rdx_rank_info *info)
{
	struct taken taken = {info->file_bytes, columns_of(info)};

	for (uint32_t i = 0; i < indexer->rank_count; i++) {
		const struct rdx_rank *other = indexer->ranks[i];

		if (!is_sibling(rank, other))
			continue;
		taken.bytes += rdx_reader_info(other->reader)->file_bytes;
		taken.columns += columns_of(rdx_reader_info(other->reader));
	}
	return taken;
}

int rdx_limits_segment(const struct rdx_indexer *indexer, const struct rdx_rank *rank,
		       const struct rdx_rank_info *info)
{
	const struct rdx_limits *limits = &indexer->limits;
	struct taken taken = taken_by_worker(indexer, rank, info);

	if (!user_has_room(indexer, rank, info))
		return -EDQUOT;
	return taken.bytes <= limits->bytes && taken.columns <= limits->columns ? 0 : -EDQUOT;
}

int rdx_limits_grown(const struct rdx_indexer *indexer, struct rdx_rank *rank)
{
	const struct rdx_rank_info *info = rdx_reader_info(rank->reader);

	(void)rdx_rank_learn_room(rank); /* of a file that was cut others tell */
	if (info->file_bytes <= rank->bytes)
		return 0;
	/* the one that grew is refused, and not a sibling that stayed as it was */
	if (taken_by_worker(indexer, rank, info).bytes > indexer->limits.bytes)
		return -EDQUOT;
	rank->bytes = info->file_bytes;
	return 0;
}

/* Of the indexes that were made for the worker, or for all of its user's: one that no rank feeds is
 * closed where there are `most`. */
static int make_room(struct rdx_indexer *indexer, const struct rdx_rank *rank, int of_user,
		     uint32_t most, uint64_t now_ns)
{
	struct rdx_fed_index *unfed = NULL;
	uint32_t made = 0;

	for (uint32_t i = 0; i < indexer->index_count; i++) {
		struct rdx_fed_index *index = &indexer->indexes[i];

		if (of_user ? index->made_by != rank->file.owner
			    : index->made_for != rank->file.worker_id)
			continue;
		made++;
		if (!unfed && rdx_unfed_is(indexer, index))
			unfed = index;
	}
	if (made < most)
		return 0;
	if (!unfed)
		return -EDQUOT;
	rdx_unfed_close(indexer, unfed, now_ns);
	return 0;
}

int rdx_limits_index(struct rdx_indexer *indexer, const struct rdx_rank *rank, uint64_t now_ns)
{
	const struct rdx_limits *limits = &indexer->limits;
	int r = make_room(indexer, rank, 0, limits->indexes, now_ns);

	if (r == 0 && is_limited(rank->file.owner))
		r = make_room(indexer, rank, 1, limits->user_ranks, now_ns);
	return r;
}
