/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An indexer without work: how long it sleeps, and who may end that.
 *
 * A producer that finds the bell armed makes a system call to wake the sleeper. While events come, the
 * indexer does not arm it: it naps, and finds what came meanwhile by itself. A nap costs its processor
 * about what a wake costs the engine; so naps end some time after the last event.
 */
#include "consumer/indexer/indexer_state.h"
#include "consumer/wait/wait.h"
#include "shm/bell.h"
#include "shm/clock.h"

#include <errno.h>

#define POLL_NS       UINT64_C(1000000) /* while some producer does not ring */
#define NAP_NS        UINT64_C(250000)  /* an event is seen half as late, mostly */
#define LATE_NAP_NS   UINT64_C(60000)   /* where one was expected */
#define STEP_NS       UINT64_C(4000000) /* slept through at most: how late an event may be seen */
#define CALL_NS       UINT64_C(30000)   /* from an event's time until it can be read, mostly */
#define LULL_NS       UINT64_C(5000000) /* longer than an engine's short steps */
#define TAG_DIRECTORY UINT32_C(0x100)

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int rdx_indexer_open_wait(struct rdx_indexer *indexer)
{
	struct rdx_wait *wait;
	int r = rdx_wait_open(&wait, indexer->wait_mode);

	if (r == 0 && indexer->discovery.inotify_fd >= 0) {
		r = rdx_wait_watch_fd(wait, indexer->discovery.inotify_fd, TAG_DIRECTORY);
		if (r < 0)
			rdx_wait_close(wait);
	}
	if (r < 0)
		return r;
	rdx_wait_close(indexer->wait);
	indexer->wait = wait;
	return 0;
}

int rdx_indexer_has_work(const struct rdx_indexer *indexer)
{
	if (indexer->pending)
		return 1;
	for (uint32_t i = 0; i < indexer->rank_count; i++)
		if (rdx_rank_has_work(indexer->ranks[i]))
			return 1;
	return 0;
}

/* Does every running producer ring our bell? Each is checked until it was seen to. */
static int all_ring(struct rdx_indexer *indexer)
{
	if (!indexer->bell.base || rdx_mapping_poisoned(&indexer->bell))
		return 0;
	for (uint32_t i = 0; i < indexer->rank_count; i++) {
		struct rdx_rank *rank = indexer->ranks[i];
		const struct rdx_segment_live *live;

		if (!rank->reader || rank->rings)
			continue;
		live = rank->reader->view.live;
		rank->rings = rdx_word_load(&live->counters[RDX_COUNTER_BELL]) == indexer->bell_id;
		if (!rank->rings)
			return 0;
	}
	return 1;
}

/*
 * Engines publish at the end of their steps, and a step is about as long as the last ones. Of two, the
 * shorter one counts: events that come sooner are seen late once. Times are the publishers' own, one for
 * all events of a batch: when events were read says how long it was slept.
 */
void rdx_rest_note_work(struct rdx_indexer *indexer)
{
	uint64_t published_ns = indexer->published_ns, gap_ns;

	for (uint32_t i = 0; i < indexer->rank_count; i++)
		published_ns = most(published_ns, indexer->ranks[i]->published_ns);
	gap_ns = published_ns - indexer->published_ns;
	if (gap_ns) {
		indexer->step_ns = least(gap_ns, indexer->gap_ns);
		indexer->gap_ns = gap_ns;
		indexer->published_ns = published_ns;
	}
	indexer->sleeps_since = 0;
	indexer->busy_ns = rdx_clock_ns();
}

/* Until the next event is expected, but what other engines do meanwhile is found together. */
static uint64_t nap_ns(const struct rdx_indexer *indexer, uint64_t now)
{
	uint64_t expected = indexer->published_ns + indexer->step_ns + CALL_NS;

	if (!indexer->step_ns || indexer->step_ns > STEP_NS)
		return NAP_NS;
	if (expected > now)
		return most(expected - now, NAP_NS);
	return indexer->sleeps_since == 1 ? LATE_NAP_NS : NAP_NS;
}

/* How long to sleep, and in *ret_rings whether a producer is asked to end it. */
static uint64_t plan(struct rdx_indexer *indexer, int64_t timeout_ns, int *ret_rings)
{
	uint64_t now = rdx_clock_ns(), until = least(indexer->liveness_at_ns, indexer->names_ns);
	uint64_t sleep_ns = least(until > now ? until - now : 0, indexer->rest_ns);
	int naps = indexer->rest_mode == RDX_REST_HYBRID && now - indexer->busy_ns < LULL_NS;

	*ret_rings = !naps && all_ring(indexer);
	if (timeout_ns >= 0)
		sleep_ns = least(sleep_ns, (uint64_t)timeout_ns);
	if (!*ret_rings)
		sleep_ns = least(sleep_ns, naps ? nap_ns(indexer, now) : POLL_NS);
	return sleep_ns;
}

int rdx_indexer_wait(struct rdx_indexer *indexer, int64_t timeout_ns)
{
	struct rdx_bell *bell = indexer->bell.base;
	uint32_t armed = 0, woke = 0;
	uint64_t sleep_ns;
	int rings, r;

	if (rdx_indexer_is_forked(indexer))
		return -EOWNERDEAD;
	if (indexer->rest_mode == RDX_REST_SPIN)
		return rdx_indexer_has_work(indexer);
	sleep_ns = plan(indexer, timeout_ns, &rings);
	if (rings)
		armed = rdx_bell_arm(bell);
	if (rdx_indexer_has_work(indexer))
		return 1;
	indexer->naps += !rings;
	indexer->sleeps_since++;
	r = rdx_wait_sleep(indexer->wait, rings ? &bell->word : NULL, armed, (int64_t)sleep_ns,
			   &woke);
	if (r < 0 && r != -EINTR)
		return r;
	if (r == -EINTR || woke == RDX_WOKE_TIMEOUT)
		return 0;
	if (woke & TAG_DIRECTORY)
		indexer->look_ns = 0;
	indexer->wakes++;
	return 1;
}
