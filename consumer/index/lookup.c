/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/index/lookup.h"
#include "shm/version.h"

#include "shm/sized.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define FIRST_WAVE  8  /* blocks probed in all mask words, block 0 before the others */
#define WAVE_PROBES 16 /* blocks probed at once afterwards, about */
#define WAVE_SPLITS 8  /* of one interval at most */
#define WAVE_ITEMS  16 /* at most, intervals of a wave: each is split at least once */
#define SCAN_AHEAD  16

static_assert(WAVE_PROBES + 2 * WAVE_ITEMS <= RDX_WAVE_MAX, "what a wave leaves must fit");
static_assert(FIRST_WAVE * RDX_MASK_WORDS_MAX <= RDX_WAVE_MAX, "what the first leaves, too");

/* The sets of a rank that are scanned, one entry for each different one. */
static void plan_scans(struct rdx_lookup *l, uint32_t seat)
{
	const struct rdx_lookup_rank *rank = &l->rank[seat];
	uint64_t mask = 0, planned = 0;

	for (uint8_t set = 0; set < RDX_TIER_COUNT; set++) {
		mask |= rdx_column_bit(rank->columns.column[set]);
		if (!(rank->scan & 1 << set) || mask == planned)
			continue; /* rows take the run of the smaller set */
		l->scan[l->scan_count++] = (struct rdx_lookup_scan){.mask = mask,
								    .rank = (uint16_t)seat,
								    .set = set,
								    .word = rank->columns.word};
		planned = mask;
	}
}

/* Columns of the greatest set that is searched, which has those of the smaller ones. */
static uint64_t search_columns(const struct rdx_lookup_rank *rank)
{
	uint64_t mask = 0, search = 0;

	for (uint8_t set = 0; set < RDX_TIER_COUNT; set++) {
		mask |= rdx_column_bit(rank->columns.column[set]);
		if (!(rank->scan & 1 << set))
			search = mask;
	}
	return search;
}

/* Copy the columns. A torn copy is found when the versions are compared again. */
static void refresh(struct rdx_lookup *l, const uint64_t *versions)
{
	uint64_t count = rdx_word_load(&l->live->rank_count);

	l->rank_count = count < RDX_RANKS_MAX ? (uint32_t)count : RDX_RANKS_MAX;
	l->scan_count = 0;
	memset(l->search, 0, sizeof(l->search));
	for (uint32_t seat = 0; seat < l->rank_count; seat++) {
		struct rdx_lookup_rank *rank = &l->rank[seat];
		const struct rdx_index_entry *entry = &l->live->entry[seat];

		rank->worker_id = rdx_word_load(&entry->worker_id);
		rank->dp_rank = (uint32_t)rdx_word_load(&entry->dp_rank);
		rdx_column_unpack(rdx_word_load(&l->live->columns[seat]), &rank->columns);
		/* one beyond this table became visible after its successor did (G2) */
		rank->columns.visible &= rank->columns.word < l->table.mask_words;
		rank->scan = rank->columns.forced || l->force_scan ? (1 << RDX_TIER_COUNT) - 1
								   : rank->columns.orphans;
		if (!rank->columns.visible)
			continue;
		plan_scans(l, seat);
		l->search[rank->columns.word] |= search_columns(rank);
	}
	memcpy(l->versions, versions, sizeof(l->versions));
}

/* Before the probes, so that they see the event that the row names. */
static void read_pulses(struct rdx_lookup *l)
{
	l->strangers = 0;
	for (uint32_t seat = 0; seat < l->rank_count; seat++) {
		const struct rdx_index_pulse *from = &l->live->pulse[seat];
		struct rdx_lookup_pulse *to = &l->pulse[seat];

		/* P1, with the writer's store of it */
		to->event_id = atomic_load_explicit(&from->event_id, memory_order_acquire);
		to->state = (uint8_t)rdx_word_load(&from->state);
		to->seen_ns = rdx_word_load(&from->seen_ns);
		to->event_ns = rdx_word_load(&from->event_ns);
		to->epoch = rdx_word_load(&from->epoch);
		l->strangers |= to->epoch != l->instance[seat].epoch;
	}
}

