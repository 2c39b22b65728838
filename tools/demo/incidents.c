/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/incidents.h"

#include "tools/demo/compare.h"
#include "tools/demo/dispatch.h"
#include "tools/demo/narrate.h"
#include "tools/demo/recount.h"
#include "tools/demo/workers.h"
#include "shm/clock.h"
#include "tools/program/messages.h"
#include "tools/program/figures.h"
#include "tools/trace/trace_tokens.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define PAUSE_NS      (RECOUNT_PAUSE_NS + RECOUNT_PAUSE_NS / 4) /* at least, to be seen as one */
#define PAUSE_PART    4  /* of the trace at most is routed without the router */
#define CLEAR_LEAD    3  /* ticks' worth of requests before the kill of a router */
#define HOST_CLEAR    4  /* each fourth clear is of the host tier alone */
#define WAIT_NS       (CHILD_ANSWER_MS * UINT64_C(1000000))
#define PATIENCE_NS   UINT64_C(1000000000)

/* -- the plan -- */

static void plan(struct pass *pass, enum incident_kind kind, uint64_t at, uint32_t number)
{
	struct incident *incident = &pass->incidents[pass->incident_count++];

	/* in turn, and another is cleared than the one that dies right after */
	*incident = (struct incident){
		.kind = kind,
		.at = at,
		.worker = (uint32_t)((rdx_trace_mix(pass->settings->seed) +
				      (kind == INCIDENT_CLEAR ? number + 1 : number / 2)) %
				     pass->settings->workers),
		.tier = RDX_SCOPE_ALL,
		.until_lapped = kind == INCIDENT_PAUSE && number % 2,
	};
	if (kind == INCIDENT_CLEAR && pass->settings->host_blocks &&
	    number % HOST_CLEAR == HOST_CLEAR - 1)
		incident->tier = RDX_TIER_HOST;
}

static int earlier(const void *a, const void *b)
{
	const struct incident *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return (x->kind > y->kind) - (x->kind < y->kind);
}

void incidents_plan(struct pass *pass)
{
	const struct settings *s = pass->settings;
	uint64_t total = pass->trace->count, lead = CLEAR_LEAD * (uint64_t)s->workers * 2;

	pass->incidents = calloc((size_t)s->kills + s->clears + s->pauses + 1,
				 sizeof(*pass->incidents));
	if (!pass->incidents)
		messages_no_memory();
	for (uint32_t i = 0; i < s->kills; i++)
		plan(pass, i % 2 ? INCIDENT_KILL_ROUTER : INCIDENT_KILL_WORKER,
		     total * (i + 1) / (s->kills + 1), i);
	for (uint32_t i = 0; i < s->clears; i++) {
		uint64_t at = total * (i + 1) / (s->clears + 1);

		plan(pass, INCIDENT_CLEAR, at > lead ? at - lead : 0, i);
	}
	for (uint32_t i = 0; i < s->pauses; i++)
		plan(pass, INCIDENT_PAUSE, total * (2 * (uint64_t)i + 1) / (2 * (uint64_t)s->pauses),
		     i);
	qsort(pass->incidents, pass->incident_count, sizeof(*pass->incidents), earlier);
}

/* -- what the index shows -- */

static struct incident *current(const struct pass *pass)
{
	return pass->incident_now == UINT64_MAX ? NULL : &pass->incidents[pass->incident_now];
}

/* The worker's row in the index: 1, or 0 where there is none now. */
static int find_row(const struct pass *pass, uint32_t worker, struct rdx_worker_info *ret_row)
{
	static struct rdx_worker_info rows[RDX_RANKS_MAX];
	int count = rdx_index_workers(pass->index, rows, RDX_RANKS_MAX);

	for (int i = 0; i < count; i++) {
		if (rows[i].worker_id == worker) {
			*ret_row = rows[i];
			return 1;
		}
	}
	return 0;
}

