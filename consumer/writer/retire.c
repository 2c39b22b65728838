/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/writer/retire.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define UNMAP_BYTES (UINT64_C(1) << 20)   /* of one piece: 0.1 ms at most */
#define IDLE_NS     UINT64_C(2000000000)  /* a handle that still has the table is not in use */
#define FREE_BYTES  (UINT64_C(512) << 10) /* likewise */

/* A hole in the file: its readers read zeros there. They are told before (G5). 0; -1, also where they
 * cannot be told. */
static int punch(struct rdx_index_writer *w, uint64_t at, uint64_t bytes)
{
	if (rdx_writer_poisoned(w))
		return -1;
	rdx_generation_free(w->live, w->retired.generation);
	return fallocate(w->retired.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
			 (off_t)bytes);
}

/* All but its last page: it was not cut. */
static uint64_t punched_end(const struct rdx_writer_retired *old)
{
	return old->bytes - sizeof(struct rdx_index_end);
}

void rdx_retire_finish(struct rdx_index_writer *w)
{
	struct rdx_writer_retired *old = &w->retired;

	if (old->stage == RDX_RETIRE_NONE)
		return;
	if (old->stage == RDX_RETIRE_UNMAP)
		munmap(old->base, old->bytes);
	if (old->stage != RDX_RETIRE_FREE)
		(void)punch(w, 0, punched_end(old));
	close(old->fd);
	old->stage = RDX_RETIRE_NONE;
}

void rdx_retire_begin(struct rdx_index_writer *w, struct rdx_writer_table *table)
{
	rdx_retire_finish(w);
	w->retired = (struct rdx_writer_retired){
		.stage = RDX_RETIRE_UNMAP,
		.fd = table->mapping.fd,
		.generation = table->generation,
		.base = table->mapping.base,
		.bytes = table->mapping.bytes,
	};
	table->mapping.base = NULL;
	table->mapping.fd = -1;
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

static void punch_piece(struct rdx_index_writer *w)
{
	struct rdx_writer_retired *old = &w->retired;
	uint64_t left = punched_end(old) - old->at;
	uint64_t piece = left < FREE_BYTES ? left : FREE_BYTES;

	if (punch(w, old->at, piece) == 0 && piece < left) {
		old->at += piece;
		return;
	}
	close(old->fd); /* it is punched, or cannot be: its last reader frees it */
	old->stage = RDX_RETIRE_NONE;
}

int rdx_retire_step(struct rdx_index_writer *w)
{
	if (w->retired.stage == RDX_RETIRE_UNMAP)
		unmap_piece(&w->retired);
	else if (w->retired.stage == RDX_RETIRE_FREE)
		free_piece(&w->retired);
	else if (w->retired.stage == RDX_RETIRE_PUNCH)
		punch_piece(w);
	return w->retired.stage != RDX_RETIRE_NONE && w->retired.stage != RDX_RETIRE_WAIT;
}

/*
 * A write lease is granted only where nobody else has the file open. Until then a reader may read
 * any page of it. The file has no name any more; a reader that found the name before, and opens the file
 * only now, checks the generation afterwards (G4).
 *
 * A handle that is not used keeps it open. So after a while its memory is freed under the handles, which
 * look for the current table before they probe: only a lookup that is under way since then can meet a
 * hole, and it knows (G5).
 */
void rdx_retire_ask(struct rdx_index_writer *w, uint64_t now_ns)
{
	struct rdx_writer_retired *old = &w->retired;

	if (old->stage != RDX_RETIRE_WAIT)
		return;
	if (!old->since_ns)
		old->since_ns = now_ns;
	if (fcntl(old->fd, F_SETLEASE, F_WRLCK) == 0) {
		(void)fcntl(old->fd, F_SETLEASE, F_UNLCK);
		old->stage = RDX_RETIRE_FREE;
		old->at = old->bytes;
	} else if (now_ns - old->since_ns > IDLE_NS) {
		old->stage = RDX_RETIRE_PUNCH;
		old->at = 0;
	}
}
