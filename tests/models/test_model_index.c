/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: every script of a few steps on an index, and every execution of it that C11 allows:
 * what a lookup finds of a rank was true after an event of it, from the one that its row names on.
 * Ranks store, remove and are cleared; retired columns are swept and given to others; tables are
 * switched. Once the lookup is only its steps, once it is consumer/index itself.
 */
#include "tests/models/index_steps.h"
#include "tests/models/hold.h"

#include "consumer/index/lookup.h"

#include <errno.h>
#include <string.h>

#define BIT(kind) (1u << (kind))

static const struct script scripts[] = {
	{"events", BIT(TURN), 4, 5},
	{"clears", BIT(TURN) | BIT(CLEAR), 4, 5},
	{"columns that are given to others", BIT(TURN) | BIT(CLEAR) | BIT(SWEEP), 4, 6},
	{"a switch of tables", BIT(TURN) | BIT(COPY), 4, 6},
	{"the same while keys are copied", BIT(CLEAR) | BIT(SWEEP) | BIT(COPY), 5, 7},
	{"all that there is", BIT(KINDS) - 1, 4, 5},
};

static const struct script prompts[] = {
	{"events of a prompt", BIT(TURN), 3, 4},
	{"clears of a prompt", BIT(TURN) | BIT(CLEAR), 3, 4},
	{"a prompt, a switch of tables", BIT(TURN) | BIT(COPY), 3, 5},
	{"a prompt, and all that there is", BIT(KINDS) - 1, 3, 4},
};

static __typeof__(mine) initially;
static struct rdx_lookup lookup;
static uint64_t answers; /* of lookups that were not to be repeated */

static void write_script(void)
{
	int steps = is_long() ? script->steps_long : script->steps;

	mine = initially;
	memset(events, 0, sizeof(events));
	for (int n = 0; n < steps; n++) {
		struct step step = {.kind = (enum kind)choose_kind(script->kinds)};

		if (step.kind == TURN || step.kind == CLEAR)
			step.rank = (int)model_choose(RANKS);
		if (step.kind == TURN)
			step.key = (int)model_choose(KEYS);
		plan(step);
		if (!take_step(step))
			model_cut();
	}
}

/* Key 1 is held only where key 0 is: there are no orphans. */
static void write_prompt(void)
{
	write_script();
	for (int rank = 0; rank < RANKS; rank++) {
		for (uint64_t n = 0; n <= events[rank]; n++) {
			if (truth[rank][n] == 2)
				model_cut();
		}
	}
}

static int attempt(uint64_t generation)
{
	static const uint64_t prefix[KEYS] = {1, 2};
	struct rdx_keys keys = {.prefix = prefix, .count = KEYS, .made = KEYS};

	lookup.generation = generation;
	lookup.search.table = table_view((int)(generation - GENERATION));
	return rdx_lookup_attempt(&lookup, &keys);
}

/* Is this run of a rank that after an event of it, from the one named on? */
static void judge_run(int rank, uint32_t run)
{
	static const uint32_t run_of[] = {0, 1, UINT32_MAX, 2}; /* by keys held */

	for (uint64_t n = lookup.event_id[rank]; n <= events[rank]; n++) {
		if (run_of[truth[rank][n]] == run)
			return;
	}
	MODEL_PROMISE(0 && "the run after an event of the rank, from the one named on");
}

static void look_itself(void)
{
	int r;

	lookup.live = &live;
	lookup.cached = 0;
	r = attempt(GENERATION);
	if (r == -ESTALE)
		r = attempt(GENERATION + 1);
	answers += r == 0;
	for (int rank = 0; r == 0 && rank < RANKS; rank++)
		judge_run(rank, lookup.search.is_holder[rank] ? lookup.search.blocks[rank][0] : 0);
}

static void look(void)
{
	look_for((int)model_choose(KEYS));
}

static void begin(void)
{
	memset(&live, 0, sizeof(live));
	memset(lines, 0, sizeof(lines));
	memset(sets, 0, sizeof(sets));
	memset(epoch, 0, sizeof(epoch));
	memset(&mine, 0, sizeof(mine));
	memset(truth, 0, sizeof(truth));
	index_begin();
	atomic_store_explicit(&live.rank_count, RANKS, memory_order_relaxed);
	for (int rank = 0; rank < RANKS; rank++)
		rdx_word_store(&live.identity[rank].state, RDX_STATE_EXACT);
	initially = mine;
	model_name(&live, sizeof(live), "live");
	model_name(lines, sizeof(lines), "line");
	model_name(sets, sizeof(sets), "set");
}

/* A lookup that always begins again keeps every promise. */
static void hold_all(const struct script *all, size_t count, const struct model *model)
{
	for (size_t i = 0; i < count; i++) {
		script = &all[i];
		answers = 0;
		hold(script->name, is_long() ? script->steps_long : script->steps, model);
		assert_true(model->read != look_itself || answers >= EXECUTIONS_MIN);
	}
}

static void test_the_steps(void **state)
{
	static const struct model model = {begin, write_script, look, NULL, 0};

	(void)state;
	hold_all(scripts, sizeof(scripts) / sizeof(scripts[0]), &model);
}

static void test_a_lookup(void **state)
{
	static const struct model model = {begin, write_prompt, look_itself, NULL, 0};

	(void)state;
	hold_all(prompts, sizeof(prompts) / sizeof(prompts[0]), &model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_steps),
		cmocka_unit_test(test_a_lookup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
