/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/incidents.h"

#include "shm/clock.h"
#include "tools/demo/narrate.h"
#include "tools/program/figures.h"
#include "tools/program/messages.h"
#include "tools/trace/trace_tokens.h"

#include <inttypes.h>
#include <ringdex/rdx_reader.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_NS    UINT64_C(250000000)
#define PAUSE_PART  4                    /* of the trace at most is routed without the router */
#define CLEAR_LEAD  3                    /* ticks' worth of requests before the kill of a router */
#define HOST_CLEAR  4                    /* each fourth clear is of the host tier alone */
#define PATIENCE_NS UINT64_C(1000000000) /* for reports of recoveries that do not come */

/* -- the plan -- */

static void plan(struct incidents *in, enum incident_kind kind, uint64_t at, uint32_t number)
{
	const struct settings *s = in->crew->settings;
	/* in turn, and another is cleared than the one that dies right after */
	uint32_t turn = kind == INCIDENT_CLEAR ? number + 1 : number / 2;
	int host_only =
		kind == INCIDENT_CLEAR && s->host_blocks && number % HOST_CLEAR == HOST_CLEAR - 1;

	in->items[in->count++] = (struct incident){
		.kind = kind,
		.at = at,
		.worker = (uint32_t)((rdx_trace_mix(s->seed) + turn) % s->workers),
		.tier = host_only ? RDX_TIER_HOST : RDX_SCOPE_ALL,
		.until_lapped = kind == INCIDENT_PAUSE && number % 2,
	};
}

static int earlier(const void *a, const void *b)
{
	const struct incident *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return (x->kind > y->kind) - (x->kind < y->kind);
}

void incidents_open(struct incidents *ret_incidents, struct crew *crew, struct traffic *traffic)
{
	*ret_incidents = (struct incidents){.crew = crew, .traffic = traffic};
}

void incidents_plan(struct incidents *incidents)
{
	const struct settings *s = incidents->crew->settings;
	uint64_t total = incidents->traffic->trace->count;
	uint64_t lead = CLEAR_LEAD * (uint64_t)s->workers * 2;

	incidents->items =
		calloc((size_t)s->kills + s->clears + s->pauses + 1, sizeof(*incidents->items));
	if (!incidents->items)
		messages_no_memory();
	for (uint32_t i = 0; i < s->kills; i++)
		plan(incidents, i % 2 ? INCIDENT_KILL_ROUTER : INCIDENT_KILL_WORKER,
		     total * (i + 1) / (s->kills + 1), i);
	for (uint32_t i = 0; i < s->clears; i++) {
		uint64_t at = total * (i + 1) / (s->clears + 1);

		plan(incidents, INCIDENT_CLEAR, at > lead ? at - lead : 0, i);
	}
	for (uint64_t i = 0; i < s->pauses; i++)
		plan(incidents, INCIDENT_PAUSE, total * (2 * i + 1) / (2 * (uint64_t)s->pauses),
		     (uint32_t)i);
	qsort(incidents->items, incidents->count, sizeof(*incidents->items), earlier);
}

void incidents_close(struct incidents *incidents)
{
	free(incidents->items);
	free(incidents->recoveries);
}

const char *incidents_name(enum incident_kind kind)
{
	static const char *const names[] = {"worker_killed", "router_killed", "worker_cleared",
					    "router_stopped"};

	return names[kind];
}

int incidents_is_due(const struct incidents *incidents, uint64_t next)
{
	return incidents->begun < incidents->count && incidents->items[incidents->begun].at <= next;
}

enum incident_stage incidents_stage(const struct incidents *incidents)
{
	return incidents->now ? incidents->now->stage : INCIDENT_PLANNED;
}

/* -- recoveries -- */

static struct recovery *add_recovery(struct incidents *in)
{
	struct recovery *recovery;

	in->recoveries =
		reallocarray(in->recoveries, in->recovery_count + 1, sizeof(*in->recoveries));
	if (!in->recoveries)
		messages_no_memory();
	recovery = &in->recoveries[in->recovery_count++];
	*recovery = (struct recovery){.after = in->traffic->done ? "ring_wrapped" : "start",
				      .request = in->traffic->done};
	if (incidents_stage(in) >= INCIDENT_AWAY && incidents_stage(in) <= INCIDENT_BACK)
		recovery->after = incidents_name(in->now->kind);
	return recovery;
}

void incidents_heard(struct incidents *incidents, struct json_object *object)
{
	struct recovery *recovery = add_recovery(incidents);

	recovery->worker = crew_number(object, "worker");
	recovery->skipped = crew_number(object, "skipped");
	recovery->replayed = crew_number(object, "replayed");
	recovery->ledger_blocks = crew_number(object, "ledger_blocks");
	recovery->ns = crew_number(object, "ns");
	snprintf(recovery->way, sizeof(recovery->way), "%s",
		 json_object_get_string(json_object_object_get(object, "recovered")));
}

