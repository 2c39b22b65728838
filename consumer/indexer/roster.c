/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/indexer/roster.h"
#include "consumer/indexer/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WALK_NS   UINT64_C(1000000000)
#define LOOK_NS   UINT64_C(10000000) /* at the directory watch, while never asleep */
#define TOLD_RARE 4 /* locks are asked so much less often where the kernel tells that one ended */

/* May a new index be made for the rank? Files are named by a hash of texts that workers choose: who finds two
 * of one name takes nothing from whose it is. 0, -EEXIST, -errno. */
static int check_name(const struct rdx_indexer *indexer, const struct rdx_rank_info *info)
{
	struct rdx_index_id id;
	int r = rdx_index_file_id(info->model, info->tenant, info->block_tokens, &id);

	for (uint32_t i = 0; r == 0 && i < indexer->index_count; i++)
		if (rdx_writer_has_name(indexer->indexes[i].writer, &id))
			r = -EEXIST;
	return r;
}

/* The index that a rank feeds, made if it is new. NULL in *ret_writer only on failure. */
static int index_of(struct rdx_indexer *indexer, const struct rdx_rank *rank,
		    const struct rdx_rank_info *info, uint64_t now,
		    struct rdx_index_writer **ret_writer)
{
	struct rdx_fed_index *grown, *index;
	int r;

