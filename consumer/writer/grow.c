/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/writer/grow.h"
#include "consumer/writer/columns.h"
#include "consumer/writer/retire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Share of places taken at which the next table is begun, and at which stores are refused. */
#define GROW_PERCENT 75
#define FULL_PERCENT 90

#define LINES_MIN      512         /* with fewer, copying in pieces is too late */
#define SHRINK_MAX     4           /* a new table has at least a quarter of the lines */
#define ALLOCATE_BYTES (256 << 10) /* of one piece */
#define COPY_LINES     512         /* of one piece */
#define NOW_TRIES      4
#define LINES_PER_KEY  8    /* copied for every key added: done long before it is full */
#define RETRY_PART     64   /* of the places, before memory is requested again */
#define RETRY_REFUSED  4096 /* likewise, when the table is full */

#define SAMPLE_PLACES 64 /* of the table, to estimate how many keys are alive */
#define SAMPLE_LINES  64 /* at each */

static uint64_t table_bytes(uint64_t lines, uint32_t mask_words)
{
	return RDX_TABLE_OFFSET + lines * rdx_table_stride(mask_words) * sizeof(uint64_t);
}

static void set_limits(struct rdx_writer_table *table)
{
	uint64_t places = table->table.lines * RDX_LINE_KEYS;

	table->used = 0;
	table->used_max = places * FULL_PERCENT / 100;
	table->grow_at = places * GROW_PERCENT / 100;
}

