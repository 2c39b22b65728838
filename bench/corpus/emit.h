/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write a corpus file, record by record.
 */
#ifndef CORPUS_EMIT_H
#define CORPUS_EMIT_H

#include "bench/corpus/format.h"

#include <stdio.h>

struct emit {
	FILE *file;
	struct corpus_header header; /* counted here, but for what the caller knows */
};

/* Begin with room for the header. -errno of fopen(3). */
int emit_open(struct emit *ret_emit, const char *path);

void emit_stored(struct emit *emit, uint32_t worker, const uint64_t *parent, uint32_t first_block,
		 const uint64_t *local, const uint64_t *names, uint32_t count);
void emit_removed(struct emit *emit, uint32_t worker, const uint64_t *names, uint32_t count);
void emit_cleared(struct emit *emit, uint32_t worker);
void emit_query(struct emit *emit, const uint64_t *local, uint32_t count);

/* Write the header. -EIO where something could not be written. */
int emit_close(struct emit *emit);

#endif
