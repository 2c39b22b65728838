/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes die, stop, come back, and are started twice.
 */
#include "shm/segment.h"
#include "tests/chaos/answers.h"
#include "tests/chaos/faults.h"
#include "tests/patience.h"
#include "tests/rig.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define STALE_US  260000 /* from then on nothing may be EXACT */
#define LAP_LINES 300    /* more slots than a ring has */

/* A few lines, and a moment later. */
static void work(struct crew *crew, struct crew_feed *feed)
{
	crew_tell(feed, (uint32_t)crew_random(crew, 12), &crew->random);
	faults_pause(crew, 3000);
}

/* Before it does so, another one could be first, and a signal ends it without more ado. */
static int holds_rank(const struct crew *crew, uint64_t worker)
{
	int fd = open(crew->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), held;

	held = fd < 0 ? fd : rdx_segment_held(fd, worker, 0);
	close(fd);
	return held > 0;
}

static void await_held(const struct crew *crew, struct crew_feed *feed)
{
	UNTIL (holds_rank(crew, feed->worker)) {
		member_drain(&feed->member);
		usleep(500);
	}
}

static void kill_worker(struct crew *crew)
{
	struct crew_feed *feed = faults_running_feed(crew);

	if (!feed)
		return;
	work(crew, feed);
	member_kill(&feed->member);
	crew_start_feed(crew, feed);
	crew_tell(feed, 3, &crew->random);
}

/* Until the next round, or the one after it. */
static void leave_worker_dead(struct crew *crew)
{
	struct crew_feed *feed = faults_running_feed(crew);

	if (!feed)
		return;
	work(crew, feed);
	member_kill(&feed->member);
}

static void end_worker(struct crew *crew)
{
	struct crew_feed *feed = faults_running_feed(crew);
	int signal = crew_random(crew, 2) ? SIGTERM : 0, status;

	if (!feed || !feed->oracle[0].lines || crew->is_file_fault)
		return;
	work(crew, feed);
	await_held(crew, feed);
	status = member_end(&feed->member, signal);
	if (status != 0)
		crew_diverged(crew, "a feed that was told to end did so with %d: %s", status,
			      feed->member.err.text);
	crew_start_feed(crew, feed);
	crew_tell(feed, 3, &crew->random);
}

static void several_lives(struct crew *crew)
{
	struct crew_feed *feed = faults_running_feed(crew);

	for (uint64_t lives = 2 + crew_random(crew, 3); feed && lives; lives--) {
		work(crew, feed);
		member_kill(&feed->member);
		crew_start_feed(crew, feed);
		crew_tell(feed, 2, &crew->random);
	}
}

static void stop_worker(struct crew *crew)
{
	struct crew_feed *feed = faults_running_feed(crew);

	if (!feed)
		return;
	work(crew, feed);
	member_stop(&feed->member);
	crew_tell(feed, 5, &crew->random);
	if (crew_random(crew, 2)) /* else it stays so while other things happen */
		return;
	faults_pause(crew, 60000);
	member_continue(&feed->member);
}

static void kill_stopped_worker(struct crew *crew)
{
	struct crew_feed *feed = faults_running_feed(crew);

	if (!feed)
		return;
	crew_tell(feed, 8, &crew->random);
	member_stop(&feed->member);
	faults_pause(crew, 2000);
	member_kill(&feed->member);
}

/* It is refused, and what it was told is nobody's. */
static void rival_worker(struct crew *crew)
{
	struct crew_feed *feed = faults_running_feed(crew);
	struct crew_feed rival = {0};

	if (!feed || !feed->oracle[0].lines || crew->is_file_fault)
		return;
	await_held(crew, feed);
	rival.worker = feed->worker;
	rival.ranks = 1;
	crew_start_feed(crew, &rival);
	crew_tell(&rival, 3, &crew->random);
	faults_pause(crew, 20000);
	member_kill(&rival.member);
}

static void rival_indexer(struct crew *crew)
{
	char *arguments[] = {"ringdex-follow", "-d", crew->dir, NULL};
	struct member rival = {0};

	if (!member_runs(&crew->indexer) || crew->is_file_fault)
		return;
	UNTIL (crew->indexer.out.length) { /* its first line is that it follows */
		crew_look(crew);
		usleep(500);
	}
	member_start(&rival, arguments, 0);
	if (member_end(&rival, 0) != 1)
		crew_diverged(crew, "a second indexer was not refused: %s%s", rival.out.text,
			      rival.err.text);
}

static void kill_indexer(struct crew *crew)
{
	faults_pause(crew, 20000);
	member_kill(&crew->indexer);
	crew_start_indexer(crew);
	faults_pause(crew, 50000);
}

static void kill_indexers(struct crew *crew)
{
	for (uint64_t lives = 2 + crew_random(crew, 4); lives; lives--) {
		member_kill(&crew->indexer);
		for (uint32_t i = 0; i < CREW_FEEDS; i++)
			if (!crew->feeds[i].member.is_stopped)
				crew_tell(&crew->feeds[i], 4, &crew->random);
		crew_start_indexer(crew);
		faults_pause(crew, 30000);
	}
}

