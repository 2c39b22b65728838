/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rank's private map from the engine's block names to nodes.
 *
 * A name is held while it has a copy anywhere, else remembered: engines name blocks as parents, and
 * announce copies in farther tiers, after the removal.
 *
 * Names of 8 bytes are kept whole. One of 32 is known by a hash of 64 bits, as blocks are by their
 * prefix hashes. Both hashes are keyed by random bytes of this process: names come from engines, and
 * users' prompts may determine them.
 */
#ifndef RDX_NAMES_H
#define RDX_NAMES_H

#include <string.h>

#include "producer/filing.h"
#include "producer/node.h"

#define RDX_NAMES_MAX (UINT32_C(1) << 29)

/* Multiplies the kind, and in the last mixing step: odd, about half of its bits set. */
#define RDX_NAMES_MIX UINT64_C(0xd6e8feb86659fd93)

/* A name as the engine gives it, ready to be looked up. */
struct rdx_name_key {
	uint64_t name; /* as in a node */
	uint64_t hash; /* of the table */
	uint32_t kind; /* RDX_NODE_KIND_NAME of a node */
};

struct rdx_names {
	struct rdx_node *nodes;
	struct rdx_filing filing;
	uint32_t count; /* now known: held or remembered */
	uint64_t key[2];
};

/* Bytes that rdx_names_init needs for this many names, at most RDX_NAMES_MAX. */
uint64_t rdx_names_bytes(uint32_t capacity);

/* `memory`: zeroed, aligned to 64, the caller's to free. `key`: 2 random words. */
void rdx_names_init(struct rdx_names *names, void *memory, uint32_t capacity, const uint64_t *key,
		    struct rdx_node *nodes);

/* The hash that stands for a name of 32 bytes. */
uint64_t rdx_names_digest(const struct rdx_names *names, const void *text);

__extension__ typedef unsigned __int128 rdx_names_product;

static inline uint64_t rdx_names_hash(const struct rdx_names *names, uint64_t name, uint32_t kind)
{
	uint64_t factor = (names->key[1] ^ kind * RDX_NAMES_MIX) | 1;
	rdx_names_product product = (rdx_names_product)(name ^ names->key[0]) * factor;

	return (((uint64_t)product ^ (uint64_t)(product >> 64)) + name) * RDX_NAMES_MIX;
}

/* The key of a name of 8 or 32 bytes. */
static inline void rdx_names_key(const struct rdx_names *names, const void *text, uint8_t bytes,
				 uint8_t group, struct rdx_name_key *ret_key)
{
	ret_key->kind = group | RDX_NODE_KIND_NAMED;
	if (bytes == sizeof(ret_key->name)) {
		memcpy(&ret_key->name, text, sizeof(ret_key->name));
	} else {
		ret_key->name = rdx_names_digest(names, text);
		ret_key->kind |= RDX_NODE_KIND_LONG;
	}
	ret_key->hash = rdx_names_hash(names, ret_key->name, ret_key->kind);
}

static inline uint64_t rdx_names_hash_of(const struct rdx_names *names, const struct rdx_node *node)
{
	return rdx_names_hash(names, node->name, node->kind & RDX_NODE_KIND_NAME);
}

static inline uint32_t rdx_names_find_in(const struct rdx_names *names,
					 const struct rdx_buckets *table,
					 const struct rdx_name_key *key)
{
	struct rdx_buckets_walk walk = rdx_buckets_begin(table, key->hash);
	const struct rdx_node *node;
	uint32_t index;

	do {
		index = rdx_buckets_next(table, key->hash, &walk);
		if (index == RDX_NODE_NONE)
			break;
		node = &names->nodes[index];
	} while (node->name != key->name || (node->kind & RDX_NODE_KIND_NAME) != key->kind);
	return index;
}

/* The node of a name, held or remembered; or RDX_NODE_NONE. */
static inline uint32_t rdx_names_find(const struct rdx_names *names, const struct rdx_name_key *key)
{
	uint32_t index = rdx_names_find_in(names, &names->filing.table, key);

	if (index == RDX_NODE_NONE && __builtin_expect(names->filing.left != 0, 0))
		index = rdx_names_find_in(names, &names->filing.before, key);
	return index;
}

static inline uint32_t rdx_names_guess_in(const struct rdx_buckets *table,
					  const struct rdx_name_key *key)
{
	struct rdx_buckets_walk walk = rdx_buckets_begin(table, key->hash);

	return rdx_buckets_next(table, key->hash, &walk);
}

/* The node that rdx_names_find will probably look at first, which is not touched. RDX_NODE_NONE: it will
 * find none. */
static inline uint32_t rdx_names_guess(const struct rdx_names *names,
				       const struct rdx_name_key *key)
{
	uint32_t index = rdx_names_guess_in(&names->filing.table, key);

	if (index == RDX_NODE_NONE && __builtin_expect(names->filing.left != 0, 0))
		index = rdx_names_guess_in(&names->filing.before, key);
	return index;
}

/* Name a node that has no name; the name is not known yet. Its namespace is 0. */
static inline void rdx_names_add(struct rdx_names *names, const struct rdx_name_key *key,
				 uint32_t index)
{
	struct rdx_node *node = &names->nodes[index];

	node->name = key->name;
	node->kind = key->kind;
	rdx_filing_insert(&names->filing, key->hash, index);
	names->count++;
}

/* Take a node's name and namespace from it. */
static inline void rdx_names_remove(struct rdx_names *names, uint32_t index)
{
	struct rdx_node *node = &names->nodes[index];

	rdx_filing_remove(&names->filing, rdx_names_hash_of(names, node), index);
	node->kind = 0;
	names->count--;
}

#endif
