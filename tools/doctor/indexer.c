/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/doctor/indexer.h"

#include "shm/clock.h"
#include "tools/inspect/standing.h"
#include "tools/program/figures.h"
#include "tools/program/messages.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define FRESH_NS   UINT64_C(500000000)  /* an indexer at work is heard of every 100 ms */
#define WATCH_NS   UINT64_C(2000000000) /* one that is not heard of for so long is not at work */
#define LOOK_NS    50000000L            /* between two looks */
#define GROUPS_MAX 16                   /* more causes at once are no news */

#define CAUSES_ADVICE "docs/operations.md has what each cause wants"
#define STILL_ADVICE                                                                               \
	"let it go on if it is stopped (SIGSTOP, a debugger, a frozen container), give it a "      \
	"processor if it has none; else restart it"

enum health {
	HEALTH_WELL,        /* caught up with a rank just now, or there is none to follow */
	HEALTH_BEHIND,      /* at work, and caught up with none */
	HEALTH_STILL,       /* nothing of it has moved */
	HEALTH_CHANGING,    /* likewise, and nobody can ask an index meanwhile */
	HEALTH_UNSEEN,      /* no rank that lives is in an index */
	HEALTH_OTHER_CLOCK, /* its times cannot be read */
};

/* What one look at the indexes shows. */
struct look {
	struct standing standing;
	uint32_t rows;     /* of ranks that are not GONE */
	uint32_t served;   /* of these, with which it was caught up once */
	uint64_t age_ns;   /* since it was with any of them; UINT64_MAX: not known */
	uint64_t progress; /* more where it has done anything */
};

/* Whom it has to follow. */
struct followed {
	const struct indexer_rank *live;
	uint32_t live_count;
};

static void look(const struct space *space, struct look *ret_look)
{
	struct look seen = {.age_ns = UINT64_MAX};

	standing_look(space, &seen.standing);
	for (size_t i = 0; i < seen.standing.count; i++) {
		const struct rdx_index_rank *row = &seen.standing.ranks[i];

		if (row->state == RDX_STATE_GONE)
			continue;
		seen.rows++;
		if (row->state != RDX_STATE_RECOVERING) {
			seen.served++;
			seen.age_ns = row->age_ns < seen.age_ns ? row->age_ns : seen.age_ns;
		}
		seen.progress += row->position + row->events + row->last_event_id;
		for (size_t way = 0; way < sizeof(row->recoveries) / sizeof(row->recoveries[0]);
		     way++)
			seen.progress += row->recoveries[way];
	}
	*ret_look = seen;
}

/* Is there a rank that it must take up? What it refuses, or this user cannot read, is none. */
static int is_awaited(const struct look *seen, const struct followed *followed)
{
	if (!seen->standing.is_whole)
		return 0;
	for (uint32_t i = 0; i < followed->live_count; i++)
		if (!standing_refused(&seen->standing, &followed->live[i].name))
			return 1;
	return 0;
}

/* Nothing more must be seen to say that it is well. */
static int is_well(const struct look *seen, const struct followed *followed)
{
	if (seen->standing.is_changing)
		return 0;
	return seen->rows ? seen->age_ns < FRESH_NS : !is_awaited(seen, followed);
}

/* What it is where it was not well all the time from the first look on. */
static enum health judge(const struct look *first, const struct look *last, int is_always_changing)
{
	if (is_always_changing)
		return HEALTH_CHANGING;
	if (!last->rows)
		return HEALTH_UNSEEN;
	/* a ledger may take longer to be read, and nothing of it is shown meanwhile */
	if (!last->served || last->progress != first->progress || last->age_ns < WATCH_NS)
		return HEALTH_BEHIND;
	return last->age_ns == UINT64_MAX ? HEALTH_OTHER_CLOCK : HEALTH_STILL;
}

/* Look until it is well, has ended, or is not well for long enough. The last look is the caller's to free. */
static enum health watch(const struct space *space, const struct followed *followed,
			 struct look *ret_last)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};
	uint64_t until_ns = rdx_clock_ns() + WATCH_NS;
	struct look first;
	int is_always_changing;

	look(space, &first);
	is_always_changing = first.standing.is_changing;
	*ret_last = first;
	while (ret_last->standing.has_indexer && !is_well(ret_last, followed)) {
		if (rdx_clock_ns() > until_ns)
			return judge(&first, ret_last, is_always_changing);
		nanosleep(&pause, NULL);
		standing_free(&ret_last->standing);
		look(space, ret_last);
		is_always_changing &= ret_last->standing.is_changing;
	}
	return HEALTH_WELL;
}

/*
 * What is said
 */

static void say_none(struct findings *findings, uint32_t live_count)
{
	const char *advice = "start ringdex follow, or ringdexd";

	if (live_count)
		findings_add(findings, "indexer", FINDING_ERROR, advice,
			     "none runs: no lookup may go by what %" PRIu32 " live rank%s hold%s",
			     live_count, figures_plural(live_count), live_count == 1 ? "s" : "");
	else
		findings_add(findings, "indexer", FINDING_NOTE, advice, "none runs");
}

static void say_behind(struct findings *findings, const struct look *seen)
{
	char since[FIGURES_BYTES];

	if (seen->age_ns == UINT64_MAX)
		findings_add(
			findings, "indexer", FINDING_WARNING,
			"wait until it has built what it recovers; where that takes minutes, look "
			"whether it is stopped",
			"one runs, and has caught up with none of %" PRIu32 " rank%s yet",
			seen->rows, figures_plural(seen->rows));
	else
		findings_add(findings, "indexer", FINDING_WARNING, "give it a processor",
			     "one is at work, and behind with all of %" PRIu32
			     " rank%s: it was caught up %s ago",
			     seen->rows, figures_plural(seen->rows),
			     figures_duration(seen->age_ns, since));
}

