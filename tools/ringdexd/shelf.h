/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The indexes that requests ask, opened as they are asked for and kept: one handle each, of one thread.
 */
#ifndef RINGDEXD_SHELF_H
#define RINGDEXD_SHELF_H

#include "tools/inspect/indexes.h"
#include "tools/inspect/space.h"

struct shelf;

struct shelf_index {
	struct index_name name;
	struct rdx_index *index;
};

/* NULL without memory. `space` stays the caller's, and is renewed where its directory was. */
struct shelf *shelf_new(struct space *space);
void shelf_free(struct shelf *shelf);

/*
 * The index of a model and tenant that running ranks feed; where there is none, one that nobody feeds any
 * more. `block_tokens` is its block size; 0: whatever it is. It is the shelf's, until the next call.
 *
 *   0
 *   -ENOENT  there is none
 *   -EEXIST  there are several, of different block sizes
 *   and what rdx_index_open says
 */
int shelf_find(struct shelf *shelf, const char *model, const char *tenant, uint32_t block_tokens,
	       const struct shelf_index **ret_index);

/* The block sizes that shelf_find chooses among, as of its last look: how many. The first `capacity` of them, in
 * no order, are in ret_sizes. */
size_t shelf_block_sizes(const struct shelf *shelf, const char *model, const char *tenant,
			 uint32_t *ret_sizes, size_t capacity);

/* A lookup said that the index is to be opened again: it is, by the next call. */
void shelf_drop(struct shelf *shelf, const struct shelf_index *index);

/* indexes_pause, but for a second after one that was in vain: everybody waits meanwhile. */
int shelf_pause(struct shelf *shelf, uint64_t *until_ns);

/* The ranks of an index, whatever they hold: how many. `ret_ranks`: room for RDX_RANKS_MAX. 0 where it cannot be
 * told; an index that is to be opened again is dropped then. */
int shelf_ranks(struct shelf *shelf, const struct shelf_index *index,
		struct rdx_index_rank *ret_ranks);

/* All that can be opened now, as of a quarter of a second ago at most. */
size_t shelf_all(struct shelf *shelf, const struct shelf_index **ret_indexes);

#endif
