/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/writer/grow.h"
#include "consumer/writer/columns.h"
#include "consumer/writer/crowd.h"
#include "consumer/writer/holders.h"
#include "consumer/writer/retire.h"
#include "consumer/writer/room.h"
#include "shm/file.h"
#include "shm/guard.h"
#include "shm/words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Share of slots that living keys take: when as many live as the table was made for, when the next
 * one is begun, and when stores are refused. */
#define MADE_PERCENT 58
#define GROW_PERCENT 70
#define FULL_PERCENT 88

#define LINES_MIN      512                   /* with fewer, copying in pieces is too late */
#define SETS_MIN       1024                  /* beside one a line */
#define SETS_FIRST     1024                  /* allocated with the lines */
#define ALLOCATE_BYTES (UINT64_C(128) << 10) /* of one piece: 0.1 ms at most */
#define COPY_LINES     128                   /* of one piece: likewise */
#define COPY_AHEAD     2                     /* lines whose keys are being fetched */
#define NOW_TRIES      4
#define CROWDED_NS     UINT64_C(10000000000) /* between two tables because of crowded lines */
#define RETRY_REFUSED  4096                  /* refused blocks before memory is requested again */

static uint64_t slots_of(const struct rdx_writer_table *table)
{
	return table->table.lines * RDX_LINE_SLOTS;
}

static uint64_t lines_for(uint64_t blocks)
{
	uint64_t lines = blocks * 100 / (MADE_PERCENT * RDX_LINE_SLOTS) + 1;

	return lines > LINES_MIN ? lines : LINES_MIN;
}

uint64_t rdx_grow_bytes(const struct rdx_writer_table *table)
{
	return rdx_index_sets_end(table->table.lines, table->sets.allocated);
}

uint64_t rdx_grow_bytes_for(uint64_t blocks)
{
	return rdx_index_sets_end(lines_for(blocks), SETS_FIRST);
}

/* The mapped file as a table. -ENOMEM, -errno. */
static int set_up(struct rdx_writer_table *table, uint64_t lines, uint64_t sets)
{
	uint8_t *base = table->mapping.base;
	uint64_t sets_offset = rdx_index_sets_offset(lines), secret[2];
	int r = rdx_namespace_random_id(&secret[0]);

	if (r == 0)
		r = rdx_namespace_random_id(&secret[1]);
	if (r < 0)
		return r;
	table->table = (struct rdx_table){
		.line = (struct rdx_line *)(base + RDX_TABLE_LINES_OFFSET),
		.set = (struct rdx_set *)(base + sets_offset),
		.epoch = &((struct rdx_table_header *)table->mapping.base)->epoch,
		.lines = lines,
		.sets = sets,
		.secret = {secret[0] | 1, secret[1] | 1},
	};
	table->keys = table->dead = 0;
	table->living_max = slots_of(table) * FULL_PERCENT / 100;
	table->grow_at = slots_of(table) * GROW_PERCENT / 100;
	return rdx_sets_open(&table->sets, table->table.set, sets, table->mapping.fd, sets_offset,
			     SETS_FIRST);
}

static void let_go(struct rdx_writer_table *table)
{
	rdx_sets_close(&table->sets);
	rdx_guard_remove(&table->mapping);
	rdx_mapping_close(&table->mapping);
}

static void discard(struct rdx_index_writer *w, struct rdx_writer_table *table)
{
	char temporary[RDX_NAME_BYTES], name[RDX_NAME_BYTES];

	rdx_index_file_gen_temporary(&w->id, temporary);
	rdx_index_file_gen_name(&w->id, table->generation, name);
	if (!rdx_generation_superseded(w->live)) { /* else the names are a successor's */
		rdx_file_remove_own(table->mapping.fd, w->dir_fd, temporary);
		rdx_file_remove_own(table->mapping.fd, w->dir_fd, name);
	}
	let_go(table);
}

