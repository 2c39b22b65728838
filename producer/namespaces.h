/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespaces of the blocks that are known: what adapter (lora) and salt add to the seed of their
 * local hashes. Nodes have a namespace's number; one that no node has is free again. Number 0 is that
 * of neither.
 */
#ifndef RDX_NAMESPACES_H
#define RDX_NAMESPACES_H

#include <stdint.h>

#define RDX_NAMESPACES_NONE UINT32_MAX
#define RDX_NAMESPACES_MAX  (UINT32_C(1) << 21) /* what a node has room for */

struct rdx_namespace_parts {
	uint64_t lora;
	uint64_t salt;
	uint32_t holders; /* 0: free */
	uint32_t next;    /* of its bucket, or of the free ones: 1 + number, 0: none */
	uint32_t first;   /* of the bucket with this number: likewise */
	uint32_t reserved;
};

/* As many buckets as numbers that were ever used: they grow one by one. */
struct rdx_namespaces {
	struct rdx_namespace_parts *parts;
	uint32_t capacity; /* may be raised when there is memory behind the parts */
	uint32_t fresh;    /* numbers at or above were never used */
	uint32_t free;     /* 1 + number, 0: none */
};

uint64_t rdx_namespaces_bytes(uint32_t capacity);

/* `memory`: zeroed, the caller's to free. */
void rdx_namespaces_init(struct rdx_namespaces *spaces, void *memory, uint32_t capacity);

/* The number of a namespace, with one more holder; RDX_NAMESPACES_NONE: `capacity` are in use. */
uint32_t rdx_namespaces_enter(struct rdx_namespaces *spaces, uint64_t lora, uint64_t salt);

/* One more holder of a namespace that has some, and one less. */
void rdx_namespaces_join(struct rdx_namespaces *spaces, uint32_t number);
void rdx_namespaces_leave(struct rdx_namespaces *spaces, uint32_t number);

#endif
