/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/writer/sets.h"
#include "shm/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define ALLOCATE_SETS   1024 /* at once: 64 KiB */
#define SETS_PER_BUCKET 8
#define BUCKETS_MIN     1024

/* Zeroed, and touched where it is used: memory from calloc may be cleared at once, which takes
 * milliseconds. NULL: none. */
static void *reserve(uint64_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void release(void *memory, uint64_t bytes)
{
	if (memory)
		munmap(memory, bytes);
}

int rdx_sets_open(struct rdx_writer_sets *sets, struct rdx_set *record, uint64_t max, int fd,
		  uint64_t offset, uint64_t allocated)
{
	uint32_t buckets = BUCKETS_MIN;

	while (buckets < max / SETS_PER_BUCKET)
		buckets *= 2;
	*sets = (struct rdx_writer_sets){
		.record = record,
		.set = reserve(max * sizeof(*sets->set)),
		.bucket = reserve(buckets * sizeof(*sets->bucket)),
		.buckets = buckets,
		.count = 1,
		.max = (uint32_t)max,
		.allocated = (uint32_t)allocated,
		.fd = fd,
		.offset = offset,
	};
	if (sets->set && sets->bucket)
		return 0;
	rdx_sets_close(sets);
	return -ENOMEM;
}

void rdx_sets_close(struct rdx_writer_sets *sets)
{
	release(sets->set, sets->max * sizeof(*sets->set));
	release(sets->bucket, sets->buckets * sizeof(*sets->bucket));
	*sets = (struct rdx_writer_sets){.record = NULL};
}

static uint32_t *bucket_of(struct rdx_writer_sets *sets, const uint64_t *columns)
{
	uint64_t hash = 0;

	for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++)
		hash = (hash ^ columns[word]) * UINT64_C(0x9e3779b97f4a7c15);
	return &sets->bucket[(hash ^ hash >> 32) & (sets->buckets - 1)];
}

static void columns_of(const struct rdx_writer_sets *sets, uint32_t set, uint64_t *ret_columns)
{
	rdx_words_load(ret_columns, sets->record[set].columns, RDX_COLUMN_WORDS);
}

/* A free number. 0: none, or no memory for its record. */
static uint32_t take(struct rdx_writer_sets *sets)
{
	uint32_t set = sets->free;

	if (set) {
		sets->free = sets->set[set].next;
		return set;
	}
	if (sets->count == sets->max)
		return 0;
	if (sets->count == sets->allocated) {
		uint32_t left = sets->max - sets->allocated;
		uint32_t piece = left < ALLOCATE_SETS ? left : ALLOCATE_SETS;
		uint64_t at = sets->offset + sets->allocated * sizeof(struct rdx_set);

		if (rdx_file_allocate(sets->fd, at, piece * sizeof(struct rdx_set)) < 0)
			return 0;
		sets->allocated += piece;
	}
	return sets->count++;
}

static uint32_t make(struct rdx_writer_sets *sets, const uint64_t *columns)
{
	uint32_t set = take(sets);

	if (set) {
		sets->set[set].cells = 0;
		rdx_set_fill(&sets->record[set], columns);
	}
	return set;
}

static void hash_in(struct rdx_writer_sets *sets, uint32_t set, const uint64_t *columns)
{
	uint32_t *bucket = bucket_of(sets, columns);

	sets->set[set].next = *bucket;
	*bucket = set;
}

static void hash_out(struct rdx_writer_sets *sets, uint32_t set, const uint64_t *columns)
{
	uint32_t *at = bucket_of(sets, columns);

	while (*at != set)
		at = &sets->set[*at].next;
	*at = sets->set[set].next;
}

uint32_t rdx_sets_intern(struct rdx_writer_sets *sets, const uint64_t *columns)
{
	uint32_t set = *bucket_of(sets, columns);
	uint64_t there[RDX_COLUMN_WORDS];

	for (; set; set = sets->set[set].next) {
		columns_of(sets, set, there);
		if (memcmp(there, columns, sizeof(there)) == 0)
			return set;
	}
	set = make(sets, columns);
	if (set)
		hash_in(sets, set, columns);
	return set;
}

uint32_t rdx_sets_single(struct rdx_writer_sets *sets, uint32_t column)
{
	uint64_t columns[RDX_COLUMN_WORDS] = {0};
	uint32_t set;

	rdx_column_add(columns, column);
	set = make(sets, columns);
	if (set)
		sets->set[set].cells = 1;
	return set;
}

void rdx_sets_free(struct rdx_writer_sets *sets, uint32_t set)
{
	uint64_t columns[RDX_COLUMN_WORDS];

	columns_of(sets, set, columns);
	if (rdx_column_few(columns) == 2)
		hash_out(sets, set, columns);
	sets->set[set].next = sets->free;
	sets->free = set;
	sets->step = (struct rdx_sets_step){.from = 0};
}

/* Returns 1 if the set is empty now, and was not before. */
static int strip_one(struct rdx_writer_sets *sets, uint32_t set, const uint64_t *columns)
{
	uint64_t before[RDX_COLUMN_WORDS], after[RDX_COLUMN_WORDS];

	columns_of(sets, set, before);
	for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++)
		after[word] = before[word] & ~columns[word];
	if (memcmp(before, after, sizeof(before)) == 0)
		return 0;
	if (rdx_column_few(before) == 2)
		hash_out(sets, set, before);
	rdx_set_strip(&sets->record[set], columns);
	if (rdx_column_few(after) == 2)
		hash_in(sets, set, after); /* perhaps beside an equal one, which does no harm */
	return rdx_column_few(after) == 0;
}

uint64_t rdx_sets_strip(struct rdx_writer_sets *sets, const uint64_t *columns, uint32_t from,
			uint32_t to)
{
	uint64_t emptied = 0;

	sets->step = (struct rdx_sets_step){.from = 0};
	for (uint32_t set = from; set < to; set++) {
		if (sets->set[set].cells && strip_one(sets, set, columns))
			emptied += sets->set[set].cells;
	}
	return emptied;
}
