/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/recount.h"

#include "shm/clock.h"

#include <inttypes.h>
#include <ringdex/rdx_reader.h>
#include <stdio.h>

void recount_open(struct recount *ret_recount, const char *dir, const struct rdx_index_key *key)
{
	ret_recount->dir = dir;
	ret_recount->key = *key;
	ret_recount->last_ns = rdx_clock_ns();
}

void recount_close(struct recount *recount)
{
	rdx_index_close(recount->index);
	recount->index = NULL;
}

static void tell(const char *way, const struct rdx_recovery_row *row)
{
	printf("{\"recovered\":\"%s\",\"worker\":%" PRIu64 ",\"skipped\":%" PRIu64
	       ",\"replayed\":%" PRIu64 ",\"ledger_blocks\":%" PRIu64 ",\"ns\":%" PRIu64 "}\n",
	       way, row->worker_id, row->events_skipped, row->events_replayed, row->ledger_blocks,
	       row->duration_ns);
	fflush(stdout);
}

static void tell_listed(struct recount *recount, const struct rdx_indexer *indexer)
{
	struct rdx_recovery_row row;

	while (rdx_indexer_recovery(indexer, recount->told, &row) == 0) {
		tell(row.way == RDX_RECOVERED_LEDGER ? "ledger" : "barrier", &row);
		recount->told++;
	}
}

static int read_rows(struct recount *recount)
{
	int rows;

	if (!recount->index && rdx_index_open(&recount->index, recount->dir, &recount->key) < 0)
		return 0;
	rows = rdx_index_workers(recount->index, recount->rows, RDX_RANKS_MAX);
	return rows < 0 ? 0 : rows;
}

static struct recount_mark mark_of(const struct rdx_worker_info *row)
{
	return (struct recount_mark){
		.worker_id = row->worker_id,
		.epoch = row->epoch,
		.event_id = row->last_event_id,
		.events = row->events,
		.events_dead = row->events_dead,
		.recoveries = row->recoveries[RDX_RECOVERED_BARRIER] +
			      row->recoveries[RDX_RECOVERED_LEDGER],
	};
}

/* The rank lived through the pause and nothing of it was built anew: it went on. */
static void tell_if_continued(const struct recount *recount, const struct recount_mark *before,
			      const struct rdx_worker_info *row)
{
	struct recount_mark now = mark_of(row);
	struct rdx_recovery_row continued = {
		.worker_id = row->worker_id,
		.events_skipped = now.events_dead - before->events_dead,
		.events_replayed = now.events - before->events,
		.duration_ns = rdx_clock_ns() - recount->resumed_ns,
	};

	if (now.epoch == before->epoch && now.recoveries == before->recoveries &&
	    now.event_id > before->event_id && row->state != RDX_STATE_GONE)
		tell("continue", &continued);
}

static void tell_continued(struct recount *recount, int rows)
{
	for (int i = 0; i < rows; i++) {
		for (uint32_t m = 0; m < recount->mark_count; m++) {
			if (recount->marks[m].worker_id == recount->rows[i].worker_id)
				tell_if_continued(recount, &recount->marks[m], &recount->rows[i]);
		}
	}
}

void recount_begin(struct recount *recount)
{
	uint64_t now = rdx_clock_ns();

	if (now - recount->last_ns > RECOUNT_PAUSE_NS)
		recount->resumed_ns = now;
	recount->last_ns = now;
}

void recount_end(struct recount *recount, const struct rdx_indexer *indexer, int read_up)
{
	uint64_t now = rdx_clock_ns();
	int rows;

	tell_listed(recount, indexer);
	if (!recount->resumed_ns && now - recount->last_ns > RECOUNT_PAUSE_NS)
		recount->resumed_ns = now; /* stopped in the middle */
	recount->last_ns = now;
	if (!read_up)
		return;
	rows = read_rows(recount);
	if (recount->resumed_ns)
		tell_continued(recount, rows);
	recount->resumed_ns = 0;
	recount->mark_count = (uint32_t)rows;
	for (int i = 0; i < rows; i++)
		recount->marks[i] = mark_of(&recount->rows[i]);
}