static uint32_t wave_position(uint32_t i, uint32_t count, uint32_t blocks)
{
	return count < 2 ? 0 : (uint32_t)((uint64_t)i * (blocks - 1) / (count - 1));
}

static uint32_t wave_count(uint32_t blocks)
{
	return blocks < FIRST_WAVE ? blocks : FIRST_WAVE;
}

/* The line of a key, and those of its masks that are searched. */
static void prefetch_words(const struct rdx_lookup *l, uint64_t key)
{
	for (uint32_t word = 0; word < l->table.mask_words; word++) {
		if (l->search[word])
			rdx_table_prefetch(&l->table, key, word);
	}
}

static void reached(uint32_t *reach, uint64_t columns, uint32_t blocks)
{
	for (; columns; columns &= columns - 1) {
		uint32_t *at = &reach[__builtin_ctzll(columns)];

		*at = *at > blocks ? *at : blocks;
	}
}

/* Neighbours: a run that ends between them is found, or searched for later. */
static void between(struct rdx_lookup *l, const struct rdx_interval *interval)
{
	uint64_t ended = interval->at_low & ~interval->at_high;

	if (!ended)
		return;
	if (interval->high - interval->low == 1) {
		reached(l->reach[interval->word], ended, interval->high);
		return;
	}
	assert(l->stack_count < RDX_STACK_MAX);
	l->stack[l->stack_count++] = *interval;
}

/* One block of the first wave, in all mask words. Returns 0 when nobody holds it. */
static int first_probe(struct rdx_lookup *l, uint64_t key, uint32_t at, uint32_t before,
		       uint64_t *masks)
{
	const _Atomic uint64_t *mask = rdx_table_find(&l->table, key);
	uint64_t any = 0;

	for (uint32_t word = 0; word < l->table.mask_words; word++) {
		uint64_t held = 0;

		if (mask && l->search[word])
			held = rdx_word_load(mask + RDX_LINE_KEYS * word) & l->search[word];

		if (masks[word])
			between(l, &(struct rdx_interval){.low = before,
							  .high = at,
							  .word = word,
							  .at_low = masks[word],
							  .at_high = held});
		masks[word] = held;
		any |= held;
	}
	RDX_HOOK(RDX_HOOK_LOOKUP_PROBE);
	return any != 0;
}

/* Block 0 alone first: most prompts that miss, miss there. No run continues after a block that
 * nobody holds. */
static void first_wave(struct rdx_lookup *l, const uint64_t *prefix, uint32_t blocks)
{
	uint64_t masks[RDX_MASK_WORDS_MAX] = {0};
	uint32_t count = wave_count(blocks), before = 0;

	if (!first_probe(l, prefix[0], 0, 0, masks))
		return;
	for (uint32_t i = 1; i < count; i++)
		prefetch_words(l, prefix[wave_position(i, count, blocks)]);
	for (uint32_t i = 1; i < count; i++) {
		uint32_t at = wave_position(i, count, blocks);

		if (!first_probe(l, prefix[at], at, before, masks))
			return;
		before = at;
	}
	for (uint32_t word = 0; word < l->table.mask_words; word++)
		reached(l->reach[word], masks[word], blocks);
}

static uint32_t split_position(const struct rdx_interval *interval, uint32_t i, uint32_t splits)
{
	return interval->low +
	       (uint32_t)((uint64_t)(interval->high - interval->low) * (i + 1) / (splits + 1));
}

