/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/history.h"

#include <time.h>

#define TOGETHER_MS 5000 /* clears that are one */
#define MS_PER_S    1000
#define NS_PER_MS   1000000

uint64_t history_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * MS_PER_S + (uint64_t)t.tv_nsec / NS_PER_MS;
}

void history_add_recovery(struct history *history, const struct rdx_recovery_row *row)
{
	history->recoveries[history->recovery_count++ % HISTORY_KEPT] =
		(struct history_recovery){.time_ms = history_now_ms(), .row = *row};
}

void history_add_clears(struct history *history, uint64_t count)
{
	uint64_t now_ms = history_now_ms();
	struct history_clears *last = &history->clears[(history->clears_count - 1) % HISTORY_KEPT];

	if (history->clears_count && now_ms - last->time_ms < TOGETHER_MS)
		last->count += count;
	else
		history->clears[history->clears_count++ % HISTORY_KEPT] =
			(struct history_clears){.time_ms = now_ms, .count = count};
}

uint64_t history_oldest(uint64_t count)
{
	return count > HISTORY_KEPT ? count - HISTORY_KEPT : 0;
}
