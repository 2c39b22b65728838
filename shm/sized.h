/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structures that begin with their size (see rdx_types.h): taken from and given to callers
 * that were built with an older or a newer header.
 */
#ifndef RDX_SIZED_H
#define RDX_SIZED_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* More than any structure will ever have: a larger value is no size. */
#define RDX_SIZED_MAX 4096

static inline uint64_t rdx_sized_bytes(const void *structure)
{
	uint64_t size;

	memcpy(&size, structure, sizeof(size));
	return size;
}

/* Check the size that the caller set. 0, -EINVAL, -E2BIG. */
static inline int rdx_sized_check(const void *structure)
{
	uint64_t size = rdx_sized_bytes(structure);

	if (size < sizeof(size) || size % sizeof(size))
		return -EINVAL;
	return size > RDX_SIZED_MAX ? -E2BIG : 0;
}

/* Copy an input of which `known` bytes are known here; bytes that the caller's lacks are 0.
 * -EINVAL; -E2BIG: the caller sets something that is not known here. */
static inline int rdx_sized_take(void *ret_structure, uint64_t known, const void *from)
{
	const uint8_t *bytes = from;
	uint64_t size = rdx_sized_bytes(from);
	int r = rdx_sized_check(from);

	if (r < 0)
		return r;
	for (uint64_t i = known; i < size; i++) {
		if (bytes[i])
			return -E2BIG;
	}
	memset(ret_structure, 0, known);
	memcpy(ret_structure, from, size < known ? size : known);
	memcpy(ret_structure, &known, sizeof(known));
	return 0;
}

/* Fill an output of `size` bytes: no more than the caller has, and 0 where it has more. */
static inline void rdx_sized_fill(void *ret_structure, uint64_t size, const void *from,
				  uint64_t known)
{
	uint8_t *bytes = ret_structure;
	uint64_t both = size < known ? size : known;

	memcpy(bytes, from, both);
	memset(bytes + both, 0, size - both);
	memcpy(bytes, &size, sizeof(size));
}

/* The same for an output that was checked: its size stays. */
static inline void rdx_sized_give(void *ret_structure, const void *from, uint64_t known)
{
	rdx_sized_fill(ret_structure, rdx_sized_bytes(ret_structure), from, known);
}

#endif
