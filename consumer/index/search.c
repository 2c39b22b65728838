/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/index/search.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define FIRST_PIECE 8
#define PIECE_MAX   128 /* blocks: they are chained while the last block of the piece before comes */
#define LEFT_MAX    16  /* intervals that wait while the next piece is looked at */
#define BATCH       16  /* blocks that a scan has on their way, beside those that it looks at */
#define LINES       (2 * BATCH)
#define ALL_TIERS   ((1 << RDX_TIER_COUNT) - 1)

/* Compiled for sets of one word, as most are, without loops over `words`; and for any. */
#define SIZED __attribute__((always_inline)) static inline

static_assert(RDX_INTERVALS_MAX > RDX_INTERVALS_TURN + 12 * RDX_PARTS, "what is split must fit");

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
SIZED int minus(uint32_t words, const struct rdx_held *a, const struct rdx_held *b,
		struct rdx_held *ret_rest)
{
	uint64_t any = 0;

	for (uint32_t word = 0; word < words; word++) {
		ret_rest->columns[word] = a->columns[word] & ~b->columns[word];
		any |= ret_rest->columns[word];
	}
	return any != 0;
}

/* Columns of both. 1 if there are any. */
SIZED int both(uint32_t words, const struct rdx_held *a, const struct rdx_held *b,
	       struct rdx_held *ret_both)
{
	uint64_t any = 0;

	for (uint32_t word = 0; word < words; word++) {
		ret_both->columns[word] = a->columns[word] & b->columns[word];
		any |= ret_both->columns[word];
	}
	return any != 0;
}

/* Which of the columns `of` hold a block, whose line was fetched. 1 if there are any, 0, -EAGAIN. */
SIZED int probe(const struct rdx_search *s, uint32_t words, const struct rdx_line *line,
		uint64_t key, const struct rdx_held *of, struct rdx_held *ret_held)
{
	int r = rdx_table_probe(&s->table, line, key, words, ret_held->columns);

	RDX_HOOK(RDX_HOOK_LOOKUP_PROBE);
	if (r > 0)
		return both(words, ret_held, of, ret_held);
	for (uint32_t word = 0; word < words; word++)
		ret_held->columns[word] = 0;
	return r;
}

static void hold(struct rdx_search *s, uint32_t seat)
{
	if (s->is_holder[seat])
		return;
	s->is_holder[seat] = 1;
	s->holder[s->holder_count++] = (uint16_t)seat;
}