/* "3 from the ledger, 1 from the barrier": what the incident's recoveries were. */
static uint32_t ways_text(const struct pass *pass, char *ret_text, size_t bytes)
{
	static const char *const ways[] = {"continue", "barrier", "ledger"};
	static const char *const texts[] = {"by reading on", "from the barrier", "from the ledger"};
	uint32_t all = 0;
	int length = 0;

	ret_text[0] = 0;
	for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
		uint32_t count = 0;

		for (uint32_t i = 0; i < pass->recovery_count; i++)
			count += pass->recoveries[i].after == pass->incident_now &&
				 strcmp(pass->recoveries[i].way, ways[w]) == 0;
		all += count;
		if (count && length < (int)bytes)
			length += snprintf(ret_text + length, bytes - (size_t)length, "%s%u %s",
					   length ? ", " : "", count, texts[w]);
	}
	return all;
}

/* The router tells how it recovered right after the index shows it: has it told so of `all`
 * workers, or was it waited for long enough? */
static int has_told(const struct pass *pass, uint32_t told, uint32_t all, uint64_t back_ns)
{
	return told >= all || rdx_clock_ns() - pass->incident_ns - back_ns >= PATIENCE_NS;
}

/* -- the death of a worker -- */

int incident_kill_worker(struct pass *pass, struct worker *worker)
{
	struct incident *incident = current(pass);

	worker->arm_kill = 0;
	child_signal(&worker->child, SIGKILL);
	pass->incident_ns = rdx_clock_ns();
	child_stop(&worker->child);
	worker->state = WORKER_DEAD;
	worker->pending = 0;
	worker_bury(pass, worker);
	dispatch_forget(pass, worker->id);
	incident->rerouted = dispatch_again(pass, worker->id);
	narrate("worker %u killed with SIGKILL at request %" PRIu64 "; %" PRIu64
		" unanswered of it routed again",
		worker->id, pass->done, incident->rerouted);
	return 0;
}

static int watch_worker(struct pass *pass, struct incident *incident)
{
	struct worker *worker = &pass->workers[incident->worker];
	struct rdx_worker_info row;
	int found = find_row(pass, worker->id, &row);
	char text[160], a[FIGURES_BYTES], b[FIGURES_BYTES];

	if (worker->state == WORKER_DEAD && (!found || row.state == RDX_STATE_GONE)) {
		incident->dropped_ns = rdx_clock_ns() - pass->incident_ns;
		return worker_start(pass, worker);
	}
	if (worker->state == WORKER_UP && found && row.epoch == worker->epoch &&
	    row.state == RDX_STATE_EXACT) {
		if (!incident->back_ns)
			incident->back_ns = rdx_clock_ns() - pass->incident_ns;
		if (!has_told(pass, ways_text(pass, text, sizeof(text)), 1, incident->back_ns))
			return 0;
		incident->finished = 1;
		narrate("the index dropped worker %u %s after the kill; started again, it is back, "
			"empty, after %s",
			worker->id, figures_duration(incident->dropped_ns, a),
			figures_duration(incident->back_ns, b));
	}
	return 0;
}

/* -- the death of the router -- */

int incident_kill_router(struct pass *pass)
{
	struct incident *incident = current(pass);

	pass->arm_router_kill = 0;
	pass->reopened = 0;
	child_signal(&pass->router, SIGKILL);
	pass->incident_ns = rdx_clock_ns();
	child_stop(&pass->router);
	incident->rerouted = dispatch_again(pass, NOBODY);
	narrate("router killed with SIGKILL at request %" PRIu64 "; started again, requests wait",
		pass->done);
	return router_start(pass);
}

static void watch_router(struct pass *pass, struct incident *incident)
{
	char text[160], a[FIGURES_BYTES];
	struct rdx_worker_info row;

	if (pass->router_state != ROUTER_UP)
		return;
	if (!pass->reopened)
		pass->reopened = router_reopen(pass);
	if (!pass->reopened)
		return;
	for (uint32_t i = 0; i < pass->settings->workers; i++) {
		if (!find_row(pass, i, &row) || row.state != RDX_STATE_EXACT)
			return;
	}
	if (!incident->back_ns)
		incident->back_ns = rdx_clock_ns() - pass->incident_ns;
	if (!has_told(pass, ways_text(pass, text, sizeof(text)), pass->settings->workers,
		      incident->back_ns))
		return;
	incident->finished = 1;
	narrate("router is back after %s, its index rebuilt from shared memory: %s",
		figures_duration(incident->back_ns, a), text);
}

