/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/metrics.h"

#include "shm/clock.h"
#include "tools/inspect/sighting.h"
#include "tools/program/counters.h"
#include "tools/ringdexd/desk.h"
#include "tools/ringdexd/exposition.h"
#include "tools/ringdexd/log.h"
#include "tools/ringdexd/process.h"

#include <ringdex/rdx_version.h>

#include <stddef.h>
#include <stdlib.h>

/* A rank, the index that knows it, and what its producer counts. */
struct seen_rank {
	const struct index_name *name;
	struct rdx_index_rank rank;
	int is_published; /* its segment could be read */
	uint64_t counters[RDX_COUNTER_COUNT];
	struct rdx_source source; /* what feeds it, as its segment says */
};

struct seen {
	struct seen_rank *ranks;
	size_t count;
};

/* Read after what is applied, so that there is no more applied than published. */
static void see_segment(const struct desk *desk, struct seen_rank *seen)
{
	const struct rank_name name = {.worker_id = seen->rank.worker_id,
				       .dp_rank = seen->rank.dp_rank};

	seen->is_published = sighting_counters(desk->space, &name, seen->rank.epoch, seen->counters,
					       &seen->source) == 0;
}

static void see_index(struct desk *desk, const struct shelf_index *index, struct seen *seen)
{
	int count = shelf_ranks(desk->shelf, index, desk->ranks);
	struct seen_rank *more;

	if (!count)
		return;
	more = realloc(seen->ranks, (seen->count + (size_t)count) * sizeof(*more));
	if (!more)
		return; /* what was seen is told */
	seen->ranks = more;
	for (int i = 0; i < count; i++) {
		if (desk->ranks[i].state == RDX_STATE_GONE)
			continue;
		seen->ranks[seen->count] =
			(struct seen_rank){.name = &index->name, .rank = desk->ranks[i]};
		see_segment(desk, &seen->ranks[seen->count++]);
	}
}

static void begin_rank(struct exposition *to, const struct seen_rank *seen)
{
	exposition_sample(to, "");
	exposition_label_number(to, "worker", seen->rank.worker_id);
	exposition_label_number(to, "dp_rank", seen->rank.dp_rank);
	exposition_label(to, "model", seen->name->model);
	exposition_label(to, "tenant", seen->name->tenant);
}

/* Members of a struct, a family each. */
struct number {
	const char *name, *type, *help;
	size_t at;
};

static uint64_t number_of(const struct number *number, const void *from)
{
	return *(const uint64_t *)((const char *)from + number->at);
}

static void put_numbers(struct exposition *to, const struct seen *seen)
{
	static const struct number numbers[] = {
		{"ringdex_rank_events_total", "counter", "Events applied to the index.",
		 offsetof(struct rdx_index_rank, events)},
		{"ringdex_rank_events_dead_total", "counter",
		 "Events skipped, unread, behind barriers.",
		 offsetof(struct rdx_index_rank, events_dead)},
		{"ringdex_rank_slots_lost_total", "counter",
		 "Ring slots that were overwritten before they were read.",
		 offsetof(struct rdx_index_rank, slots_lost)},
		{"ringdex_rank_last_event_id", "gauge", "Number of the newest event applied.",
		 offsetof(struct rdx_index_rank, last_event_id)},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		exposition_family(to, numbers[i].name, numbers[i].type, numbers[i].help);
		for (size_t j = 0; j < seen->count; j++) {
			begin_rank(to, &seen->ranks[j]);
			exposition_number(to, number_of(&numbers[i], &seen->ranks[j].rank));
		}
	}
}

static void put_ages(struct exposition *to, const struct seen *seen)
{
	exposition_family(to, "ringdex_rank_age_seconds", "gauge",
			  "Time since the indexer last saw the rank caught up and alive.");
	for (size_t i = 0; i < seen->count; i++) {
		begin_rank(to, &seen->ranks[i]);
		exposition_seconds(to, seen->ranks[i].rank.age_ns);
	}
	exposition_family(to, "ringdex_rank_event_age_seconds", "gauge",
			  "Time since the rank's newest event; NaN: none in this epoch.");
	for (size_t i = 0; i < seen->count; i++) {
		begin_rank(to, &seen->ranks[i]);
		exposition_seconds(to, seen->ranks[i].rank.event_age_ns);
	}
}

