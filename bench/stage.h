/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is measured, built by the public API alone: the publishers of some workers, an indexer, a
 * handle on the index, and the oracle that says what its answers must be. One thread, unless said
 * otherwise; whatever fails ends the program with a message.
 */
#ifndef RDX_BENCH_STAGE_H
#define RDX_BENCH_STAGE_H

#include "bench/corpus/oracle.h"
#include "bench/options.h"
#include "bench/scratch.h"
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>

#define STAGE_MODEL      "bench"
#define STAGE_RING_SLOTS 65536 /* the publisher's default */

struct stage_worker {
	struct rdx_publisher *publisher;
	uint64_t events;     /* published */
	uint64_t slots;      /* likewise */
	uint64_t slots_seen; /* of them, when stage_drain returned last */
};

struct stage {
	char dir[SCRATCH_BYTES]; /* the namespace */
	uint64_t ring_slots;     /* set after stage_make where it is not the default */
	uint32_t ranks;          /* likewise: so many workers of a corpus are ranks of one */
	int is_untold;           /* likewise: the oracle is told nothing; who publishes knows */
	struct stage_worker *workers;
	uint32_t worker_count;
	struct oracle oracle;
	struct rdx_indexer *indexer; /* NULL: not open */
	struct rdx_index *index;     /* NULL: not open */
	uint32_t index_flags;        /* RDX_INDEX_... of its handles */
	uint64_t events;             /* published */
	uint64_t blocks;             /* in them */
	struct rdx_run *runs;        /* rows of a lookup, RDX_RANKS_MAX */
	uint64_t *names;             /* of a prompt's blocks, CORPUS_BLOCKS_MAX */
};

/* May this process have the descriptors of so many workers? The soft limit is raised to what the hard one
 * allows. */
int stage_is_allowed(uint32_t workers);

/* A namespace without a worker, with room for `workers`. */
void stage_make(struct stage *ret_stage, const struct options *options, uint32_t workers);

/* The publisher of the next worker, for `capacity` blocks; ids count from 0. */
void stage_join(struct stage *stage, uint64_t capacity);

/* Both: all workers are there, each for `capacity` blocks. */
void stage_open(struct stage *ret_stage, const struct options *options, uint32_t workers,
		uint64_t capacity);
void stage_close(struct stage *stage);

/* An indexer with its defaults; returns when the index answers for every worker. */
void stage_open_index(struct stage *stage);

/* Another handle on the index, for another thread. */
struct rdx_index *stage_handle(const struct stage *stage);

/* A handle, or NULL where there is no index yet. */
struct rdx_index *stage_try_handle(const struct stage *stage);

/* Poll until the index has all that every worker published. */
void stage_settle(struct stage *stage);
void stage_close_index(struct stage *stage);

/* Publish an event as its worker would; the oracle follows. */
void stage_publish(struct stage *stage, const struct corpus_record *record);

/* Would the worker's ring be over half full of what the indexer has not read? */
int stage_is_full(const struct stage *stage, uint32_t worker);

/* Poll until there is nothing more to read. */
void stage_drain(struct stage *stage);

/* Publish all events of a corpus, its worker 0 as `first_worker`, and poll where rings are full and at
 * the end. */
void stage_replay(struct stage *stage, const struct corpus *corpus, uint32_t first_worker);

/* Publish blocks `from` .. `to` - 1 of a prompt, in as many events as it takes. */
void stage_store(struct stage *stage, uint32_t worker, const uint64_t *local, const uint64_t *names,
		 uint32_t from, uint32_t to);

/* Ask the index for a prompt's blocks: for how many workers the answer is not the
 * oracle's. Who has no row holds none of them. */
uint32_t stage_wrong(struct stage *stage, const uint64_t *local, uint32_t count);

/* How many leading blocks of a prompt the worker holds in its device tier. For a thread that looks up beside
 * the indexer's, with a handle and rows (RDX_RANKS_MAX) of its own: where that lost its processor in the
 * middle of a change, it is asked again. */
uint32_t stage_held(struct rdx_index *index, uint64_t worker_id, const uint64_t *local,
		    uint32_t count, struct rdx_run *runs);

/* Which worker's row it is. */
uint32_t stage_worker_of(const struct stage *stage, const struct rdx_run *run);

/* Counted by the indexer. */
struct rdx_indexer_stats stage_stats(const struct stage *stage);

/* Whatever publishers and oracle counted that no event of a corpus is: 0 unless something is
 * wrong. */
uint64_t stage_trouble(const struct stage *stage);

/* Touch memory and give it back: a virtual machine's first touch of a page is not what is
 * measured. */
void stage_touch(const struct options *options);

/* End the program if `r` is negative. */
void stage_must(const struct stage *stage, int r, const char *what);

#endif
