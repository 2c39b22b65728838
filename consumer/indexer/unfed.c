/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/indexer/unfed.h"

#define KEEP_NS UINT64_C(600000000000) /* an engine loads a large model again in less */
#define LOOK_NS UINT64_C(1000000000)

int rdx_unfed_is(const struct rdx_indexer *indexer, const struct rdx_fed_index *index)
{
	for (uint32_t i = 0; i < indexer->rank_count; i++) {
		if (indexer->ranks[i]->writer == index->writer)
			return 0;
	}
	return 1;
}

void rdx_unfed_close(struct rdx_indexer *indexer, struct rdx_fed_index *index, uint64_t now_ns)
{
	rdx_writer_close(index->writer);
	*index = indexer->indexes[--indexer->index_count];
	if (!indexer->leftovers_ns)
		indexer->leftovers_ns = now_ns;
}

void rdx_unfed_look(struct rdx_indexer *indexer, uint64_t now_ns)
{
	uint32_t i = 0;

	if (now_ns < indexer->unfed_ns)
		return;
	indexer->unfed_ns = now_ns + LOOK_NS;
	while (i < indexer->index_count) {
		struct rdx_fed_index *index = &indexer->indexes[i];

		if (!index->fed_ns || !rdx_unfed_is(indexer, index))
			index->fed_ns = now_ns;
		if (now_ns - index->fed_ns >= KEEP_NS)
			rdx_unfed_close(indexer, index, now_ns);
		else
			i++;
	}
}
