/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/choose.h"

#include "shm/clock.h"
#include "tools/ringdexd/inquiry.h"
#include "tools/ringdexd/member.h"
#include "tools/ringdexd/worth.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define REAL_DIGITS 15 /* that every double has, and no more */

/* A rank that may be chosen. */
struct candidate {
	double load;
	double cost;
	const struct rdx_run *run; /* what the index says of it; NULL: it does not know it */
	uint32_t held_blocks;      /* of a rank that is worth enough */
	uint32_t expected_blocks;
};

struct choice {
	const struct ask *ask;
	struct inquiry inquiry;
	uint32_t count;
	struct expected_rank ranks[ASK_LOADS_MAX];  /* by worker and rank */
	struct candidate candidates[ASK_LOADS_MAX]; /* of these ranks */
};

static uint32_t overlap_blocks(const struct candidate *candidate)
{
	uint32_t held = candidate->held_blocks;

	return held > candidate->expected_blocks ? held : candidate->expected_blocks;
}

const char *choose_overlap_text(enum choose_overlap overlap)
{
	static const char *const texts[CHOOSE_OVERLAPS] = {"held", "expected", "none"};

	return texts[overlap];
}

static enum choose_overlap overlap_of(const struct candidate *candidate)
{
	if (!overlap_blocks(candidate))
		return CHOOSE_NONE;
	return candidate->held_blocks >= candidate->expected_blocks ? CHOOSE_HELD : CHOOSE_EXPECTED;
}

static int compare_loads(const void *a, const void *b)
{
	const struct ask_load *x = a, *y = b;
	const struct expected_rank left = {.worker_id = x->worker_id, .dp_rank = x->dp_rank};
	const struct expected_rank right = {.worker_id = y->worker_id, .dp_rank = y->dp_rank};

	return expected_compare(&left, &right);
}

static int compare_ranks(const void *a, const void *b)
{
	return expected_compare(a, b);
}

/* Ranks in order, each once: 1; 0 where one is there twice, which is answered. */
static int take_loads(struct choice *choice, struct answer *answer)
{
	const struct ask *ask = choice->ask;
	struct ask_load loads[ASK_LOADS_MAX];

	memcpy(loads, ask->loads, ask->load_count * sizeof(*loads));
	qsort(loads, ask->load_count, sizeof(*loads), compare_loads);
	for (uint32_t i = 0; i < ask->load_count; i++) {
		if (i && compare_loads(&loads[i - 1], &loads[i]) == 0) {
			answer_error(answer, 409,
				     "loads has worker %" PRIu64 ", dp_rank %" PRIu32
				     " twice: give it once",
				     loads[i].worker_id, loads[i].dp_rank);
			return 0;
		}
		choice->ranks[i] = (struct expected_rank){.worker_id = loads[i].worker_id,
							  .dp_rank = loads[i].dp_rank};
		choice->candidates[i] = (struct candidate){.load = loads[i].load};
	}
	choice->count = ask->load_count;
	return 1;
}

/* What the index says of those that may be chosen. */
static void take_rows(struct choice *choice, const struct rdx_run *runs)
{
	for (uint32_t i = 0; i < choice->inquiry.rows; i++) {
		const struct expected_rank wanted = {.worker_id = runs[i].worker_id,
						     .dp_rank = runs[i].dp_rank};
		const struct expected_rank *rank = bsearch(&wanted, choice->ranks, choice->count,
							   sizeof(wanted), compare_ranks);
		struct candidate *candidate;

		if (!rank)
			continue;
		candidate = &choice->candidates[rank - choice->ranks];
		candidate->run = &runs[i];
		if (worth_suffices(runs[i].state, choice->ask->min_state))
			candidate->held_blocks = runs[i].blocks[RDX_TIER_EXTERNAL];
	}
}

static void set_costs(struct choice *choice)
{
	for (uint32_t i = 0; i < choice->count; i++) {
		struct candidate *candidate = &choice->candidates[i];
		double to_compute;

		candidate->expected_blocks = choice->ranks[i].blocks;
		to_compute = (double)(choice->inquiry.blocks - overlap_blocks(candidate));
		candidate->cost = choice->ask->overlap_weight * to_compute + candidate->load;
	}
}

