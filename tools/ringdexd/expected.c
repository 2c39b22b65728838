/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/expected.h"

#include <ringdex/rdx_hash.h>

#include <stdlib.h>
#include <string.h>

#define SETS (EXPECTED_ENTRIES / EXPECTED_WAYS)

_Static_assert((SETS & (SETS - 1)) == 0, "a set is found by a mask");

/* It is there until until_ns; 0: it never was. */
struct entry {
	uint64_t prefix;
	uint64_t worker_id;
	uint64_t until_ns;
	uint32_t dp_rank;
	uint32_t index;
};

struct expected {
	uint64_t added;     /* entries that began */
	uint64_t displaced; /* of these, by others, before they were over */
	uint64_t last_ns;   /* until then some may be there */
	struct entry sets[SETS][EXPECTED_WAYS];
};

struct expected *expected_new(void)
{
	return calloc(1, sizeof(struct expected));
}

void expected_free(struct expected *expected)
{
	free(expected);
}

uint32_t expected_index(const char *model, const char *tenant, uint32_t block_tokens)
{
	uint64_t names[3] = {rdx_hash_identifier(model, strlen(model)),
			     rdx_hash_identifier(tenant, strlen(tenant)), block_tokens};

	return (uint32_t)rdx_hash_identifier(names, sizeof(names));
}

int expected_compare(const struct expected_rank *a, const struct expected_rank *b)
{
	if (a->worker_id != b->worker_id)
		return a->worker_id < b->worker_id ? -1 : 1;
	return (a->dp_rank > b->dp_rank) - (a->dp_rank < b->dp_rank);
}

/* Prefix hashes are spread evenly: some bits of one are as good as any. */
static size_t set_of(uint64_t prefix)
{
	return prefix & (SETS - 1);
}

static int is_same(const struct entry *a, const struct entry *b)
{
	return a->prefix == b->prefix && a->index == b->index && a->worker_id == b->worker_id &&
	       a->dp_rank == b->dp_rank;
}

/* Where it goes: where it is already, or in place of the one that ends first; those that are over did. */
static struct entry *place_of(struct entry *set, const struct entry *wanted)
{
	struct entry *place = set;

	for (int i = 0; i < EXPECTED_WAYS; i++) {
		if (is_same(&set[i], wanted))
			return &set[i];
		if (set[i].until_ns < place->until_ns)
			place = &set[i];
	}
	return place;
}

static void put(struct expected *expected, const struct entry *entry, uint64_t now_ns)
{
	struct entry *place = place_of(expected->sets[set_of(entry->prefix)], entry);

	if (place->until_ns <= now_ns) {
		expected->added++;
	} else if (!is_same(place, entry)) {
		expected->added++;
		expected->displaced++;
	}
	*place = *entry;
}

void expected_add(struct expected *expected, uint32_t index, const struct expected_rank *rank,
		  const uint64_t *prefixes, uint32_t blocks, uint64_t now_ns, uint64_t until_ns)
{
	if (until_ns <= now_ns)
		return;
	for (uint32_t i = 0; i < blocks; i++) {
		const struct entry entry = {.prefix = prefixes[i],
					    .worker_id = rank->worker_id,
					    .until_ns = until_ns,
					    .dp_rank = rank->dp_rank,
					    .index = index};

		put(expected, &entry, now_ns);
	}
	if (until_ns > expected->last_ns)
		expected->last_ns = until_ns;
}

void expected_count(const struct expected *expected, uint64_t now_ns,
		    struct expected_counts *ret_counts)
{
	uint64_t held = 0;

	for (size_t set = 0; set < SETS && now_ns < expected->last_ns; set++)
		for (int i = 0; i < EXPECTED_WAYS; i++)
			held += expected->sets[set][i].until_ns > now_ns;
	ret_counts->held = held;
	ret_counts->displaced = expected->displaced;
	ret_counts->expired = expected->added - expected->displaced - held;
}

static int compare(const void *a, const void *b)
{
	return expected_compare(a, b);
}

void expected_find(const struct expected *expected, uint32_t index, const uint64_t *prefixes,
		   uint32_t blocks, uint64_t now_ns, struct expected_rank *ranks, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		ranks[i].blocks = 0;
	for (uint32_t block = 0; block < blocks; block++) {
		const struct entry *set = expected->sets[set_of(prefixes[block])];

		for (int i = 0; i < EXPECTED_WAYS; i++) {
			const struct expected_rank wanted = {.worker_id = set[i].worker_id,
							     .dp_rank = set[i].dp_rank};
			struct expected_rank *rank;

			if (set[i].prefix != prefixes[block] || set[i].index != index ||
			    set[i].until_ns <= now_ns)
				continue;
			rank = bsearch(&wanted, ranks, count, sizeof(*ranks), compare);
			if (rank)
				rank->blocks = block + 1;
		}
	}
}