static uint64_t recoveries_of(const struct rdx_index_rank *row)
{
	return row->recoveries[RDX_RECOVERED_BARRIER] + row->recoveries[RDX_RECOVERED_LEDGER];
}

/* The stop is over and the row is exact: a rank of which nothing was built anew was read on
 * where the indexer was. Returns how many recoveries the router is to report of it. */
static uint32_t add_continued(struct incidents *in, const struct rdx_index_rank *row)
{
	const struct rdx_index_rank *before = &in->rows[row->worker_id];
	struct recovery *recovery;

	if (recoveries_of(row) != recoveries_of(before))
		return 1;
	if (row->last_event_id == before->last_event_id)
		return 0;
	recovery = add_recovery(in);
	recovery->worker = row->worker_id;
	recovery->skipped = row->events_dead - before->events_dead;
	recovery->replayed = row->events - before->events;
	recovery->ns = in->now->back_ns;
	strcpy(recovery->way, "continue");
	return 1;
}

/* "3 from the ledger, 1 from the barrier": the recoveries after the incident. */
static uint32_t ways_text(const struct incidents *in, char *ret_text, size_t bytes)
{
	static const char *const ways[] = {"continue", "barrier", "ledger"};
	static const char *const texts[] = {"by reading on", "from the barrier", "from the ledger"};
	size_t length = 0;

	snprintf(ret_text, bytes, "nothing had happened");
	for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
		uint32_t count = 0;

		for (uint32_t i = in->recovery_first; i < in->recovery_count; i++)
			count += strcmp(in->recoveries[i].way, ways[w]) == 0;
		if (count && length < bytes)
			length += (size_t)snprintf(ret_text + length, bytes - length, "%s%u %s",
						   length ? ", " : "", count, texts[w]);
	}
	return in->recovery_count - in->recovery_first;
}

/* -- stages -- */

static void kill_one(struct incidents *in)
{
	struct incident *incident = in->now;
	int router = incident->kind == INCIDENT_KILL_ROUTER;
	uint32_t whom = router ? TRAFFIC_ROUTER : incident->worker;

	if (!traffic_waiting(in->traffic, whom, 0) && !in->hurry)
		return;
	if (router)
		crew_kill_router(in->crew);
	else
		crew_kill_worker(in->crew, whom);
	incident->since_ns = rdx_clock_ns();
	incident->again = traffic_waiting(in->traffic, whom, 1);
	memset(in->newest, 0, sizeof(in->newest));
	if (router) {
		in->recovery_wanted = in->crew->settings->workers;
		incident->stage = INCIDENT_COMING;
		narrate("router killed with SIGKILL at request %" PRIu64 "; started again, "
			"requests wait",
			in->traffic->done);
		crew_start_router(in->crew);
	} else {
		in->recovery_wanted = 1;
		incident->stage = INCIDENT_AWAY;
		narrate("worker %u killed with SIGKILL at request %" PRIu64 "; %" PRIu64
			" of its unanswered requests routed again",
			whom, in->traffic->done, incident->again);
	}
}

static void restart_worker(struct incidents *in)
{
	struct incident *incident = in->now;
	struct rdx_index_rank row = {.size = sizeof(row)};

	if (crew_row(in->crew, incident->worker, &row) && row.state != RDX_STATE_GONE)
		return;
	incident->dropped_ns = rdx_clock_ns() - incident->since_ns;
	incident->stage = INCIDENT_COMING;
	crew_start_worker(in->crew, incident->worker);
}

static void stop_router(struct incidents *in)
{
	struct incident *incident = in->now;

	crew_stop_router(in->crew);
	for (uint32_t w = 0; w < in->crew->settings->workers; w++)
		crew_row(in->crew, w, &in->rows[w]);
	incident->since_ns = rdx_clock_ns();
	incident->stage = INCIDENT_AWAY;
	narrate("router stopped with SIGSTOP at request %" PRIu64 "%s; requests go round robin "
		"meanwhile",
		in->traffic->done, incident->until_lapped ? ", until a ring has wrapped" : "");
}

/* Has a ring gone past where the router stopped to read it? Also notes the newest events. */
static int has_lapped(struct incidents *in)
{
	struct sighting sighting;
	int lapped = 0;

	for (uint32_t w = 0; w < in->crew->settings->workers; w++) {
		if (!crew_sight(in->crew, w, &sighting))
			continue;
		in->newest[w] = sighting.last_event_id;
		lapped |= sighting.end_position - in->rows[w].position >
			  in->crew->settings->ring_slots;
	}
	return lapped;
}

static void continue_router(struct incidents *in)
{
	struct incident *incident = in->now;
	uint64_t stopped_ns = rdx_clock_ns() - incident->since_ns;
	char text[FIGURES_BYTES];
	int may;

	incident->without = in->traffic->blind;
	may = incident->until_lapped ? incident->without >= in->traffic->trace->count / PAUSE_PART
				     : incident->without > 0;
	if (in->traffic->open || !crew_is_idle(in->crew) || stopped_ns < PAUSE_NS ||
	    !(has_lapped(in) || may || in->hurry))
		return;
	crew_continue_router(in->crew);
	incident->since_ns = rdx_clock_ns();
	incident->stage = INCIDENT_COMING;
	narrate("router let go on with SIGCONT after %s and %" PRIu64 " requests without it",
		figures_duration(stopped_ns, text), incident->without);
}

