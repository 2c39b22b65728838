/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private memory that grows in place: addresses for all that it may become, and pages, touched, for what
 * is in use. Never inherited, so that a fork costs the engine no page copies.
 */
#ifndef RDX_AREA_H
#define RDX_AREA_H

#include <stdint.h>

struct rdx_area {
	uint8_t *base; /* NULL: none. A huge page's boundary */
	uint64_t reserved;
	uint64_t touched; /* zeroed when it was */
};

/* Addresses for at least `bytes` bytes. -ENOMEM, -errno of madvise(2). */
int rdx_area_reserve(struct rdx_area *ret_area, uint64_t bytes);

/* Touch up to `bytes`, whatever there was: no page fault in there later. Whole huge pages, but what is
 * not more than half of one. -ENOMEM: as before, or beyond what is reserved. */
int rdx_area_touch(struct rdx_area *area, uint64_t bytes);

/* The same in steps that take no longer than their bytes: small pages only. A huge one comes at once, and
 * takes 0.4 ms, 5 where a hypervisor has no memory behind it yet. */
int rdx_area_extend(struct rdx_area *area, uint64_t bytes);

/* Free a piece of it, at the end; after the last one it is as none. No access to it meanwhile. */
void rdx_area_shrink(struct rdx_area *area);

/* All that is touched is zeroed. */
void rdx_area_wipe(struct rdx_area *area);

void rdx_area_free(struct rdx_area *area);

#endif
