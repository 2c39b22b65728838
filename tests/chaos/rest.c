/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/rest.h"

#include "tests/chaos/answers.h"
#include "tests/patience.h"

#define NAP_US         5000
#define POKE_NS        UINT64_C(100000000)
#define REFUSED_IN_ROW 50 /* then whoever asks opens the index again */

static void go_on(struct crew *crew)
{
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

static void await_equal(struct crew *crew)
{
	struct patience patience = patience_begin();
	char reason[ANSWERS_REASON_BYTES] = "not all was answered";
	uint32_t refused = 0;
	uint64_t poked_ns = 0;

	for (;;) {
		struct answers answers;

		crew_look(crew);
		if (answers_ask(crew, &answers)) {
			refused = 0;
			if (answers_equal(crew, &answers, reason))
				return;
		} else if (crew->is_file_fault && ++refused % REFUSED_IN_ROW == 0) {
			member_kill(&crew->query);
		}
		if (patience_is_over(&patience))
			crew_diverged(crew, "never at rest: %s", reason);
		poke(crew, &poked_ns);
		usleep(NAP_US);
	}
}

static void await_verified(struct crew *crew)
{
	struct patience patience = patience_begin();
	char reason[ANSWERS_REASON_BYTES];

	while (!answers_verified(crew, reason)) {
		crew_look(crew);
		if (patience_is_over(&patience))
			crew_diverged(crew, "never verified: %s", reason);
		usleep(NAP_US);
	}
}

void rest_await(struct crew *crew)
{
	go_on(crew);
	await_equal(crew);
	await_verified(crew);
	for (uint32_t i = 0; i < CREW_FEEDS; i++) {
		crew->feeds[i].member.may_end = 0;
		for (uint32_t rank = 0; rank < crew->feeds[i].ranks; rank++)
			oracle_rest(&crew->feeds[i].oracle[rank]);
	}
	crew->indexer.may_end = 0;
	crew->is_file_fault = 0;
	crew->story[0] = 0;
	crew->rests++;
}