static void say_still(struct findings *findings, const struct look *seen)
{
	char since[FIGURES_BYTES];

	findings_add(findings, "indexer", FINDING_ERROR, STILL_ADVICE,
		     "one runs, and does nothing: it was last at work %s ago, and what it says of "
		     "%" PRIu32 " rank%s is as old",
		     figures_duration(seen->age_ns, since), seen->rows, figures_plural(seen->rows));
}

static void say_health(struct findings *findings, enum health health, const struct look *seen,
		       uint32_t live_count)
{
	char since[FIGURES_BYTES];

	switch (health) {
	case HEALTH_WELL:
		if (seen->rows)
			findings_add(findings, "indexer", FINDING_OK, NULL,
				     "one runs, and was caught up %s ago",
				     figures_duration(seen->age_ns, since));
		else
			findings_add(findings, "indexer", FINDING_OK, NULL,
				     "one runs, and has no rank");
		break;
	case HEALTH_BEHIND:
		say_behind(findings, seen);
		break;
	case HEALTH_STILL:
		say_still(findings, seen);
		break;
	case HEALTH_CHANGING:
		findings_add(findings, "indexer", FINDING_ERROR, STILL_ADVICE,
			     "one runs, and does nothing: it stands in the midst of a change of an "
			     "index, which nobody can ask until it goes on");
		break;
	case HEALTH_UNSEEN:
		findings_add(findings, "indexer", FINDING_ERROR,
			     "look whether it is stopped, and at what it says; else restart it",
			     "one runs, and has taken up none of %" PRIu32 " live rank%s",
			     live_count, figures_plural(live_count));
		break;
	case HEALTH_OTHER_CLOCK:
		findings_add(
			findings, "indexer", FINDING_WARNING, "mount /proc where it runs and here",
			"one runs, whose clock is another one: it cannot be told whether it is "
			"at work");
		break;
	}
}

/* Ranks of which the same is said: in an index, in that state; or in none. */
struct group {
	int cause;
	int state; /* -1: in none */
	uint32_t count;
	const struct indexer_rank *first;
};

struct groups {
	struct group list[GROUPS_MAX];
	size_t count;
};

static void count_in(struct groups *groups, int cause, int state, const struct indexer_rank *rank)
{
	size_t i = 0;

	while (i < groups->count &&
	       (groups->list[i].cause != cause || groups->list[i].state != state))
		i++;
	if (i == GROUPS_MAX)
		return;
	if (i == groups->count)
		groups->list[groups->count++] =
			(struct group){.cause = cause, .state = state, .first = rank};
	groups->list[i].count++;
}

/* A rank that is STALE for a little is so again and again on a busy host. */
static int is_behind(const struct rdx_index_rank *row)
{
	return row->state == RDX_STATE_STALE && row->age_ns > FRESH_NS;
}

static void sort_out(struct groups *groups, const struct standing *standing,
		     const struct indexer_rank *rank)
{
	const struct rdx_index_rank *row = standing_find(standing, &rank->name, rank->epoch);
	int refused = standing_refused(standing, &rank->name);

	if (row && (row->cause || is_behind(row)))
		count_in(groups, row->cause, row->state, rank);
	else if (!row && refused)
		count_in(groups, refused, -1, rank);
}

static void say_group(struct findings *findings, const struct group *group)
{
	char rank[RANKS_TEXT_BYTES], more[FIGURES_BYTES] = "";
	const char *verb = group->count == 1 ? "is" : "are";

	ranks_name_text(&group->first->name, rank);
	if (group->count > 1)
		snprintf(more, sizeof(more), " and %" PRIu32 " more", group->count - 1);
	if (group->state < 0)
		findings_add(findings, "indexer", FINDING_WARNING, CAUSES_ADVICE,
			     "%s%s %s in no index: %s", rank, more, verb,
			     messages_explain(group->cause));
	else if (group->cause)
		findings_add(findings, "indexer", FINDING_WARNING, CAUSES_ADVICE,
			     "%s%s %s %s in the index: %s", rank, more, verb,
			     rdx_state_text((uint8_t)group->state), messages_explain(group->cause));
	else
		findings_add(findings, "indexer", FINDING_WARNING,
			     "give the indexer a processor, or these ranks larger rings",
			     "%s%s %s STALE: the indexer is behind with %s, and not with others",
			     rank, more, verb, group->count == 1 ? "it" : "them");
}

/* Of an indexer that does nothing it says no more than that; of one that is behind with all, that it is. */
static void say_ranks(struct findings *findings, enum health health, const struct look *seen,
		      const struct followed *followed)
{
	struct groups groups = {0};

	if (health != HEALTH_WELL && health != HEALTH_BEHIND)
		return;
	for (uint32_t i = 0; i < followed->live_count; i++)
		sort_out(&groups, &seen->standing, &followed->live[i]);
	for (size_t i = 0; i < groups.count; i++)
		if (groups.list[i].cause || health == HEALTH_WELL)
			say_group(findings, &groups.list[i]);
}

void indexer_check(struct findings *findings, const struct space *space,
		   const struct indexer_rank *live, uint32_t live_count)
{
	const struct followed followed = {live, live_count};
	struct look last;
	enum health health = watch(space, &followed, &last);

	if (last.standing.has_indexer) {
		say_health(findings, health, &last, live_count);
		say_ranks(findings, health, &last, &followed);
	} else {
		say_none(findings, live_count);
	}
	if (!last.standing.is_whole && !last.standing.is_changing)
		findings_add(findings, "indexer", FINDING_NOTE, NULL,
			     "not all indexes can be read by this user at the moment");
	standing_free(&last.standing);
}
