/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/index/search.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define FIRST_PIECE 8
#define PIECE_MAX   32 /* blocks: they are chained while the last block of the piece before comes */
#define SPLITS      8  /* of one interval */
#define BATCH       16 /* blocks that a scan has on their way */
#define ALL_TIERS   ((1 << RDX_TIER_COUNT) - 1)

static_assert(RDX_INTERVALS_MAX >= 12 * SPLITS * RDX_WAVE_INTERVALS + 1,
	      "what a wave leaves must fit");

void rdx_search_forget(struct rdx_search *s)
{
	s->words = 0;
	memset(&s->visible, 0, sizeof(s->visible));
	memset(&s->scanned, 0, sizeof(s->scanned));
	memset(&s->sought, 0, sizeof(s->sought));
}

void rdx_search_show(struct rdx_search *s, uint32_t seat, const struct rdx_columns *columns,
		     int scan)
{
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		uint32_t column = columns->column[tier], word = rdx_column_word(column);

		s->column[seat][tier] = (uint16_t)column;
		if (column == RDX_COLUMN_NONE)
			continue;
		s->seat[column] = (uint16_t)seat;
		s->tier[column] = (uint8_t)tier;
		rdx_column_add(s->visible.columns, column);
		rdx_column_add(scan ? s->scanned.columns : s->sought.columns, column);
		s->words = s->words > word ? s->words : word + 1;
	}
}

/* Columns of `a` that are not in `b`. 1 if there are any. */
static int minus(const struct rdx_search *s, const struct rdx_held *a, const struct rdx_held *b,
		 struct rdx_held *ret_rest)
{
	uint64_t any = 0;

	for (uint32_t word = 0; word < s->words; word++) {
		ret_rest->columns[word] = a->columns[word] & ~b->columns[word];
		any |= ret_rest->columns[word];
	}
	return any != 0;
}

/* Columns of both. 1 if there are any. */
static int both(const struct rdx_search *s, const struct rdx_held *a, const struct rdx_held *b,
		struct rdx_held *ret_both)
{
	uint64_t any = 0;

	for (uint32_t word = 0; word < s->words; word++) {
		ret_both->columns[word] = a->columns[word] & b->columns[word];
		any |= ret_both->columns[word];
	}
	return any != 0;
}

/* Which of the columns `of` hold a block. 1 if there are any, 0, -EAGAIN. */
static int probe(const struct rdx_search *s, uint64_t key, const struct rdx_held *of,
		 struct rdx_held *ret_held)
{
	/* mostly 1, for which the compiler writes no loop */
	int r = s->words == 1 ? rdx_table_probe(&s->table, key, 1, ret_held->columns)
			      : rdx_table_probe(&s->table, key, s->words, ret_held->columns);

	RDX_HOOK(RDX_HOOK_LOOKUP_PROBE);
	if (r > 0)
		return both(s, ret_held, of, ret_held);
	memset(ret_held, 0, sizeof(*ret_held));
	return r;
}

static void hold(struct rdx_search *s, uint32_t seat)
{
	if (s->is_holder[seat])
		return;
	s->is_holder[seat] = 1;
	s->holder[s->holder_count++] = (uint16_t)seat;
	memset(s->blocks[seat], 0, sizeof(s->blocks[seat]));
}

/* Where the holders found last time were noted. */
static void forget_holders(struct rdx_search *s)
{
	for (uint32_t i = 0; i < s->holder_count; i++)
		s->is_holder[s->holder[i]] = 0;
	s->holder_count = 0;
}

/* One of the columns, which is taken out, or RDX_COLUMN_NONE. */
static uint32_t take(const struct rdx_search *s, struct rdx_held *held)
{
	for (uint32_t word = 0; word < s->words; word++) {
		uint64_t bits = held->columns[word];

		if (!bits)
			continue;
		held->columns[word] = bits & (bits - 1);
		return word * RDX_COLUMN_WORD_BITS + (uint32_t)__builtin_ctzll(bits);
	}
	return RDX_COLUMN_NONE;
}

/* These columns hold a block and not the next one: `blocks` of the request, so far. */
static void reached(struct rdx_search *s, struct rdx_held columns, uint32_t blocks)
{
	uint32_t column;

	while ((column = take(s, &columns)) != RDX_COLUMN_NONE) {
		uint32_t seat = s->seat[column], *at = &s->blocks[seat][s->tier[column]];

		hold(s, seat);
		*at = *at > blocks ? *at : blocks;
	}
}