/* Split intervals taken from the stack, all probes in flight at once. */
static void next_wave(struct rdx_lookup *l, const uint64_t *prefix)
{
	uint32_t count = l->stack_count < WAVE_ITEMS ? l->stack_count : WAVE_ITEMS;
	uint32_t each = WAVE_PROBES / count < WAVE_SPLITS ? WAVE_PROBES / count : WAVE_SPLITS;
	struct rdx_interval taken[WAVE_ITEMS];
	uint32_t splits[WAVE_ITEMS];

	l->stack_count -= count;
	memcpy(taken, l->stack + l->stack_count, count * sizeof(*taken));
	for (uint32_t k = 0; k < count; k++) {
		uint32_t inside = taken[k].high - taken[k].low - 1;

		splits[k] = inside < each ? inside : each;
		for (uint32_t i = 0; i < splits[k]; i++)
			rdx_table_prefetch(&l->table,
					   prefix[split_position(&taken[k], i, splits[k])],
					   taken[k].word);
	}
	for (uint32_t k = 0; k < count; k++) {
		struct rdx_interval part = taken[k];

		for (uint32_t i = 0; i < splits[k]; i++) {
			part.high = split_position(&taken[k], i, splits[k]);
			part.at_high = rdx_table_mask(&l->table, prefix[part.high], part.word) &
				       l->search[part.word];
			RDX_HOOK(RDX_HOOK_LOOKUP_PROBE);
			between(l, &part);
			part.low = part.high;
			part.at_low = part.at_high;
		}
		part.high = taken[k].high;
		part.at_high = taken[k].at_high;
		between(l, &part);
	}
}

static void search(struct rdx_lookup *l, const uint64_t *prefix, uint32_t blocks)
{
	memset(l->reach, 0, l->table.mask_words * sizeof(l->reach[0]));
	if (!blocks)
		return;
	l->stack_count = 0;
	first_wave(l, prefix, blocks);
	while (l->stack_count)
		next_wave(l, prefix);
	RDX_HOOK(RDX_HOOK_LOOKUP_SEARCHED);
}

/* The scans of one mask word, from scan[first] to before scan[end]. */
static uint32_t begin_scans(struct rdx_lookup *l, uint32_t word, uint64_t *ret_columns)
{
	uint32_t count = 0;

	*ret_columns = 0;
	for (uint32_t i = 0; i < l->scan_count; i++) {
		if (l->scan[i].word != word)
			continue;
		*ret_columns |= l->scan[i].mask;
		l->active[count++] = (uint16_t)i;
	}
	return count;
}

static void end_scan(struct rdx_lookup *l, uint16_t i, uint32_t blocks)
{
	l->scanned[l->scan[i].rank][l->scan[i].set] = blocks;
}

static void scan_word(struct rdx_lookup *l, uint32_t word, const uint64_t *prefix, uint32_t blocks)
{
	uint64_t columns, before = 0;
	uint32_t active = begin_scans(l, word, &columns);

	for (uint32_t i = 0; active && i < blocks && i < SCAN_AHEAD; i++)
		rdx_table_prefetch(&l->table, prefix[i], word);
	for (uint32_t at = 0; at < blocks && active; at++) {
		uint32_t kept = 0;
		uint64_t mask;

		if (at + SCAN_AHEAD < blocks)
			rdx_table_prefetch(&l->table, prefix[at + SCAN_AHEAD], word);
		mask = rdx_table_mask(&l->table, prefix[at], word) & columns;
		RDX_HOOK(RDX_HOOK_LOOKUP_PROBE);
		if (at && mask == before)
			continue; /* all that held the block before hold this one */
		before = mask;
		for (uint32_t i = 0; i < active; i++) {
			if (l->scan[l->active[i]].mask & mask)
				l->active[kept++] = l->active[i];
			else
				end_scan(l, l->active[i], at);
		}
		active = kept;
	}
	for (uint32_t i = 0; i < active; i++)
		end_scan(l, l->active[i], blocks);
}

int rdx_lookup_attempt(struct rdx_lookup *l, const uint64_t *prefix, uint32_t blocks)
{
	uint64_t versions[RDX_MASK_WORDS_MAX] = {0};
	uint32_t words = l->table.mask_words;

	if (!rdx_version_load(l->live, words, versions))
		return -EAGAIN;
	if (!l->cached || memcmp(versions, l->versions, sizeof(versions)) != 0) {
		refresh(l, versions);
		l->cached = (uint32_t)rdx_version_same(l->live, words, versions);
		if (!l->cached)
			return -EAGAIN;
	}
	if (blocks)
		prefetch_words(l, prefix[0]);
	RDX_HOOK(RDX_HOOK_LOOKUP_COLUMNS);
	read_pulses(l);
	RDX_HOOK(RDX_HOOK_LOOKUP_PULSES);
	/* after the versions: G2. After the pulses: a reader that sees an event of the next table
	 * (P1) sees its generation */
	if (rdx_generation_current(l->live) != l->generation)
		return -ESTALE;
	search(l, prefix, blocks);
	if (l->scan_count) {
		memset(l->scanned, 0, l->rank_count * sizeof(l->scanned[0]));
		for (uint32_t word = 0; word < words; word++)
			scan_word(l, word, prefix, blocks);
	}
	return rdx_version_same(l->live, words, versions) ? 0 : -EAGAIN;
}

