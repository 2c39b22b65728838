/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was just routed: for a short time the worker that was chosen for a prompt is expected to hold its blocks,
 * before its engine has said so. Nothing of it is what an engine reported, and nothing else than a choice
 * looks into it.
 *
 * An entry is one block at one rank: EXPECTED_ENTRIES at most, in sets of EXPECTED_WAYS; where a set is full, the
 * entry that would end first makes room. So memory is bounded, and no pass is needed that cleans up. Where more
 * ranks than that are expected to hold a block, the last ones count.
 */
#ifndef RINGDEXD_EXPECTED_H
#define RINGDEXD_EXPECTED_H

#include <stdint.h>

#define EXPECTED_ENTRIES 131072 /* 4 MiB, as far as they are used */
#define EXPECTED_WAYS    8

struct expected;

struct expected_rank {
	uint64_t worker_id;
	uint32_t dp_rank;
	uint32_t blocks; /* of a prompt, that it is expected to hold */
};

/* NULL without memory. One thread's. */
struct expected *expected_new(void);
void expected_free(struct expected *expected);

/* A number for an index, by which its entries are known: ranks of others may have the same numbers. */
uint32_t expected_index(const char *model, const char *tenant, uint32_t block_tokens);

/* From now until then the rank, of which `blocks` is not looked at, is expected to hold so many prefix hashes. */
void expected_add(struct expected *expected, uint32_t index, const struct expected_rank *rank,
		  const uint64_t *prefixes, uint32_t blocks, uint64_t now_ns, uint64_t until_ns);

/*
 * Set `blocks` of each of these ranks, which are sorted by worker and rank: how many leading blocks it is
 * expected to hold now. A prefix hash stands for all blocks up to it: entries before it may be gone.
 */
void expected_find(const struct expected *expected, uint32_t index, const uint64_t *prefixes,
		   uint32_t blocks, uint64_t now_ns, struct expected_rank *ranks, uint32_t count);

/* Entries, one for each block at each rank. What is asked for again before it is over stays the same entry. */
struct expected_counts {
	uint64_t held;      /* now */
	uint64_t expired;   /* over, since the beginning */
	uint64_t displaced; /* made room for others before they were over */
};

/* Looks at all entries, where any may be left: some tenths of a millisecond. */
void expected_count(const struct expected *expected, uint64_t now_ns,
		    struct expected_counts *ret_counts);

/* By worker and rank: < 0, 0, > 0. */
int expected_compare(const struct expected_rank *a, const struct expected_rank *b);

#endif
