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

#define PAUSE_NS    UINT64_C(250000000)
#define PAUSE_PART  4                    /* of the trace at most is routed without the indexer */
#define CLEAR_LEAD  6                    /* requests a worker before the kill of an indexer */
#define HOST_CLEAR  4                    /* each fourth clear is of the host tier alone */
#define PATIENCE_NS UINT64_C(1000000000) /* for reports of recoveries that do not come */

/* -- the plan -- */

/* `count` of them, of the two kinds by turns, evenly over the trace. */
static void plan(struct incidents *in, enum incident_kind kind, enum incident_kind other,
		 uint32_t count, uint64_t lead)
{
	const struct settings *s = in->crew->settings;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t at = in->traffic->trace->count * (i + 1) / (count + 1);
		int is_clear = kind == INCIDENT_CLEAR, odd = i % 2;
		/* in turn, and another is cleared than the one that dies right after */
		uint64_t turn = is_clear ? i + 1 : i / 2;

		in->items[in->count++] = (struct incident){
			.kind = odd ? other : kind,
			.at = at > lead ? at - lead : 0,
			.worker = (uint32_t)((rdx_trace_mix(s->seed) + turn) % s->workers),
			.host_only = is_clear && s->host_blocks && i % HOST_CLEAR == HOST_CLEAR - 1,
			.until_lapped = kind == INCIDENT_PAUSE && odd,
		};
	}
}

static int earlier(const void *a, const void *b)
{
	const struct incident *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return (x->kind > y->kind) - (x->kind < y->kind);
}

void incidents_open(struct incidents *ret_incidents, struct crew *crew, struct traffic *traffic,
		    int disturbed)
{
	const struct settings *s = crew->settings;
	size_t count = (size_t)s->kills + s->clears + s->pauses;
	struct incidents *in = ret_incidents;

	*in = (struct incidents){
		.crew = crew,
		.traffic = traffic,
		.items = calloc(count + 1, sizeof(struct incident)),
		.recoveries = json_new_array(),
	};
	if (!in->items)
		messages_no_memory();
	if (!disturbed)
		return;
	plan(in, INCIDENT_KILL_WORKER, INCIDENT_KILL_INDEXER, s->kills, 0);
	plan(in, INCIDENT_CLEAR, INCIDENT_CLEAR, s->clears, CLEAR_LEAD * (uint64_t)s->workers);
	plan(in, INCIDENT_PAUSE, INCIDENT_PAUSE, s->pauses, 0);
	qsort(in->items, count, sizeof(*in->items), earlier);
}

enum incident_stage incidents_stage(const struct incidents *incidents)
{
	return incidents->now ? incidents->now->stage : INCIDENT_CHECKED;
}

/* Is one to begin while the requests at hand are under way? */
static int is_due(const struct incidents *in)
{
	return in->begun < in->count && in->items[in->begun].at < in->traffic->end;
}

int incidents_holds(const struct incidents *incidents, int is_last)
{
	const struct incident *now = incidents->now;

	if (!now || now->stage >= INCIDENT_OVER)
		return 0;
	return is_last || is_due(incidents) ||
	       (now->kind == INCIDENT_PAUSE && now->stage == INCIDENT_AWAY && !now->until_lapped &&
		incidents->traffic->blind);
}

/* -- recoveries -- */

static const char *const ways[INCIDENTS_WAYS] = {"continue", "barrier", "ledger"};

/* Add a row, unless it is of the start: then every worker is empty. */
static void add_recovery(struct incidents *in, struct json_object *row)
{
	enum incident_stage stage = incidents_stage(in);
	int is_after = stage >= INCIDENT_AWAY && stage <= INCIDENT_BACK;

	if (!in->traffic->done)
		return;
	json_put_text(row, "after", is_after ? incidents_name(in->now->kind) : "ring_wrapped");
	json_put_number(row, "request", in->traffic->done);
	json_append(in->recoveries, json_object_get(row));
	for (int w = 0; w < INCIDENTS_WAYS; w++)
		in->ways[w] += strcmp(crew_text(row, "way"), ways[w]) == 0;
}

void incidents_heard(struct incidents *incidents, struct json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
		add_recovery(incidents, json_object_array_get_idx(list, i));
}

static uint64_t recoveries_of(const struct rdx_index_rank *row)
{
	return row->recoveries[RDX_RECOVERED_BARRIER] + row->recoveries[RDX_RECOVERED_LEDGER];
}