static void put_lag(struct exposition *to, const struct seen *seen)
{
	exposition_family(to, "ringdex_rank_lag_events", "gauge",
			  "Events that the rank has published and that are not applied yet.");
	for (size_t i = 0; i < seen->count; i++) {
		uint64_t published = seen->ranks[i].counters[RDX_COUNTER_EVENTS];
		uint64_t applied = seen->ranks[i].rank.last_event_id;

		if (!seen->ranks[i].is_published)
			continue;
		begin_rank(to, &seen->ranks[i]);
		exposition_number(to, published > applied ? published - applied : 0);
	}
}

static void put_dropped(struct exposition *to, const struct seen *seen)
{
	static const unsigned int kinds[] = {
		RDX_COUNTER_UNKNOWN_PARENTS,  RDX_COUNTER_UNKNOWN_NAMES, RDX_COUNTER_MISMATCHED,
		RDX_COUNTER_OTHER_BLOCK_SIZE, RDX_COUNTER_CONFLICTS,     RDX_COUNTER_LEDGER_FULL,
		RDX_COUNTER_MAP_FULL,         RDX_COUNTER_UNREPRESENTED,
	};

	exposition_family(to, "ringdex_rank_blocks_dropped_total", "counter",
			  "Blocks that the rank's engine stored and that it could not publish.");
	for (size_t i = 0; i < seen->count; i++)
		for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
			if (!seen->ranks[i].is_published)
				continue;
			begin_rank(to, &seen->ranks[i]);
			exposition_label(to, "kind", counters_name(kinds[kind]));
			exposition_number(to, seen->ranks[i].counters[kinds[kind]]);
		}
}

static void put_lacking(struct exposition *to, const struct seen *seen)
{
	exposition_family(
		to, "ringdex_rank_blocks_lacking", "gauge",
		"Blocks that the rank's engine holds, by tier, and that it does not say.");
	for (size_t i = 0; i < seen->count; i++) {
		if (!seen->ranks[i].is_published)
			continue;
		begin_rank(to, &seen->ranks[i]);
		exposition_number(to, seen->ranks[i].counters[RDX_COUNTER_LACKING]);
	}
}

static void put_orphans(struct exposition *to, const struct seen *seen)
{
	exposition_family(to, "ringdex_rank_orphans", "gauge",
			  "Blocks held in this tier or a nearer one, but not the block before.");
	for (size_t i = 0; i < seen->count; i++)
		for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
			if (!seen->ranks[i].is_published)
				continue;
			begin_rank(to, &seen->ranks[i]);
			exposition_label(to, "down_to", rdx_tier_text(tier));
			exposition_number(to, seen->ranks[i].counters[RDX_COUNTER_ORPHANS + tier]);
		}
}

static void put_states(struct exposition *to, const struct seen *seen)
{
	exposition_family(to, "ringdex_rank_state", "gauge",
			  "1 for the state that the rank is in, 0 for others.");
	for (size_t i = 0; i < seen->count; i++)
		for (uint8_t state = 0; rdx_state_text(state); state++) {
			if (state == RDX_STATE_GONE)
				continue;
			begin_rank(to, &seen->ranks[i]);
			exposition_label(to, "state", rdx_state_text(state));
			exposition_number(to, seen->ranks[i].rank.state == state);
		}
}

static void put_blocks(struct exposition *to, const struct seen *seen)
{
	exposition_family(to, "ringdex_rank_blocks", "gauge",
			  "Blocks that the rank holds in a tier.");
	for (size_t i = 0; i < seen->count; i++)
		for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
			begin_rank(to, &seen->ranks[i]);
			exposition_label(to, "tier", rdx_tier_text(tier));
			exposition_number(to, seen->ranks[i].rank.blocks[tier]);
		}
}

static void put_recoveries(struct exposition *to, const struct seen *seen)
{
	static const char *const ways[] = {"continue", "barrier", "ledger"};

	exposition_family(to, "ringdex_rank_recoveries_total", "counter",
			  "Recoveries of the rank, by their way.");
	for (size_t i = 0; i < seen->count; i++)
		for (uint32_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
			begin_rank(to, &seen->ranks[i]);
			exposition_label(to, "way", ways[way]);
			exposition_number(to, seen->ranks[i].rank.recoveries[1 + way]);
		}
}

/* The next rank, from `i` on, that is fed by something else than its engine. */
static size_t fed_from(const struct seen *seen, size_t i)
{
	while (i < seen->count && seen->ranks[i].source.kind == RDX_SOURCE_NONE)
		i++;
	return i;
}

