/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/rest.h"

#include "tests/chaos/answers.h"
#include "tests/chaos/debris.h"
#include "tests/patience.h"

#include <stdio.h>
#include <string.h>

#define NAP_US         5000
#define POKE_NS        UINT64_C(100000000)
#define OPERATOR_NS    UINT64_C(300000000) /* so long what was cut or replaced may heal by itself */
#define REFUSED_IN_ROW 50                  /* then whoever asks opens the index again */

/* Where nobody lives there is no index, and nothing to compare. */
static void keep_one_alive(struct crew *crew)
{
	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		if (member_runs(&crew->feeds[i].member))
			return;
	crew_start_feed(crew, &crew->feeds[0]);
	crew_tell(&crew->feeds[0], 3, &crew->poked);
}

static void go_on(struct crew *crew)
{
	keep_one_alive(crew);
	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		member_continue(&crew->feeds[i].member);
	member_continue(&crew->indexer);
	member_continue(&crew->query);
	crew_start_indexer(crew);
}

/* A publisher sees at its next publish that its files lost their names. */
static void poke(struct crew *crew, uint64_t *poked_ns)
{
	uint64_t now_ns = rdx_clock_ns();

	if (!crew->is_file_fault || now_ns - *poked_ns < POKE_NS)
		return;
	*poked_ns = now_ns;
	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		crew_tell(&crew->feeds[i], 2, &crew->poked);
}

/* Is every answer right, and index and ledgers equal? */
static int is_at_rest(struct crew *crew, char ret_reason[ANSWERS_REASON_BYTES])
{
	static uint32_t refused; /* in a row */
	struct answers answers;

	if (answers_ask(crew, &answers)) {
		refused = 0;
		return answers_equal(crew, &answers, ret_reason) &&
		       answers_verified(crew, ret_reason);
	}
	snprintf(ret_reason, ANSWERS_REASON_BYTES, "not all was answered");
	if (crew->is_file_fault && ++refused % REFUSED_IN_ROW == 0)
		member_kill(&crew->query);
	return 0;
}

/* A feed that met a full file system when it started says so, and its supervisor starts it again. */
static void supervise(struct crew *crew)
{
	for (uint32_t i = 0; i < CREW_FEEDS; i++) {
		struct crew_feed *feed = &crew->feeds[i];

		if (!member_runs(&feed->member) ||
		    !strstr(feed->member.err.text, "No space left on device"))
			continue;
		crew_restart(crew, &feed->member);
		crew_tell(feed, 3, &crew->poked);
	}
}

static void await(struct crew *crew)
{
	struct patience patience = patience_begin();
	uint64_t poked_ns = 0, begun_ns = rdx_clock_ns();
	char reason[ANSWERS_REASON_BYTES];

	for (;;) {
		crew_look(crew);
		if (is_at_rest(crew, reason))
			break;
		if (patience_is_over(&patience))
			crew_diverged(crew, "never at rest: %s", reason);
		poke(crew, &poked_ns);
		if (rdx_clock_ns() - begun_ns > OPERATOR_NS) {
			crew->operations += debris_clear(crew);
			supervise(crew);
		}
		usleep(NAP_US);
	}
	if (rdx_clock_ns() - begun_ns > crew->slowest_ns)
		crew->slowest_ns = rdx_clock_ns() - begun_ns;
}

void rest_await(struct crew *crew)
{
	go_on(crew);
	await(crew);
	for (uint32_t i = 0; i < CREW_FEEDS; i++) {
		crew->feeds[i].member.may_end = 0;
		for (uint32_t rank = 0; rank < crew->feeds[i].ranks; rank++)
			oracle_rest(&crew->feeds[i].oracle[rank]);
	}
	debris_forget();
	crew->indexer.may_end = 0;
	crew->is_file_fault = 0;
	crew->story[0] = 0;
	crew->rests++;
}
