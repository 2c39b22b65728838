/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/keeper.h"

#include "shm/clock.h"
#include "tools/inspect/house.h"
#include "tools/program/messages.h"
#include "tools/ringdexd/log.h"
#include "tools/ringdexd/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define TELL_NS  UINT64_C(50000000)  /* between two reports */
#define RETRY_NS UINT64_C(100000000) /* after it could not begin or go on */
#define SAY_NS   UINT64_C(60000000000)
#define NS_PER_S UINT64_C(1000000000)

#define KEEPER_THREAD "keeper" /* as top -H and gdb call it */

struct keeper {
	const struct rdx_indexer_options *options;
	pthread_t thread;
	_Atomic int asked_to_stop;
	_Atomic uint64_t beats;   /* rounds */
	_Atomic uint64_t beat_ns; /* the last one's end */
	pthread_mutex_t lock;
	struct keeper_report report; /* under the lock */
	struct history history;      /* likewise */
	uint64_t recoveries, clears; /* of this indexer, that are in it */
	struct histogram polls;      /* of the thread */
	int said;                    /* the trouble that was said last, at said_ns */
	uint64_t said_ns;
	struct house house;
};

static int is_asked_to_stop(struct keeper *keeper)
{
	return atomic_load_explicit(&keeper->asked_to_stop, memory_order_relaxed);
}

/* Each round that comes to its end. */
static void beat(struct keeper *keeper)
{
	atomic_fetch_add_explicit(&keeper->beats, 1, memory_order_relaxed);
	atomic_store_explicit(&keeper->beat_ns, rdx_clock_ns(), memory_order_release);
}

/* Each as it comes: the indexer keeps but the newest. */
static void remember_recoveries(struct keeper *keeper, const struct rdx_indexer *indexer)
{
	struct rdx_recovery_row row = {.size = sizeof(row)};

	while (rdx_indexer_recovery(indexer, keeper->recoveries, &row) == 0) {
		keeper->recoveries++;
		pthread_mutex_lock(&keeper->lock);
		history_add_recovery(&keeper->history, &row);
		pthread_mutex_unlock(&keeper->lock);
	}
}

/* Under the lock. The sum of one indexer never falls: what is forgotten stays in it. */
static void remember_clears(struct keeper *keeper, uint64_t clears)
{
	if (clears > keeper->clears)
		history_add_clears(&keeper->history, clears - keeper->clears);
	keeper->clears = clears;
}

/* Counters stay as they are; what is true of a moment is so of nothing where there is no indexer. */
static void forget_gauges(struct rdx_indexer_stats *stats)
{
	stats->indexes = stats->ranks = 0;
	stats->unreadable = stats->refused = 0;
	stats->table_bytes = 0;
}

static void tell(struct keeper *keeper, enum keeper_state state, int error,
		 const struct rdx_indexer *indexer)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	int has_stats = indexer && rdx_indexer_get_stats(indexer, &stats) == 0;

	pthread_mutex_lock(&keeper->lock);
	keeper->report.state = state;
	keeper->report.error = error;
	if (has_stats) {
		keeper->report.stats = stats;
		remember_clears(keeper, stats.clears);
	} else {
		forget_gauges(&keeper->report.stats);
	}
	keeper->report.polls = keeper->polls;
	pthread_mutex_unlock(&keeper->lock);
}

static void say(struct keeper *keeper, int error)
{
	uint64_t now = rdx_clock_ns();

	if (error == keeper->said && now - keeper->said_ns < SAY_NS)
		return;
	keeper->said = error;
	keeper->said_ns = now;
	if (error == -EBUSY)
		log_say(LOG_AT_INFO, "another process maintains the indexes: standing by");
	else if (error)
		messages_say("cannot maintain the indexes now, and tries again: %s",
			     messages_explain(error));
	else
		log_say(LOG_AT_INFO, "maintaining the indexes");
}

static void pause_for(uint64_t ns)
{
	struct timespec time = {.tv_sec = (time_t)(ns / NS_PER_S),
				.tv_nsec = (long)(ns % NS_PER_S)};

	nanosleep(&time, NULL);
}

