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
void rdx_guard_remove(struct rdx_mapping *mapping);

#endif
