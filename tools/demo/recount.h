/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells what the indexer recovered, in each of the three ways.
 *
 * The indexer lists what it built anew, from a barrier or from a ledger. That it merely
 * went on after a pause is nothing to it; here a pause is seen by the clock, and what was
 * read until everything was read up again is counted from the index's own rows.
 */
#ifndef DEMO_RECOUNT_H
#define DEMO_RECOUNT_H

#include <ringdex/rdx_indexer.h>

/* A loop that was not heard of for that long was stopped: it sleeps 50 ms at most. */
#define RECOUNT_PAUSE_NS UINT64_C(200000000)

/* What is remembered of a rank. */
struct recount_mark {
	uint64_t worker_id;
	uint64_t epoch;
	uint64_t event_id;
	uint64_t events;
	uint64_t events_dead;
	uint64_t recoveries;
};

struct recount {
	struct rdx_index *index;
	struct rdx_index_key key;
	const char *dir;
	uint64_t told;      /* recoveries of the indexer's list */
	uint64_t last_ns;   /* the loop was seen to run */
	uint64_t resumed_ns;/* after a pause, until all is read up; else 0 */
	uint32_t mark_count;
	struct recount_mark marks[RDX_RANKS_MAX];
	struct rdx_worker_info rows[RDX_RANKS_MAX];
};

void recount_open(struct recount *ret_recount, const char *dir, const struct rdx_index_key *key);
void recount_close(struct recount *recount);

/* Around each rdx_indexer_poll; `read_up`: it found nothing more to do. Lines as in
 * router.h go to standard output. */
void recount_begin(struct recount *recount);
void recount_end(struct recount *recount, const struct rdx_indexer *indexer, int read_up);

#endif