/* Until it is asked to stop, or cannot go on. -errno */
static int work(struct keeper *keeper, struct rdx_indexer *indexer)
{
	uint64_t tell_ns = 0;
	int r = 0, is_told;

	keeper->recoveries = keeper->clears = 0;

	while (r >= 0 && !is_asked_to_stop(keeper)) {
		uint64_t now = rdx_clock_ns();

		r = rdx_indexer_poll(indexer, 0);
		histogram_add(&keeper->polls, rdx_clock_ns() - now);
		remember_recoveries(keeper, indexer);
		is_told = now >= tell_ns;
		if (r >= 0 && is_told) {
			tell(keeper, KEEPER_AT_WORK, 0, indexer);
			house_keep(&keeper->house, now);
			beat(keeper);
			tell_ns = now + TELL_NS;
		}
		if (r >= 0) /* it looks at all rings again by itself, for less than a poll */
			r = rdx_indexer_wait(indexer, is_told ? -1 : (int64_t)TELL_NS);
		beat(keeper);
	}
	return r < 0 ? r : 0;
}

static void *run(void *argument)
{
	struct keeper *keeper = argument;

	while (!is_asked_to_stop(keeper)) {
		struct rdx_indexer *indexer;
		int r = rdx_indexer_open(&indexer, keeper->options);

		if (r == 0) {
			say(keeper, 0);
			r = work(keeper, indexer);
			rdx_indexer_close(indexer);
		}
		if (r == 0)
			continue;
		say(keeper, r);
		tell(keeper, r == -EBUSY ? KEEPER_STANDING_BY : KEEPER_IN_TROUBLE, r, NULL);
		pause_for(RETRY_NS);
		beat(keeper);
	}
	return NULL;
}

static void say_removed(const struct rdx_cleaned *what)
{
	log_say(LOG_AT_INFO, "removed %s, which was dead: %" PRIu64 " bytes", what->name,
		what->bytes);
}

int keeper_start(struct keeper **ret_keeper, const struct rdx_indexer_options *options,
		 uint64_t dead_for_ns)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	int r;

	if (!keeper)
		return -ENOMEM;
	keeper->options = options;
	keeper->house = (struct house){
		.dir = options->dir, .dead_for_ns = dead_for_ns, .removed = say_removed};
	pthread_mutex_init(&keeper->lock, NULL);
	atomic_init(&keeper->beat_ns, rdx_clock_ns());
	r = thread_start(&keeper->thread, KEEPER_THREAD, run, keeper);
	if (r < 0) {
		free(keeper);
		return r;
	}
	*ret_keeper = keeper;
	return 0;
}

void keeper_ask_to_stop(struct keeper *keeper)
{
	atomic_store_explicit(&keeper->asked_to_stop, 1, memory_order_relaxed);
}

void keeper_stop(struct keeper *keeper)
{
	if (!keeper)
		return;
	keeper_ask_to_stop(keeper);
	pthread_join(keeper->thread, NULL);
	pthread_mutex_destroy(&keeper->lock);
	free(keeper);
}

static int is_stuck(const struct keeper *keeper)
{
	/* before the clock: it is not ahead of it then */
	uint64_t beat_ns = atomic_load_explicit(&keeper->beat_ns, memory_order_acquire);

	return rdx_clock_ns() - beat_ns > KEEPER_STUCK_NS;
}

void keeper_report(struct keeper *keeper, struct keeper_report *ret_report)
{
	pthread_mutex_lock(&keeper->lock);
	*ret_report = keeper->report;
	pthread_mutex_unlock(&keeper->lock);
	if (ret_report->state != KEEPER_STARTING && is_stuck(keeper))
		ret_report->state = KEEPER_STUCK;
}

void keeper_history(struct keeper *keeper, struct history *ret_history)
{
	pthread_mutex_lock(&keeper->lock);
	*ret_history = keeper->history;
	pthread_mutex_unlock(&keeper->lock);
}

uint64_t keeper_beats(const struct keeper *keeper)
{
	return atomic_load_explicit(&keeper->beats, memory_order_relaxed);
}

const char *keeper_state_text(enum keeper_state state)
{
	static const char *const texts[] = {"starting", "at work", "standing by", "in trouble",
					    "stuck"};

	return texts[state];
}
