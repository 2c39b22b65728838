/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read a corpus: a file of cache events and queries, see format.md.
 */
#ifndef CORPUS_CORPUS_H
#define CORPUS_CORPUS_H

#include "bench/corpus/format.h"

struct corpus {
	const struct corpus_header *header;
	const uint64_t *words; /* the records */
	uint64_t bytes;        /* of the mapping */
};

/* One record; its arrays belong to the corpus. */
struct corpus_record {
	enum corpus_kind kind;
	uint32_t worker;
	uint32_t count;
	uint32_t first_block;
	const uint64_t *parent; /* NULL: none */
	const uint64_t *local;  /* of a Stored or a query */
	const uint64_t *names;  /* of a Stored or Removed */
};

/* Map a file. -EBADMSG: it is none; else -errno of open(2) or mmap(2). */
int corpus_open(struct corpus *ret_corpus, const char *path);
void corpus_close(struct corpus *corpus);

/* The record at `*at`, which moves behind it; it begins with 0. 0 at the end. */
int corpus_next(const struct corpus *corpus, uint64_t *at, struct corpus_record *ret_record);

/* The names of a prompt's blocks. */
void corpus_names(const uint64_t *local, uint32_t count, uint64_t *ret_names);

#endif
