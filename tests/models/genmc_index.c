/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/genmc.h"
#include "tests/models/index_steps.h"

static void look_for_key_0(void)
{
	look_for(0);
}

static void look_for_key_1(void)
{
	look_for(1);
}

static const struct {
	void (*read)(void);
	int count;
	struct step steps[4];
} scripts[] = {
	{look_for_key_0, 2, {{TURN, 0, 0}, {TURN, 1, 0}}},
	{look_for_key_0, 2, {{CLEAR, 0, 0}, {TURN, 0, 0}}},
	{look_for_key_0, 3, {{CLEAR, 0, 0}, {SWEEP, 0, 0}, {CLEAR, 1, 0}}},
	{look_for_key_1, 3, {{COPY, 0, 0}, {COPY, 0, 0}, {TURN, 0, 1}}},
};

static void *write_steps(void *unused)
{
	for (int n = 0; n < scripts[SCRIPT].count; n++)
		assert(take_step(scripts[SCRIPT].steps[n]));
	return unused;
}

int main(void)
{
	index_begin();
	for (int n = 0; n < scripts[SCRIPT].count; n++)
		plan(scripts[SCRIPT].steps[n]);
	genmc_run(write_steps, scripts[SCRIPT].read);
	return 0;
}
