/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What feeds a rank, said by whoever feeds it, in a line of its segment.
 *
 * Each word stands alone: 0 is "not known", all of them are stored and loaded relaxed, and nothing is
 * concluded from two. A reader may see words of two moments side by side; of one moment each is true.
 */
#ifndef RDX_SOURCE_H
#define RDX_SOURCE_H

#include "shm/segment_layout.h"
#include "shm/words.h"

/* `said_ns` is the moment, both times are of the shared clock (shared_clock.h). */
static inline void rdx_source_store(struct rdx_segment_source *line,
				    const struct rdx_source *source)
{
	uint64_t what = source->kind | (source->is_away ? RDX_SEGMENT_SOURCE_AWAY : 0);

	rdx_word_store(&line->next_sequence, source->next_sequence);
	rdx_word_store(&line->gaps_lost, source->gaps_lost);
	rdx_word_store(&line->gaps_filled, source->gaps_filled);
	rdx_word_store(&line->replayed, source->replayed);
	rdx_word_store(&line->lag_ns, source->lag_ns);
	rdx_word_store(&line->heard_ns, source->heard_ns);
	rdx_word_store(&line->said_ns, source->said_ns);
	rdx_word_store(&line->what, what);
}

/* All but `size`. Where nobody said what feeds the rank, all is 0. */
static inline void rdx_source_load(const struct rdx_segment_source *line,
				   struct rdx_source *ret_source)
{
	uint64_t what = rdx_word_load(&line->what);

	*ret_source = (struct rdx_source){.kind = (uint32_t)what};
	if (ret_source->kind == RDX_SOURCE_NONE)
		return;
	ret_source->is_away = (what & RDX_SEGMENT_SOURCE_AWAY) != 0;
	ret_source->next_sequence = rdx_word_load(&line->next_sequence);
	ret_source->gaps_lost = rdx_word_load(&line->gaps_lost);
	ret_source->gaps_filled = rdx_word_load(&line->gaps_filled);
	ret_source->replayed = rdx_word_load(&line->replayed);
	ret_source->lag_ns = rdx_word_load(&line->lag_ns);
	ret_source->heard_ns = rdx_word_load(&line->heard_ns);
	ret_source->said_ns = rdx_word_load(&line->said_ns);
}

/* From a segment to the one in its place. */
static inline void rdx_source_copy(struct rdx_segment_source *to,
				   const struct rdx_segment_source *from)
{
	struct rdx_source source;

	rdx_source_load(from, &source);
	rdx_source_store(to, &source);
}

#endif
