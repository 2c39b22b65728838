/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/corpus/corpus.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static int header_valid(const struct corpus_header *header, uint64_t bytes)
{
	return header->magic == CORPUS_MAGIC && header->version == CORPUS_VERSION &&
	       header->header_words * 8 == sizeof(*header) &&
	       (header->header_words + header->words) * 8 == bytes;
}

int corpus_open(struct corpus *ret_corpus, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *file;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if ((uint64_t)st.st_size < sizeof(struct corpus_header))
		r = -EBADMSG;
	if (r < 0) {
		close(fd);
		return r;
	}
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	r = -errno;
	close(fd);
	if (file == MAP_FAILED)
		return r;
	if (!header_valid(file, (uint64_t)st.st_size)) {
		munmap(file, (size_t)st.st_size);
		return -EBADMSG;
	}
	*ret_corpus = (struct corpus){
		.header = file,
		.words = (const uint64_t *)file + sizeof(struct corpus_header) / 8,
		.bytes = (uint64_t)st.st_size,
	};
	return 0;
}

void corpus_close(struct corpus *corpus)
{
	if (corpus->header)
		munmap((void *)(uintptr_t)corpus->header, corpus->bytes);
	*corpus = (struct corpus){0};
}

int corpus_next(const struct corpus *corpus, uint64_t *at, struct corpus_record *ret_record)
{
	const uint64_t *word = corpus->words + *at;
	uint64_t words = 1;

	if (*at >= corpus->header->words)
		return 0;
	*ret_record = (struct corpus_record){
		.kind = (enum corpus_kind)(word[0] & 0xff),
		.worker = (uint32_t)(word[0] >> 16 & 0xffff),
		.count = (uint32_t)(word[0] >> 32),
	};
	switch (ret_record->kind) {
	case CORPUS_STORED:
		ret_record->parent = word[0] >> 8 & 1 ? &word[1] : NULL;
		ret_record->first_block = (uint32_t)word[2];
		ret_record->local = &word[3];
		ret_record->names = &word[3 + ret_record->count];
		words = 3 + 2 * (uint64_t)ret_record->count;
		break;
	case CORPUS_REMOVED:
		ret_record->names = &word[1];
		words = 1 + (uint64_t)ret_record->count;
		break;
	case CORPUS_CLEARED:
		break;
	case CORPUS_QUERY:
		ret_record->local = &word[1];
		words = 1 + (uint64_t)ret_record->count;
		break;
	}
	*at += words;
	return 1;
}

void corpus_names(const uint64_t *local, uint32_t count, uint64_t *ret_names)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t pair[2] = {i ? ret_names[i - 1] : 0, local[i]};

		ret_names[i] =
			i ? XXH3_64bits_withSeed(pair, sizeof(pair), CORPUS_NAME_SEED) : local[0];
	}
}
