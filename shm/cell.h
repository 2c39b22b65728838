/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of the table as two processes see it: the writer's steps on a slot, and what a reader
 * may conclude from it. A line is a sequence lock without an odd phase: its version rises after
 * every change, so a reader that meets an unfinished change, even of a writer that died in it,
 * takes the slot for what it was before or is after, and waits for nothing.
 *
 *   K1  key and cell (release), version + 1 (release) -> key and cell seen, acquire fence, version:
 *       a reader that took the key of one life of a slot and the cell of another sees another
 *       version. Who stores a later life has raised the version after the earlier one; hence also
 *       the cells that a reader saw come and go
 *   K2  a key's new copy, version + 1 (release), then the old copy cleared (release) -> the old
 *       copy gone, acquire fence, version of the line with the new one: a reader that missed a key
 *       on its way from a line to a nearer one sees that the nearer one has changed
 *   K3  version + 1 (release) -> first look at the word (acquire), keys and cells: a reader that
 *       saw the version sees the change
 *   K4  keys passed + 1 (release) before the key is put, - 1 (release) after it is gone -> the
 *       count with the word (acquire): never too low, so a reader does not stop before a key
 *
 * Between two equal versions of a line lie none or 2^20 changes; see rdx_table_epoch for those.
 */
#ifndef RDX_CELL_H
#define RDX_CELL_H

#include "shm/hook.h"
#include "shm/index_layout.h"
#include "shm/words.h"

/* The writer's: a key into a free slot. */
static inline void rdx_cell_put(struct rdx_line *line, uint32_t slot, uint64_t key, uint32_t set)
{
	uint32_t word = rdx_half_load(&line->word);

	atomic_store_explicit(&line->key[slot], key, memory_order_release); /* K1, K2 */
	RDX_HOOK(RDX_HOOK_CELL_KEY);
	atomic_store_explicit(&line->cell[slot], set, memory_order_release); /* K1, Q1 */
	RDX_HOOK(RDX_HOOK_CELL_SET);
	/* K2, K3 */
	atomic_store_explicit(&line->word, word + RDX_LINE_VERSION, memory_order_release);
}

/* The writer's: the key of a slot is held by another set from now on. */
static inline void rdx_cell_change(struct rdx_line *line, uint32_t slot, uint32_t set)
{
	uint32_t word = rdx_half_load(&line->word);

	atomic_store_explicit(&line->cell[slot], set, memory_order_release); /* K1, Q1 */
	RDX_HOOK(RDX_HOOK_CELL_SET);
	/* K3, Q2 */
	atomic_store_explicit(&line->word, word + RDX_LINE_VERSION, memory_order_release);
}

/* The writer's: free a slot. */
static inline void rdx_cell_clear(struct rdx_line *line, uint32_t slot)
{
	uint32_t word = rdx_half_load(&line->word);

	atomic_store_explicit(&line->cell[slot], 0, memory_order_release); /* K1, K2 */
	RDX_HOOK(RDX_HOOK_CELL_SET);
	atomic_store_explicit(&line->key[slot], 0, memory_order_release); /* K1, K2 */
	RDX_HOOK(RDX_HOOK_CELL_KEY);
	/* K1, K3, Q2 */
	atomic_store_explicit(&line->word, word + RDX_LINE_VERSION, memory_order_release);
}

/* The writer's: one more key (1) has its slot beyond the line, or one less (-1). */
static inline void rdx_cell_pass(struct rdx_line *line, int by)
{
	uint32_t word = rdx_half_load(&line->word);

	atomic_store_explicit(&line->word, word + (uint32_t)by, memory_order_release); /* K4 */
}

/* The reader's first look at a line. */
static inline uint32_t rdx_cell_word(const struct rdx_line *line)
{
	return atomic_load_explicit(&line->word, memory_order_acquire); /* K3, K4 */
}

/* The reader's, after its last look at a slot of these lines: the fence before rdx_cell_version. */
static inline void rdx_cell_settle(void)
{
	/* Q2 and Q3, where a set was read */
	rdx_fence_acquire(); /* K1, K2 */
}

/* The version in a word, in its own bits; sums of them compare as well. */
static inline uint32_t rdx_cell_version(uint32_t word)
{
	return word & ~RDX_LINE_PASSED;
}

/* Bit i: the line's key i is `key`. No branch. */
static inline uint32_t rdx_cell_match(const struct rdx_line *line, uint64_t key)
{
	return (uint32_t)(rdx_word_load(&line->key[0]) == key) |
	       (uint32_t)(rdx_word_load(&line->key[1]) == key) << 1 |
	       (uint32_t)(rdx_word_load(&line->key[2]) == key) << 2 |
	       (uint32_t)(rdx_word_load(&line->key[3]) == key) << 3 |
	       (uint32_t)(rdx_word_load(&line->key[4]) == key) << 4;
}

/* The set that a slot names; 0: the key is not here, or not any more. */
static inline uint32_t rdx_cell_set(const struct rdx_line *line, uint32_t slot)
{
	return rdx_half_load(&line->cell[slot]);
}

#endif
