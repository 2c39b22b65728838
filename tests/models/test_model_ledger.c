/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: every script of a few events, and every execution of it that C11 allows: a rank
 * rebuilt from its ledger and ring is what the producer held. Blocks come and go, records are taken
 * for others, tiers are cleared, what clears left is wiped; the file becomes longer. Before each store the
 * producer may have died.
 */
#include "tests/models/ledger_steps.h"
#include "tests/models/hold.h"

#include <string.h>

#define BIT(kind) (1u << (kind))

static const struct script scripts[] = {
	{"two blocks, one record", 2, 1, 2, {1, 1}, BIT(KINDS) - 1, 3, 5, 0, 0},
	{"two blocks, two records", 2, 2, 2, {1, 1}, BIT(KINDS) - 1, 3, 4, 0, 0},
	{"three blocks, two records", 3, 2, 2, {1, 2}, BIT(KINDS) - 1, 3, 4, 0, 0},
	{"one record, there and back", 2, 1, 1, {1, 0}, BIT(TURN), 5, 7, 0, 0},
	{"clears of all tiers", 2, 1, 2, {1, 1}, BIT(KINDS) - 1 - BIT(CLEAR), 4, 5, 0, 0},
	{"generations that begin again",
	 2,
	 1,
	 2,
	 {1, 1},
	 BIT(CLEAR) | BIT(TURN),
	 4,
	 5,
	 0xfefffeff,
	 0},
	{"a ledger that becomes longer", 3, 3, 1, {1, 0}, BIT(TURN) | BIT(CLEAR_ALL), 3, 5, 0, 1},
};

static __typeof__(mine) initially;

static void write_script(void)
{
	int steps = is_long() ? script->steps_long : script->steps;

	mine = initially;
	events = mine.position;
	for (int n = 0; n < steps; n++) {
		struct step step = {.kind = (enum kind)choose_kind(script->kinds)};

		if (step.kind == TURN || step.kind == DESCRIBE) {
			step.block = (int)model_choose((uint32_t)script->blocks);
			step.record = (int)model_choose((uint32_t)script->records);
		}
		if (step.kind == WIPE)
			step.block = (int)model_choose((uint32_t)script->records);
		if (step.kind == TURN || step.kind == CLEAR)
			step.tier = (uint8_t)model_choose((uint32_t)script->tiers);
		plan(step);
		if (!take_step(step))
			model_cut();
	}
}

static void begin(void)
{
	memset(slots, 0, sizeof(slots));
	memset(&live, 0, sizeof(live));
	memset(records, 0, sizeof(records));
	memset(&mine, 0, sizeof(mine));
	memset(truth, 0, sizeof(truth));
	rdx_word_store(&length, 0);
	events = 0;
	ledger_begin();
	initially = mine;
	model_name(slots, sizeof(slots), "slot");
	model_name(records, sizeof(records), "record");
	model_name(&live, sizeof(live), "live");
	model_name(&length, sizeof(length), "length");
}

static void test_recovery(void **state)
{
	static const struct model model = {begin, write_script, ledger_read, ledger_read, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		script = &scripts[i];
		hold(script->name, is_long() ? script->steps_long : script->steps, &model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