static void put_source_counts(struct exposition *to, const struct seen *seen)
{
	exposition_family(to, "ringdex_rank_source_gaps_total", "counter",
			  "Holes in the numbers of a bridge's messages, by what became of them.");
	for (size_t i = fed_from(seen, 0); i < seen->count; i = fed_from(seen, i + 1)) {
		begin_rank(to, &seen->ranks[i]);
		exposition_label(to, "outcome", "lost");
		exposition_number(to, seen->ranks[i].source.gaps_lost);
		begin_rank(to, &seen->ranks[i]);
		exposition_label(to, "outcome", "filled");
		exposition_number(to, seen->ranks[i].source.gaps_filled);
	}
	exposition_family(to, "ringdex_rank_source_replayed_total", "counter",
			  "Messages of a replay that a bridge published.");
	for (size_t i = fed_from(seen, 0); i < seen->count; i = fed_from(seen, i + 1)) {
		begin_rank(to, &seen->ranks[i]);
		exposition_number(to, seen->ranks[i].source.replayed);
	}
}

static uint64_t source_lag(const struct rdx_source *source)
{
	return source->lag_ns ? source->lag_ns : UINT64_MAX;
}

static uint64_t source_heard_age(const struct rdx_source *source)
{
	return sighting_source_age(source->heard_ns);
}

static uint64_t source_said_age(const struct rdx_source *source)
{
	return sighting_source_age(source->said_ns);
}

static void put_source_times(struct exposition *to, const struct seen *seen)
{
	static const struct {
		const char *name, *help;
		uint64_t (*ns)(const struct rdx_source *);
	} times[] = {
		{"ringdex_rank_source_lag_seconds",
		 "Time from the engine's stamp of the last message until it was published, by "
		 "both clocks; NaN: not known.",
		 source_lag},
		{"ringdex_rank_source_heard_age_seconds",
		 "Time since the bridge got the last message; NaN: none yet.", source_heard_age},
		{"ringdex_rank_source_said_age_seconds",
		 "Time since the bridge last said how it fares; it does each second.",
		 source_said_age},
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		exposition_family(to, times[i].name, "gauge", times[i].help);
		for (size_t j = fed_from(seen, 0); j < seen->count; j = fed_from(seen, j + 1)) {
			begin_rank(to, &seen->ranks[j]);
			exposition_seconds(to, times[i].ns(&seen->ranks[j].source));
		}
	}
}

static void put_sources(struct exposition *to, const struct seen *seen)
{
	exposition_family(to, "ringdex_rank_source_up", "gauge",
			  "1 while the bridge that feeds the rank is connected to its engine.");
	for (size_t i = fed_from(seen, 0); i < seen->count; i = fed_from(seen, i + 1)) {
		begin_rank(to, &seen->ranks[i]);
		exposition_number(to, !seen->ranks[i].source.is_away);
	}
	exposition_family(to, "ringdex_rank_source_sequence", "gauge",
			  "Number of the message that the bridge published last.");
	for (size_t i = fed_from(seen, 0); i < seen->count; i = fed_from(seen, i + 1)) {
		if (!seen->ranks[i].source.next_sequence)
			continue;
		begin_rank(to, &seen->ranks[i]);
		exposition_number(to, seen->ranks[i].source.next_sequence - 1);
	}
	put_source_counts(to, seen);
	put_source_times(to, seen);
}

