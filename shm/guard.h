/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SIGBUS guard: a file truncated under a live mapping must not kill the router. See
 * rdx_guard_install.
 */
#ifndef RDX_GUARD_H
#define RDX_GUARD_H

#include "shm/mapping.h"

/*
 * Guard a mapping from the first call to the second; it must not move in memory meanwhile. -ENOSPC
 * if RDX_GUARDED_MAX are guarded already.
 */
#define RDX_GUARDED_MAX 4096
int rdx_guard_add(struct rdx_mapping *mapping);
/* The same as one of a group: when one of its files is cut, no access to any of them reaches its file any
 * more. One thread guards them, lets them go, and accesses them. */
int rdx_guard_add_to(struct rdx_mapping *mapping, const void *group);

void rdx_guard_remove(struct rdx_mapping *mapping);

#endif