/* Where the holders found last time were noted. */
static void forget_holders(struct rdx_search *s)
{
	for (uint32_t i = 0; i < s->holder_count; i++) {
		s->is_holder[s->holder[i]] = 0;
		memset(s->blocks[s->holder[i]], 0, sizeof(s->blocks[0]));
	}
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

static void reach(struct rdx_search *s, uint32_t column, uint32_t blocks)
{
	uint32_t seat = s->seat[column], *at = &s->blocks[seat][s->tier[column]];

	hold(s, seat);
	*at = *at > blocks ? *at : blocks;
}

/* These columns hold a block and not the next one: `blocks` of the request, so far. */
static void reached(struct rdx_search *s, const struct rdx_held *columns, uint32_t blocks)
{
	for (uint32_t word = 0; word < s->words; word++) {
		for (uint64_t bits = columns->columns[word]; bits; bits &= bits - 1)
			reach(s, word * RDX_COLUMN_WORD_BITS + (uint32_t)__builtin_ctzll(bits),
			      blocks);
	}
}

/* A block's line, which is on its way now. */
RDX_PREFETCHES const struct rdx_line *fetch(const struct rdx_search *s, const struct rdx_keys *keys,
					    uint32_t block)
{
	const struct rdx_line *line = rdx_table_line(&s->table, keys->prefix[block]);

	rdx_prefetch_read(line);
	return line;
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
static const struct rdx_line *fetch_piece(const struct rdx_search *s, struct rdx_keys *keys,
					  uint32_t end)
{
	rdx_keys_make(keys, end);
	return fetch(s, keys, end - 1);
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

/* The last blocks of all pieces after `end`, where all prefix hashes are made. */
RDX_PREFETCHES void fetch_pieces(const struct rdx_search *s, const struct rdx_keys *keys,
				 uint32_t end)
{
	while (end < keys->count) {
		end = piece_end(keys, end);
		fetch(s, keys, end - 1);
	}
}

/* How long the parts of an interval are. */
static uint32_t part_of(uint32_t low, uint32_t high)
{
	return (high - low - 1) / RDX_PARTS + 1;
}

SIZED void copy(uint32_t words, struct rdx_held *to, const struct rdx_held *from)
{
	for (uint32_t word = 0; word < words; word++)
		to->columns[word] = from->columns[word];
}

/* An interval waits for the blocks in it. */
SIZED void wait(struct rdx_search *s, uint32_t words, const struct rdx_keys *keys, uint32_t low,
		uint32_t high, const struct rdx_held *at_low, const struct rdx_held *at_high)
{
	uint32_t part = part_of(low, high), i = 0;
	struct rdx_interval *interval;

	assert(s->interval_count < RDX_INTERVALS_MAX);
	interval = &s->interval[(s->interval_first + s->interval_count++) % RDX_INTERVALS_MAX];
	interval->low = low;
	interval->high = high;
	copy(words, &interval->at_low, at_low);
	copy(words, &interval->at_high, at_high);
	for (uint32_t at = low; high - at > part; i++) {
		at += part;
		interval->line[i] = fetch(s, keys, at);
	}
}

/* Two blocks, between which a run may end: where it does is found, or looked for later. */
SIZED void between(struct rdx_search *s, uint32_t words, const struct rdx_keys *keys, uint32_t low,
		   uint32_t high, const struct rdx_held *at_low, const struct rdx_held *at_high)
{
	struct rdx_held ended;

	if (!minus(words, at_low, at_high, &ended))
		return;
	if (high - low == 1)
		reached(s, &ended, high);
	else
		wait(s, words, keys, low, high, at_low, at_high);
}

/* Look at the blocks that an interval waited for, as far as a run may end behind them. */
SIZED int split(struct rdx_search *s, uint32_t words, const struct rdx_keys *keys,
		const struct rdx_interval *interval)
{
	const struct rdx_held *at_low = &interval->at_low, *at_high;
	uint32_t low = interval->low, part = part_of(low, interval->high);
	struct rdx_held probed[2], ended;

	for (uint32_t i = 0; minus(words, at_low, &interval->at_high, &ended); i++) {
		uint32_t high = interval->high;

		at_high = &interval->at_high;
		if (high - low > part) {
			struct rdx_held *held = &probed[i % 2];
			int r;

			high = low + part;
			r = probe(s, words, interval->line[i], keys->prefix[high], &s->sought,
				  held);

			if (r < 0)
				return r;
			at_high = held;
		}
		between(s, words, keys, low, high, at_low, at_high);
		low = high;
		at_low = at_high;
	}
	return 0;
}

/* The interval whose blocks have been on their way for longest. */
SIZED void take_interval(struct rdx_search *s, uint32_t words, struct rdx_interval *ret_interval)
{
	const struct rdx_interval *interval = &s->interval[s->interval_first];

	s->interval_count--;
	if (s->interval_count < RDX_INTERVALS_TURN)
		s->interval_first = (s->interval_first + 1) % RDX_INTERVALS_MAX;
	else
		interval =
			&s->interval[(s->interval_first + s->interval_count) % RDX_INTERVALS_MAX];
	ret_interval->low = interval->low;
	ret_interval->high = interval->high;
	memcpy(ret_interval->line, interval->line, sizeof(interval->line));
	copy(words, &ret_interval->at_low, &interval->at_low);
	copy(words, &ret_interval->at_high, &interval->at_high);
}

/* Look at the intervals that wait, and also at those that they leave while there are more than
 * `left`. */
SIZED int split_waiting(struct rdx_search *s, uint32_t words, const struct rdx_keys *keys,
			uint32_t left)
{
	struct rdx_interval interval;
	int r = 0;

	for (uint32_t waiting = s->interval_count; r == 0 && (waiting || s->interval_count > left);
	     waiting -= waiting > 0) {
		take_interval(s, words, &interval);
		r = split(s, words, keys, &interval);
	}
	return r;
}

/* Piece by piece, as long as anybody holds a piece's last block. While one comes, the next piece is
 * chained and intervals of the pieces before are looked at. */
SIZED int gallop(struct rdx_search *s, uint32_t words, struct rdx_keys *keys,
		 const struct rdx_held *first)
{
	struct rdx_held held[2];
	const struct rdx_held *at_low = first;
	uint32_t low = 0, end = piece_end(keys, 1);
	const struct rdx_line *line = fetch_piece(s, keys, end), *next_line;
	int r = 1;

	s->interval_count = 0;
	if (keys->made == keys->count)
		fetch_pieces(s, keys, end);
	for (uint32_t i = 0; r > 0 && low + 1 < keys->count; i++) {
		struct rdx_held *at_high = &held[i % 2];
		uint32_t next = piece_end(keys, end);

		next_line = fetch_piece(s, keys, next);
		r = split_waiting(s, words, keys, LEFT_MAX);
		if (r == 0)
			r = probe(s, words, line, keys->prefix[end - 1], &s->sought, at_high);
		if (r < 0)
			return r;
		between(s, words, keys, low, end - 1, at_low, at_high);
		low = end - 1;
		at_low = at_high;
		end = next;
		line = next_line;
	}
	reached(s, at_low, keys->count);
	return split_waiting(s, words, keys, 0);
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
static uint32_t fetch_batch(const struct rdx_search *s, struct rdx_keys *keys, uint32_t from,
			    const struct rdx_line **ret_line)
{
	uint32_t left = keys->count - from, end = from + (left < BATCH ? left : BATCH);

	rdx_keys_make(keys, end);
	for (uint32_t block = from; block < end; block++)
		ret_line[block % LINES] = fetch(s, keys, block);
	return end;
}

SIZED int scan(struct rdx_search *s, uint32_t words, struct rdx_keys *keys,
	       const struct rdx_held *first)
{
	struct rdx_held held_by[2], lost;
	const struct rdx_held *before = first;
	const struct rdx_line *line[LINES];
	uint32_t at = 1, end = fetch_batch(s, keys, at, line), next;

	begin_runs(s, *first);
	for (; at < keys->count; end = next) {
		next = fetch_batch(s, keys, end, line);
		for (; at < end; at++) {
			struct rdx_held *held = &held_by[at % 2];
			int r = probe(s, words, line[at % LINES], keys->prefix[at], &s->visible,
				      held);

			if (r < 0)
				return r;
			if (minus(words, before, held, &lost))
				lose(s, lost, held, at);
			if (!s->alive_count)
				return 0;
			before = held;
		}
	}
	for (uint32_t i = 0; i < s->holder_count; i++)
		end_runs(s, s->holder[i], s->alive[s->holder[i]], keys->count);
	return 0;
}

SIZED int run(struct rdx_search *s, uint32_t words, struct rdx_keys *keys)
{
	struct rdx_held first, orphaned;
	int r;

	/* block 0 alone: most requests that nobody holds end here */
	r = probe(s, words, rdx_table_line(&s->table, keys->prefix[0]), keys->prefix[0],
		  &s->visible, &first);
	if (r <= 0)
		return r;
	if (both(words, &first, &s->scanned, &orphaned))
		return scan(s, words, keys, &first);
	return gallop(s, words, keys, &first);
}

int rdx_search_run(struct rdx_search *s, struct rdx_keys *keys)
{
	forget_holders(s);
	if (!keys->count || !s->words)
		return 0;
	if (s->words == 1)
		return run(s, 1, keys);
	return run(s, s->words, keys);
}