/* Nothing is EXACT then: answers_ask sees to it. */
static void await_stale(struct crew *crew)
{
	struct answers answers;

	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		if (!crew->feeds[i].member.is_stopped)
			crew_tell(&crew->feeds[i], 5, &crew->random);
	usleep(STALE_US);
	answers_ask(crew, &answers);
}

static void leave_indexer_dead(struct crew *crew)
{
	faults_pause(crew, 20000);
	member_kill(&crew->indexer);
	await_stale(crew);
	crew_start_indexer(crew);
}

static void stop_indexer(struct crew *crew)
{
	struct answers answers;

	faults_pause(crew, 20000);
	member_stop(&crew->indexer);
	await_stale(crew);
	member_continue(&crew->indexer);
	answers_ask(crew, &answers);
}

static void lap(struct crew *crew, int is_end)
{
	struct crew_feed *feed = faults_running_feed(crew);

	member_stop(&crew->indexer);
	if (feed) {
		crew_tell(feed, LAP_LINES, &crew->random);
		member_await_taken(&feed->member);
	}
	if (is_end) {
		member_kill(&crew->indexer);
		crew_start_indexer(crew);
	}
	member_continue(&crew->indexer);
}

static void lap_stopped_indexer(struct crew *crew)
{
	lap(crew, 0);
}

static void lap_and_kill_indexer(struct crew *crew)
{
	lap(crew, 1);
}

static void kill_both(struct crew *crew)
{
	struct crew_feed *feed = faults_running_feed(crew);

	if (!feed)
		return;
	work(crew, feed);
	member_kill(&feed->member);
	member_kill(&crew->indexer);
	if (crew_random(crew, 2))
		crew_start_indexer(crew);
	crew_start_feed(crew, feed);
	crew_tell(feed, 3, &crew->random);
	crew_start_indexer(crew);
}

static void kill_query(struct crew *crew)
{
	member_kill(&crew->query);
}

static void stop_query(struct crew *crew)
{
	struct answers answers;

	answers_ask(crew, &answers);
	member_stop(&crew->query);
	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		if (!crew->feeds[i].member.is_stopped)
			crew_tell(&crew->feeds[i], 10, &crew->random);
	faults_pause(crew, 20000);
	member_continue(&crew->query);
	answers_ask(crew, &answers);
}

/* What the dead left goes, what lives does not. Attackers may make things faster than they are
 * removed, so its status is its own. */
static void run_clean(struct crew *crew)
{
	struct program_result r;

	assert_int_equal(program_run(&r, "ringdex-clean", NULL, "-d", crew->dir, NULL), 0);
	if (r.status != 0 && !(r.status == 1 && (crew->is_group || crew->is_file_fault)))
		crew_diverged(crew, "clean: %d: %s%s", r.status, r.out, r.err);
	program_result_free(&r);
}

static void clean_without_indexer(struct crew *crew)
{
	member_kill(&crew->indexer);
	run_clean(crew);
	crew_start_indexer(crew);
}

/* While all of them start. */
static void clean_at_start(struct crew *crew)
{
	struct crew_feed *feed = faults_running_feed(crew);

	if (feed) {
		member_kill(&feed->member);
		crew_start_feed(crew, feed);
		crew_tell(feed, 3, &crew->random);
	}
	member_kill(&crew->indexer);
	crew_start_indexer(crew);
	run_clean(crew);
}

static const struct fault faults[] = {
	{"kill-worker", 10, kill_worker, NULL, 0},
	{"leave-worker-dead", 8, leave_worker_dead, NULL, 0},
	{"end-worker", 4, end_worker, NULL, 0},
	{"several-lives", 4, several_lives, NULL, 0},
	{"stop-worker", 8, stop_worker, NULL, 0},
	{"kill-stopped-worker", 4, kill_stopped_worker, NULL, 0},
	{"rival-worker", 4, rival_worker, NULL, 0},
	{"rival-indexer", 2, rival_indexer, NULL, 0},
	{"kill-indexer", 6, kill_indexer, NULL, 0},
	{"kill-indexers", 4, kill_indexers, NULL, 0},
	{"leave-indexer-dead", 2, leave_indexer_dead, NULL, 0},
	{"stop-indexer", 2, stop_indexer, NULL, 0},
	{"lap-stopped-indexer", 6, lap_stopped_indexer, NULL, 0},
	{"lap-and-kill-indexer", 6, lap_and_kill_indexer, NULL, 0},
	{"kill-both", 6, kill_both, NULL, 0},
	{"kill-query", 4, kill_query, NULL, 0},
	{"stop-query", 4, stop_query, NULL, 0},
	{"clean", 4, run_clean, NULL, 0},
	{"clean-without-indexer", 2, clean_without_indexer, NULL, 0},
	{"clean-at-start", 4, clean_at_start, NULL, 0},
};

const struct faults_list faults_processes = {faults, sizeof(faults) / sizeof(*faults)};