/* The cheapest; of several the next in turn. */
static uint32_t find_cheapest(const struct choice *choice, uint64_t *turn)
{
	double least = choice->candidates[0].cost;
	uint32_t ties = 0, skipped;

	for (uint32_t i = 0; i < choice->count; i++)
		if (choice->candidates[i].cost < least)
			least = choice->candidates[i].cost;
	for (uint32_t i = 0; i < choice->count; i++)
		ties += choice->candidates[i].cost <= least;
	skipped = ties > 1 ? (uint32_t)((*turn)++ % ties) : 0;
	for (uint32_t i = 0;; i++)
		if (choice->candidates[i].cost <= least && skipped-- == 0)
			return i;
}

/*
 * The answer
 */

static void put_real(struct answer *answer, const char *name, double real)
{
	member_begin(answer, name);
	answer_print(answer, "%.*g", REAL_DIGITS, real);
}

static void put_candidate(struct answer *answer, const struct choice *choice, uint32_t i)
{
	const struct candidate *candidate = &choice->candidates[i];
	const struct rdx_run *run = candidate->run;

	answer_text(answer, "{");
	member_number(answer, "worker", choice->ranks[i].worker_id);
	member_number(answer, "dp_rank", choice->ranks[i].dp_rank);
	member_text(answer, "instance", run ? run->instance : NULL);
	member_text(answer, "state", run ? worth_text(run->state) : NULL);
	member_number(answer, "held_blocks", candidate->held_blocks);
	member_number(answer, "expected_blocks", candidate->expected_blocks);
	member_number(answer, "overlap_blocks", overlap_blocks(candidate));
	put_real(answer, "load", candidate->load);
	put_real(answer, "cost", candidate->cost);
	answer_text(answer, "}");
}

static void put_choice(struct answer *answer, const struct choice *choice, uint32_t chosen)
{
	inquiry_put_index(choice->ask, choice->inquiry.index->name.block_tokens, answer);
	member_number(answer, "blocks", choice->inquiry.blocks);
	put_real(answer, "overlap_weight", choice->ask->overlap_weight);
	member_begin(answer, "chosen");
	put_candidate(answer, choice, chosen);
	member_begin(answer, "candidates");
	answer_text(answer, "[");
	for (uint32_t i = 0; i < choice->count; i++) {
		if (i)
			answer_text(answer, ",");
		put_candidate(answer, choice, i);
	}
	answer_text(answer, "]}");
}

void choose_answer(void *context, const struct request *request, struct answer *ret_answer)
{
	struct desk *desk = context;
	struct choice choice;
	const uint64_t *prefixes;
	uint32_t index, chosen, blocks;
	uint64_t now;

	if (desk->choose->is_off) {
		answer_error(ret_answer, 403,
			     "/v1/choose is switched off: start ringdexd without --no-choose");
		return;
	}
	if (!inquiry_read(desk, request, ASK_CHOICE, &choice.ask, ret_answer) ||
	    !take_loads(&choice, ret_answer) ||
	    !inquiry_look_up_prefixes(desk, choice.ask, 0, &choice.inquiry, &prefixes, ret_answer))
		return;
	now = rdx_clock_ns();
	blocks = (uint32_t)choice.inquiry.blocks;
	index = expected_index(choice.ask->model, choice.ask->tenant,
			       choice.inquiry.index->name.block_tokens);
	take_rows(&choice, desk->runs);
	expected_find(desk->expected, index, prefixes, blocks, now, choice.ranks, choice.count);
	set_costs(&choice);
	chosen = find_cheapest(&choice, &desk->turn);
	put_choice(ret_answer, &choice, chosen);
	desk->choices[overlap_of(&choice.candidates[chosen])]++;
	expected_add(desk->expected, index, &choice.ranks[chosen], prefixes, blocks, now,
		     now + desk->choose->expect_ns);
}