/* -- the router stopped -- */

/* A figure of every worker, asked of it. */
static int ask_figure(struct pass *pass, const char *name, uint64_t *ret_figures)
{
	for (uint32_t i = 0; i < pass->settings->workers; i++) {
		struct json_object *stats;
		int r = pass_command(pass, i, "{\"command\":\"stats\"}\n", &stats);

		if (r < 0)
			return r;
		if (!requests_number(stats, name, UINT64_MAX, &ret_figures[i]))
			r = -EBADMSG;
		json_object_put(stats);
		if (r < 0)
			return r;
	}
	return 0;
}

static int begin_pause(struct pass *pass, const struct incident *incident)
{
	int r = ask_figure(pass, "slots", pass->figures);

	if (r < 0)
		return r;
	child_signal(&pass->router, SIGSTOP);
	while (waitpid(pass->router.pid, NULL, WUNTRACED) < 0 && errno == EINTR)
		;
	pass->incident_ns = rdx_clock_ns();
	pass->router_state = ROUTER_STOPPED;
	narrate("router stopped with SIGSTOP at request %" PRIu64 "%s; requests go round robin "
		"meanwhile",
		pass->done, incident->until_lapped ? ", until a ring has gone round" : "");
	return 0;
}

static int has_lapped(struct pass *pass, int *ret_lapped)
{
	uint64_t slots[DEMO_WORKERS_MAX];
	int r = ask_figure(pass, "slots", slots);

	*ret_lapped = 0;
	for (uint32_t i = 0; r == 0 && i < pass->settings->workers; i++)
		*ret_lapped |= slots[i] - pass->figures[i] > pass->settings->ring_slots;
	return r;
}

static int may_end_pause(struct pass *pass, const struct incident *incident)
{
	int lapped = 1, r = 0;

	if (incident->until_lapped && incident->without < pass->trace->count / PAUSE_PART)
		r = has_lapped(pass, &lapped);
	return r < 0 ? r : lapped;
}

static int end_pause(struct pass *pass)
{
	int r = 0;

	while (r == 0 && rdx_clock_ns() - pass->incident_ns < PAUSE_NS)
		r = pass_pump(pass, 10);
	if (r == 0)
		r = ask_figure(pass, "events", pass->figures);
	child_signal(&pass->router, SIGCONT);
	pass->resumed_ns = rdx_clock_ns();
	pass->router_state = ROUTER_UP;
	return r;
}

/* Read up means: what was published when it was let go on is in the index. */
static void watch_pause(struct pass *pass, struct incident *incident)
{
	char text[160], a[FIGURES_BYTES], b[FIGURES_BYTES];
	struct rdx_worker_info row;
	uint32_t told;

	if (pass->router_state != ROUTER_UP || !pass->resumed_ns)
		return;
	for (uint32_t i = 0; i < pass->settings->workers; i++) {
		if (!find_row(pass, i, &row) || row.state != RDX_STATE_EXACT ||
		    row.last_event_id < pass->figures[i])
			return;
	}
	if (!incident->back_ns)
		incident->back_ns = rdx_clock_ns() - pass->resumed_ns;
	/* the router tells what it did right after */
	told = ways_text(pass, text, sizeof(text));
	if (told < pass->settings->workers && rdx_clock_ns() - pass->resumed_ns < PATIENCE_NS)
		return;
	incident->finished = 1;
	narrate("router let go on with SIGCONT after %s and %" PRIu64 " requests without it; read "
		"up %s later: %s",
		figures_duration(pass->resumed_ns - pass->incident_ns, a), incident->without,
		figures_duration(incident->back_ns, b), told ? text : "nothing had happened");
}

/* -- a clear -- */

