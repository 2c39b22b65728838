/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/corpus/emit.h"

#include <errno.h>
#include <stdlib.h>

#define BUFFER_BYTES (1 << 20)

int emit_open(struct emit *ret_emit, const char *path)
{
	struct emit emit = {
		.header = {.magic = CORPUS_MAGIC,
			   .version = CORPUS_VERSION,
			   .header_words = sizeof(struct corpus_header) / 8,
			   .block_tokens = CORPUS_BLOCK_TOKENS},
	};

	emit.file = fopen(path, "we");
	if (!emit.file)
		return -errno;
	setvbuf(emit.file, NULL, _IOFBF, BUFFER_BYTES);
	fwrite(&emit.header, sizeof(emit.header), 1, emit.file);
	*ret_emit = emit;
	return 0;
}

/* A failure is kept by the stream, and told by emit_close. */
static void put(struct emit *emit, const uint64_t *words, uint64_t count)
{
	fwrite(words, sizeof(*words), count, emit->file);
	emit->header.words += count;
}

static void begin(struct emit *emit, uint64_t word)
{
	put(emit, &word, 1);
	emit->header.records++;
}

void emit_stored(struct emit *emit, uint32_t worker, const uint64_t *parent, uint32_t first_block,
		 const uint64_t *local, const uint64_t *names, uint32_t count)
{
	uint64_t where[2] = {parent ? *parent : 0, first_block};

	begin(emit, corpus_word(CORPUS_STORED, parent != NULL, worker, count));
	put(emit, where, 2);
	put(emit, local, count);
	put(emit, names, count);
	emit->header.stored_events++;
	emit->header.stored_blocks += count;
}

void emit_removed(struct emit *emit, uint32_t worker, const uint64_t *names, uint32_t count)
{
	begin(emit, corpus_word(CORPUS_REMOVED, 0, worker, count));
	put(emit, names, count);
	emit->header.removed_events++;
	emit->header.removed_blocks += count;
}

void emit_cleared(struct emit *emit, uint32_t worker)
{
	begin(emit, corpus_word(CORPUS_CLEARED, 0, worker, 0));
	emit->header.clears++;
}

void emit_query(struct emit *emit, const uint64_t *local, uint32_t count)
{
	begin(emit, corpus_word(CORPUS_QUERY, 0, 0, count));
	put(emit, local, count);
	emit->header.queries++;
	emit->header.query_blocks += count;
}

int emit_close(struct emit *emit)
{
	int failed = fseek(emit->file, 0, SEEK_SET) < 0 ||
		     fwrite(&emit->header, sizeof(emit->header), 1, emit->file) != 1 ||
		     ferror(emit->file);

	failed |= fclose(emit->file) != 0;
	return failed ? -EIO : 0;
}
