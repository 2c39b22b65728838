/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/index/tables.h"
#include "shm/generation.h"
#include "shm/guard.h"

#include <errno.h>
#include <sys/mman.h>

#define POPULATE_BYTES (UINT64_C(64) << 10) /* of one piece: a microsecond or two */
#define RELEASE_BYTES  (UINT64_C(128) << 10)

void rdx_tables_open(struct rdx_tables *t)
{
	t->current = &t->file[0];
	t->next = &t->file[1];
	t->old = &t->file[2];
	for (int i = 0; i < 3; i++)
		t->file[i].mapping.fd = -1;
}

static int is_mapped(const struct rdx_tables_file *file)
{
	return file->mapping.base != NULL;
}

static void unmap(struct rdx_tables_file *file)
{
	if (is_mapped(file)) {
		rdx_guard_remove(&file->mapping);
		rdx_mapping_close(&file->mapping);
	}
	file->generation = 0;
}

void rdx_tables_close(struct rdx_tables *t)
{
	for (int i = 0; i < 3; i++)
		unmap(&t->file[i]);
}

/*
 * Map one table. -ENOENT: it is retired, or gone.
 *
 * A retired table may be truncated at any time unless it was open before (G4). From now on it is
 * open.
 */
static int map(struct rdx_tables_file *file, const struct rdx_tables_of *of, uint64_t generation)
{
	int r = rdx_index_file_gen_map(&file->mapping, &file->table, of->dir_fd, of->id, generation,
				       of->writer_id);

	RDX_HOOK(RDX_HOOK_TABLE_MAPPED);
	if (rdx_generation_current(of->live) > generation) {
		if (r == 0)
			rdx_mapping_close(&file->mapping);
		return -ENOENT;
	}
	if (r < 0)
		return r;
	rdx_guard_add(&file->mapping);
	file->generation = generation;
	file->writer_id = of->writer_id;
	file->at = 0;
	return 0;
}

int rdx_tables_switch(struct rdx_tables *t, const struct rdx_tables_of *of)
{
	uint64_t generation = rdx_generation_current(of->live);
	struct rdx_tables_file *next = t->next;

	RDX_HOOK(RDX_HOOK_TABLE_CHOSEN);
	if (!is_mapped(next) || next->generation != generation ||
	    next->writer_id != of->writer_id) {
		int r;

		unmap(next);
		r = map(next, of, generation);
		if (r < 0)
			return r;
	}
	unmap(t->old);
	t->next = t->old;
	t->old = t->current;
	t->old->at = 0;
	t->current = next;
	return 0;
}

/* The lines: sets get their memory later, and are few. */
static uint64_t populated_end(const struct rdx_tables_file *file)
{
	return is_mapped(file) ? rdx_index_sets_offset(file->table.lines) : 0;
}

static void populate(struct rdx_tables_file *file, uint64_t bytes)
{
	uint64_t left = populated_end(file) - file->at;

	bytes = bytes < left ? bytes : left;
	rdx_mapping_touch_part(&file->mapping, file->at, bytes, 0);
	file->at += bytes;
}

void rdx_tables_populate(struct rdx_tables *t)
{
	populate(t->current, UINT64_MAX);
}

static void release(struct rdx_tables_file *file)
{
	uint64_t left = file->mapping.bytes - file->at;
	uint64_t bytes = left < RELEASE_BYTES ? left : RELEASE_BYTES;

	/* drops this process's page table entries, not the content */
	(void)madvise((uint8_t *)file->mapping.base + file->at, bytes, MADV_DONTNEED);
	file->at += bytes;
	if (bytes == left)
		unmap(file);
}

/* Another table is announced, or none any more. */
static void announced(struct rdx_tables *t, const struct rdx_tables_of *of, uint64_t generation)
{
	struct rdx_tables_file *next = t->next;

	if (is_mapped(next)) { /* it was given up */
		t->next = t->old;
		t->old = next;
		next->at = 0;
	} else if (!generation || map(next, of, generation) < 0) {
		next->generation = generation; /* not again: it is mapped when it is current */
	}
}

void rdx_tables_step(struct rdx_tables *t, const struct rdx_tables_of *of)
{
	uint64_t next = rdx_generation_next(of->live);

	if (next == t->current->generation)
		next = 0; /* it has just been switched to */
	if (is_mapped(t->old))
		release(t->old);
	else if (next != t->next->generation)
		announced(t, of, next);
	else if (t->next->at < populated_end(t->next))
		populate(t->next, POPULATE_BYTES);
	else if (t->current->at < populated_end(t->current))
		populate(t->current, POPULATE_BYTES);
}
