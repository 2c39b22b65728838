/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files mapped: made whole or not at all, unmapped and closed together.
 */
#ifndef RDX_MAPPING_H
#define RDX_MAPPING_H

#include <stdatomic.h>
#include <stdint.h>

/* A shared mapping of a whole file. {0} is none. */
struct rdx_mapping {
	void *base;
	uint64_t bytes;
	_Atomic uint32_t poisoned; /* 1: the guard replaced pages by zeroes: trust nothing */
	int32_t fd;                /* kept open: it holds the lock, and liveness is checked by it */
};

/*
 * Create the file `name` of `bytes` zero bytes in `dir_fd`, fully allocated (-ENOSPC, -EFBIG now,
 * not SIGBUS later), mapped read-write, not inherited over fork or exec. Others may open it by
 * `file_mode` at once: a file that is locked later must be the caller's alone. `name` is a
 * temporary one that some lock makes the caller's own: a leftover of that name is
 * replaced. The caller renames or unlinks it. Nothing is left behind on failure.
 */
int rdx_mapping_create(struct rdx_mapping *ret_mapping, int dir_fd, const char *name,
		       uint64_t bytes, uint32_t file_mode);

/* Map `bytes` of an open file that the mapping takes over; the caller has checked the
 * file's size. On failure the descriptor stays the caller's. */
int rdx_mapping_attach(struct rdx_mapping *ret_mapping, int fd, uint64_t bytes, int writable);

/*
 * Map the same file from its beginning to `bytes` instead: pages that it does not have yet may be used once
 * it does. Pointers into the mapping end with it. On failure it is as it was. -ENOMEM, -errno.
 */
int rdx_mapping_resize(struct rdx_mapping *mapping, uint64_t bytes, int writable);

/* Write to every page, or read it: no page fault later. */
void rdx_mapping_touch(struct rdx_mapping *mapping, int write);

/* The same of `bytes` bytes from a page's beginning on. */
void rdx_mapping_touch_part(struct rdx_mapping *mapping, uint64_t at, uint64_t bytes, int write);

/* Unmap and close. A closed or zeroed mapping is left alone. */
void rdx_mapping_close(struct rdx_mapping *mapping);

/* Was the mapping hit by truncation since it was made? Ask after reading, before use. */
static inline int rdx_mapping_poisoned(const struct rdx_mapping *mapping)
{
	return atomic_load_explicit(&mapping->poisoned, memory_order_relaxed) != 0;
}

#endif