uint8_t rdx_lookup_state(uint8_t state, int visible, uint64_t age_ns, uint64_t stale_after_ns)
{
	if (state > RDX_STATE_GONE || (!visible && state == RDX_STATE_EXACT))
		state = RDX_STATE_RECOVERING;
	if (age_ns > stale_after_ns && (state == RDX_STATE_EXACT || state == RDX_STATE_INEXACT))
		state = RDX_STATE_STALE;
	return state;
}

/* Runs over larger sets are never shorter: where one was scanned and one searched at another
 * moment, the longer one holds for the larger set too. */
static void fill_blocks(const struct rdx_lookup *l, uint32_t seat, uint32_t *ret_blocks)
{
	const struct rdx_lookup_rank *rank = &l->rank[seat];
	const uint32_t *reach = l->reach[rank->columns.word];
	uint32_t searched = 0, run = 0;

	for (uint32_t set = 0; set < RDX_TIER_COUNT; set++) {
		uint32_t at = reach[rank->columns.column[set]];

		searched = searched > at ? searched : at;
		at = rank->scan & 1 << set ? l->scanned[seat][set] : searched;
		run = run > at ? run : at;
		ret_blocks[set] = run;
	}
}

static void fill_run(const struct rdx_lookup *l, uint32_t seat, uint64_t now_ns,
		     struct rdx_run *ret_run)
{
	const struct rdx_lookup_pulse *pulse = &l->pulse[seat];
	const struct rdx_lookup_rank *rank = &l->rank[seat];
	uint64_t age_ns = rdx_lookup_age(now_ns, pulse->seen_ns);

	*ret_run = (struct rdx_run){
		.size = sizeof(*ret_run),
		.worker_id = rank->worker_id,
		.dp_rank = rank->dp_rank,
		.state = rdx_lookup_state(pulse->state, rank->columns.visible, age_ns,
					  l->stale_after_ns),
		.epoch = pulse->epoch,
		.last_event_id = pulse->event_id,
		.age_ns = age_ns,
		.event_age_ns =
			pulse->event_ns ? rdx_lookup_age(now_ns, pulse->event_ns) : UINT64_MAX,
		.instance = l->instance[seat].text,
	};
	if (rank->columns.visible && ret_run->state != RDX_STATE_RECOVERING) {
		ret_run->scanned = rank->scan != 0;
		fill_blocks(l, seat, ret_run->blocks);
	}
}

int rdx_lookup_rows(const struct rdx_lookup *l, uint64_t now_ns, struct rdx_run *ret_runs,
		    uint32_t capacity)
{
	uint32_t rows = 0;
	uint8_t *at = (uint8_t *)ret_runs;
	uint64_t size;

	for (uint32_t seat = 0; seat < l->rank_count; seat++)
		rows += l->pulse[seat].state != RDX_STATE_GONE;
	if (rows > capacity)
		return -ENOSPC;
	size = rows ? ret_runs->size : 0;
	for (uint32_t seat = 0; seat < l->rank_count; seat++) {
		struct rdx_run run;

		if (l->pulse[seat].state == RDX_STATE_GONE)
			continue;
		if (size == sizeof(run)) {
			fill_run(l, seat, now_ns, (struct rdx_run *)at);
		} else {
			fill_run(l, seat, now_ns, &run);
			rdx_sized_fill(at, size, &run, sizeof(run));
		}
		at += size;
	}
	return (int)rows;
}
