/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/ending.h"

/* One turn, unless that time has come. Whether there may be another. */
static int turn_until(const struct ending_calls *calls, void *context, uint64_t until_ns)
{
	uint64_t now = calls->now_ns(), left = until_ns > now ? until_ns - now : 0;

	return left && calls->turn(context, left < ENDING_TURN_NS ? left : ENDING_TURN_NS) == 0;
}

void ending_run(const struct ending_calls *calls, void *context)
{
	uint64_t begun = calls->now_ns();

	while (calls->under_way(context) && turn_until(calls, context, begun + ENDING_ANSWERS_NS))
		;
	calls->cut(context);
	while (calls->unclosed(context) && turn_until(calls, context, begun + ENDING_CUT_NS))
		;
}
