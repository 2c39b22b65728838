/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/pass.h"

#include "shm/clock.h"
#include "tools/demo/narrate.h"
#include "tools/demo/place.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <inttypes.h>

#define TICK_MS   100
#define TURN_NS   UINT64_C(100000000)
#define WATCH_NS  UINT64_C(200000)      /* a turn, while the index is waited for */
#define SILENT_NS UINT64_C(30000000000) /* who says nothing for that long is taken for hung */

/* -- the loop -- */

static int on_line(void *context, uint32_t place, const char *line)
{
	struct pass *pass = context;
	struct json_object *object = json_tokener_parse(line);
	int router = place == pass->crew.settings->workers, r;

	if (json_object_object_get_ex(object, "id", NULL))
		r = router ? traffic_heard_router(&pass->traffic, &pass->crew, object)
			   : traffic_heard_worker(&pass->traffic, &pass->crew, place, object);
	else if (!router)
		r = crew_heard_worker(&pass->crew, place, object);
	else if (json_object_object_get_ex(object, "recovered", NULL))
		r = incidents_heard(&pass->incidents, &pass->traffic, object);
	else
		r = crew_heard_ready(&pass->crew, object);
	json_object_put(object);
	return r;
}

/* Send what may be sent, take the incident further, listen. The lines heard, or -errno. */
static int turn(struct pass *pass, uint64_t timeout_ns)
{
	struct child *children[DEMO_WORKERS_MAX + 1];
	uint32_t workers = pass->crew.settings->workers;
	int r = traffic_dispatch(&pass->traffic, &pass->crew);

	if (r == 0)
		r = incidents_step(&pass->incidents, &pass->crew, &pass->traffic);
	if (r < 0)
		return r;
	for (uint32_t w = 0; w < workers; w++)
		children[w] = &pass->crew.workers[w].child;
	children[workers] = &pass->crew.router;
	return child_listen(children, workers + 1, timeout_ns, on_line, pass);
}

/* Is no incident under way? */
static int is_quiet(struct pass *pass)
{
	enum incident_stage stage = incidents_stage(&pass->incidents);

	return stage == INCIDENT_PLANNED || stage >= INCIDENT_OVER;
}

/* Turn the loop until it is so. */
static int await(struct pass *pass, int (*is_so)(struct pass *pass))
{
	uint64_t heard_ns = rdx_clock_ns();

	while (!is_so(pass)) {
		int watching = !is_quiet(pass) || pass->comparison.until_ns;
		int lines = turn(pass, watching ? WATCH_NS : TURN_NS);

		if (lines < 0)
			return lines;
		if (lines > 0)
			heard_ns = rdx_clock_ns();
		if (rdx_clock_ns() - heard_ns > SILENT_NS) {
			messages_say("nothing came from the workers or the router for %u s",
				     (unsigned int)(SILENT_NS / 1000000000));
			return -ETIMEDOUT;
		}
	}
	return 0;
}

static int is_up(struct pass *pass)
{
	return crew_is_up(&pass->crew);
}

static int is_settled(struct pass *pass)
{
	return crew_is_idle(&pass->crew) && pass->traffic.open == 0;
}

/* May the next tick begin? A short stop of the router goes before it. */
static int is_free(struct pass *pass)
{
	const struct incident *now = pass->incidents.now;

	return incidents_stage(&pass->incidents) != INCIDENT_AWAY || now->kind != INCIDENT_PAUSE ||
	       now->until_lapped || !now->without;
}

static int is_compared(struct pass *pass)
{
	return compare_step(&pass->comparison, &pass->crew);
}

/* -- the sequence -- */

static int command(struct pass *pass, const char *line)
{
	int r = crew_tell(&pass->crew, line);

	return r < 0 ? r : await(pass, is_settled);
}

static int compare(struct pass *pass)
{
	int r = command(pass, "{\"command\":\"dump\"}\n");

	if (r < 0)
		return r;
	compare_begin(&pass->comparison);
	r = await(pass, is_compared);
	pass->comparison.until_ns = 0;
	return r;
}

