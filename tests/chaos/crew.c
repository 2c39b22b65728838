/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/crew.h"

#include "tests/patience.h"
#include "tests/rig.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

uint64_t crew_random(struct crew *crew, uint64_t below)
{
	return rig_random(&crew->random) % below;
}

void crew_note(struct crew *crew, const char *format, ...)
{
	size_t length = strlen(crew->story);
	va_list list;

	va_start(list, format);
	vsnprintf(crew->story + length, sizeof(crew->story) - length, format, list);
	va_end(list);
}

/* Not by print_error, which cuts what is long. */
static void print_member(const char *name, const struct member *member)
{
	fprintf(stderr, "%s %s, printed:\n%s\n%s\n", name,
		!member_runs(member) ? "does not run"
		: member->is_stopped ? "is stopped"
				     : "runs",
		member->out.text, member->err.text);
}

void crew_diverged(const struct crew *crew, const char *format, ...)
{
	char text[1024], name[32];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	for (uint32_t i = 0; i < CREW_FEEDS; i++) {
		snprintf(name, sizeof(name), "feed of worker %" PRIu64, crew->feeds[i].worker);
		print_member(name, &crew->feeds[i].member);
	}
	print_member("follow", &crew->indexer);
	print_member("query", &crew->query);
	print_error("DIVERGENCE in round %" PRIu64 ", after %" PRIu64 " faults, RDX_SEED=%" PRIu64
		    "\nfaults since the last rest:%s\n%s\n",
		    crew->round, crew->faults, crew->seed, crew->story, text);
	fail();
	abort();
}

void crew_start_feed(const struct crew *crew, struct crew_feed *feed)
{
	char slots[32], scope[32];
	char *arguments[] = {"ringdex-feed",
			     "-q",
			     "-d",
			     (char *)crew->dir,
			     "-m",
			     "m",
			     "--blocks=512",
			     "--host-blocks=512",
			     slots,
			     scope,
			     "-",
			     NULL};

	if (member_runs(&feed->member))
		return;
	snprintf(slots, sizeof(slots), "--ring-slots=%d", CREW_RING_SLOTS);
	snprintf(scope, sizeof(scope), "--clear-scope=%s", feed->ranks > 1 ? "worker" : "rank");
	member_start(&feed->member, arguments, 1);
	for (uint32_t rank = 0; rank < feed->ranks; rank++)
		oracle_born(&feed->oracle[rank]);
}

void crew_start_indexer(struct crew *crew)
{
	char *arguments[] = {"ringdex-follow", "-d", crew->dir, "--wait=epoll", NULL};

	if (member_runs(&crew->indexer))
		return;
	if (crew->indexers++ % 2)
		arguments[3] = NULL;
	member_start(&crew->indexer, arguments, 0);
}

void crew_start_query(struct crew *crew)
{
	char *arguments[] = {"ringdex-query", "-d",     crew->dir, "-m", "m",
			     "--local",       "--json", "-",       NULL};

	if (!member_runs(&crew->query))
		member_start(&crew->query, arguments, 1);
}

void crew_tell(struct crew_feed *feed, uint32_t lines, uint64_t *random)
{
	uint64_t own = rig_random(random); /* whether it runs may depend on time */
	char line[ORACLE_LINE_BYTES];

	for (uint32_t i = 0; i < lines && member_runs(&feed->member); i++) {
		uint32_t rank = (uint32_t)(rig_random(&own) % feed->ranks);
		int length = oracle_draw(feed->oracle, feed->ranks, rank, feed->worker, &own, line);

		if (member_write(&feed->member, line, (size_t)length) < 0)
			return; /* crew_look says why */
	}
}

/* An indexer that is started waits a second for a cleaner that has its lock; one that is not scheduled for so
 * long is none of its faults, and it says so. */
static int met_a_cleaner(const struct member *member, int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == 1 &&
	       strstr(member->err.text, "a cleaner that does not go on has its lock");
}

static int has_ended(struct crew *crew, struct member *member, const char *name)
{
	int status;

	member_drain(member);
	if (!member_has_ended(member, &status))
		return 0;
	if (!member->may_end && !met_a_cleaner(member, status) &&
	    !(member->maps_cut_file && WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS))
		crew_diverged(crew, "%s ended by itself: wait status %#x", name,
			      (unsigned int)status);
	crew->restarts++;
	return 1;
}

void crew_look(struct crew *crew)
{
	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		if (has_ended(crew, &crew->feeds[i].member, "a feed"))
			crew_start_feed(crew, &crew->feeds[i]);
	if (has_ended(crew, &crew->indexer, "follow"))
		crew_start_indexer(crew);
	/* the query ends where there is no index yet, so that crew_ask starts it */
	has_ended(crew, &crew->query, "query");
}

void crew_restart(struct crew *crew, struct member *member)
{
	member_kill(member);
	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		if (member == &crew->feeds[i].member)
			crew_start_feed(crew, &crew->feeds[i]);
	if (member == &crew->indexer)
		crew_start_indexer(crew);
}

void crew_disband(struct crew *crew)
{
	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		member_kill(&crew->feeds[i].member);
	member_kill(&crew->indexer);
	member_kill(&crew->query);
}
