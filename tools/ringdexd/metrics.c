/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/metrics.h"

#include "tools/program/printable.h"
#include "tools/ringdexd/desk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A rank and the index that knows it. */
struct seen_rank {
	const struct index_name *name;
	struct rdx_index_rank rank;
};

struct seen {
	struct seen_rank *ranks;
	size_t count;
};

static void see_index(struct desk *desk, const struct shelf_index *index, struct seen *seen)
{
	struct seen_rank *more;
	int count;

	desk->ranks[0].size = sizeof(desk->ranks[0]);
	count = rdx_index_ranks(index->index, desk->ranks, RDX_RANKS_MAX);
	if (count == -EIDRM)
		shelf_drop(desk->shelf, index);
	if (count <= 0)
		return;
	more = realloc(seen->ranks, (seen->count + (size_t)count) * sizeof(*more));
	if (!more)
		return; /* what was seen is told */
	seen->ranks = more;
	for (int i = 0; i < count; i++)
		if (desk->ranks[i].state != RDX_STATE_GONE)
			seen->ranks[seen->count++] =
				(struct seen_rank){.name = &index->name, .rank = desk->ranks[i]};
}

static void put_family(struct answer *answer, const char *name, const char *type, const char *help)
{
	answer_print(answer, "# HELP ringdex_%s %s\n# TYPE ringdex_%s %s\n", name, help, name,
		     type);
}

static void put_one(struct answer *answer, const char *name, const char *type, const char *help,
		    uint64_t value)
{
	put_family(answer, name, type, help);
	answer_print(answer, "ringdex_%s ", name);
	answer_number(answer, value);
	answer_text(answer, "\n");
}

/* Labels' values: a backslash, a quote and an end of line are escaped; what is no UTF-8 is U+FFFD. */
static void put_label(struct answer *answer, const char *name, const char *value)
{
	answer_print(answer, ",%s=\"", name);
	while (*value) {
		size_t bytes = printable_sequence(value);

		if (!bytes)
			answer_text(answer, "\xef\xbf\xbd");
		else if (*value == '\n')
			answer_text(answer, "\\n");
		else if (*value == '"' || *value == '\\')
			answer_print(answer, "\\%c", *value);
		else
			answer_bytes(answer, value, bytes);
		value += bytes ? bytes : 1;
	}
	answer_text(answer, "\"");
}

static void put_rank(struct answer *answer, const char *name, const struct seen_rank *seen,
		     const char *label, const char *value)
{
	answer_print(answer, "ringdex_rank_%s{worker=\"", name);
	answer_number(answer, seen->rank.worker_id);
	answer_print(answer, "\",dp_rank=\"%u\"", seen->rank.dp_rank);
	put_label(answer, "model", seen->name->model);
	put_label(answer, "tenant", seen->name->tenant);
	if (label)
		put_label(answer, label, value);
	answer_text(answer, "} ");
}

static const struct rank_number {
	const char *name, *type, *help;
	size_t at;
} rank_numbers[] = {
	{"events_total", "counter", "Events applied to the index.",
	 offsetof(struct rdx_index_rank, events)},
	{"events_dead_total", "counter", "Events skipped, unread, behind barriers.",
	 offsetof(struct rdx_index_rank, events_dead)},
	{"slots_lost_total", "counter", "Ring slots that were overwritten before they were read.",
	 offsetof(struct rdx_index_rank, slots_lost)},
	{"last_event_id", "gauge", "Number of the newest event applied.",
	 offsetof(struct rdx_index_rank, last_event_id)},
};

static void put_numbers(struct answer *answer, const struct seen *seen)
{
	for (size_t i = 0; i < sizeof(rank_numbers) / sizeof(rank_numbers[0]); i++) {
		const struct rank_number *number = &rank_numbers[i];
		char name[64];

		snprintf(name, sizeof(name), "rank_%s", number->name);
		put_family(answer, name, number->type, number->help);
		for (size_t j = 0; j < seen->count; j++) {
			put_rank(answer, number->name, &seen->ranks[j], NULL, NULL);
			answer_number(answer,
				      *(const uint64_t *)((const char *)&seen->ranks[j].rank +
							  number->at));
			answer_text(answer, "\n");
		}
	}
}

static void put_seconds(struct answer *answer, uint64_t ns)
{
	if (ns == UINT64_MAX)
		answer_text(answer, "NaN\n");
	else
		answer_print(answer, "%.9f\n", (double)ns / 1e9);
}

static void put_ages(struct answer *answer, const struct seen *seen)
{
	put_family(answer, "rank_age_seconds", "gauge",
		   "Time since the indexer last saw the rank caught up and alive.");
	for (size_t i = 0; i < seen->count; i++) {
		put_rank(answer, "age_seconds", &seen->ranks[i], NULL, NULL);
		put_seconds(answer, seen->ranks[i].rank.age_ns);
	}
	put_family(answer, "rank_event_age_seconds", "gauge",
		   "Time since the rank's newest event; NaN: none in this epoch.");
	for (size_t i = 0; i < seen->count; i++) {
		put_rank(answer, "event_age_seconds", &seen->ranks[i], NULL, NULL);
		put_seconds(answer, seen->ranks[i].rank.event_age_ns);
	}
}

