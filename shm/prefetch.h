/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prefetches, and functions that do nothing else. gcc takes such a function for one without effect
 * and drops its calls, unless it is inlined wherever it is called; unit/check_objects looks at what
 * was built.
 */
#ifndef RDX_PREFETCH_H
#define RDX_PREFETCH_H

#define RDX_PREFETCHES static inline __attribute__((always_inline))

/* What will be read soon, and perhaps written. */
RDX_PREFETCHES void rdx_prefetch_read(const void *what)
{
	__builtin_prefetch(what);
}

#endif
