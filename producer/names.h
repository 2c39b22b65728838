/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rank's private map from the engine's block names to nodes of the lineage, with the
 * copies that each name has per tier.
 *
 * A name is held while it has a copy anywhere, else remembered: engines name blocks as parents, and
 * announce copies in farther tiers, after the removal. Remembered names are queued in the order in
 * which they lost their last copy; the oldest is forgotten when room is needed.
 *
 * A clear of everything is O(1): it raises `life`, and a held name of an older life has no copies.
 * The name joins the queue when it is next touched, or by the sweep.
 *
 * The hash is keyed by random bytes of this process: names come from engines, and users' prompts
 * may determine them.
 *
 * Nothing here allocates or is shared; every call is O(1) amortized.
 */
#ifndef RDX_NAMES_H
#define RDX_NAMES_H

#include <string.h>

#include "producer/lineage.h"

#define RDX_NAME_NONE       RDX_BUCKETS_NONE
#define RDX_NAMES_MAX       (UINT32_C(1) << 29)
#define RDX_NAME_COPIES_MAX UINT16_MAX

#define RDX_NAME_HELD       1u
#define RDX_NAME_REMEMBERED 2u
#define RDX_NAME_SALTED     4u /* its salt's part of the seed is in names->salts */

/* Multiplies the group, and in the last mixing step: odd, about half of its bits set. */
#define RDX_NAMES_MIX UINT64_C(0xd6e8feb86659fd93)

struct rdx_name {
	uint64_t text[4]; /* 8 or 32 bytes, the rest 0 */
	uint64_t seed;    /* of the local hashes of its namespace; children inherit it */
	uint16_t copies[RDX_TIER_COUNT];
	uint32_t node;
	uint32_t tag;
	uint32_t queued_at; /* where remembered */
	uint8_t bytes;
	uint8_t group;
	uint8_t life;
	uint8_t flags; /* RDX_NAME_..., 0: free */
};
static_assert(sizeof(struct rdx_name) == 64, "one line a name");

/* A name as the engine gives it, ready to be looked up. */
struct rdx_name_key {
	uint64_t text[4]; /* of 8 bytes only the first word is set */
	uint32_t tag;     /* of its bucket */
	uint8_t bytes;
	uint8_t group;
};

struct rdx_names {
	struct rdx_name *entries;
	struct rdx_buckets table;
	struct rdx_lineage *lineage;
	uint64_t *salts; /* by entry, read only where RDX_NAME_SALTED */
	uint32_t *queue; /* entries in the order they were remembered, some stale */
	uint32_t queue_size;
	uint32_t queue_head;
	uint32_t queue_count;
	uint32_t capacity;
	uint32_t fresh;     /* entries at or above were never used */
	uint32_t free_head; /* chained through `node` */
	uint32_t count;     /* now known: held or remembered */
	uint32_t swept;     /* entries below are of this life */
	uint32_t lives;     /* started since the last complete sweep */
	uint8_t life;
	uint64_t key[2];
};

/* Bytes that rdx_names_init needs for this many names, at most RDX_NAMES_MAX. */
uint64_t rdx_names_bytes(uint32_t capacity);

/* `memory`: zeroed, aligned to 64, the caller's to free. `key`: 2 random words. The
 * lineage has room for as many names; forgetting one takes it from its node there. */
void rdx_names_init(struct rdx_names *names, void *memory, uint32_t capacity, const uint64_t *key,
		    struct rdx_lineage *lineage);

/* A hash of a 32-byte name, not yet keyed. */
uint64_t rdx_names_hash(const struct rdx_names *names, const void *text);

__extension__ typedef unsigned __int128 rdx_names_product;

/* The key of a name of 8 or 32 bytes. */
static inline void rdx_names_key(const struct rdx_names *names, const void *text, uint8_t bytes,
				 uint8_t group, struct rdx_name_key *ret_key)
{
	uint64_t factor = (names->key[1] ^ group * RDX_NAMES_MIX) | 1;
	rdx_names_product product;
	uint64_t word;

	memcpy(ret_key->text, text, sizeof(word));
	word = ret_key->text[0];
	if (bytes != sizeof(word)) {
		memcpy(ret_key->text, text, sizeof(ret_key->text));
		word = rdx_names_hash(names, text);
	}
	product = (rdx_names_product)(word ^ names->key[0]) * factor;
	word = ((uint64_t)product ^ (uint64_t)(product >> 64)) + word;
	ret_key->tag = (uint32_t)(word * RDX_NAMES_MIX >> 32);
	ret_key->bytes = bytes;
	ret_key->group = group;
}

static inline int rdx_names_equals(const struct rdx_name *name, const struct rdx_name_key *key)
{
	if (name->text[0] != key->text[0] || name->bytes != key->bytes || name->group != key->group)
		return 0;
	return key->bytes == sizeof(key->text[0]) ||
	       memcmp(name->text, key->text, sizeof(key->text)) == 0;
}

