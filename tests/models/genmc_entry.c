/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/genmc.h"
#include "tests/models/entry_steps.h"

static const struct {
	const char *name;
	void (*read)(void);
	int count;
	enum kind steps[4];
} scripts[] = {
	{"a walk beside an event and its pulse", walk, 2, {EVENT, PULSE}},
	{"a walk beside two events and a pulse", walk, 3, {EVENT, EVENT, PULSE}},
	{"a walk beside another epoch and an event of it", walk, 2, {EPOCH, EVENT}},
	{"a walk beside both", walk, 4, {EVENT, PULSE, EPOCH, EVENT}},
	{"an entry beside a pulse", read_entry, 2, {EVENT, PULSE}},
	{"an entry beside three", read_entry, 3, {PULSE, EPOCH, PULSE}},
};

static void *write_steps(void *unused)
{
	for (int n = 0; n < scripts[SCRIPT].count; n++)
		take_step(scripts[SCRIPT].steps[n]);
	return unused;
}

int main(void)
{
	entry_begin();
	genmc_run(write_steps, scripts[SCRIPT].read);
	return 0;
}