/* The stop is over and the rank exact: one of which nothing was built anew was read on where
 * the indexer was. Returns how many recoveries there are to be of it. */
static uint32_t add_continued(struct incidents *in, uint32_t w)
{
	const struct rdx_index_rank *before = &in->rows[w];
	const struct rdx_index_rank *row = &in->crew->rows[w];
	struct json_object *recovery;

	if (recoveries_of(row) != recoveries_of(before))
		return 1;
	if (row->last_event_id == before->last_event_id)
		return 0;
	recovery = json_new_object();
	json_put_text(recovery, "way", "continue");
	json_put_number(recovery, "worker", w);
	json_put_number(recovery, "events_skipped", row->events_dead - before->events_dead);
	json_put_number(recovery, "ledger_blocks", 0);
	json_put_number(recovery, "events_replayed", row->events - before->events);
	json_put_number(recovery, "duration_ns", in->now->back_ns);
	add_recovery(in, recovery);
	json_object_put(recovery);
	return 1;
}

/* "3 from the ledger, 1 from the barrier": the recoveries after the incident. */
static const char *ways_text(const struct incidents *in, char *ret_text, size_t bytes)
{
	static const char *const texts[] = {"by reading on", "from the barrier", "from the ledger"};
	size_t length = 0;

	snprintf(ret_text, bytes, "nothing had happened");
	for (int w = 0; w < INCIDENTS_WAYS; w++) {
		if (in->ways[w] && length < bytes)
			length += (size_t)snprintf(ret_text + length, bytes - length, "%s%u %s",
						   length ? ", " : "", in->ways[w], texts[w]);
	}
	return ret_text;
}

/* -- how each kind begins -- */

static void clear(struct incidents *in, struct incident *incident)
{
	const struct rdx_index_rank *row = &in->crew->rows[incident->worker];
	char held[FIGURES_BYTES];

	narrate("worker %u clears its %scache: %s blocks gone with one event", incident->worker,
		incident->host_only ? "host tier's " : "",
		figures_grouped(row->blocks[RDX_TIER_HOST] +
					(incident->host_only ? 0 : row->blocks[RDX_TIER_DEVICE]),
				held));
	crew_tell(in->crew, incident->worker,
		  incident->host_only ? "{\"command\":\"clear\",\"tier\":\"host\"}\n"
				      : "{\"command\":\"clear\"}\n");
	incident->stage = INCIDENT_CHECKED; /* nothing has to be recovered */
}

static void kill_worker(struct incidents *in, struct incident *incident)
{
	in->recovery_wanted = 1;
	crew_kill(in->crew, incident->worker);
	incident->again = traffic_waiting(in->traffic, incident->worker, 1);
	narrate("worker %u killed with SIGKILL at request %" PRIu64 "; %" PRIu64
		" of its unanswered requests routed again",
		incident->worker, in->traffic->done, incident->again);
}

static void kill_indexer(struct incidents *in, struct incident *incident)
{
	in->recovery_wanted = in->crew->settings->workers;
	crew_kill(in->crew, in->crew->settings->workers);
	narrate("indexer killed with SIGKILL at request %" PRIu64 "; started again, requests wait",
		in->traffic->done);
	crew_start(in->crew, in->crew->settings->workers);
	incident->stage = INCIDENT_COMING;
}

static void stop_indexer(struct incidents *in, struct incident *incident)
{
	crew_stop_indexer(in->crew);
	in->traffic->blind = 0;
	memcpy(in->rows, in->crew->rows, sizeof(in->rows));
	narrate("indexer stopped with SIGSTOP at request %" PRIu64 "%s; requests go round robin "
		"meanwhile",
		in->traffic->done, incident->until_lapped ? ", until a ring has wrapped" : "");
}

/* -- and goes on -- */

static void restart_worker(struct incidents *in, struct incident *incident)
{
	if (in->crew->rows[incident->worker].state != RDX_STATE_GONE)
		return;
	incident->dropped_ns = rdx_clock_ns() - incident->since_ns;
	incident->stage = INCIDENT_COMING;
	crew_start(in->crew, incident->worker);
}

/* Has a ring gone past where the indexer stopped to read it? */
static int has_lapped(const struct incidents *in)
{
	struct sighting sighting;
	int lapped = 0;

	for (uint32_t w = 0; w < in->crew->settings->workers; w++)
		lapped |= crew_sight(in->crew, w, &sighting) &&
			  sighting.end_position - in->rows[w].position >
				  in->crew->settings->ring_slots;
	return lapped;
}

