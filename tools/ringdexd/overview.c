/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/overview.h"

#include "tools/ringdexd/member.h"
#include "tools/ringdexd/rank_rows.h"

#include <inttypes.h>
#include <stdlib.h>

#define EVERY_NS UINT64_C(1000000000)

struct overview {
	struct space *space;
	struct shelf *shelf;
	struct keeper *keeper;
	struct rank_rows rows; /* of the last look */
	struct answer text;    /* its body alone */
	uint64_t number;
	uint64_t due_ns; /* the next one */
	struct history history;
	struct rdx_index_rank scratch[RDX_RANKS_MAX];
};

struct overview *overview_new(struct space *space, struct shelf *shelf, struct keeper *keeper)
{
	struct overview *overview = calloc(1, sizeof(*overview));

	if (!overview)
		return NULL;
	overview->space = space;
	overview->shelf = shelf;
	overview->keeper = keeper;
	return overview;
}

void overview_free(struct overview *overview)
{
	if (!overview)
		return;
	rank_rows_free(&overview->rows);
	answer_free(&overview->text);
	free(overview);
}

static void put_rate(struct answer *to, double rate)
{
	member_begin(to, "events_per_second");
	if (rate < 0)
		answer_text(to, "null");
	else
		answer_print(to, "%.1f", rate);
}

static void put_texts(struct answer *to, const struct rank_row *row)
{
	member_text(to, "model", row->model);
	member_text(to, "tenant", row->tenant);
	member_text(to, "instance", row->rank.instance);
	member_text(to, "state", rank_rows_state(row));
}

/* How many events of the segment the index has not; it was looked at first. */
static uint64_t lag(const struct rank_row *row)
{
	return row->newest_event_id > row->rank.last_event_id
		       ? row->newest_event_id - row->rank.last_event_id
		       : 0;
}

static void put_rank(struct answer *to, const struct rank_row *row)
{
	const struct rdx_index_rank *rank = &row->rank;
	int is_followed = row->is_indexed && rank->state != RDX_STATE_GONE;

	answer_text(to, "{");
	member_number(to, "worker", rank->worker_id);
	member_number(to, "dp_rank", rank->dp_rank);
	put_texts(to, row);
	member_number(to, "block_tokens", row->block_tokens);
	member_tiers(to, "held_blocks", rank->blocks);
	member_number(to, "events", rank->events);
	put_rate(to, row->rate);
	member_if(to, "lag_events", row->is_seen && is_followed, lag(row));
	member_age(to, "age_ns", rank->age_ns);
	member_age(to, "event_age_ns", rank->event_age_ns);
	member_number(to, "last_event_id", rank->last_event_id);
	member_number(to, "events_dead", rank->events_dead);
	member_number(to, "slots_lost", rank->slots_lost);
	member_recoveries(to, "recoveries", rank->recoveries);
	member_if(to, "last_barrier_event_id", row->is_seen && row->has_barrier,
		  row->barrier_event_id);
	member_if(to, "clears", row->is_seen, row->clears);
	answer_text(to, "}");
}

static void put_ranks(struct answer *to, const struct rank_rows *rows)
{
	member_begin(to, "ranks");
	answer_text(to, "[");
	for (size_t i = 0; i < rows->count; i++) {
		if (i)
			answer_text(to, ",");
		put_rank(to, &rows->rows[i]);
	}
	answer_text(to, "]");
	member_number(to, "ranks_left_out", rows->left_out);
}

static void put_indexer(struct answer *to, struct keeper *keeper)
{
	struct keeper_report report;

	keeper_report(keeper, &report);
	member_begin(to, "indexer");
	answer_text(to, "{");
	member_text(to, "state", keeper_state_text(report.state));
	member_number(to, "indexes", report.stats.indexes);
	member_number(to, "events", report.stats.events);
	member_number(to, "ranks_refused", report.stats.refused);
	member_number(to, "segments_unreadable", report.stats.unreadable);
	member_number(to, "table_bytes", report.stats.table_bytes);
	answer_text(to, "}");
}

static void put_recovery(struct answer *to, const struct history_recovery *recovery)
{
	const struct rdx_recovery_row *row = &recovery->row;

	answer_text(to, "{");
	member_number(to, "worker", row->worker_id);
	member_number(to, "dp_rank", row->dp_rank);
	member_number(to, "time_ms", recovery->time_ms);
	member_text(to, "way", row->way == RDX_RECOVERED_LEDGER ? "ledger" : "barrier");
	member_number(to, "blocks", row->ledger_blocks);
	member_number(to, "events_replayed", row->events_replayed);
	member_number(to, "events_skipped", row->events_skipped);
	member_number(to, "took_ns", row->duration_ns);
	answer_text(to, "}");
}

/* Of what this process has maintained, the oldest first. */
static void put_history(struct answer *to, const struct history *history)
{
	uint64_t oldest = history_oldest(history->recovery_count);

	member_begin(to, "recoveries");
	answer_text(to, "[");
	for (uint64_t i = oldest; i < history->recovery_count; i++) {
		if (i > oldest)
			answer_text(to, ",");
		put_recovery(to, &history->recoveries[i % HISTORY_KEPT]);
	}
	oldest = history_oldest(history->clears_count);
	answer_text(to, "]");
	member_begin(to, "clears");
	answer_text(to, "[");
	for (uint64_t i = oldest; i < history->clears_count; i++) {
		const struct history_clears *clears = &history->clears[i % HISTORY_KEPT];

		answer_print(to, "%s{\"time_ms\":%" PRIu64 ",\"count\":%" PRIu64 "}",
			     i > oldest ? "," : "", clears->time_ms, clears->count);
	}
	answer_text(to, "]");
}

static void write_text(struct overview *overview)
{
	struct answer *to = &overview->text;

	answer_begin(to);
	answer_text(to, "{");
	member_number(to, "time_ms", history_now_ms());
	put_indexer(to, overview->keeper);
	put_ranks(to, &overview->rows);
	keeper_history(overview->keeper, &overview->history);
	put_history(to, &overview->history);
	answer_text(to, "}");
}

static uint64_t newest(const struct overview *overview)
{
	return overview->text.used && !overview->text.broken ? overview->number : 0;
}

uint64_t overview_look(struct overview *overview, uint64_t now_ns)
{
	struct rank_rows rows;

	if (now_ns < overview->due_ns)
		return newest(overview);
	/* a second after the last one was due, so that it stays once a second; but none is made up for */
	overview->due_ns += EVERY_NS;
	if (overview->due_ns <= now_ns)
		overview->due_ns = now_ns + EVERY_NS;
	if (rank_rows_take(&rows, &overview->rows, overview->shelf, overview->space,
			   overview->scratch) < 0)
		return newest(overview);
	rank_rows_free(&overview->rows);
	overview->rows = rows;
	write_text(overview);
	overview->number++;
	return newest(overview);
}

void overview_put(const struct overview *overview, struct answer *answer)
{
	answer_bytes(answer, overview->text.bytes + ANSWER_HEAD_BYTES,
		     overview->text.used - ANSWER_HEAD_BYTES);
}

void overview_rest(struct overview *overview)
{
	rank_rows_free(&overview->rows);
	answer_free(&overview->text);
	overview->due_ns = 0;
}