/* Map a file of the size, with nothing allocated yet. */
static int create(struct rdx_index_writer *w, struct rdx_writer_table *table, uint64_t lines)
{
	uint64_t sets = lines + SETS_MIN, bytes = rdx_index_table_bytes(lines, sets);
	char name[RDX_NAME_BYTES];
	int fd, r;

	rdx_index_file_gen_temporary(&w->id, name);
	if (unlinkat(w->dir_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(w->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	table->generation = ++w->last_generation; /* never that of one given up */
	r = rdx_file_may_grow(bytes);
	if (r == 0 && (fchmod(fd, w->file_mode) < 0 || ftruncate(fd, (off_t)bytes) < 0))
		r = -errno;
	if (r == 0)
		r = rdx_mapping_attach(&table->mapping, fd, bytes, 1);
	if (r < 0) {
		rdx_file_remove_own(fd, w->dir_fd, name);
		close(fd);
		return r;
	}
	(void)madvise(table->mapping.base, bytes, MADV_HUGEPAGE); /* works without */
	r = set_up(table, lines, sets);
	if (r == 0)
		r = rdx_guard_add_to(&table->mapping, w); /* all of an index fall, or none could */
	if (r < 0)
		discard(w, table);
	return r;
}

/* Allocate the next piece of the file from *at on, and touch it: no page fault when it is filled. 1 if
 * there is more, 0, -errno. */
static int allocate(struct rdx_writer_table *table, uint64_t *at)
{
	uint64_t left = rdx_grow_bytes(table) - *at;
	uint64_t piece = left < ALLOCATE_BYTES ? left : ALLOCATE_BYTES;
	int r = rdx_file_allocate(table->mapping.fd, *at, piece);

	if (r < 0)
		return r;
	rdx_mapping_touch_part(&table->mapping, *at, piece, 1);
	*at += piece;
	return piece < left;
}

/* Complete the file and give it its name. */
static int name_file(struct rdx_index_writer *w, struct rdx_writer_table *table)
{
	struct rdx_table_header header = {
		.magic = RDX_TABLE_MAGIC,
		.layout_fingerprint = RDX_INDEX_FINGERPRINT,
		.writer_id = w->writer_id,
		.generation = table->generation,
		.lines = table->table.lines,
		.sets = table->table.sets,
		.file_bytes = table->mapping.bytes,
		.secret = {table->table.secret[0], table->table.secret[1]},
	};
	struct rdx_index_end *end = rdx_index_end_of(table->mapping.base, table->mapping.bytes);
	char temporary[RDX_NAME_BYTES], name[RDX_NAME_BYTES];
	int r = rdx_file_inode(table->mapping.fd, &header.inode);

	if (r == 0)
		r = rdx_file_allocate(table->mapping.fd, table->mapping.bytes - sizeof(*end),
				      sizeof(*end));
	if (r < 0)
		return r;
	rdx_word_store(&end->writer_id, w->writer_id);
	memcpy(table->mapping.base, &header, sizeof(header));
	rdx_index_file_gen_temporary(&w->id, temporary);
	rdx_index_file_gen_name(&w->id, table->generation, name);
	if (rdx_writer_poisoned(w))
		return -EBADMSG;
	/* N1, with rdx_index_file_gen_map */
	return renameat(w->dir_fd, temporary, w->dir_fd, name) < 0 ? -errno : 0;
}

int rdx_grow_first(struct rdx_index_writer *w, uint64_t blocks)
{
	struct rdx_writer_table *table = rdx_writer_table(w);
	uint64_t at = 0;
	int r;

	if (blocks > RDX_LINES_MAX)
		return -EINVAL;
	w->blocks_min = blocks;
	r = create(w, table, lines_for(blocks));
	if (r < 0)
		return r;
	while ((r = allocate(table, &at)) > 0)
		;
	if (r == 0)
		r = name_file(w, table);
	if (r < 0) {
		discard(w, table);
		return r;
	}
	rdx_generation_name(w->live, table->generation);
	return 0;
}

/* Keys that may come before there are so many. */
static uint64_t room_below(const struct rdx_writer_table *table, uint64_t keys)
{
	uint64_t living = rdx_writer_living(table);

	return living < keys ? keys - living : 0;
}

/* Lines allocated or copied for every change: done before the current table is full, and before the
 * next one is to be replaced. */
static uint64_t pace(const struct rdx_writer_table *current, uint64_t lines)
{
	uint64_t room = room_below(current, current->living_max);
	uint64_t ahead = room_below(current, lines * RDX_LINE_SLOTS * GROW_PERCENT / 100);

	room = room < ahead ? room : ahead;
	return (lines + current->table.lines) / (room + 1) + 1;
}

/* Begin a table for so many keys. -ENOSPC. */
static int start(struct rdx_index_writer *w, uint64_t keys)
{
	uint64_t lines = lines_for(keys);

	lines = lines > w->grow_lines_min ? lines : w->grow_lines_min;
	if (lines > RDX_LINES_MAX)
		return -ENOSPC;
	w->grow_at = 0;
	w->grow_debt = 0;
	w->grow_pace = pace(rdx_writer_table(w), lines);
	if (create(w, rdx_writer_next(w), lines) < 0)
		return -ENOSPC;
	for (uint32_t seat = 0; seat < RDX_RANKS_MAX; seat++)
		w->rank[seat].charged[!w->current_table] = 0;
	w->stage = RDX_GROW_ALLOCATE;
	return 0;
}

/* No memory: the current table stays in use. */
static void back_off(struct rdx_index_writer *w)
{
	w->failures++;
	w->grow_refused = w->refused + RETRY_REFUSED;
}

static int may_start(const struct rdx_index_writer *w)
{
	return w->stage == RDX_GROW_IDLE && w->refused >= w->grow_refused &&
	       !rdx_writer_poisoned(w);
}

static void begin(struct rdx_index_writer *w, uint64_t keys)
{
	if (start(w, keys) < 0)
		back_off(w);
}

/* The current table will not do: another one for what there is and for what is to come. */
static void begin_next(struct rdx_index_writer *w)
{
	struct rdx_room room;

	rdx_room_look(w, &room);
	begin(w, rdx_room_next(&room));
}

/* A table with another secret, for no more keys: those that crowd the lines of this one do not crowd
 * the lines of that one. Not again and again: who can read the new secret can try new keys. */
static void begin_crowded(struct rdx_index_writer *w)
{
	if (!w->crowded || w->beat_ns < w->crowded_ns || !may_start(w))
		return;
	w->crowded_ns = w->beat_ns + CROWDED_NS;
	begin_next(w);
}

static void begin_narrow(struct rdx_index_writer *w)
{
	uint64_t made_for = slots_of(rdx_writer_table(w)) * MADE_PERCENT / 100;
	uint64_t keys = rdx_room_narrow(w, made_for);

	if (keys && lines_for(keys) < rdx_writer_table(w)->table.lines && may_start(w))
		begin(w, keys);
}

/* Will recoveries bring more keys than the current table can have before the next one is due? */
static int is_short(const struct rdx_index_writer *w)
{
	const struct rdx_writer_table *current = &w->tables[w->current_table];
	struct rdx_room room;

	if (w->coming <= room_below(current, current->grow_at))
		return 0; /* not even if they share nothing */
	rdx_room_look(w, &room);
	return rdx_room_recovered(&room) > current->grow_at;
}

int rdx_grow_waits(const struct rdx_index_writer *w, uint64_t blocks)
{
	const struct rdx_writer_table *current = &w->tables[w->current_table];

	if (blocks <= room_below(current, current->grow_at))
		return 0;
	return (w->stage != RDX_GROW_IDLE || may_start(w)) && is_short(w);
}

void rdx_grow_abandon(struct rdx_index_writer *w, int too_small)
{
	struct rdx_writer_table *next = rdx_writer_next(w);

	if (rdx_writer_poisoned(w))
		return; /* the names stay as they are */
	w->grow_lines_min = too_small ? 2 * next->table.lines : 0;
	if (!too_small)
		back_off(w);
	rdx_generation_announce(w->live, 0);
	discard(w, next);
	w->stage = RDX_GROW_IDLE;
	rdx_columns_switched(w);
}

/* What the next piece counts, in lines. */
static uint64_t piece_lines(struct rdx_index_writer *w)
{
	uint64_t left;

	if (w->stage != RDX_GROW_ALLOCATE)
		return COPY_LINES;
	left = rdx_grow_bytes(rdx_writer_next(w)) - w->grow_at;
	return (left < ALLOCATE_BYTES ? left : ALLOCATE_BYTES) / sizeof(struct rdx_line);
}

void rdx_grow_pace(struct rdx_index_writer *w, uint32_t changes)
{
	const struct rdx_writer_table *current = rdx_writer_table(w);

	if (w->stage == RDX_GROW_IDLE) {
		if (rdx_writer_living(current) >= current->grow_at && may_start(w))
			begin_next(w);
		begin_crowded(w);
		return;
	}
	w->grow_debt += changes * w->grow_pace;
	while (w->stage != RDX_GROW_IDLE && w->grow_debt >= piece_lines(w))
		rdx_grow_step(w);
}

/* A table of as many lines would have no more of them. */
static void ask_for_sets(struct rdx_index_writer *w)
{
	w->grow_lines_min = 2 * rdx_writer_table(w)->table.lines;
}

int rdx_grow_now(struct rdx_index_writer *w)
{
	uint64_t generations = w->generations;

	if (!rdx_sets_left(&rdx_writer_table(w)->sets))
		ask_for_sets(w);
	/* more than once only if a table turned out too small */
	for (int try = 0; try < NOW_TRIES && w->generations == generations; try++) {
		if (may_start(w))
			begin_next(w);
		while (w->stage != RDX_GROW_IDLE && rdx_grow_step(w))
			;
	}
	return w->generations != generations;
}

int rdx_grow_sets(struct rdx_index_writer *w)
{
	ask_for_sets(w);
	return rdx_grow_now(w);
}

/* The next table has its memory: readers may map it. Events go to both from now on. */
static void begin_copy(struct rdx_index_writer *w)
{
	struct rdx_writer_table *next = rdx_writer_next(w);

	if (rdx_columns_begin(w, next) < 0 || name_file(w, next) < 0) {
		rdx_grow_abandon(w, 0);
		return;
	}
	rdx_generation_announce(w->live, next->generation);
	w->stage = RDX_GROW_COPY;
	w->grow_at = 0;
}

/* Copy the keys of a line whose home is in [from, to). -ENOSPC. */
static int copy_line(struct rdx_index_writer *w, const struct rdx_line *line, uint64_t from,
		     uint64_t to)
{
	const struct rdx_writer_table *current = rdx_writer_table(w);
	uint64_t columns[RDX_COLUMN_WORDS];
	int r = 0;

	for (uint32_t slot = 0; slot < RDX_LINE_SLOTS && r == 0; slot++) {
		uint64_t key = rdx_word_load(&line->key[slot]);
		uint64_t home = key ? rdx_table_home(&current->table, key) : to;

		if (home < from || home >= to)
			continue;
		rdx_words_load(columns, current->table.set[rdx_cell_set(line, slot)].columns,
			       RDX_COLUMN_WORDS);
		r = rdx_holders_put(w, rdx_writer_next(w), key, columns);
		if (r == -ENOBUFS)
			r = rdx_crowd_put(w, rdx_writer_next(w), key, columns);
		r = r < 0 ? r : 0;
	}
	return r;
}

/* Fetch where the keys of a line go. */
static void fetch_line(const struct rdx_table *next, const struct rdx_line *line)
{
	for (uint32_t slot = 0; slot < RDX_LINE_SLOTS; slot++)
		rdx_table_prefetch(next, rdx_word_load(&line->key[slot]));
}

/* Changes that are queued: their lines are in the table that is current now. */
static void rehome(struct rdx_index_writer *w)
{
	for (uint32_t i = w->op_first; i != w->op_end; i++) {
		struct rdx_writer_op *op = &w->op[i % RDX_OPS_MAX];

		op->home = rdx_table_line(&rdx_writer_table(w)->table, op->key);
	}
}

static void switch_tables(struct rdx_index_writer *w)
{
	struct rdx_writer_table *old = rdx_writer_table(w), *next = rdx_writer_next(w);
	char name[RDX_NAME_BYTES];

	rdx_generation_name(w->live, next->generation);
	rdx_generation_announce(w->live, 0);
	rdx_index_file_gen_name(&w->id, old->generation, name);
	if (!rdx_writer_poisoned(w))
		unlinkat(w->dir_fd, name, 0); /* readers keep what they have mapped */
	rdx_sets_close(&old->sets);
	rdx_guard_remove(&old->mapping);
	rdx_retire_begin(w, old);
	w->current_table = !w->current_table;
	rehome(w);
	w->stage = RDX_GROW_IDLE;
	w->grow_lines_min = 0;
	w->crowded = 0;
	w->grow_refused = 0;
	rdx_room_begin(w);
	w->generations++;
	rdx_columns_switched(w);
}

/* The keys of the next home lines. */
static void copy(struct rdx_index_writer *w)
{
	const struct rdx_table *table = &rdx_writer_table(w)->table;
	uint64_t from = w->grow_at, left = table->lines - from;
	uint64_t to = from + (left < COPY_LINES ? left : COPY_LINES);
	uint64_t end = rdx_table_piece_end(table, to);

	for (uint64_t at = from; at < end; at++) {
		if (at + COPY_AHEAD < end)
			fetch_line(&rdx_writer_next(w)->table, table->line + at + COPY_AHEAD);
		if (copy_line(w, table->line + at, from, to) < 0) {
			rdx_grow_abandon(w, 1);
			return;
		}
	}
	w->grow_at = to;
	if (to == table->lines)
		switch_tables(w);
}

int rdx_grow_step(struct rdx_index_writer *w)
{
	uint64_t lines = piece_lines(w);
	int r;

	/* paid, whoever asked for it */
	w->grow_debt -= w->grow_debt < lines ? w->grow_debt : lines;
	if (rdx_writer_poisoned(w))
		return 0;
	if (w->stage == RDX_GROW_IDLE) {
		if (may_start(w) && is_short(w))
			begin_next(w);
		begin_crowded(w);
		begin_narrow(w);
	} else if (w->stage == RDX_GROW_ALLOCATE) {
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
	if (w->ready || !w->live)
		let_go(rdx_writer_table(w));
	else
		discard(w, rdx_writer_table(w)); /* nobody has seen it */
}