/* Always inline, as rdx_table_prefetch. */
__attribute__((always_inline)) static inline void fetch(const struct rdx_search *s,
							const struct rdx_keys *keys, uint32_t block)
{
	rdx_table_prefetch(&s->table, keys->prefix[block]);
}

/* ---- Search. */

/* The end of the piece after `end`. Where prefix hashes need not be made there is nothing to be
 * done meanwhile, and each piece is as long as all before it. */
static uint32_t piece_end(const struct rdx_keys *keys, uint32_t end)
{
	uint32_t left = keys->count - end, piece = end < FIRST_PIECE ? FIRST_PIECE - end : end;

	if (keys->made < keys->count && piece > PIECE_MAX)
		piece = PIECE_MAX;
	return left < piece || left - piece < FIRST_PIECE ? keys->count : end + piece;
}

/* Make a piece's prefix hashes, and let its last block come. */
static void fetch_piece(const struct rdx_search *s, struct rdx_keys *keys, uint32_t end)
{
	rdx_keys_make(keys, end);
	fetch(s, keys, end - 1);
}

void rdx_search_fetch(const struct rdx_search *s, struct rdx_keys *keys)
{
	uint32_t end;

	if (!keys->count)
		return;
	fetch_piece(s, keys, 1);
	end = piece_end(keys, 1);
	fetch_piece(s, keys, end);
	fetch_piece(s, keys, piece_end(keys, end));
}

static uint32_t parts_of(const struct rdx_interval *interval)
{
	uint32_t width = interval->high - interval->low;

	return width < SPLITS ? width : SPLITS;
}

/* Where part i of an interval ends. */
static uint32_t part_end(const struct rdx_interval *interval, uint32_t i, uint32_t parts)
{
	uint64_t width = interval->high - interval->low;

	return interval->low + (uint32_t)(width * (i + 1) / parts);
}

/* Two blocks, between which a run may end: where it does is found, or searched for later. */
static void between(struct rdx_search *s, const struct rdx_keys *keys,
		    const struct rdx_interval *interval)
{
	uint32_t parts = parts_of(interval);
	struct rdx_held ended;

	if (!minus(s, &interval->at_low, &interval->at_high, &ended))
		return;
	if (parts == 1) {
		reached(s, ended, interval->high);
		return;
	}
	assert(s->interval_count < RDX_INTERVALS_MAX);
	s->interval[s->interval_count++] = *interval;
	for (uint32_t i = 0; i < parts - 1; i++)
		fetch(s, keys, part_end(interval, i, parts));
}

static int split(struct rdx_search *s, const struct rdx_keys *keys,
		 const struct rdx_interval *interval)
{
	uint32_t parts = parts_of(interval);
	struct rdx_interval part = {.low = interval->low, .at_low = interval->at_low};

	for (uint32_t i = 0; i < parts; i++) {
		int r = 0;

		part.high = part_end(interval, i, parts);
		if (i == parts - 1)
			part.at_high = interval->at_high;
		else
			r = probe(s, keys->prefix[part.high], &s->sought, &part.at_high);
		if (r < 0)
			return r;
		between(s, keys, &part);
		part.low = part.high;
		part.at_low = part.at_high;
	}
	return 0;
}

/* Look at the blocks that intervals wait for. */
static int wave(struct rdx_search *s, const struct rdx_keys *keys)
{
	struct rdx_interval taken[RDX_WAVE_INTERVALS];
	uint32_t count = s->interval_count;
	int r = 0;

	count = count < RDX_WAVE_INTERVALS ? count : RDX_WAVE_INTERVALS;
	s->interval_count -= count;
	memcpy(taken, s->interval + s->interval_count, count * sizeof(*taken));
	for (uint32_t i = 0; i < count && r == 0; i++)
		r = split(s, keys, &taken[i]);
	return r;
}

/* One wave, and more of them while more than so many intervals wait. */
static int waves(struct rdx_search *s, const struct rdx_keys *keys, uint32_t left)
{
	int r;

	do
		r = wave(s, keys);
	while (r == 0 && s->interval_count > left);
	return r;
}

/* Piece by piece, as long as anybody holds a piece's last block. While one comes, the next piece is
 * chained and intervals of the pieces before are looked at. */
