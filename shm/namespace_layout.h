/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of the small files of a namespace, and what each is called:
 *
 *   DIR/key                       32 random bytes
 *   DIR/bell                      struct rdx_bell
 *   DIR/indexer.lock              locked by the process that maintains the indexes
 *   DIR/<worker_id>/<dp_rank>.seg   a segment
 *   DIR/<worker_id>/<dp_rank>.lock  locked by the rank's producer; unlinked under its lock
 *   DIR/<worker_id>/clear         struct rdx_clear
 *   DIR/index/<hash>.ctl          an index; .gen<N> its tables
 *   .tmp-...                      anything not yet complete
 */
#ifndef RDX_NAMESPACE_LAYOUT_H
#define RDX_NAMESPACE_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

/* A worker's clear stamp, see shm/clear.h. Every rank of the worker may write `clears`. */
struct rdx_clear {
	uint64_t magic;
	uint64_t id; /* random, never 0, another one in each file; stamps compare only within one */
	uint64_t made_from; /* the id of the lost file that this one goes on from, 0: none */
	uint64_t from;      /* the stamp that it had then, as far as known */
	_Atomic uint64_t clears;
	uint64_t reserved[2];
	uint64_t end; /* the id again: where the file was cut, this is gone as well */
};
static_assert(sizeof(struct rdx_clear) == 64, "layout");
#define RDX_CLEAR_MAGIC UINT64_C(0x33726c6378647223) /* "#rdxclr3" */

/* The bell of a namespace. Consumers set the flag before they sleep on the word. */
struct rdx_bell {
	uint64_t magic;
	_Atomic uint32_t word; /* a futex */
	_Atomic uint32_t flag; /* 1: a consumer sleeps, or is about to */
	uint64_t reserved[6];
};
static_assert(sizeof(struct rdx_bell) == 64, "layout");
#define RDX_BELL_MAGIC UINT64_C(0x316c656278647223) /* "#rdxbel1" */

#endif