static void put_indexer(struct exposition *to, struct keeper *keeper)
{
	static const struct number numbers[] = {
		{"ringdex_indexer_indexes", "gauge", "Indexes maintained.",
		 offsetof(struct rdx_indexer_stats, indexes)},
		{"ringdex_indexer_ranks", "gauge", "Ranks that are alive.",
		 offsetof(struct rdx_indexer_stats, ranks)},
		{"ringdex_indexer_segments_unreadable", "gauge", "Segments that cannot be opened.",
		 offsetof(struct rdx_indexer_stats, unreadable)},
		{"ringdex_indexer_ranks_refused", "gauge", "Ranks without a place in an index.",
		 offsetof(struct rdx_indexer_stats, refused)},
		{"ringdex_indexer_events_total", "counter", "Events applied.",
		 offsetof(struct rdx_indexer_stats, events)},
		{"ringdex_indexer_events_dead_total", "counter",
		 "Events skipped, unread, behind barriers.",
		 offsetof(struct rdx_indexer_stats, events_dead)},
		{"ringdex_indexer_slots_lost_total", "counter",
		 "Ring slots that were overwritten before they were read.",
		 offsetof(struct rdx_indexer_stats, slots_lost)},
		{"ringdex_indexer_blocks_stored_total", "counter", "Blocks stored, in any tier.",
		 offsetof(struct rdx_indexer_stats, blocks_stored)},
		{"ringdex_indexer_blocks_removed_total", "counter", "Blocks removed, in any tier.",
		 offsetof(struct rdx_indexer_stats, blocks_removed)},
		{"ringdex_indexer_clears_total", "counter", "Clears applied.",
		 offsetof(struct rdx_indexer_stats, clears)},
		{"ringdex_indexer_table_bytes", "gauge", "Memory of the index tables.",
		 offsetof(struct rdx_indexer_stats, table_bytes)},
		{"ringdex_indexer_tables_replaced_total", "counter",
		 "Tables that took the place of a smaller one.",
		 offsetof(struct rdx_indexer_stats, generations)},
		{"ringdex_indexer_naps_total", "counter",
		 "Sleeps that no producer was asked to end.",
		 offsetof(struct rdx_indexer_stats, naps)},
		{"ringdex_indexer_wakes_total", "counter", "Sleeps that a producer ended.",
		 offsetof(struct rdx_indexer_stats, wakes)},
	};
	struct keeper_report report;

	keeper_report(keeper, &report);
	exposition_one(to, "ringdex_indexer_up", "gauge",
		       "1 where this process maintains the indexes.",
		       report.state == KEEPER_AT_WORK);
	exposition_one(to, "ringdex_indexer_standing_by", "gauge",
		       "1 where another process maintains the indexes.",
		       report.state == KEEPER_STANDING_BY);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		exposition_one(to, numbers[i].name, numbers[i].type, numbers[i].help,
			       number_of(&numbers[i], &report.stats));
	exposition_family(to, "ringdex_indexer_poll_duration_seconds", "histogram",
			  "Time of a poll of the indexer: how long other ranks waited for it.");
	exposition_histogram(to, &report.polls, NULL, NULL);
}

static void put_requests(struct exposition *to, const struct traffic *traffic,
			 const uint64_t refusals[TRAFFIC_CLASSES])
{
	static const char *const classes[TRAFFIC_CLASSES] = {NULL,  "1xx", "2xx",
							     "3xx", "4xx", "5xx"};

	exposition_family(to, "ringdex_http_request_duration_seconds", "histogram",
			  "Time to answer a request that has arrived, by route.");
	for (size_t i = 0; traffic->routes[i].method; i++)
		exposition_histogram(to, &traffic->requests[i], "route", traffic->routes[i].path);
	exposition_histogram(to, &traffic->requests[TRAFFIC_ROUTES_MAX], "route", "other");
	exposition_family(to, "ringdex_http_answers_total", "counter",
			  "Answers, by the class of their status; also to requests that were not "
			  "read to their end.");
	for (size_t i = 2; i < TRAFFIC_CLASSES; i++) {
		exposition_sample(to, "");
		exposition_label(to, "class", classes[i]);
		exposition_number(to, traffic->classes[i] + refusals[i]);
	}
}

static void put_http(struct exposition *to, const struct desk *desk)
{
	const struct server_counters *counters = server_get_counters(desk->server);
	const struct budget *budget = server_get_budget(desk->server);

	exposition_one(to, "ringdex_lookups_total", "counter", "Lookups answered for requests.",
		       desk->lookups);
	exposition_family(to, "ringdex_lookup_duration_seconds", "histogram",
			  "Time of a lookup in an index, without HTTP and JSON.");
	exposition_histogram(to, &desk->traffic.lookups, NULL, NULL);
	exposition_one(to, "ringdex_http_requests_total", "counter", "Requests.",
		       counters->requests);
	exposition_one(to, "ringdex_http_connections_total", "counter", "Connections accepted.",
		       counters->accepted);
	exposition_one(to, "ringdex_http_connections_refused_total", "counter",
		       "Connections closed at once: too many.", counters->refused);
	exposition_one(to, "ringdex_http_timeouts_total", "counter",
		       "Requests or answers that took their peer too long.", counters->timeouts);
	exposition_one(to, "ringdex_http_connections_open", "gauge", "Connections now.",
		       counters->connections);
	exposition_one(to, "ringdex_http_unauthorized_total", "counter",
		       "Requests without the token.", counters->unauthorized);
	exposition_one(to, "ringdex_http_memory_bytes", "gauge",
		       "Memory for requests and answers of all connections.", budget->used);
	exposition_one(to, "ringdex_http_memory_refused_total", "counter",
		       "Times that requests or answers had no memory left: --http-mib.",
		       budget->refused);
	put_requests(to, &desk->traffic, counters->refusals);
	exposition_family(to, "ringdex_http_turn_duration_seconds", "histogram",
			  "Time of a turn of the loop: how long other connections waited for it.");
	exposition_histogram(to, &desk->traffic.turns, NULL, NULL);
}

