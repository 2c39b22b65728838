/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: chaos over the real programs. ringdex-feed for four workers, ringdex-follow and
 * ringdex-query work in one namespace, while they are killed, stopped and started twice, their rings
 * lapped, their files removed, cut and replaced, and their file system is full; users who may only
 * read, and members of the group, attack beside them. Several faults in a row make a round. After it,
 * every answer to every prompt must be what each worker was told, no dead worker may be offered, and
 * ringdex-verify must find index and ledgers equal. Answers in mid-round must be of an instant since the
 * last rest, and STALE when the indexer is dead or stopped.
 */
#include "tests/chaos/answers.h"
#include "tests/chaos/attackers.h"
#include "tests/chaos/faults.h"
#include "tests/chaos/ground.h"
#include "tests/chaos/rest.h"
#include "tests/patience.h"
#include "tests/rig.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#ifndef CHAOS_FAULTS
#define CHAOS_FAULTS 30
#endif
#define LONG_FAULTS 10000
#define TELL_FAULTS 1000 /* between two lines of progress */
#define IN_ROW      8    /* faults of a round, at most */
#define WORK_LINES  20   /* told to a worker before a fault, at most */
#define FIRST_LINES 4

static void assemble(struct crew *crew)
{
	*crew = (struct crew){.seed = rig_seed()};
	crew->random = crew->seed;
	crew->poked = ~crew->seed;
	ground_make(crew);
	signal(SIGPIPE, SIG_IGN);
	for (uint32_t i = 0; i < CREW_FEEDS; i++) {
		crew->feeds[i].worker = CREW_FIRST_WORKER + i;
		crew->feeds[i].ranks = i + 1 == CREW_FEEDS ? CREW_RANKS_MAX : 1;
		crew_start_feed(crew, &crew->feeds[i]);
		crew_tell(&crew->feeds[i], FIRST_LINES, &crew->random);
	}
	crew_start_indexer(crew);
	attackers_start(crew);
}

/* Those that were left dead come back, or not yet. */
static void bring_back(struct crew *crew)
{
	for (uint32_t i = 0; i < CREW_FEEDS; i++) {
		struct crew_feed *feed = &crew->feeds[i];

		if (crew_random(crew, 2) || member_runs(&feed->member))
			continue;
		crew_start_feed(crew, feed);
		crew_tell(feed, FIRST_LINES, &crew->random);
	}
}

static void round_of_faults(struct crew *crew)
{
	struct answers answers;

	ground_make_dir(crew);
	bring_back(crew);
	for (uint64_t left = 1 + crew_random(crew, IN_ROW); left; left--) {
		for (uint32_t i = 0; i < CREW_FEEDS; i++) {
			struct crew_feed *feed = &crew->feeds[i];
			uint32_t lines = (uint32_t)crew_random(crew, WORK_LINES);

			crew_tell(feed, feed->member.is_stopped ? 0 : lines, &crew->random);
		}
		faults_make(crew);
		crew_look(crew);
		attackers_look(crew);
		if (crew_random(crew, 2))
			answers_ask(crew, &answers);
	}
	rest_await(crew);
	crew->round++;
}

static void test_programs(void **state)
{
	uint64_t wanted = is_long() ? LONG_FAULTS : CHAOS_FAULTS, told = 0;
	static struct crew crew;

	(void)state;
	assemble(&crew);
	rest_await(&crew);
	while (crew.faults < wanted) {
		round_of_faults(&crew);
		if (crew.faults >= told + TELL_FAULTS) {
			told = crew.faults;
			print_message("%" PRIu64 " of %" PRIu64 " faults\n", told, wanted);
			fflush(stdout);
		}
	}
	attackers_end(&crew);
	crew_disband(&crew);
	ground_remove(crew.top);
	faults_print();
	print_message("%" PRIu64 " faults in %" PRIu64 " rounds, %" PRIu64 " answers, %" PRIu64
		      " refused; %" PRIu64
		      " ended by a fault and were started again; 0 divergences\n",
		      crew.faults, crew.round, crew.answers, crew.refusals, crew.restarts);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs),
	};

	if (argc > 1 && strcmp(argv[1], ATTACKERS_ROLE) == 0)
		return attackers_attack(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
