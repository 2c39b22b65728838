/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/pass.h"

#include "shm/clock.h"
#include "tools/demo/narrate.h"

#include <inttypes.h>

#define TICK_MS 100
#define TURN_NS UINT64_C(200000)       /* at most: what the index shows rings no bell here */
#define HUNG_NS UINT64_C(120000000000) /* no worker said anything for so long */

/* -- the loop -- */

static int on_line(void *context, uint32_t place, const char *line)
{
	struct pass *pass = context;
	struct json_object *object = json_tokener_parse(line);
	int understood;

	if (place != pass->crew.settings->workers)
		pass->heard_ns = rdx_clock_ns();
	if (place == pass->crew.settings->workers) {
		understood = crew_heard_indexer(&pass->crew, object);
		if (understood)
			incidents_heard(&pass->incidents,
					json_object_object_get(object, "recovered"));
	} else if (json_object_object_get_ex(object, "id", NULL)) {
		understood = traffic_heard(&pass->traffic, place, object);
	} else {
		understood = crew_heard_worker(&pass->crew, place, object);
	}
	json_object_put(object);
	return understood;
}

/* Send what may be sent, take the incident further, listen. */
static void turn(struct pass *pass)
{
	crew_look(&pass->crew);
	traffic_dispatch(&pass->traffic);
	incidents_step(&pass->incidents);
	child_listen(pass->crew.children, pass->crew.settings->workers + 1, TURN_NS, on_line, pass);
	if (rdx_clock_ns() - pass->heard_ns > HUNG_NS)
		narrate_failure("no worker has said anything for %d s: something hangs",
				(int)(HUNG_NS / UINT64_C(1000000000)));
}

static void settle(struct pass *pass)
{
	while (!crew_is_idle(&pass->crew) || pass->traffic.open)
		turn(pass);
}

/* -- the sequence -- */

static void start(struct pass *pass, uint32_t first, uint32_t end)
{
	for (uint32_t who = first; who < end; who++)
		crew_start(&pass->crew, who);
	while (!crew_is_up(&pass->crew))
		turn(pass);
}

static void command(struct pass *pass, const char *line)
{
	crew_tell_all(&pass->crew, line);
	settle(pass);
}

static void compare(struct pass *pass)
{
	command(pass, "{\"command\":\"dump\"}\n");
	compare_begin(pass->comparison);
	while (!compare_step(pass->comparison, &pass->crew))
		turn(pass);
}

/* Go on until no incident needs this pause between ticks; after one from which something had
 * to be recovered, compare. */
static void see_to(struct pass *pass, int is_last)
{
	while (incidents_holds(&pass->incidents, is_last))
		turn(pass);
	if (incidents_stage(&pass->incidents) != INCIDENT_OVER)
		return;
	compare(pass);
	pass->incidents.now->stage = INCIDENT_CHECKED;
}

static void tick(struct pass *pass)
{
	struct traffic *traffic = &pass->traffic;
	uint64_t now_ms = traffic->trace->items[traffic->end].timestamp_ms;
	char line[80];

	snprintf(line, sizeof(line), "{\"command\":\"advance\",\"time_ms\":%" PRIu64 "}\n", now_ms);
	command(pass, line);
	traffic_tick(traffic, now_ms, now_ms + TICK_MS);
	settle(pass);
	see_to(pass, traffic->end == traffic->trace->count);
}

static void replay(struct pass *pass)
{
	struct traffic *traffic = &pass->traffic;
	uint64_t started_ns = rdx_clock_ns();

	while (traffic->end < traffic->trace->count) {
		tick(pass);
		narrate_progress(pass->plan->title, traffic->done, traffic->trace->count,
				 traffic_hit_rate(&traffic->all));
	}
	pass->wall_ns = rdx_clock_ns() - started_ns;
	narrate_end();
}

void pass_run(struct pass *pass, const struct pass_plan *plan, const struct settings *settings,
	      const struct requests *trace, const char *dir, struct comparison *comparison)
{
	*pass = (struct pass){.plan = plan, .comparison = comparison, .heard_ns = rdx_clock_ns()};
	crew_open(&pass->crew, settings, dir);
	traffic_open(&pass->traffic, &pass->crew, trace, plan->policy);
	incidents_open(&pass->incidents, &pass->crew, &pass->traffic, plan->disturbed);
	narrate("%s", plan->what);
	start(pass, 0, settings->workers);
	if (plan->policy == POLICY_OVERLAP)
		start(pass, settings->workers, settings->workers + 1);
	replay(pass);
	command(pass, "{\"command\":\"finish\"}\n");
	if (plan->policy == POLICY_OVERLAP)
		compare(pass);
	command(pass, "{\"command\":\"stats\"}\n");
	crew_close(&pass->crew);
}
