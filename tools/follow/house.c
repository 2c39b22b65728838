/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/follow/house.h"

#include "tools/program/figures.h"
#include "tools/program/messages.h"
#include <ringdex/rdx_clean.h>

#include <stdio.h>

#define NS_PER_S UINT64_C(1000000000)
#define LEAST_NS NS_PER_S
#define MOST_NS  (60 * NS_PER_S)

static void tell(void *context, const struct rdx_cleaned *what)
{
	char size[FIGURES_BYTES];

	(void)context;
	if (what->cause == 0)
		printf("removed %s, which was dead: %s\n", what->name,
		       figures_size(what->bytes, size));
}

static uint64_t pause_ns(uint64_t dead_for_ns)
{
	uint64_t pause = dead_for_ns / 4;

	return pause < LEAST_NS ? LEAST_NS : pause > MOST_NS ? MOST_NS : pause;
}

void house_keep(struct house *house, uint64_t now_ns, int tells)
{
	const struct rdx_clean_options options = {
		.size = sizeof(options),
		.dir = house->dir,
		.dead_for_ns = house->dead_for_ns,
		.tell = tells ? tell : NULL,
	};
	struct rdx_clean_result result = {.size = sizeof(result)};
	int r;

	if (house->dead_for_ns == HOUSE_NEVER || now_ns < house->next_ns)
		return;
	house->next_ns = now_ns + pause_ns(house->dead_for_ns);
	r = rdx_clean(&options, &result);
	if (r < 0 && r != house->error)
		messages_say_error(r, "cannot clean %s", house->dir);
	house->error = r;
}
