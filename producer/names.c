/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "producer/names.h"

#define LONG_BYTES 32
#define COPY_AHEAD 16 /* lines of the table prefetched ahead while all names are filed again */

uint64_t rdx_names_bytes(uint32_t capacity)
{
	return rdx_buckets_lines(capacity) * RDX_BUCKETS_LINE_BYTES;
}

void rdx_names_init(struct rdx_names *names, void *memory, uint32_t capacity, const uint64_t *key,
		    struct rdx_node *nodes)
{
	*names = (struct rdx_names){.nodes = nodes, .key = {key[0], key[1]}};
	rdx_buckets_init(&names->table, memory, capacity);
}

void rdx_names_copy(struct rdx_names *names, const struct rdx_names *from, uint32_t nodes)
{
	const struct rdx_node *node = names->nodes;

	for (uint32_t i = 0; i < nodes; i++, node++) {
		if (i + COPY_AHEAD < nodes)
			rdx_buckets_prefetch(&names->table,
					     rdx_names_hash_of(names, node + COPY_AHEAD));
		if (node->kind & RDX_NODE_KIND_NAMED)
			rdx_buckets_insert(&names->table, rdx_names_hash_of(names, node), i);
	}
	names->count = from->count;
}

uint64_t rdx_names_digest(const struct rdx_names *names, const void *text)
{
	return XXH3_64bits_withSeed(text, LONG_BYTES, names->key[0] ^ names->key[1]);
}
