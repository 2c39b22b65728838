/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/inspect/house.h"

#include "tools/program/messages.h"

#include <errno.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)
#define LEAST_NS NS_PER_S
#define MOST_NS  (60 * NS_PER_S)

/* The one of that name, or a new one; NULL: there is no room. */
static struct house_failure *find(struct house *house, const char *name)
{
	struct house_failure *failure = house->failure;

	for (uint32_t i = 0; i < house->failure_count; i++, failure++)
		if (strcmp(failure->name, name) == 0)
			return failure;
	if (house->failure_count == HOUSE_FAILURES_MAX)
		return NULL;
	house->failure_count++;
	*failure = (struct house_failure){.cause = 0};
	memcpy(failure->name, name, strnlen(name, sizeof(failure->name) - 1));
	return failure;
}

static void say_failed(struct house *house, const struct rdx_cleaned *what)
{
	struct house_failure *failure = find(house, what->name);

	if (!failure && !house->more)
		messages_say("there is more that cannot be removed: ringdex clean names it");
	if (!failure) {
		house->more = 1;
		return;
	}
	if (failure->cause != what->cause)
		messages_say_error(what->cause, "cannot remove %s, which is dead", what->name);
	failure->cause = what->cause;
	failure->turn = house->turn;
}

static void tell(void *context, const struct rdx_cleaned *what)
{
	struct house *house = context;

	if (what->cause && what->cause != -EAGAIN)
		say_failed(house, what);
	else if (what->cause == 0 && house->removed)
		house->removed(what);
}

/* What was no failure in this turn is none any more. */
static void forget(struct house *house)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < house->failure_count; i++)
		if (house->failure[i].turn == house->turn)
			house->failure[kept++] = house->failure[i];
	house->failure_count = kept;
	house->more &= kept == HOUSE_FAILURES_MAX;
}

static uint64_t pause_ns(uint64_t dead_for_ns)
{
	uint64_t pause = dead_for_ns / 4;

	return pause < LEAST_NS ? LEAST_NS : pause > MOST_NS ? MOST_NS : pause;
}

void house_keep(struct house *house, uint64_t now_ns)
{
	const struct rdx_clean_options options = {
		.size = sizeof(options),
		.dir = house->dir,
		.dead_for_ns = house->dead_for_ns,
		.tell = tell,
		.context = house,
	};
	struct rdx_clean_result result = {.size = sizeof(result)};
	int r;

	if (house->dead_for_ns == HOUSE_NEVER || now_ns < house->next_ns)
		return;
	house->next_ns = now_ns + pause_ns(house->dead_for_ns);
	house->turn++;
	r = rdx_clean(&options, &result);
	if (r < 0 && r != house->error)
		messages_say_error(r, "cannot clean %s", house->dir);
	if (r == 0)
		forget(house);
	house->error = r;
}
