/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "producer/names.h"

#define LONG_BYTES 32

uint64_t rdx_names_bytes(uint32_t capacity)
{
	return rdx_buckets_lines(capacity) * RDX_BUCKETS_LINE_BYTES;
}

void rdx_names_init(struct rdx_names *names, void *memory, uint32_t capacity, const uint64_t *key,
		    struct rdx_node *nodes)
{
	*names = (struct rdx_names){.nodes = nodes, .key = {key[0], key[1]}};
	rdx_filing_init(&names->filing, memory, capacity);
}

uint64_t rdx_names_digest(const struct rdx_names *names, const void *text)
{
	return XXH3_64bits_withSeed(text, LONG_BYTES, names->key[0] ^ names->key[1]);
}
