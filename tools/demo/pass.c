/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/pass.h"

#include "shm/clock.h"
#include "tools/demo/narrate.h"
#include "tools/program/figures.h"
#include "tools/program/messages.h"

#include <inttypes.h>

#define TICK_MS     100
#define TURN_NS     UINT64_C(200000)       /* at most: what the index shows rings no bell here */
#define HUNG_NS     UINT64_C(120000000000) /* no worker said anything for so long */
#define PATIENCE_NS UINT64_C(60000000000)  /* the index may take that long to get there */

static int on_line(void *context, uint32_t who, const char *line)
{
	struct pass *pass = context;
	struct json_object *object = json_tokener_parse(line);
	int understood = crew_heard(&pass->crew, who, object);

	if (who < pass->crew.settings->workers)
		pass->heard_ns = rdx_clock_ns();
	if (understood && json_object_object_get_ex(object, "id", NULL))
		understood = traffic_heard(&pass->traffic, who, object);
	json_object_put(object);
	return understood;
}

/* Send what may be sent, take the incident further, listen. */
static void turn(struct pass *pass)
{
	crew_look(&pass->crew);
	traffic_dispatch(&pass->traffic);
	if (pass->plan->disturbed)
		incidents_step(&pass->incidents);
	child_listen(pass->crew.children, pass->crew.settings->workers + 1, TURN_NS, on_line, pass);
	if (rdx_clock_ns() - pass->heard_ns > HUNG_NS)
		narrate_failure("no worker has said anything for %d s: something hangs",
				(int)(HUNG_NS / UINT64_C(1000000000)));
}

/* Every line is answered, and every request of the tick is done. */
static void settle(struct pass *pass)
{
	for (uint32_t w = 0; w < pass->crew.settings->workers; w++) {
		while (pass->crew.workers[w].pending || pass->traffic.done < pass->traffic.end)
			turn(pass);
	}
}

static void start(struct pass *pass, uint32_t first, uint32_t end)
{
	for (uint32_t who = first; who < end; who++)
		crew_start(&pass->crew, who);
	while (!crew_is_up(&pass->crew))
		turn(pass);
}

/* All that are ready do it. */
static void command(struct pass *pass, const char *line)
{
	for (uint32_t w = 0; w < pass->crew.settings->workers; w++) {
		if (pass->crew.workers[w].epoch)
			crew_tell(&pass->crew, w, line);
	}
	settle(pass);
}

static void compare(struct pass *pass)
{
	struct comparison *c = pass->comparison, before = *c;
	uint64_t until_ns = rdx_clock_ns() + PATIENCE_NS;
	char a[FIGURES_BYTES], b[FIGURES_BYTES];
	int r;

	command(pass, "{\"command\":\"dump\"}\n");
	for (uint32_t w = 0; w < pass->crew.settings->workers; w++) {
		while ((r = compare_worker(c, &pass->crew, w)) < 0 && rdx_clock_ns() < until_ns)
			turn(pass);
		if (r == 0)
			continue;
		messages_say("worker %u cannot be compared: the index does not show it exact at "
			     "its last event: %s",
			     w, messages_explain(r));
		c->failed++;
	}
	c->times++;
	narrate("index compared with ledgers and engines' own caches: %s blocks, %s different",
		figures_grouped(c->blocks - before.blocks, a),
		figures_grouped(c->divergences - before.divergences, b));
}

static void tick(struct pass *pass)
{
	struct traffic *traffic = &pass->traffic;
	uint64_t now_ms = traffic->trace->items[traffic->end].timestamp_ms;
	char line[80];

	snprintf(line, sizeof(line), "{\"command\":\"advance\",\"time_ms\":%" PRIu64 "}\n", now_ms);
	command(pass, line);
	traffic_tick(traffic, now_ms + TICK_MS);
	settle(pass);
	while (incidents_holds(&pass->incidents))
		turn(pass);
	if (pass->incidents.stage != INCIDENT_OVER)
		return;
	compare(pass);
	pass->incidents.stage = INCIDENT_NONE;
}

static void replay(struct pass *pass)
{
	struct traffic *traffic = &pass->traffic;
	uint64_t started_ns = rdx_clock_ns();

	while (!traffic_is_done(traffic)) {
		tick(pass);
		narrate_progress(pass->plan->title, traffic->done, traffic->trace->count,
				 traffic_hit_rate(&traffic->all));
	}
	pass->wall_ns = rdx_clock_ns() - started_ns;
}

void pass_run(struct pass *pass, const struct pass_plan *plan, const struct settings *settings,
	      const struct requests *trace, const char *dir, struct comparison *comparison)
{
	*pass = (struct pass){.plan = plan, .comparison = comparison, .heard_ns = rdx_clock_ns()};
	crew_open(&pass->crew, settings, dir);
	traffic_open(&pass->traffic, &pass->crew, trace, plan->policy);
	incidents_open(&pass->incidents, &pass->crew, &pass->traffic);
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
