/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/genmc.h"
#include "tests/models/ledger_steps.h"

#define ONE_TIER                                                                                   \
	{                                                                                          \
		.blocks = 2, .records = 1, .tiers = 1, .there = { 1, 0 }                           \
	}
#define TWO_TIERS                                                                                  \
	{                                                                                          \
		.blocks = 2, .records = 1, .tiers = 2, .there = { 1, 1 }                           \
	}

static const struct {
	struct script script;
	int count;
	struct step steps[4];
} scripts[] = {
	{ONE_TIER, 2, {{TURN, 0, 0, 0}, {TURN, 1, 0, 0}}},
	{ONE_TIER, 4, {{TURN, 0, 0, 0}, {TURN, 1, 0, 0}, {TURN, 1, 0, 0}, {TURN, 0, 0, 0}}},
	{TWO_TIERS, 3, {{CLEAR, 0, 0, 0}, {WIPE, 0, 0, 0}, {TURN, 0, 0, 0}}},
	{TWO_TIERS, 2, {{CLEAR_ALL, 0, 0, 0}, {TURN, 1, 0, 0}}},
	{TWO_TIERS, 3, {{TURN, 0, 0, 0}, {TURN, 0, 1, 0}, {TURN, 1, 1, 0}}},
};

static void *write_steps(void *unused)
{
	for (int n = 0; n < scripts[SCRIPT].count; n++)
		assert(take_step(scripts[SCRIPT].steps[n]));
	return unused;
}

int main(void)
{
	script = &scripts[SCRIPT].script;
	ledger_begin();
	for (int n = 0; n < scripts[SCRIPT].count; n++)
		plan(scripts[SCRIPT].steps[n]);
	genmc_run(write_steps, ledger_read);
	return 0;
}
