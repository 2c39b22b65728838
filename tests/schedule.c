/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/schedule.h"

#if SCHEDULE_POSSIBLE
#include "shm/hook.h"
#include "tests/rig.h"

#include <stdlib.h>

#define STACK_BYTES (256 * 1024)

static struct schedule *current;

void schedule_let(struct schedule *s, uint64_t steps)
{
	s->steps = steps;
	s->switches++;
	s->in_other = 1;
	swapcontext(&s->own_context, &s->other_context);
	s->in_other = 0;
}

void schedule_yield(struct schedule *s)
{
	swapcontext(&s->other_context, &s->own_context);
}

static void on_step(enum rdx_hook_step step)
{
	struct schedule *s = current;

	(void)step;
	if (s->in_other) {
		if (--s->steps == 0)
			schedule_yield(s);
		return;
	}
	if (rig_random(&s->random) % s->switch_in == 0)
		schedule_let(s, 1 + rig_random(&s->random) % s->steps_most);
}

void schedule_begin(struct schedule *s, uint64_t seed, void (*other)(void))
{
	*s = (struct schedule){.random = seed};
	s->switch_in = 1 + (uint32_t)(rig_random(&s->random) % 12);
	s->steps_most = 2u << rig_random(&s->random) % 8;
	s->stack = malloc(STACK_BYTES);
	assert_non_null(s->stack);
	getcontext(&s->other_context);
	s->other_context.uc_stack.ss_sp = s->stack;
	s->other_context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&s->other_context, other, 0);
	current = s;
	rdx_hook_function = on_step;
}

void schedule_end(struct schedule *s)
{
	rdx_hook_function = NULL;
	current = NULL;
	free(s->stack);
}
#else
typedef int schedule_none; /* a file must not be empty */
#endif