static void continue_indexer(struct incidents *in, struct incident *incident)
{
	const struct traffic *traffic = in->traffic;
	uint64_t stopped_ns = rdx_clock_ns() - incident->since_ns;
	uint64_t enough = incident->until_lapped ? traffic->trace->count / PAUSE_PART : 1;
	char text[FIGURES_BYTES];

	if (stopped_ns < PAUSE_NS || traffic->open ||
	    (traffic->blind < enough && traffic->end < traffic->trace->count && !is_due(in) &&
	     !has_lapped(in)))
		return;
	crew_continue_indexer(in->crew);
	incident->since_ns = rdx_clock_ns();
	incident->stage = INCIDENT_COMING;
	narrate("indexer let go on with SIGCONT after %s and %" PRIu64 " requests without it",
		figures_duration(stopped_ns, text), traffic->blind);
}

static void see_back(struct incidents *in, struct incident *incident)
{
	if (!crew_is_up(in->crew) ||
	    (incident->kind == INCIDENT_KILL_WORKER &&
	     !crew_is_exact(in->crew, incident->worker, incident->since_ns)))
		return;
	incident->back_ns = rdx_clock_ns() - incident->since_ns;
	if (incident->kind == INCIDENT_PAUSE) {
		incident->without = in->traffic->blind;
		in->recovery_wanted = 0;
		for (uint32_t w = 0; w < in->crew->settings->workers; w++)
			in->recovery_wanted += add_continued(in, w);
	}
	incident->stage = INCIDENT_BACK;
}

/* The indexer reports how it recovered after the index shows it. */
static void see_reported(struct incidents *in, struct incident *incident)
{
	char how[160], back[FIGURES_BYTES], dropped[FIGURES_BYTES];
	uint64_t waited_ns = rdx_clock_ns() - incident->since_ns - incident->back_ns;

	if (in->ways[0] + in->ways[1] + in->ways[2] < in->recovery_wanted &&
	    waited_ns < PATIENCE_NS)
		return;
	incident->stage = INCIDENT_OVER;
	figures_duration(incident->back_ns, back);
	ways_text(in, how, sizeof(how));
	if (incident->kind == INCIDENT_KILL_WORKER)
		narrate("the index dropped worker %u %s after the kill; started again, it is back, "
			"empty, after %s",
			incident->worker, figures_duration(incident->dropped_ns, dropped), back);
	else if (incident->kind == INCIDENT_KILL_INDEXER)
		narrate("indexer is back after %s, its index rebuilt from shared memory: %s", back,
			how);
	else
		narrate("indexer has caught up after %s: %s", back, how);
}

/* -- which does what -- */

static const struct {
	const char *name;
	void (*begin)(struct incidents *in, struct incident *incident);
	void (*away)(struct incidents *in, struct incident *incident);
} kinds[] = {
	[INCIDENT_KILL_WORKER] = {"worker_killed", kill_worker, restart_worker},
	[INCIDENT_KILL_INDEXER] = {"indexer_killed", kill_indexer, NULL},
	[INCIDENT_CLEAR] = {"worker_cleared", clear, NULL},
	[INCIDENT_PAUSE] = {"indexer_stopped", stop_indexer, continue_indexer},
};

const char *incidents_name(enum incident_kind kind)
{
	return kinds[kind].name;
}

static void begin(struct incidents *in)
{
	struct incident *incident = &in->items[in->begun];
	int kills = incident->kind == INCIDENT_KILL_WORKER;

	/* one that has something to do dies */
	for (uint32_t i = 0; kills && !traffic_waiting(in->traffic, incident->worker, 0); i++) {
		if (i == in->crew->settings->workers)
			return;
		incident->worker = (incident->worker + 1) % in->crew->settings->workers;
	}
	in->begun++;
	in->now = incident;
	memset(in->ways, 0, sizeof(in->ways));
	incident->since_ns = rdx_clock_ns();
	incident->stage = INCIDENT_AWAY;
	kinds[incident->kind].begin(in, incident);
}

void incidents_step(struct incidents *incidents)
{
	struct incident *now = incidents->now;
	enum incident_stage stage = incidents_stage(incidents);

	if (stage == INCIDENT_AWAY)
		kinds[now->kind].away(incidents, now);
	else if (stage == INCIDENT_COMING)
		see_back(incidents, now);
	else if (stage == INCIDENT_BACK)
		see_reported(incidents, now);
	else if (stage == INCIDENT_CHECKED && is_due(incidents) && incidents->traffic->open)
		begin(incidents);
}
