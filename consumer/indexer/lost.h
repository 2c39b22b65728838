/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names are mortal: a file that is removed or replaced while it is open stays what it is for who has it
 * open, and is not found by who comes later. The indexer looks at the names of its own files now and
 * then, and makes again what was lost.
 */
#ifndef RDX_LOST_H
#define RDX_LOST_H

#include "consumer/indexer/indexer_state.h"

/*
 * If it is time, look: the directory, the lock, the bell, each index. A few system calls, four times a
 * second. 0; -ENOENT, -ESTALE: the directory is gone, or another one has its name; -EBUSY: the lock file
 * was removed, and another process holds the new one.
 */
int rdx_lost_look(struct rdx_indexer *indexer, uint64_t now_ns);

#endif