/* Compare after an incident from which something had to be recovered. */
static int check(struct pass *pass)
{
	if (incidents_stage(&pass->incidents) != INCIDENT_OVER)
		return 0;
	pass->incidents.now->stage = INCIDENT_CHECKED;
	return compare(pass);
}

/* See the incident under way to its end. */
static int quiet(struct pass *pass)
{
	int r;

	pass->incidents.hurry = 1;
	r = await(pass, is_quiet);
	return r < 0 ? r : check(pass);
}

static int tick(struct pass *pass)
{
	const struct request *next = &pass->traffic.trace->items[pass->traffic.end];
	char line[80];
	int r;

	snprintf(line, sizeof(line), "{\"command\":\"advance\",\"time_ms\":%" PRIu64 "}\n",
		 next->timestamp_ms);
	traffic_expire(&pass->traffic, next->timestamp_ms);
	r = command(pass, line);
	while (r == 0 && incidents_is_due(&pass->incidents, pass->traffic.end)) {
		r = quiet(pass);
		if (r == 0)
			r = incidents_begin(&pass->incidents, &pass->crew, &pass->traffic);
		if (r == 0)
			r = await(pass, is_settled);
	}
	if (r < 0)
		return r;
	traffic_take_off(&pass->traffic, next->timestamp_ms + TICK_MS);
	r = await(pass, is_settled);
	if (r == 0) /* between ticks a stop may end */
		r = incidents_step(&pass->incidents, &pass->crew, &pass->traffic);
	if (r == 0)
		r = await(pass, is_free);
	return r < 0 ? r : check(pass);
}

static int replay(struct pass *pass)
{
	struct traffic *traffic = &pass->traffic;
	uint64_t started_ns = rdx_clock_ns();
	int r = 0;

	while (r == 0 && traffic->end < traffic->trace->count) {
		struct served sum;

		r = tick(pass);
		sum = traffic_served(traffic);
		narrate_progress(pass->plan->title, traffic->done, traffic->trace->count,
				 traffic_hit_rate(&sum));
	}
	if (r == 0)
		r = quiet(pass);
	pass->wall_ns = rdx_clock_ns() - started_ns;
	return r;
}

static int run(struct pass *pass)
{
	int r = 0;

	for (uint32_t w = 0; r == 0 && w < pass->crew.settings->workers; w++)
		r = crew_start_worker(&pass->crew, w);
	if (r == 0)
		r = await(pass, is_up);
	if (r == 0 && pass->plan->policy == POLICY_OVERLAP)
		r = crew_start_router(&pass->crew);
	if (r == 0)
		r = await(pass, is_up);
	if (r == 0)
		r = replay(pass);
	narrate_end();
	if (r == 0)
		r = command(pass, "{\"command\":\"finish\"}\n");
	if (r == 0 && pass->crew.index)
		r = compare(pass);
	if (r == 0)
		r = command(pass, "{\"command\":\"stats\"}\n");
	if (r == 0)
		crew_account(&pass->crew);
	return r;
}

int pass_run(struct pass *pass, const struct pass_plan *plan, const struct settings *settings,
	     const struct requests *trace, const char *base_dir)
{
	int r;

	*pass = (struct pass){.plan = plan};
	crew_open(&pass->crew, settings, base_dir, plan->key);
	traffic_open(&pass->traffic, trace, plan->policy, settings->seed);
	if (plan->disturbed)
		incidents_plan(&pass->incidents, settings, trace->count);
	narrate("%s", plan->what);
	r = run(pass);
	crew_close(&pass->crew);
	place_drop(pass->crew.dir);
	return r;
}

void pass_close(struct pass *pass)
{
	for (uint32_t w = 0; w < DEMO_WORKERS_MAX; w++)
		json_object_put(pass->crew.workers[w].stats);
	traffic_close(&pass->traffic);
	incidents_close(&pass->incidents);
}