static int gallop(struct rdx_search *s, struct rdx_keys *keys, const struct rdx_held *first)
{
	struct rdx_interval piece = {.at_low = *first};
	uint32_t end = piece_end(keys, 1);
	int r = 1;

	s->interval_count = 0;
	while (r > 0 && piece.low + 1 < keys->count) {
		uint32_t next = piece_end(keys, end);

		fetch_piece(s, keys, next);
		r = waves(s, keys, RDX_WAVE_INTERVALS);
		if (r == 0)
			r = probe(s, keys->prefix[end - 1], &s->sought, &piece.at_high);
		if (r < 0)
			return r;
		piece.high = end - 1;
		between(s, keys, &piece);
		piece.low = piece.high;
		piece.at_low = piece.at_high;
		end = next;
	}
	reached(s, piece.at_low, keys->count);
	return waves(s, keys, 0);
}

/* ---- Scan. */

/* Bit k: any of these columns is the rank's in a tier up to k. */
static uint8_t tiers_held(const struct rdx_search *s, const struct rdx_held *held, uint32_t seat)
{
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		uint32_t column = s->column[seat][tier];

		if (column != RDX_COLUMN_NONE && rdx_column_in(held->columns, column))
			return (uint8_t)(ALL_TIERS << tier & ALL_TIERS);
	}
	return 0;
}

/* Runs of a rank end before block `at`. */
static void end_runs(struct rdx_search *s, uint32_t seat, uint8_t ended, uint32_t at)
{
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (ended >> tier & 1)
			s->blocks[seat][tier] = at;
	}
	s->alive[seat] &= (uint8_t)~ended;
	s->alive_count -= ended && !s->alive[seat];
}

static void begin_runs(struct rdx_search *s, struct rdx_held first)
{
	uint32_t column;

	s->alive_count = 0;
	memset(s->alive, 0, sizeof(s->alive));
	while ((column = take(s, &first)) != RDX_COLUMN_NONE) {
		uint32_t seat = s->seat[column];

		hold(s, seat);
		s->alive_count += !s->alive[seat];
		s->alive[seat] |= (uint8_t)(ALL_TIERS << s->tier[column] & ALL_TIERS);
	}
}

/* A run goes on unless a column that held the block before is lost. */
static void lose(struct rdx_search *s, struct rdx_held lost, const struct rdx_held *held,
		 uint32_t at)
{
	uint32_t column;

	while ((column = take(s, &lost)) != RDX_COLUMN_NONE) {
		uint32_t seat = s->seat[column];

		end_runs(s, seat, s->alive[seat] & (uint8_t)~tiers_held(s, held, seat), at);
	}
}

/* Make and fetch the blocks of one more batch. Returns their end. */
static uint32_t fetch_batch(const struct rdx_search *s, struct rdx_keys *keys, uint32_t from)
{
	uint32_t left = keys->count - from, end = from + (left < BATCH ? left : BATCH);

	rdx_keys_make(keys, end);
	for (uint32_t block = from; block < end; block++)
		fetch(s, keys, block);
	return end;
}

static int scan(struct rdx_search *s, struct rdx_keys *keys, const struct rdx_held *first)
{
	struct rdx_held before = *first, held, lost;
	uint32_t at = 1, end = fetch_batch(s, keys, at), next;

	begin_runs(s, *first);
	for (; at < keys->count; end = next) {
		next = fetch_batch(s, keys, end);
		for (; at < end; at++) {
			int r = probe(s, keys->prefix[at], &s->visible, &held);

			if (r < 0)
				return r;
			if (minus(s, &before, &held, &lost))
				lose(s, lost, &held, at);
			if (!s->alive_count)
				return 0;
			before = held;
		}
	}
	for (uint32_t i = 0; i < s->holder_count; i++)
		end_runs(s, s->holder[i], s->alive[s->holder[i]], keys->count);
	return 0;
}

int rdx_search_run(struct rdx_search *s, struct rdx_keys *keys)
{
	struct rdx_held first, orphaned;
	int r;

	forget_holders(s);
	if (!keys->count || !s->words)
		return 0;
	/* block 0 alone: most requests that nobody holds end here */
	r = probe(s, keys->prefix[0], &s->visible, &first);
	if (r <= 0)
		return r;
	if (both(s, &first, &s->scanned, &orphaned))
		return scan(s, keys, &first);
	return gallop(s, keys, &first);
}