static int clear(struct pass *pass, struct incident *incident)
{
	struct json_object *answer;
	struct rdx_worker_info row;
	char line[64], held[FIGURES_BYTES] = "its";
	const char *tier = rdx_tier_text(incident->tier);
	int r, found = find_row(pass, incident->worker, &row);
	uint64_t blocks = row.blocks[RDX_TIER_HOST];

	snprintf(line, sizeof(line), "{\"command\":\"clear\",\"tier\":\"%s\"}\n", tier);
	r = pass_command(pass, incident->worker, line, &answer);
	if (r < 0)
		return r;
	json_object_put(answer);
	if (incident->tier == RDX_SCOPE_ALL)
		blocks += row.blocks[RDX_TIER_DEVICE];
	if (found)
		figures_grouped(blocks, held);
	narrate("worker %u clears its %scache: %s blocks gone with one event", incident->worker,
		incident->tier == RDX_SCOPE_ALL ? "" : "host tier's ", held);
	incident->finished = 1;
	incident->checked = 1; /* nothing that had to be recovered */
	return 0;
}

/* -- one after the other -- */

int incidents_watching(const struct pass *pass)
{
	const struct incident *incident = current(pass);

	return incident && !incident->finished;
}

uint64_t incidents_cause(const struct pass *pass)
{
	if (incidents_watching(pass) && pass->incident_ns)
		return pass->incident_now;
	return pass->done ? AFTER_LAPPED : AFTER_START;
}

int incidents_watch(struct pass *pass)
{
	struct incident *incident = current(pass);

	if (!incident || incident->finished || !pass->incident_ns)
		return 0;
	if (incident->kind == INCIDENT_KILL_WORKER)
		return watch_worker(pass, incident);
	if (incident->kind == INCIDENT_KILL_ROUTER)
		watch_router(pass, incident);
	else if (incident->kind == INCIDENT_PAUSE)
		watch_pause(pass, incident);
	return 0;
}

/* Wait until the one under way has ended; what waits for a request does so no more. */
static int wait_for_current(struct pass *pass)
{
	struct incident *incident = current(pass);
	uint64_t until = rdx_clock_ns() + WAIT_NS;
	int r = 0;

	if (!incident || incident->finished)
		return 0;
	if (pass->workers[incident->worker].arm_kill)
		r = incident_kill_worker(pass, &pass->workers[incident->worker]);
	if (pass->arm_router_kill)
		r = incident_kill_router(pass);
	if (r == 0 && pass->router_state == ROUTER_STOPPED)
		r = end_pause(pass);
	while (r == 0 && !incident->finished) {
		r = pass_pump(pass, 1);
		if (r == 0 && rdx_clock_ns() > until) {
			messages_say("the index did not show all workers again within %d s",
				 CHILD_ANSWER_MS / 1000);
			r = -ETIMEDOUT;
		}
	}
	return r;
}

static int begin(struct pass *pass, uint64_t place)
{
	struct incident *incident = &pass->incidents[place];

	pass->incident_now = place;
	pass->incident_ns = 0;
	pass->resumed_ns = 0;
	switch (incident->kind) {
	case INCIDENT_KILL_WORKER:
		pass->workers[incident->worker].arm_kill = 1;
		return 0;
	case INCIDENT_KILL_ROUTER:
		pass->arm_router_kill = 1;
		return 0;
	case INCIDENT_CLEAR:
		return clear(pass, incident);
	default:
		return begin_pause(pass, incident);
	}
}

static int check(struct pass *pass)
{
	struct incident *incident = current(pass);
	int r;

	if (!incident || !incident->finished || incident->checked)
		return 0;
	incident->checked = 1;
	r = compare_all(pass);
	return r;
}

int incidents_begin(struct pass *pass, uint64_t next)
{
	uint64_t place = pass->incident_now + 1; /* of none: 0 */
	int r = 0;

	while (r == 0 && place < pass->incident_count && pass->incidents[place].at <= next) {
		r = wait_for_current(pass);
		if (r == 0)
			r = check(pass);
		if (r == 0)
			r = begin(pass, place++);
	}
	return r;
}

int incidents_after_tick(struct pass *pass)
{
	struct incident *incident = current(pass);
	int r;

	if (pass->router_state == ROUTER_STOPPED) {
		r = may_end_pause(pass, incident);
		if (r > 0)
			r = end_pause(pass);
		if (r < 0)
			return r;
	}
	return check(pass);
}

int incidents_end(struct pass *pass)
{
	int r = wait_for_current(pass);

	return r < 0 ? r : check(pass);
}