	for (uint32_t i = 0; i < indexer->index_count; i++) {
		index = &indexer->indexes[i];
		if (index->block_tokens == info->block_tokens &&
		    strcmp(index->model, info->model) == 0 &&
		    strcmp(index->tenant, info->tenant) == 0) {
			*ret_writer = index->writer;
			return 0;
		}
	}
	r = check_name(indexer, info);
	if (r == 0)
		r = rdx_limits_index(indexer, rank, now);
	if (r < 0)
		return r;
	grown = realloc(indexer->indexes, (indexer->index_count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	indexer->indexes = grown;
	index = &grown[indexer->index_count];
	memset(index, 0, sizeof(*index));
	r = rdx_writer_open(&index->writer, indexer->dir_fd, &indexer->key, info->model,
			    info->tenant, info->block_tokens, &indexer->writer_options);
	if (r < 0)
		return r;
	index->block_tokens = info->block_tokens;
	index->opened_ns = now;
	index->made_for = rank->file.worker_id;
	index->made_by = rank->file.owner;
	memcpy(index->model, info->model, RDX_TEXT_BYTES);
	memcpy(index->tenant, info->tenant, RDX_TEXT_BYTES);
	indexer->index_count++;
	*ret_writer = index->writer;
	return 0;
}

/* Open a segment that was found and begin to follow it. Failures concern this rank only. */
static void join(struct rdx_indexer *indexer, struct rdx_rank *rank, uint64_t now)
{
	struct rdx_index_writer *writer = NULL;
	struct rdx_reader *reader = NULL;
	int seat = 0, alive = 0;
	int r = rdx_limits_rank(indexer, rank);

	if (r == 0)
		r = rdx_reader_open_at(&reader, indexer->dir_fd, &indexer->key,
				       rank->file.worker_id, rank->file.dp_rank);
	if (r == 0) {
		alive = rdx_reader_alive(reader);
		r = alive > 0 ? rdx_limits_segment(indexer, rank, rdx_reader_info(reader)) : alive;
	}
	if (r == 0)
		r = index_of(indexer, rank, rdx_reader_info(reader), now, &writer);
	/* another model than in its last epoch: the old index must not show it any more */
	if (r == 0 && rank->writer && rank->writer != writer) {
		rdx_rank_gone(rank);
		rdx_rank_pulse(rank, now);
	}
	if (r == 0) {
		seat = rdx_writer_rank_add(writer, rdx_reader_info(reader));
		r = seat < 0 ? seat : 0;
	}
	if (r < 0) {
		rdx_reader_close(reader);
		/* dropped for bad content, and now its process is gone too */
		if (rank->writer && rdx_segment_held(indexer->dir_fd, rank->file.worker_id,
						     rank->file.dp_rank) == 0)
			rdx_rank_gone(rank);
		else
			rdx_rank_fail(rank, r, now);
		return;
	}
	rdx_rank_start(rank, reader, writer, seat, now);
	rank->alive = alive != 0;
	if (!alive)
		rdx_rank_gone(rank);
}

static int add_rank(struct rdx_indexer *indexer, const struct rdx_found *found,
		    struct rdx_rank **ret_rank)
{
	struct rdx_rank **grown;
	struct rdx_rank *rank = calloc(1, sizeof(*rank));

	grown = realloc(indexer->ranks, (indexer->rank_count + 1) * sizeof(struct rdx_rank *));
	if (grown)
		indexer->ranks = grown;
	if (!rank || !grown) {
		free(rank);
		return -ENOMEM;
	}
	rank->file = *found;
	grown[indexer->rank_count++] = rank;
	*ret_rank = rank;
	return 0;
}

static int same_file(const struct rdx_found *a, const struct rdx_found *b)
{
	return a->device == b->device && a->inode == b->inode && a->born_ns == b->born_ns;
}

/* Is a GONE rank's file held again? Asked once in a while: dead files may be many. */
static int is_back(const struct rdx_indexer *indexer, struct rdx_rank *rank, uint64_t now)
{
	if (rank->phase != RDX_PHASE_GONE || now < rank->retry_ns)
		return 0;
	rank->retry_ns = now + WALK_NS;
	return rdx_segment_held(indexer->dir_fd, rank->file.worker_id, rank->file.dp_rank) == 1;
}

struct walk {
	struct rdx_indexer *indexer;
	uint64_t now;
};

/* A segment was found: join it if it is new, or another file than before. */
static int on_found(void *context, const struct rdx_found *found)
{
	struct walk *walk = context;
	struct rdx_indexer *indexer = walk->indexer;
	struct rdx_rank *rank = NULL;
	int r;

	for (uint32_t i = 0; i < indexer->rank_count && !rank; i++)
		if (indexer->ranks[i]->file.worker_id == found->worker_id &&
		    indexer->ranks[i]->file.dp_rank == found->dp_rank)
			rank = indexer->ranks[i];
	if (!rank) {
		r = add_rank(indexer, found, &rank);
		if (r < 0)
			return r;
		rank->walk = indexer->walks;
	} else {
		int again = rank->phase == RDX_PHASE_FAILED && walk->now >= rank->retry_ns;

		rank->walk = indexer->walks;
		if (same_file(&rank->file, found) && !again && !is_back(indexer, rank, walk->now))
			return 0;
		/* a file replaced while its producer lives is not followed until it is gone */
		if (rank->phase <= RDX_PHASE_FOLLOW && rdx_reader_alive(rank->reader) != 0)
			return 0;
		if (rank->reader)
			rdx_rank_gone(rank);
		rank->file = *found;
	}
	join(indexer, rank, walk->now);
	return 0;
}

/* Is a failed rank due to be tried again? */
static int retry_is_due(const struct rdx_indexer *indexer, uint64_t now)
{
	for (uint32_t i = 0; i < indexer->rank_count; i++)
		if (indexer->ranks[i]->phase == RDX_PHASE_FAILED &&
		    now >= indexer->ranks[i]->retry_ns)
			return 1;
	return 0;
}

void rdx_roster_add_stats(const struct rdx_rank *rank, struct rdx_indexer_stats *stats)
{
	struct rdx_reader_stats reader;

	rdx_rank_reader_stats(rank, &reader);
	stats->ranks += rank->phase != RDX_PHASE_GONE && rank->writer;
	if (rank->phase == RDX_PHASE_FAILED && (rank->cause == -ENOSPC || rank->cause == -EDQUOT))
		stats->refused++;
	else if (rank->phase == RDX_PHASE_FAILED)
		stats->unreadable++;
	stats->events += rank->events;
	stats->blocks_stored += rank->blocks_stored;
	stats->blocks_removed += rank->blocks_removed;
	stats->clears += rank->clears;
	stats->events_dead += reader.events_dead;
	stats->slots_lost += reader.slots_lost;
	for (int way = 0; way < 4; way++)
		stats->recoveries[way] += reader.recoveries[way];
}

/* Forget ranks that no process holds and whose files are removed: new workers have new ids. */
static void forget_absent(struct rdx_indexer *indexer, uint64_t now)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < indexer->rank_count; i++) {
		struct rdx_rank *rank = indexer->ranks[i];

		if (rank->walk != indexer->walks && rank->phase == RDX_PHASE_FAILED) {
			rdx_rank_gone(rank);
			rdx_rank_pulse(rank, now);
		}
		if (rank->walk != indexer->walks && rank->phase == RDX_PHASE_GONE &&
		    !rank->writer) {
			rdx_roster_add_stats(rank, &indexer->forgotten);
			free(rank);
		} else {
			indexer->ranks[kept++] = rank;
		}
	}
	indexer->rank_count = kept;
}