/* Are all whom it concerns exact, and seen so since? `ret_rows` are theirs. */
static int is_exact(const struct incidents *in, struct rdx_index_rank *ret_rows)
{
	const struct incident *incident = in->now;
	uint64_t now_ns = rdx_clock_ns();

	for (uint32_t w = 0; w < in->crew->settings->workers; w++) {
		if (incident->kind == INCIDENT_KILL_WORKER && w != incident->worker)
			continue;
		if (!crew_row(in->crew, w, &ret_rows[w]) || ret_rows[w].state != RDX_STATE_EXACT ||
		    ret_rows[w].epoch != in->crew->workers[w].epoch ||
		    ret_rows[w].last_event_id < in->newest[w] ||
		    now_ns - ret_rows[w].age_ns < incident->since_ns)
			return 0;
	}
	return 1;
}

static void see_back(struct incidents *in)
{
	static struct rdx_index_rank rows[DEMO_WORKERS_MAX] = {{.size = sizeof(rows[0])}};
	struct incident *incident = in->now;

	if (!crew_is_up(in->crew) || !is_exact(in, rows))
		return;
	incident->back_ns = rdx_clock_ns() - incident->since_ns;
	incident->stage = INCIDENT_BACK;
	if (incident->kind != INCIDENT_PAUSE)
		return;
	in->recovery_wanted = 0;
	for (uint32_t w = 0; w < in->crew->settings->workers; w++)
		in->recovery_wanted += add_continued(in, &rows[w]);
}

/* The router reports how it recovered right after the index shows it. */
static void see_reported(struct incidents *in)
{
	struct incident *incident = in->now;
	char ways[160], a[FIGURES_BYTES], b[FIGURES_BYTES];
	uint64_t waited_ns = rdx_clock_ns() - incident->since_ns - incident->back_ns;

	if (ways_text(in, ways, sizeof(ways)) < in->recovery_wanted && waited_ns < PATIENCE_NS)
		return;
	incident->stage = INCIDENT_OVER;
	figures_duration(incident->back_ns, a);
	if (incident->kind == INCIDENT_KILL_WORKER)
		narrate("the index dropped worker %u %s after the kill; started again, it is back, "
			"empty, after %s",
			incident->worker, figures_duration(incident->dropped_ns, b), a);
	else if (incident->kind == INCIDENT_KILL_ROUTER)
		narrate("router is back after %s, its index rebuilt from shared memory: %s", a,
			ways);
	else
		narrate("router has caught up after %s: %s", a, ways);
}

void incidents_step(struct incidents *incidents)
{
	struct incident *incident = incidents->now;
	enum incident_stage stage = incidents_stage(incidents);

	if (stage == INCIDENT_ARMED)
		kill_one(incidents);
	else if (stage == INCIDENT_AWAY && incident->kind == INCIDENT_KILL_WORKER)
		restart_worker(incidents);
	else if (stage == INCIDENT_AWAY)
		continue_router(incidents);
	else if (stage == INCIDENT_COMING)
		see_back(incidents);
	else if (stage == INCIDENT_BACK)
		see_reported(incidents);
}

/* -- begin -- */

static void clear(struct incidents *in)
{
	struct incident *incident = in->now;
	struct worker *worker = &in->crew->workers[incident->worker];
	int all = incident->tier == RDX_SCOPE_ALL;
	char held[FIGURES_BYTES] = "its";
	struct rdx_index_rank row = {.size = sizeof(row)};

	if (crew_row(in->crew, incident->worker, &row))
		figures_grouped(row.blocks[RDX_TIER_HOST] + (all ? row.blocks[RDX_TIER_DEVICE] : 0),
				held);
	narrate("worker %u clears its %scache: %s blocks gone with one event", incident->worker,
		all ? "" : "host tier's ", held);
	incident->stage = INCIDENT_CHECKED; /* nothing has to be recovered */
	worker->pending++;
	child_tell(&worker->child, "{\"command\":\"clear\",\"tier\":\"%s\"}\n",
		   rdx_tier_text(incident->tier));
}

void incidents_begin(struct incidents *incidents)
{
	struct incident *incident = &incidents->items[incidents->begun++];

	incidents->now = incident;
	incidents->recovery_first = incidents->recovery_count;
	incidents->hurry = 0;
	incidents->traffic->blind = 0;
	incident->stage = INCIDENT_ARMED;
	if (incident->kind == INCIDENT_CLEAR)
		clear(incidents);
	if (incident->kind == INCIDENT_PAUSE)
		stop_router(incidents);
}
