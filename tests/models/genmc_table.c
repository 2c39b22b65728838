/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/genmc.h"
#include "tests/models/table_steps.h"

static void look_for_key_0(void)
{
	look_for(0);
}

static void look_for_key_1(void)
{
	look_for(1);
}

static void look_for_key_2(void)
{
	look_for(2);
}

static void look_for_both(void)
{
	look_for_run(0);
}

#define THREE                                                                                      \
	{                                                                                          \
		.keys = 3, .there = 3, .slots = 1                                                  \
	}
#define TWO                                                                                        \
	{                                                                                          \
		.keys = 2, .there = 2, .slots = 1                                                  \
	}

static const struct {
	struct script script;
	void (*read)(void);
	int count;
	struct step steps[4];
} scripts[] = {
	{THREE, look_for_key_0, 1, {{TURN, 0, 0}}},
	{THREE, look_for_key_1, 1, {{TURN, 0, 0}}},
	{THREE, look_for_key_2, 1, {{TURN, 0, 0}}},
	{{.keys = 2, .there = 1, .slots = 1},
	 look_for_key_0,
	 4,
	 {{TURN, 0, 0}, {TURN, 1, 0}, {TURN, 1, 0}, {TURN, 0, 0}}},
	{TWO, look_for_key_0, 2, {{CHANGE, 0, 0}, {TURN, 1, 0}}},
	{TWO, look_for_key_0, 3, {{SHARE, 0, 1}, {CHANGE, 0, 0}, {CHANGE, 1, 0}}},
	{{.keys = 3, .there = 2, .slots = 1}, look_for_key_2, 1, {{REPLACE, 0, 2}}},
	{THREE, look_for_key_0, 2, {{TURN, 0, 0}, {TURN, 0, 0}}},
	{THREE, look_for_both, 3, {{TURN, 1, 0}, {TURN, 2, 0}, {TURN, 1, 0}}},
	{TWO, walk, 1, {{TURN, 0, 0}}},
};

static void *write_steps(void *unused)
{
	for (int n = 0; n < scripts[SCRIPT].count; n++)
		take_step(n, scripts[SCRIPT].steps[n]);
	return unused;
}

int main(void)
{
	script = &scripts[SCRIPT].script;
	begun = scripts[SCRIPT].count;
	table_begin();
	for (int n = 0; n < begun; n++)
		assert(plan(n, scripts[SCRIPT].steps[n]));
	genmc_run(write_steps, scripts[SCRIPT].read);
	return 0;
}