/* Refuse ranks that became longer than their worker may have. */
static void refuse_grown(const struct rdx_indexer *indexer, uint64_t now)
{
	for (uint32_t i = 0; i < indexer->rank_count; i++) {
		struct rdx_rank *rank = indexer->ranks[i];
		int r = rank->reader ? rdx_limits_grown(indexer, rank) : 0;

		if (r < 0)
			rdx_rank_fail(rank, r, now);
	}
}

/* Ask all locks: does the kernel tell of each that ends until the next time? A segment is closed by its last
 * writer then, in a watched directory; an error is no answer. *ret_gone: one has ended. */
static int ask_locks(struct rdx_indexer *indexer, int *ret_gone)
{
	int told = rdx_discovery_is_whole(&indexer->discovery), gone = 0;

	for (uint32_t i = 0; i < indexer->rank_count; i++) {
		struct rdx_rank *rank = indexer->ranks[i];
		int alive;

		if (!rank->reader)
			continue;
		alive = rdx_reader_alive(rank->reader);
		rank->alive = alive == 1;
		/* an error is no answer: what is known of the rank ages until there is one */
		if (alive == 0) {
			rdx_rank_gone(rank);
			gone = 1;
		}
		told &= alive >= 0 && rank->walk == indexer->walks;
	}
	*ret_gone = gone;
	return told;
}

/* Who lives? 1: somebody does not any more. */
static int ask_liveness(struct rdx_indexer *indexer, uint64_t now, uint32_t news)
{
	int gone, told;

	if (now < indexer->liveness_at_ns && !(news & RDX_NEWS_CLOSED))
		return 0;
	told = ask_locks(indexer, &gone);
	/* what was closed may be locked for a moment longer */
	if (news & RDX_NEWS_CLOSED)
		told = 0;
	indexer->liveness_at_ns = now + indexer->liveness_ns * (told ? TOLD_RARE : 1);
	return gone;
}

static int walk_is_due(const struct rdx_indexer *indexer, uint64_t now, uint32_t news)
{
	return news & RDX_NEWS_NAMES || now >= indexer->walk_ns || retry_is_due(indexer, now);
}

int rdx_roster_discover(struct rdx_indexer *indexer, uint64_t now)
{
	struct walk walk = {indexer, now};
	int looks = now >= indexer->look_ns, r;
	uint32_t news = 0;

	if (looks) {
		indexer->look_ns = now + LOOK_NS;
		news = rdx_discovery_news(&indexer->discovery, now);
	}
	/* of who is gone, the next epoch may have begun before */
	if (!ask_liveness(indexer, now, news) && (!looks || !walk_is_due(indexer, now, news)))
		return 0;
	indexer->walk_ns = now + WALK_NS;
	indexer->walks++;
	r = rdx_discovery_walk(indexer->dir_fd, on_found, &walk);
	if (r == 0)
		forget_absent(indexer, now);
	refuse_grown(indexer, now);
	/* a directory that is watched from now on only may have lost somebody before */
	if (news & RDX_NEWS_NAMES && indexer->liveness_at_ns > now + indexer->liveness_ns)
		indexer->liveness_at_ns = now + indexer->liveness_ns;
	/* temporary failures, such as no free descriptors, are tried again with the next walk */
	return r == -ENOENT || r == -ENOMEM ? r : 0;
}
