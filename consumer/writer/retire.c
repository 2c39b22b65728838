/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/writer/retire.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define UNMAP_BYTES (UINT64_C(1) << 20)   /* of one piece: 0.1 ms at most */
#define FREE_BYTES  (UINT64_C(512) << 10) /* likewise */

void rdx_retire_finish(struct rdx_index_writer *w)
{
	struct rdx_writer_retired *old = &w->retired;

	if (old->stage == RDX_RETIRE_NONE)
		return;
	if (old->stage == RDX_RETIRE_UNMAP)
		munmap(old->base, old->bytes);
	close(old->fd);
	old->stage = RDX_RETIRE_NONE;
}

void rdx_retire_begin(struct rdx_index_writer *w, struct rdx_mapping *mapping)
{
	rdx_retire_finish(w);
	w->retired = (struct rdx_writer_retired){
		.stage = RDX_RETIRE_UNMAP,
		.fd = mapping->fd,
		.base = mapping->base,
		.bytes = mapping->bytes,
	};
	mapping->base = NULL;
	mapping->fd = -1;
}

static void unmap_piece(struct rdx_writer_retired *old)
{
	uint64_t left = old->bytes - old->at;
	uint64_t piece = left < UNMAP_BYTES ? left : UNMAP_BYTES;

	/* drops this process's page table entries, not the content */
	(void)madvise((uint8_t *)old->base + old->at, piece, MADV_DONTNEED);
	old->at += piece;
	if (old->at < old->bytes)
		return;
	munmap(old->base, old->bytes);
	old->stage = RDX_RETIRE_WAIT;
}

static void free_piece(struct rdx_writer_retired *old)
{
	old->at = old->at > FREE_BYTES ? old->at - FREE_BYTES : 0;
	if (old->at && ftruncate(old->fd, (off_t)old->at) == 0)
		return;
	close(old->fd);
	old->stage = RDX_RETIRE_NONE;
}

int rdx_retire_step(struct rdx_index_writer *w)
{
	if (w->retired.stage == RDX_RETIRE_UNMAP)
		unmap_piece(&w->retired);
	else if (w->retired.stage == RDX_RETIRE_FREE)
		free_piece(&w->retired);
	return w->retired.stage == RDX_RETIRE_UNMAP || w->retired.stage == RDX_RETIRE_FREE;
}

/*
 * A write lease is granted only where nobody else has the file open. Until then a reader may read
 * any page of it; without leases its last reader frees it. The file has no name any more; a reader
 * that found the name before, and opens the file only now, checks the generation afterwards (G4).
 */
void rdx_retire_ask(struct rdx_index_writer *w)
{
	struct rdx_writer_retired *old = &w->retired;

	if (old->stage != RDX_RETIRE_WAIT || fcntl(old->fd, F_SETLEASE, F_WRLCK) < 0)
		return;
	(void)fcntl(old->fd, F_SETLEASE, F_UNLCK);
	old->stage = RDX_RETIRE_FREE;
	old->at = old->bytes;
}
