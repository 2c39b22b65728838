/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/incidents.h"

#include "shm/clock.h"
#include "tools/demo/narrate.h"
#include "tools/program/figures.h"
#include "tools/program/json.h"
#include "tools/program/messages.h"

#include <inttypes.h>
#include <ringdex/rdx_reader.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_NS   UINT64_C(250000000)
#define PAUSE_PART 16 /* of the trace is routed without the indexer: rings wrap meanwhile */
#define CLEAR_LEAD 6  /* requests a worker before the kill of an indexer, that finds a barrier */

void incidents_open(struct incidents *ret_incidents, struct crew *crew, struct traffic *traffic)
{
	*ret_incidents = (struct incidents){
		.crew = crew,
		.traffic = traffic,
		.list = json_new_array(),
	};
}

/* The incident to begin while the requests at hand are under way, or -1. Those of a kind come
 * evenly over the trace. */
static int find_due(const struct incidents *in)
{
	const struct settings *s = in->crew->settings;
	uint64_t first_at = in->traffic->end;
	int first = -1;

	for (int i = 0; i < DEMO_INCIDENTS; i++) {
		uint64_t at =
			in->traffic->trace->count * (in->begun[i] + 1) / (s->incidents[i] + 1);
		uint64_t lead = i == DEMO_CLEAR ? CLEAR_LEAD * (uint64_t)s->workers : 0;

		at = at > lead ? at - lead : 0;
		if (in->begun[i] == s->incidents[i] || at >= first_at)
			continue;
		first_at = at;
		first = i;
	}
	return first;
}

int incidents_holds(const struct incidents *incidents)
{
	const struct traffic *traffic = incidents->traffic;

	if (incidents->stage != INCIDENT_AWAY && incidents->stage != INCIDENT_COMING)
		return 0;
	return traffic_is_done(traffic) || find_due(incidents) >= 0 ||
	       (traffic->crew->indexer == CREW_STOPPED &&
		traffic->blind >= incidents->blind_wanted);
}

/* Each time another worker. */
static uint32_t pick_worker(struct incidents *in)
{
	return in->picked++ % in->crew->settings->workers;
}

/* One that has something to do dies; some worker has. */
static void kill_worker(struct incidents *in)
{
	uint64_t again;

	do {
		in->worker = pick_worker(in);
		again = in->crew->workers[in->worker].pending;
	} while (!again);
	crew_kill(in->crew, in->worker);
	traffic_lost(in->traffic, in->worker);
	json_put_id(in->row, "worker", in->worker);
	json_put_number(in->row, "requests_again", again);
	narrate("worker %u killed with SIGKILL at request %" PRIu64 "; %" PRIu64
		" of its unanswered requests routed again",
		in->worker, in->traffic->done, again);
}

static void kill_indexer(struct incidents *in)
{
	crew_kill(in->crew, in->crew->settings->workers);
	memset(in->known, 0, sizeof(in->known));
	narrate("indexer killed with SIGKILL at request %" PRIu64 "; started again, requests wait",
		in->traffic->done);
	crew_start(in->crew, in->crew->settings->workers);
	in->stage = INCIDENT_COMING;
}

/* Nothing has to be recovered after it. */
static void clear(struct incidents *in, int host_only)
{
	uint32_t worker = pick_worker(in);
	const struct rdx_index_rank *row = &in->known[worker];
	uint64_t blocks =
		row->blocks[RDX_TIER_HOST] + (host_only ? 0 : row->blocks[RDX_TIER_DEVICE]);
	char text[FIGURES_BYTES];

	json_put_id(in->row, "worker", worker);
	narrate("worker %u clears its %scache: %s blocks gone with one event", worker,
		host_only ? "host tier's " : "", figures_grouped(blocks, text));
	crew_tell(in->crew, worker,
		  host_only ? "{\"command\":\"clear\",\"tier\":\"host\"}\n"
			    : "{\"command\":\"clear\"}\n");
	in->stage = INCIDENT_NONE;
}

static void clear_host(struct incidents *in)
{
	clear(in, 1);
}

static void clear_all(struct incidents *in)
{
	clear(in, 0);
}

static void stop_indexer(struct incidents *in, uint64_t blind_wanted)
{
	crew_stop_indexer(in->crew);
	in->traffic->blind = 0;
	in->blind_wanted = blind_wanted;
	narrate("indexer stopped with SIGSTOP at request %" PRIu64 "; the next go round robin",
		in->traffic->done);
}

static void stop_briefly(struct incidents *in)
{
	stop_indexer(in, 1);
}

static void stop_long(struct incidents *in)
{
	stop_indexer(in, in->traffic->trace->count / PAUSE_PART);
}

static void restart_worker(struct incidents *in)
{
	const struct rdx_index_rank *row = &in->crew->rows[in->worker];
	uint64_t dropped_ns = rdx_clock_ns() - in->since_ns;
	char text[FIGURES_BYTES];

	if (row->state != RDX_STATE_GONE)
		return;
	in->known[in->worker] = *row;
	in->known[in->worker].last_event_id = 0; /* its new life counts anew */
	json_put_number(in->row, "dropped_ns", dropped_ns);
	narrate("%s after the kill the index does not show worker %u any more; started again",
		figures_duration(dropped_ns, text), in->worker);
	crew_start(in->crew, in->worker);
	in->stage = INCIDENT_COMING;
}