/* Map a file of the size, with nothing allocated yet. */
static int create(struct rdx_index_writer *w, struct rdx_writer_table *table, uint64_t lines,
		  uint32_t mask_words)
{
	uint64_t bytes = table_bytes(lines, mask_words);
	char name[RDX_NAME_BYTES];
	int fd, r;

	rdx_index_file_gen_temporary(&w->id, name);
	if (unlinkat(w->dir_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(w->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, w->file_mode) < 0 || ftruncate(fd, (off_t)bytes) < 0)
		r = -errno;
	else
		r = rdx_mapping_attach(&table->mapping, fd, bytes, 1);
	if (r < 0) {
		unlinkat(w->dir_fd, name, 0);
		close(fd);
		return r;
	}
	(void)madvise(table->mapping.base, bytes, MADV_HUGEPAGE); /* works without */
	table->table.base = (_Atomic uint64_t *)((uint8_t *)table->mapping.base + RDX_TABLE_OFFSET);
	table->table.lines = lines;
	table->table.spread = w->spread;
	table->table.mask_words = mask_words;
	table->table.stride_words = rdx_table_stride(mask_words);
	set_limits(table);
	return 0;
}

/* Allocate the next piece of the file from *at on. 1 if there is more, 0, -errno. */
static int allocate(struct rdx_writer_table *table, uint64_t *at)
{
	uint64_t left = table->mapping.bytes - *at;
	uint64_t piece = left < ALLOCATE_BYTES ? left : ALLOCATE_BYTES;
	int r;

	do
		r = posix_fallocate(table->mapping.fd, (off_t)*at, (off_t)piece);
	while (r == EINTR);
	if (r)
		return -r;
	*at += piece;
	return *at < table->mapping.bytes;
}

/* Complete the file and give it its name. */
static int name_file(struct rdx_index_writer *w, struct rdx_writer_table *table,
		     uint64_t generation)
{
	struct rdx_table_header header = {
		.magic = RDX_TABLE_MAGIC,
		.layout_fingerprint = RDX_INDEX_FINGERPRINT,
		.writer_id = w->writer_id,
		.generation = generation,
		.lines = table->table.lines,
		.mask_words = table->table.mask_words,
		.stride_words = table->table.stride_words,
		.file_bytes = table->mapping.bytes,
		.spread = table->table.spread,
	};
	char temporary[RDX_NAME_BYTES], name[RDX_NAME_BYTES];

	memcpy(table->mapping.base, &header, sizeof(header));
	rdx_index_file_gen_temporary(&w->id, temporary);
	rdx_index_file_gen_name(&w->id, generation, name);
	/* N1, with rdx_index_file_gen_map */
	if (renameat(w->dir_fd, temporary, w->dir_fd, name) < 0)
		return -errno;
	table->generation = generation;
	return 0;
}

static void discard(struct rdx_index_writer *w, struct rdx_writer_table *table)
{
	char name[RDX_NAME_BYTES];

	rdx_mapping_close(&table->mapping);
	rdx_index_file_gen_temporary(&w->id, name);
	unlinkat(w->dir_fd, name, 0);
}

int rdx_grow_first(struct rdx_index_writer *w, uint64_t blocks, uint32_t mask_words,
		   uint64_t generation)
{
	struct rdx_writer_table *table = rdx_writer_table(w);
	uint64_t at = 0, lines = blocks / RDX_LINE_KEYS * 100 / GROW_PERCENT + 1;
	int r;

	if (blocks > RDX_LINES_MAX)
		return -EINVAL;
	w->lines_min = lines < LINES_MIN ? LINES_MIN : lines;
	r = create(w, table, w->lines_min, mask_words);
	if (r < 0)
		return r;
	while ((r = allocate(table, &at)) > 0)
		;
	if (r == 0)
		r = name_file(w, table, generation);
	if (r < 0) {
		discard(w, table);
		return r;
	}
	for (uint32_t word = 0; word < mask_words; word++)
		rdx_columns_add_word(w, word);
	rdx_generation_name(w->live, generation);
	return 0;
}

/* Does a used column hold the key of this place? Its masks are copied to ret_masks. */
static int key_alive(const struct rdx_index_writer *w, const struct rdx_table *table,
		     const _Atomic uint64_t *mask, uint64_t *ret_masks)
{
	uint64_t any = 0;

	for (uint32_t word = 0; word < table->mask_words; word++) {
		ret_masks[word] = rdx_word_load(mask + RDX_LINE_KEYS * word) & w->word[word].used;
		any |= ret_masks[word];
	}
	return any != 0;
}

static uint64_t count_alive(const struct rdx_index_writer *w, const struct rdx_table *table,
			    uint64_t from, uint64_t lines)
{
	uint64_t masks[RDX_MASK_WORDS_MAX], alive = 0;

	for (uint64_t at = from; at < from + lines; at++) {
		const _Atomic uint64_t *line = rdx_table_line(table, at);

		for (uint32_t i = 0; i < RDX_LINE_KEYS; i++)
			alive += (uint64_t)key_alive(w, table, line + RDX_LINE_KEYS + i, masks);
	}
	return alive;
}

/* Keys are spread evenly over the lines, so some thousand of them stand for all. */
static uint64_t estimate_alive(struct rdx_index_writer *w)
{
	const struct rdx_table *table = &rdx_writer_table(w)->table;
	uint64_t alive = 0, part = table->lines / SAMPLE_PLACES;

	if (part <= SAMPLE_LINES)
		return count_alive(w, table, 0, table->lines);
	for (uint64_t place = 0; place < SAMPLE_PLACES; place++)
		alive += count_alive(w, table, place * part, SAMPLE_LINES);
	return alive * part / SAMPLE_LINES;
}

static int start(struct rdx_index_writer *w, uint32_t mask_words)
{
	uint64_t lines = estimate_alive(w) * RDX_GROW_PLACES_PER_KEY / RDX_LINE_KEYS;
	uint64_t least = rdx_writer_table(w)->table.lines / SHRINK_MAX;
	int r;

	least = least > w->lines_min ? least : w->lines_min;
	least = least > w->grow_lines_min ? least : w->grow_lines_min;
	lines = lines > least ? lines : least;
	if (lines > RDX_LINES_MAX)
		return -ENOSPC;
	r = create(w, rdx_writer_next(w), lines, mask_words);
	if (r < 0)
		return r;
	w->stage = RDX_GROW_ALLOCATE;
	w->grow_at = 0;
	w->grow_debt = 0;
	return 0;
}

/* No memory: the current table stays in use; growing is tried again when it is fuller. */
static void back_off(struct rdx_index_writer *w)
{
	struct rdx_writer_table *current = rdx_writer_table(w);
	uint64_t grow_at = current->used + current->table.lines * RDX_LINE_KEYS / RETRY_PART;

	w->failures++;
	if (current->grow_at <= current->used)
		current->grow_at = grow_at < current->used_max ? grow_at : current->used_max;
	w->grow_refused = current->used < current->used_max ? 0 : w->refused + RETRY_REFUSED;
}

void rdx_grow_abandon(struct rdx_index_writer *w, int too_small)
{
	struct rdx_writer_table *next = rdx_writer_next(w);

	w->grow_lines_min = too_small ? 2 * next->table.lines : 0;
	if (!too_small) {
		back_off(w);
		w->words_refused = next->table.mask_words > rdx_writer_table(w)->table.mask_words;
	}
	discard(w, next);
	w->stage = RDX_GROW_IDLE;
}

int rdx_grow_words(struct rdx_index_writer *w)
{
	uint32_t words = rdx_writer_table(w)->table.mask_words;

	if (words >= RDX_MASK_WORDS_MAX)
		return -ENOSPC;
	if (w->words_refused) {
		w->words_refused = 0;
		return -ENOSPC;
	}
	if (w->stage != RDX_GROW_IDLE)
		return -EAGAIN;
	/* an odd number of mask words fills the line's stride */
	words += words & 1 ? 2 : 1;
	if (start(w, words < RDX_MASK_WORDS_MAX ? words : RDX_MASK_WORDS_MAX) < 0) {
		w->failures++;
		return -ENOSPC;
	}
	return -EAGAIN;
}

void rdx_grow_pace(struct rdx_index_writer *w, uint64_t keys_added)
{
	struct rdx_writer_table *current = rdx_writer_table(w);

	if (w->stage == RDX_GROW_IDLE) {
		if (current->used >= current->grow_at && w->refused >= w->grow_refused &&
		    start(w, current->table.mask_words) < 0)
			back_off(w);
		return;
	}
	w->grow_debt += keys_added * LINES_PER_KEY;
	for (; w->grow_debt >= COPY_LINES && w->stage != RDX_GROW_IDLE; w->grow_debt -= COPY_LINES)
		rdx_grow_step(w);
}

int rdx_grow_now(struct rdx_index_writer *w)
{
	uint64_t generations = w->generations;

	/* more than once only if a table turned out too small */
	for (int try = 0; try < NOW_TRIES && w->generations == generations; try++) {
		if (rdx_writer_table(w)->used < rdx_writer_table(w)->used_max)
			break;
		rdx_grow_pace(w, 0);
		while (w->stage != RDX_GROW_IDLE)
			rdx_grow_step(w);
	}
	if (w->generations != generations)
		return 1;
	w->refused++;
	return 0;
}

static void begin_copy(struct rdx_index_writer *w)
{
	for (uint32_t word = 0; word < RDX_MASK_WORDS_MAX; word++)
		w->grow_clean[word] = w->word[word].dirty;
	w->sweeping = 0; /* columns retired before now are not copied, and so clean */
	w->stage = RDX_GROW_COPY;
	w->grow_at = 0;
}

/* Returns 0 if a key did not fit. */
static int copy_line(struct rdx_index_writer *w, const _Atomic uint64_t *line)
{
	const struct rdx_table *table = &rdx_writer_table(w)->table;
	struct rdx_writer_table *next = rdx_writer_next(w);
	uint64_t masks[RDX_MASK_WORDS_MAX];

	for (uint32_t i = 0; i < RDX_LINE_KEYS; i++) {
		uint64_t key = rdx_word_load(line + i);
		_Atomic uint64_t *mask;

		if (!key)
			break;
		if (!key_alive(w, table, line + RDX_LINE_KEYS + i, masks))
			continue;
		mask = rdx_table_claim(&next->table, key, &next->used, next->used_max);
		if (!mask)
			return 0;
		for (uint32_t word = 0; word < table->mask_words; word++)
			rdx_table_mask_set(mask, word, masks[word]);
	}
	return 1;
}

static void switch_tables(struct rdx_index_writer *w)
{
	struct rdx_writer_table *old = rdx_writer_table(w), *next = rdx_writer_next(w);
	char name[RDX_NAME_BYTES];

	if (name_file(w, next, old->generation + 1) < 0) {
		rdx_grow_abandon(w, 0);
		return;
	}
	rdx_generation_name(w->live, next->generation);
	rdx_index_file_gen_name(&w->id, old->generation, name);
	unlinkat(w->dir_fd, name, 0); /* readers keep what they have mapped */
	for (uint32_t word = old->table.mask_words; word < next->table.mask_words; word++)
		rdx_columns_add_word(w, word);
	rdx_retire_begin(w, &old->mapping);
	w->current_table = !w->current_table;
	w->stage = RDX_GROW_IDLE;
	w->grow_lines_min = 0;
	w->grow_refused = 0;
	w->generations++;
	rdx_columns_switched(w);
}

static void copy(struct rdx_index_writer *w)
{
	const struct rdx_table *table = &rdx_writer_table(w)->table;
	uint64_t end = w->grow_at + COPY_LINES;

	end = end < table->lines ? end : table->lines;
	for (; w->grow_at < end; w->grow_at++) {
		if (!copy_line(w, rdx_table_line(table, w->grow_at))) {
			rdx_grow_abandon(w, 1);
			return;
		}
	}
	if (w->grow_at == table->lines)
		switch_tables(w);
}

int rdx_grow_step(struct rdx_index_writer *w)
{
	int r;

	if (w->stage == RDX_GROW_ALLOCATE) {
		r = allocate(rdx_writer_next(w), &w->grow_at);
		if (r < 0)
			rdx_grow_abandon(w, 0);
		else if (r == 0)
			begin_copy(w);
	} else if (w->stage == RDX_GROW_COPY) {
		copy(w);
	}
	return w->stage != RDX_GROW_IDLE;
}

void rdx_grow_close(struct rdx_index_writer *w)
{
	if (w->stage != RDX_GROW_IDLE)
		discard(w, rdx_writer_next(w));
	rdx_mapping_close(&rdx_writer_table(w)->mapping);
}
