/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: every script of a few steps on the table, and every execution of it that C11 allows:
 * a look for a key, looks for two blocks of a prompt, and a walk find what was true. Steps: keys
 * come, go, change their sets, share one, take a dead one's slot; others are pulled back. A set
 * that no cell names is filled again at once.
 */
#include "tests/models/table_steps.h"
#include "tests/models/hold.h"

#include <string.h>

#define BIT(kind) (1u << (kind))

static const struct script looks[] = {
	{"three keys, one home", 3, 3, 1, {0}, BIT(TURN), 3, 4, 0},
	{"three keys, two homes", 3, 3, 1, {0, 1, 0}, BIT(TURN), 3, 5, 0},
	{"four keys, two slots of a line", 4, 4, 2, {0}, BIT(TURN), 3, 4, 0},
	{"two keys take turns in one slot", 2, 1, 1, {0}, BIT(TURN), 5, 7, 0},
	{"sets of their own", 2, 2, 1, {0}, BIT(TURN) | BIT(CHANGE), 3, 4, 0},
	{"sets that are shared", 2, 2, 1, {0}, BIT(CHANGE) | BIT(SHARE), 4, 5, 0},
	{"slots of dead keys", 3, 2, 1, {0}, BIT(TURN) | BIT(REPLACE), 2, 3, 0},
	{"all that there is", 3, 3, 1, {0}, BIT(KINDS) - 1, 2, 3, 0},
	/* as few versions as changes in four epochs: those of before come back */
	{"versions that come back", 2, 1, 2, {0}, BIT(TURN), 6, 8, 2},
};

static const struct script runs[] = {
	{"a prompt, and a stranger in its slots", 3, 3, 1, {0}, BIT(TURN), 3, 4, 0},
	{"the same, two homes", 3, 3, 1, {1, 0, 0}, BIT(TURN), 3, 4, 0},
};

static const struct script walks[] = {
	{"three keys, one home", 3, 3, 1, {0}, BIT(TURN), 2, 3, 0},
	{"three keys, two homes", 3, 3, 1, {0, 1, 0}, BIT(TURN), 2, 4, 0},
};

static __typeof__(mine) initially;

static void write_script(void)
{
	int steps = is_long() ? script->steps_long : script->steps;

	mine = initially;
	begun = 0;
	for (int n = 0; n < steps; n++) {
		struct step step = {.kind = (enum kind)choose_kind(script->kinds),
				    .key = (int)model_choose((uint32_t)script->keys)};

		if (step.kind == SHARE || step.kind == REPLACE)
			step.other = (int)model_choose((uint32_t)script->keys);
		if (!plan(n, step) || (step.kind == REPLACE && !may_replace(step.key, step.other)))
			model_cut();
		begun = n + 1;
		take_step(n, step);
	}
}

/* Key 1 only while key 0 is there. */
static void write_prompt(void)
{
	write_script();
	for (int n = 0; n <= begun; n++) {
		if (truth[n][1] && !truth[n][0])
			model_cut();
	}
}

static void look(void)
{
	look_for((int)model_choose((uint32_t)script->keys));
}

static void look_for_two(void)
{
	look_for_run((int)model_choose(2));
}

/* Whoever sees all that a dead writer left finds the state before or after its step, at once. */
static void look_at_rest(void)
{
	struct rdx_table table = table_view();
	uint64_t columns[2];

	for (int key = 0; key < script->keys; key++) {
		int r = rdx_table_look(&table, rdx_table_line(&table, name_of(key)), name_of(key),
				       2, columns);

		MODEL_PROMISE(r >= 0 && "waits for no dead writer");
		judge(r, key, columns, begun ? (uint64_t)begun - 1 : 0);
	}
}

static void begin(void)
{
	memset(lines, 0, sizeof(lines));
	memset(sets, 0, sizeof(sets));
	memset(&mine, 0, sizeof(mine));
	memset(truth, 0, sizeof(truth));
	table_begin();
	initially = mine;
	model_name(lines, sizeof(lines), "line");
	model_name(sets, sizeof(sets), "set");
	model_name(&epoch, sizeof(epoch), "epoch");
	model_name(&pulse, sizeof(pulse), "pulse");
}

static void hold_all(const struct script *scripts, size_t count, const struct model *model)
{
	for (size_t i = 0; i < count; i++) {
		script = &scripts[i];
		hold(script->name, is_long() ? script->steps_long : script->steps, model);
	}
}

static void test_a_look(void **state)
{
	static const struct model model = {begin, write_script, look, look_at_rest, 0};

	(void)state;
	hold_all(looks, sizeof(looks) / sizeof(looks[0]), &model);
}

static void test_two_looks(void **state)
{
	static const struct model model = {begin, write_prompt, look_for_two, NULL, 0};

	(void)state;
	hold_all(runs, sizeof(runs) / sizeof(runs[0]), &model);
}

static void test_a_walk(void **state)
{
	static const struct model model = {begin, write_script, walk, NULL, 0};

	(void)state;
	hold_all(walks, sizeof(walks) / sizeof(walks[0]), &model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_look),
		cmocka_unit_test(test_two_looks),
		cmocka_unit_test(test_a_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