static void put_choices(struct exposition *to, const struct desk *desk)
{
	struct expected_counts counts;

	exposition_family(to, "ringdex_choices_total", "counter",
			  "Workers chosen, by what the one chosen has of the prompt.");
	for (int overlap = 0; overlap < CHOOSE_OVERLAPS; overlap++) {
		exposition_sample(to, "");
		exposition_label(to, "overlap", choose_overlap_text((enum choose_overlap)overlap));
		exposition_number(to, desk->choices[overlap]);
	}
	expected_count(desk->expected, rdx_clock_ns(), &counts);
	exposition_one(to, "ringdex_expected_blocks", "gauge",
		       "Blocks that workers are expected to hold since they were chosen lately.",
		       counts.held);
	exposition_family(to, "ringdex_expected_blocks_ended_total", "counter",
			  "Blocks that are expected no longer: their time is over, or newer ones "
			  "took their place.");
	exposition_sample(to, "");
	exposition_label(to, "how", "expired");
	exposition_number(to, counts.expired);
	exposition_sample(to, "");
	exposition_label(to, "how", "displaced");
	exposition_number(to, counts.displaced);
}

static void put_bridges(struct exposition *to, const struct bridges *bridges)
{
	uint64_t counts[BRIDGE_STATUSES] = {0};
	const struct bridge *at = NULL;

	while ((at = bridges_next(bridges, at)))
		counts[bridge_view(at).status]++;
	exposition_family(to, "ringdex_bridges", "gauge",
			  "Streams of engines that are registered, by the status of their bridge.");
	for (int status = 0; status < BRIDGE_STATUSES; status++) {
		exposition_sample(to, "");
		exposition_label(to, "status", bridge_status_text((enum bridge_status)status));
		exposition_number(to, counts[status]);
	}
	exposition_one(to, "ringdex_bridge_restarts_total", "counter",
		       "Bridges that were started again.", bridges_restarts(bridges));
}

/* As Prometheus's own client libraries call them. */
static void put_process(struct exposition *to)
{
	struct process_figures figures;

	process_look(&figures);
	exposition_one(to, "process_resident_memory_bytes", "gauge",
		       "Memory that is in use, shared with others too.", figures.resident_bytes);
	exposition_one(to, "process_virtual_memory_bytes", "gauge", "Address space.",
		       figures.virtual_bytes);
	exposition_one(to, "process_open_fds", "gauge", "Descriptors.", figures.open_fds);
	exposition_one(to, "process_max_fds", "gauge", "Descriptors that may be.", figures.max_fds);
	exposition_one(to, "ringdex_log_lines_lost_total", "counter",
		       "Lines of the log that whoever reads it was too slow for, or gone.",
		       log_lost());
	exposition_family(to, "process_cpu_seconds_total", "counter", "Time on a processor.");
	exposition_sample(to, "");
	exposition_seconds(to, figures.cpu_ns);
	exposition_family(to, "ringdex_build_info", "gauge", "1; the version is a label.");
	exposition_sample(to, "");
	exposition_label(to, "version", RDX_VERSION);
	exposition_number(to, 1);
}

void metrics_answer(void *context, const struct request *request, struct answer *ret_answer)
{
	const struct shelf_index *indexes;
	struct desk *desk = context;
	struct exposition to;
	struct seen seen = {0};
	size_t count = shelf_all(desk->shelf, &indexes);

	exposition_begin(&to, ret_answer, request->takes_openmetrics);
	for (size_t i = 0; i < count; i++)
		see_index(desk, &indexes[i], &seen);
	put_states(&to, &seen);
	put_blocks(&to, &seen);
	put_numbers(&to, &seen);
	put_recoveries(&to, &seen);
	put_ages(&to, &seen);
	put_lag(&to, &seen);
	put_dropped(&to, &seen);
	put_lacking(&to, &seen);
	put_orphans(&to, &seen);
	put_sources(&to, &seen);
	put_indexer(&to, desk->keeper);
	put_http(&to, desk);
	put_choices(&to, desk);
	put_bridges(&to, desk->bridges);
	put_process(&to);
	exposition_end(&to);
	free(seen.ranks);
}