static void put_states(struct answer *answer, const struct seen *seen)
{
	put_family(answer, "rank_state", "gauge",
		   "1 for the state that the rank is in, 0 for others.");
	for (size_t i = 0; i < seen->count; i++)
		for (uint8_t state = 0; rdx_state_text(state); state++) {
			if (state == RDX_STATE_GONE)
				continue;
			put_rank(answer, "state", &seen->ranks[i], "state", rdx_state_text(state));
			answer_text(answer, seen->ranks[i].rank.state == state ? "1\n" : "0\n");
		}
}

static void put_blocks(struct answer *answer, const struct seen *seen)
{
	put_family(answer, "rank_blocks", "gauge", "Blocks that the rank holds in a tier.");
	for (size_t i = 0; i < seen->count; i++)
		for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
			put_rank(answer, "blocks", &seen->ranks[i], "tier", rdx_tier_text(tier));
			answer_number(answer, seen->ranks[i].rank.blocks[tier]);
			answer_text(answer, "\n");
		}
}

static void put_recoveries(struct answer *answer, const struct seen *seen)
{
	static const char *const ways[] = {"continue", "barrier", "ledger"};

	put_family(answer, "rank_recoveries_total", "counter",
		   "Recoveries of the rank, by their way.");
	for (size_t i = 0; i < seen->count; i++)
		for (uint32_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
			put_rank(answer, "recoveries_total", &seen->ranks[i], "way", ways[way]);
			answer_number(answer, seen->ranks[i].rank.recoveries[1 + way]);
			answer_text(answer, "\n");
		}
}

static void put_indexer(struct answer *answer, struct keeper *keeper)
{
	struct keeper_report report;

	keeper_report(keeper, &report);
	put_one(answer, "indexer_up", "gauge", "1 where this process maintains the indexes.",
		report.state == KEEPER_AT_WORK);
	put_one(answer, "indexer_indexes", "gauge", "Indexes maintained.", report.stats.indexes);
	put_one(answer, "indexer_ranks", "gauge", "Ranks that are alive.", report.stats.ranks);
	put_one(answer, "indexer_segments_unreadable", "gauge", "Segments that cannot be opened.",
		report.stats.unreadable);
	put_one(answer, "indexer_ranks_refused", "gauge", "Ranks without a place in an index.",
		report.stats.refused);
	put_one(answer, "indexer_events_total", "counter", "Events applied.", report.stats.events);
	put_one(answer, "indexer_blocks_stored_total", "counter", "Blocks stored, in any tier.",
		report.stats.blocks_stored);
	put_one(answer, "indexer_blocks_removed_total", "counter", "Blocks removed, in any tier.",
		report.stats.blocks_removed);
	put_one(answer, "indexer_clears_total", "counter", "Clears applied.", report.stats.clears);
	put_one(answer, "indexer_table_bytes", "gauge", "Memory of the index tables.",
		report.stats.table_bytes);
	put_one(answer, "indexer_naps_total", "counter",
		"Sleeps that no producer was asked to end.", report.stats.naps);
	put_one(answer, "indexer_wakes_total", "counter", "Sleeps that a producer ended.",
		report.stats.wakes);
}

static void put_http(struct answer *answer, const struct desk *desk)
{
	const struct server_counters *counters = server_get_counters(desk->server);

	put_one(answer, "lookups_total", "counter", "Lookups answered for requests.",
		desk->lookups);
	put_one(answer, "http_requests_total", "counter", "Requests.", counters->requests);
	put_one(answer, "http_connections_total", "counter", "Connections accepted.",
		counters->accepted);
	put_one(answer, "http_connections_refused_total", "counter",
		"Connections closed at once: too many.", counters->refused);
	put_one(answer, "http_timeouts_total", "counter",
		"Requests or answers that took their peer too long.", counters->timeouts);
	put_one(answer, "http_connections", "gauge", "Connections now.", counters->connections);
}

void metrics_answer(void *context, const struct request *request, struct answer *ret_answer)
{
	const struct shelf_index *indexes;
	struct desk *desk = context;
	struct seen seen = {0};
	size_t count = shelf_all(desk->shelf, &indexes);

	(void)request;
	ret_answer->type = "text/plain; version=0.0.4; charset=utf-8";
	for (size_t i = 0; i < count; i++)
		see_index(desk, &indexes[i], &seen);
	put_states(ret_answer, &seen);
	put_blocks(ret_answer, &seen);
	put_numbers(ret_answer, &seen);
	put_recoveries(ret_answer, &seen);
	put_ages(ret_answer, &seen);
	put_indexer(ret_answer, desk->keeper);
	put_http(ret_answer, desk);
	free(seen.ranks);
}