/* Keys of one length and group. */
static inline int rdx_names_keys_equal(const struct rdx_name_key *a, const struct rdx_name_key *b)
{
	return a->text[0] == b->text[0] &&
	       (a->bytes == sizeof(a->text[0]) || memcmp(a->text, b->text, sizeof(a->text)) == 0);
}

/* Bring an entry of an older life up to date. May forget another name. */
void rdx_names_settle(struct rdx_names *names, uint32_t entry);

/* The entry of a name, held or remembered, brought up to date; or RDX_NAME_NONE and the free bucket
 * for it. May forget another name. */
static inline uint32_t rdx_names_find_bucket(struct rdx_names *names,
					     const struct rdx_name_key *key, uint64_t *ret_at)
{
	uint32_t index;

	*ret_at = rdx_buckets_home(&names->table, key->tag);
	do
		index = rdx_buckets_walk(&names->table, key->tag, ret_at);
	while (index != RDX_NAME_NONE && !rdx_names_equals(&names->entries[index], key));
	if (index != RDX_NAME_NONE && names->entries[index].life != names->life)
		rdx_names_settle(names, index);
	return index;
}

static inline uint32_t rdx_names_find(struct rdx_names *names, const struct rdx_name_key *key)
{
	uint64_t at;

	return rdx_names_find_bucket(names, key, &at);
}

/* Make room for `count` more names, by forgetting the oldest remembered ones if needed. -ENOSPC:
 * too many names are held. */
int rdx_names_reserve(struct rdx_names *names, uint32_t count);

/* Is there room for one more without forgetting any? */
static inline int rdx_names_have_room(const struct rdx_names *names)
{
	return names->count < names->capacity;
}

/* Add a name where there is room; it is held and has no copies yet. The node has counted the name
 * already. `at` is the bucket that rdx_names_find_bucket gave, with nothing added or forgotten
 * since. */
static inline uint32_t rdx_names_add(struct rdx_names *names, const struct rdx_name_key *key,
				     uint64_t at, uint32_t node)
{
	uint32_t index = names->free_head;
	struct rdx_name *entry;

	if (index != RDX_NAME_NONE)
		names->free_head = names->entries[index].node;
	else
		index = names->fresh++;
	entry = &names->entries[index];
	*entry = (struct rdx_name){
		.text = {key->text[0]},
		.node = node,
		.tag = key->tag,
		.bytes = key->bytes,
		.group = key->group,
		.life = names->life,
		.flags = RDX_NAME_HELD,
	};
	if (key->bytes != sizeof(key->text[0]))
		memcpy(entry->text, key->text, sizeof(entry->text));
	rdx_buckets_insert(&names->table, at, key->tag, index);
	names->count++;
	return index;
}

/* A remembered name gets a copy again. */
static inline void rdx_names_recall(struct rdx_names *names, uint32_t entry)
{
	uint8_t flags = names->entries[entry].flags;

	names->entries[entry].flags = (uint8_t)((flags & ~RDX_NAME_REMEMBERED) | RDX_NAME_HELD);
}

/* A held name has lost its last copy. */
void rdx_names_remember(struct rdx_names *names, uint32_t entry);

/* No name has a copy any more. O(1), except each 250th call without a sweep in between. */
void rdx_names_clear(struct rdx_names *names);

/* Settle up to `count` more entries, and remove as many stale places from the queue's head: a
 * little in every call, so that no call has much to do. */
void rdx_names_sweep(struct rdx_names *names, uint32_t count);

/* Prefetch what forgetting the `count` oldest names needs, and less of the next two batches of as
 * many: a batch is prefetched step by step in three calls. */
void rdx_names_prefetch_oldest(const struct rdx_names *names, uint32_t count);

/* Prefetch what rdx_names_find will read, once the table's line is in the cache. 0: the name is not
 * known. */
static inline int rdx_names_prefetch(const struct rdx_names *names, uint32_t tag)
{
	uint64_t at = rdx_buckets_home(&names->table, tag);
	uint32_t entry = rdx_buckets_walk(&names->table, tag, &at);

	if (entry == RDX_NAME_NONE)
		return 0;
	__builtin_prefetch(&names->entries[entry], 1);
	return 1;
}

/* And its node, once the entry is in the cache. Returns the probable node, or RDX_NODE_NONE. */
static inline uint32_t rdx_names_prefetch_node(const struct rdx_names *names, uint32_t tag)
{
	uint64_t at = rdx_buckets_home(&names->table, tag);
	uint32_t entry = rdx_buckets_walk(&names->table, tag, &at);

	if (entry == RDX_NAME_NONE)
		return RDX_NODE_NONE;
	__builtin_prefetch(&names->lineage->nodes[names->entries[entry].node], 1);
	return names->entries[entry].node;
}

#endif
