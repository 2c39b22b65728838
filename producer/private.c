/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/private.h"

#include <errno.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES (UINT64_C(2) << 20)
#define NAMESPACES_MIN  256

/* Address space from a huge page's boundary on; what is cut off to get there is given back. */
static int map_aligned(struct rdx_arena *arena, uint64_t bytes)
{
	uint8_t *base = mmap(NULL, bytes + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t before;

	if (base == MAP_FAILED)
		return -ENOMEM;
	before = -(uintptr_t)base & (HUGE_PAGE_BYTES - 1);
	if (before)
		munmap(base, before);
	munmap(base + before + bytes, HUGE_PAGE_BYTES - before);
	arena->base = base + before;
	arena->bytes = bytes;
	return 0;
}

/* Namespaces at once: more than one for each four names is map_full. */
static uint32_t namespaces_for(uint32_t names)
{
	uint32_t wanted = names / 4 > NAMESPACES_MIN ? names / 4 : NAMESPACES_MIN;

	return wanted < RDX_NAMESPACES_MAX ? wanted : RDX_NAMESPACES_MAX;
}

/* The namespaces, and the event being collected. */
static uint64_t rest_bytes(const struct rdx_publisher *p, uint32_t names)
{
	return p->pending.removed_max * (2 * sizeof(uint64_t) + sizeof(uint32_t)) +
	       rdx_namespaces_bytes(namespaces_for(names));
}

static void lay_out_rest(struct rdx_publisher *p, void *memory, uint32_t names)
{
	struct rdx_pending *pending = &p->pending;

	pending->hashes = memory;
	pending->words = pending->hashes + pending->removed_max;
	rdx_namespaces_init(&p->spaces, pending->words + pending->removed_max,
			    namespaces_for(names));
	pending->records = p->spaces.buckets + namespaces_for(names);
}

int rdx_private_reserve(struct rdx_arena *ret_arena, const struct rdx_publisher *p, uint32_t names,
			const uint64_t *tier_blocks)
{
	uint64_t bytes = rdx_names_bytes(names) + rdx_lineage_bytes(names) +
			 rdx_lacking_bytes(tier_blocks) + rest_bytes(p, names);
	int r = map_aligned(ret_arena,
			    (bytes + RDX_PAGE_BYTES - 1) / RDX_PAGE_BYTES * RDX_PAGE_BYTES);

	if (r < 0)
		return r;
	/* only for speed: it works without either */
	madvise(ret_arena->base, ret_arena->bytes, MADV_HUGEPAGE);
	if (madvise(ret_arena->base, ret_arena->bytes, MADV_DONTFORK) < 0) {
		r = -errno;
		rdx_private_free(ret_arena);
	}
	return r;
}

int rdx_private_touch(const struct rdx_arena *arena)
{
	uint8_t *bytes = arena->base;

	if (madvise(arena->base, arena->bytes, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno == ENOMEM)
		return -ENOMEM;
	/* before Linux 5.14: one store a page, which the compiler must keep */
	for (uint64_t at = 0; at < arena->bytes; at += RDX_PAGE_BYTES)
		__atomic_store_n(bytes + at, 0, __ATOMIC_RELAXED);
	return 0;
}

void rdx_private_free(struct rdx_arena *arena)
{
	if (arena->base)
		munmap(arena->base, arena->bytes);
	*arena = (struct rdx_arena){.base = NULL};
}

void rdx_private_start(struct rdx_publisher *p, const uint64_t *key)
{
	uint32_t names = (uint32_t)p->owner.ledger.count;
	/* the names' table first: it is whole lines, which those of the nodes must be on too */
	uint8_t *at = (uint8_t *)p->arena.base + rdx_names_bytes(names);

	rdx_lineage_init(&p->lineage, at, names, p->owner.ledger.records);
	rdx_names_init(&p->names, p->arena.base, names, key, p->lineage.nodes);
	at += rdx_lineage_bytes(names);
	rdx_lacking_init(&p->lacking, at, p->tier_blocks);
	lay_out_rest(p, at + rdx_lacking_bytes(p->tier_blocks), names);
}

void rdx_private_move(struct rdx_publisher *p, const struct rdx_arena *arena)
{
	struct rdx_lineage lineage = p->lineage;
	struct rdx_names names = p->names;
	struct rdx_lacking lacking = p->lacking;
	struct rdx_namespaces spaces = p->spaces;
	struct rdx_arena old = p->arena;

	p->arena = *arena;
	rdx_private_start(p, names.key);
	rdx_lineage_copy(&p->lineage, &lineage);
	rdx_names_copy(&p->names, &names, lineage.capacity);
	rdx_lacking_copy(&p->lacking, &lacking);
	rdx_namespaces_copy(&p->spaces, &spaces);
	rdx_private_free(&old);
}
