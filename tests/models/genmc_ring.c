/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/genmc.h"
#include "tests/models/ring_steps.h"

static void read_first(void)
{
	(void)read_event(0);
}

static void read_second(void)
{
	(void)read_event(1);
}

static void read_first_below_tail(void)
{
	read_below_tail(0);
}

static const struct {
	struct script script;
	void (*read)(void);
} scripts[] = {
	{{"no lap", 8, 2, {1, HASHES}}, read_second},
	{{"each slot anew", 1, 3, {1, 1, 1}}, read_second},
	{{"over its own end", 2, 2, {HASHES, HASHES}}, read_first},
	{{"over another's middle", 2, 3, {1, HASHES, HASHES}}, read_second},
	{{"below the tail", 1, 2, {1, 1}}, read_first_below_tail},
	{{"a barrier that is lapped", 2, 3, {0, HASHES, 1}}, read_barrier},
};

static void *write_steps(void *unused)
{
	write_events();
	return unused;
}

int main(void)
{
	script = &scripts[SCRIPT].script;
	ring_begin();
	genmc_run(write_steps, scripts[SCRIPT].read);
	return 0;
}
