/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables that a reader's handle has mapped: the current one; the next one, ahead, so that the
 * lookup that finds it current need not wait for the kernel; and the one that was current before,
 * until it is unmapped. The work ahead and afterwards is done in small pieces.
 */
#ifndef RDX_TABLES_H
#define RDX_TABLES_H

#include "consumer/index/index_file.h"

/* Whose tables. */
struct rdx_tables_of {
	int dir_fd;
	const struct rdx_index_id *id;
	const struct rdx_index_live *live;
	uint64_t writer_id;
};

struct rdx_tables_file {
	struct rdx_mapping mapping; /* guarded: it stays where it is */
	struct rdx_table table;
	uint64_t generation; /* 0: none */
	uint64_t writer_id;
	uint64_t at; /* bytes that are populated; of the old one, released */
};

struct rdx_tables {
	struct rdx_tables_file file[3];
	struct rdx_tables_file *current;
	struct rdx_tables_file
		*next; /* may have a generation and no mapping: it could not be made */
	struct rdx_tables_file *old;
};

void rdx_tables_open(struct rdx_tables *tables);
void rdx_tables_close(struct rdx_tables *tables);

/* Make the index's current table the handle's. -ENOENT: it has been replaced or removed already;
 * -EBADMSG, -errno; on failure the old one stays. */
int rdx_tables_switch(struct rdx_tables *tables, const struct rdx_tables_of *of);

/* All of the current table that has memory: no page fault later. */
void rdx_tables_populate(struct rdx_tables *tables);

/* Do one small piece of what there is to do: map the next table, populate a part of it, release a
 * part of the old one. Mostly there is nothing. */
void rdx_tables_step(struct rdx_tables *tables, const struct rdx_tables_of *of);

#endif
