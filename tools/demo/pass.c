/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/pass.h"

#include "shm/clock.h"
#include "tools/demo/narrate.h"
#include "tools/demo/place.h"

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
	int router = place == pass->crew.settings->workers, understood = 1;

	if (json_object_object_get_ex(object, "id", NULL))
		understood = router ? traffic_heard_router(&pass->traffic, object)
				    : traffic_heard_worker(&pass->traffic, place, object);
	else if (!router)
		understood = crew_heard_worker(&pass->crew, place, object);
	else if (json_object_object_get_ex(object, "recovered", NULL))
		incidents_heard(&pass->incidents, object);
	else
		understood = crew_heard_ready(&pass->crew, object);
	json_object_put(object);
	return understood;
}

/* Send what may be sent, take the incident further, listen. Returns the lines heard. */
static uint32_t turn(struct pass *pass, uint64_t timeout_ns)
{
	struct child *children[DEMO_WORKERS_MAX + 1];
	uint32_t workers = pass->crew.settings->workers;

	traffic_dispatch(&pass->traffic);
	incidents_step(&pass->incidents);
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
static void await(struct pass *pass, int (*is_so)(struct pass *pass))
{
	uint64_t heard_ns = rdx_clock_ns();

	while (!is_so(pass)) {
		int watching = !is_quiet(pass) || pass->comparison->until_ns;

		if (turn(pass, watching ? WATCH_NS : TURN_NS))
			heard_ns = rdx_clock_ns();
		if (rdx_clock_ns() - heard_ns > SILENT_NS)
			narrate_failure("nothing came from the workers or the router for %u s",
					(unsigned int)(SILENT_NS / 1000000000));
	}
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
	return compare_step(pass->comparison, &pass->crew);
}

/* -- the sequence -- */

static void command(struct pass *pass, const char *line)
{
	crew_tell(&pass->crew, line);
	await(pass, is_settled);
}

static void compare(struct pass *pass)
{
	command(pass, "{\"command\":\"dump\"}\n");
	compare_begin(pass->comparison);
	await(pass, is_compared);
	pass->comparison->until_ns = 0;
}

/* Compare after an incident from which something had to be recovered. */
static void check(struct pass *pass)
{
	if (incidents_stage(&pass->incidents) != INCIDENT_OVER)
		return;
	pass->incidents.now->stage = INCIDENT_CHECKED;
	compare(pass);
}

/* See the incident under way to its end. */
static void quiet(struct pass *pass)
{
	pass->incidents.hurry = 1;
	await(pass, is_quiet);
	check(pass);
}

static void tick(struct pass *pass)
{
	const struct request *next = &pass->traffic.trace->items[pass->traffic.end];
	char line[80];

	snprintf(line, sizeof(line), "{\"command\":\"advance\",\"time_ms\":%" PRIu64 "}\n",
		 next->timestamp_ms);
	traffic_expire(&pass->traffic, next->timestamp_ms);
	command(pass, line);
	while (incidents_is_due(&pass->incidents, pass->traffic.end)) {
		quiet(pass);
		incidents_begin(&pass->incidents);
		await(pass, is_settled);
	}
	traffic_take_off(&pass->traffic, next->timestamp_ms + TICK_MS);
	await(pass, is_settled);
	/* between ticks a stop may end */
	incidents_step(&pass->incidents);
	await(pass, is_free);
	check(pass);
}

static void replay(struct pass *pass)
{
	struct traffic *traffic = &pass->traffic;
	uint64_t started_ns = rdx_clock_ns();

	while (traffic->end < traffic->trace->count) {
		struct served sum;

		tick(pass);
		sum = traffic_served(traffic);
		narrate_progress(pass->plan->title, traffic->done, traffic->trace->count,
				 traffic_hit_rate(&sum));
	}
	quiet(pass);
	pass->wall_ns = rdx_clock_ns() - started_ns;
	narrate_end();
}

void pass_run(struct pass *pass, const struct pass_plan *plan, const struct settings *settings,
	      const struct requests *trace, const char *base_dir, struct comparison *comparison)
{
	*pass = (struct pass){.plan = plan, .comparison = comparison};
	crew_open(&pass->crew, settings, base_dir, plan->key);
	traffic_open(&pass->traffic, &pass->crew, trace, plan->policy);
	incidents_open(&pass->incidents, &pass->crew, &pass->traffic);
	if (plan->disturbed)
		incidents_plan(&pass->incidents);
	narrate("%s", plan->what);
	for (uint32_t w = 0; w < settings->workers; w++)
		crew_start_worker(&pass->crew, w);
	await(pass, is_up);
	if (plan->policy == POLICY_OVERLAP)
		crew_start_router(&pass->crew);
	await(pass, is_up);
	replay(pass);
	command(pass, "{\"command\":\"finish\"}\n");
	if (pass->crew.index)
		compare(pass);
	command(pass, "{\"command\":\"stats\"}\n");
	crew_account(&pass->crew);
	crew_close(&pass->crew);
	place_drop(pass->crew.dir);
}

void pass_close(struct pass *pass)
{
	for (uint32_t w = 0; w < DEMO_WORKERS_MAX; w++)
		json_object_put(pass->crew.workers[w].answer);
	traffic_close(&pass->traffic);
	incidents_close(&pass->incidents);
}