static void continue_indexer(struct incidents *in)
{
	const struct traffic *traffic = in->traffic;
	uint64_t stopped_ns = rdx_clock_ns() - in->since_ns;
	char text[FIGURES_BYTES];

	if (stopped_ns < PAUSE_NS || !incidents_holds(in))
		return;
	crew_continue_indexer(in->crew);
	in->since_ns = rdx_clock_ns();
	in->stage = INCIDENT_COMING;
	json_put_number(in->row, "requests_without_indexer", traffic->blind);
	narrate("indexer let go on with SIGCONT after %s and %" PRIu64 " requests without it",
		figures_duration(stopped_ns, text), traffic->blind);
}

/* Each incident has two kinds, by turns. */
static const struct incident_kind {
	const char *name;
	int reads_on; /* the indexer that was away reads on where it was, if it can */
	void (*begin)(struct incidents *in);
	void (*away)(struct incidents *in);
} kinds[DEMO_INCIDENTS][2] = {
	[DEMO_KILL] = {{"worker killed", 0, kill_worker, restart_worker},
		       {"indexer killed", 0, kill_indexer, NULL}},
	[DEMO_CLEAR] = {{"host tier cleared", 0, clear_host, NULL},
			{"worker cleared", 0, clear_all, NULL}},
	[DEMO_PAUSE] = {{"indexer stopped", 1, stop_briefly, continue_indexer},
			{"indexer stopped", 1, stop_long, continue_indexer}},
};

static void begin(struct incidents *in, int incident)
{
	in->kind = &kinds[incident][in->begun[incident]++ % 2];
	in->stage = INCIDENT_AWAY;
	in->since_ns = rdx_clock_ns();
	in->row = json_new_object();
	json_append(in->list, in->row);
	json_put_text(in->row, "what", in->kind->name);
	json_put_number(in->row, "request", in->traffic->done);
	memset(in->ways, 0, sizeof(in->ways));
	in->kind->begin(in);
}

static void end(struct incidents *in)
{
	uint64_t back_ns = rdx_clock_ns() - in->since_ns;
	char text[FIGURES_BYTES];

	json_put_number(in->row, "back_ns", back_ns);
	narrate("the index is exact again after %s: %u workers by reading on, %u from the barrier, "
		"%u from the ledger",
		figures_duration(back_ns, text), in->ways[RDX_RECOVERED_CONTINUE],
		in->ways[RDX_RECOVERED_BARRIER], in->ways[RDX_RECOVERED_LEDGER]);
	in->stage = INCIDENT_OVER;
}

static void add_recovery(struct incidents *in, uint32_t w, int way)
{
	static const char *const ways[] = {NULL, "continue", "barrier", "ledger"};
	const struct rdx_index_rank *row = &in->crew->rows[w], *known = &in->known[w];
	uint64_t events = row->last_event_id - known->last_event_id;
	uint64_t read = row->events - known->events; /* some may be read twice */
	int is_after = in->stage == INCIDENT_AWAY || in->stage == INCIDENT_COMING;
	uint32_t count = ++in->recovery_count;

	in->ways[way]++;
	in->recoveries = reallocarray(in->recoveries, count, sizeof(*in->recoveries));
	if (!in->recoveries)
		messages_no_memory();
	in->recoveries[count - 1] = (struct recovery){
		.after = is_after ? in->kind->name : "ring wrapped",
		.way = ways[way],
		.request = in->traffic->done,
		.worker = w,
		.events_skipped = events > read ? events - read : 0,
		.events_read = read,
		.blocks = row->blocks[RDX_TIER_DEVICE] + row->blocks[RDX_TIER_HOST],
		.took_ns = way == RDX_RECOVERED_CONTINUE ? rdx_clock_ns() - in->since_ns
							 : row->recovery_ns,
	};
}

/* All is exact: which workers' rows were built anew since they last were, or read on after a
 * stop? Not those of the start: then every worker is empty. */
static void see_recoveries(struct incidents *in)
{
	int reads_on = in->stage == INCIDENT_COMING && in->kind->reads_on;

	for (uint32_t w = 0; w < in->crew->settings->workers; w++) {
		const struct rdx_index_rank *row = &in->crew->rows[w], *known = &in->known[w];
		int way = reads_on && row->last_event_id != known->last_event_id
				  ? RDX_RECOVERED_CONTINUE
				  : 0;

		for (int i = RDX_RECOVERED_BARRIER; i <= RDX_RECOVERED_LEDGER; i++) {
			if (row->recoveries[i] > known->recoveries[i])
				way = i;
		}
		if (!in->crew->children[w].pid)
			continue;
		if (way && in->traffic->done)
			add_recovery(in, w, way);
		in->known[w] = *row;
	}
}

void incidents_step(struct incidents *incidents)
{
	int due = find_due(incidents);

	if (crew_is_up(incidents->crew)) {
		see_recoveries(incidents);
		if (incidents->stage == INCIDENT_COMING)
			end(incidents);
	}
	if (incidents->stage == INCIDENT_AWAY)
		incidents->kind->away(incidents);
	else if (incidents->stage == INCIDENT_NONE && due >= 0 &&
		 incidents->traffic->done < incidents->traffic->end)
		begin(incidents, due);
}
