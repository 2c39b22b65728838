/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/pass.h"

#include "tools/demo/compare.h"
#include "tools/demo/dispatch.h"
#include "tools/demo/incidents.h"
#include "tools/demo/narrate.h"
#include "tools/demo/place.h"
#include "tools/demo/workers.h"
#include "shm/clock.h"
#include "tools/program/messages.h"
#include "tools/program/stop.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_MS   1  /* while the index is waited for */
#define ROUTER_END 10 /* polls of 100 ms: then the router is killed */

/* -- what the children say -- */

static int on_admitted(struct pass *pass, struct worker *worker, struct json_object *object,
		       struct flight *flight)
{
	const struct request *request = &pass->trace->items[flight->request];
	double time = json_object_get_double(json_object_object_get(object, "time_ms"));
	double queued = json_object_get_double(json_object_object_get(object, "queued_ms"));
	double prefill = json_object_get_double(json_object_object_get(object, "prefill_ms"));
	uint64_t blocks, cached, host;

	if (!requests_number(object, "total_blocks", UINT32_MAX, &blocks) ||
	    !requests_number(object, "cached_blocks", blocks, &cached) ||
	    !requests_number(object, "host_blocks", cached, &host))
		return -EBADMSG;
	worker->requests++;
	worker->blocks += blocks;
	worker->cached_blocks += cached;
	worker->host_blocks += host;
	pass->blocks += blocks;
	pass->cached_blocks += cached;
	pass->host_blocks += host;
	samples_add(&pass->first_token_us, (uint64_t)((queued + prefill) * 1000));
	dispatch_running(pass, worker->id,
			 time + prefill + request->output_length * 1000.0 / DEMO_DECODE_RATE,
			 (request->input_length + request->output_length) /
				 pass->settings->block_tokens);
	return 0;
}

static int on_request(struct pass *pass, struct worker *worker, struct json_object *object,
		      uint64_t id)
{
	int r = 0;

	for (uint32_t i = 0; i < pass->flight_count; i++) {
		struct flight *flight = &pass->flights[i];

		if (flight->request != id || flight->state != FLIGHT_SENT ||
		    flight->worker != worker->id)
			continue;
		if (json_object_object_get_ex(object, "error", NULL))
			pass->refused++;
		else
			r = on_admitted(pass, worker, object, flight);
		flight->state = FLIGHT_DONE;
		pass->open--;
		pass->done++;
		return r;
	}
	return -EBADMSG;
}

static int on_ready(struct worker *worker, struct json_object *object)
{
	const char *epoch = json_object_get_string(json_object_object_get(object, "epoch"));

	if (!epoch)
		return -EBADMSG;
	worker->epoch = strtoull(epoch, NULL, 10);
	worker->state = WORKER_UP;
	return 0;
}

static int on_worker_line(struct pass *pass, struct worker *worker, const char *line)
{
	struct json_object *object = json_tokener_parse(line);
	int r = -EBADMSG;
	uint64_t id;

	if (requests_number(object, "id", UINT64_MAX, &id)) {
		worker->pending--;
		r = on_request(pass, worker, object, id);
	} else if (json_object_object_get_ex(object, "command", NULL)) {
		worker->pending--;
		json_object_put(worker->answer);
		worker->answer = json_object_get(object);
		r = 0;
	} else if (json_object_object_get_ex(object, "ready", NULL)) {
		r = on_ready(worker, object);
	}
	json_object_put(object);
	if (r == -EBADMSG)
		messages_say("worker %u said what cannot be understood: %.120s", worker->id, line);
	return r;
}

static int read_worker(struct pass *pass, struct worker *worker)
{
	int r = child_read(&worker->child);
	char *line;

	if (r == 0) {
		messages_say("worker %u ended by itself", worker->id);
		return -EPIPE;
	}
	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	r = 0;
	while (r == 0 && worker->state != WORKER_DEAD && (line = child_line(&worker->child)))
		r = on_worker_line(pass, worker, line);
	return r;
}

static int read_router(struct pass *pass)
{
	int r = child_read(&pass->router);
	char *line;

	if (r == 0) {
		messages_say("the router ended by itself");
		return -EPIPE;
	}
	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	r = 0;
	while (r == 0 && (line = child_line(&pass->router)))
		r = dispatch_line(pass, line);
	return r;
}

int pass_pump(struct pass *pass, int timeout_ms)
{
	struct pollfd wait[DEMO_WORKERS_MAX + 1];
	uint32_t workers = pass->settings->workers;
	int r = 0;

	for (uint32_t i = 0; i < workers; i++)
		wait[i] = (struct pollfd){.fd = pass->workers[i].child.out, .events = POLLIN};
	wait[workers] = (struct pollfd){.fd = pass->router.out, .events = POLLIN};
	if (incidents_watching(pass) && timeout_ms > WATCH_MS)
		timeout_ms = WATCH_MS;
	poll(wait, workers + 1, timeout_ms);
	if (stop_asked())
		return -EINTR;
	/* the one before may have killed the next: its descriptor is -1 then */
	for (uint32_t i = 0; r == 0 && i < workers; i++) {
		if (wait[i].revents && wait[i].fd == pass->workers[i].child.out)
			r = read_worker(pass, &pass->workers[i]);
	}
	if (r == 0 && wait[workers].revents && wait[workers].fd == pass->router.out)
		r = read_router(pass);
	if (r == 0)
		r = incidents_watch(pass);
	return r == 0 ? dispatch(pass) : r;
}

static int is_settled(const struct pass *pass)
{
	for (uint32_t i = 0; i < pass->settings->workers; i++) {
		if (pass->workers[i].state == WORKER_UP && pass->workers[i].pending)
			return 0;
	}
	return pass->open == 0;
}

int pass_settle(struct pass *pass)
{
	uint64_t until = rdx_clock_ns() + CHILD_ANSWER_MS * UINT64_C(1000000), open = pass->open;
	int r = 0;

	while (r == 0 && !is_settled(pass)) {
		r = pass_pump(pass, 100);
		if (pass->open != open) {
			until = rdx_clock_ns() + CHILD_ANSWER_MS * UINT64_C(1000000);
			open = pass->open;
		}
		if (r == 0 && rdx_clock_ns() > until) {
			messages_say("no answer from the workers or the router for %d s",
				 CHILD_ANSWER_MS / 1000);
			r = -ETIMEDOUT;
		}
	}
	return r;
}

int pass_command(struct pass *pass, uint32_t worker, const char *line,
		 struct json_object **ret_answer)
{
	struct worker *to = &pass->workers[worker];
	int r;

	json_object_put(to->answer);
	to->answer = NULL;
	r = worker_send(to, line, strlen(line));
	while (r == 0 && (to->pending || !to->answer))
		r = pass_pump(pass, 100);
	if (r < 0)
		return r;
	*ret_answer = to->answer;
	to->answer = NULL;
	return 0;
}

/* -- ticks -- */

static int advance(struct pass *pass, uint64_t time_ms)
{
	char line[80];
	int r = 0, length = snprintf(line, sizeof(line),
				     "{\"command\":\"advance\",\"time_ms\":%" PRIu64 "}\n", time_ms);

	for (uint32_t i = 0; r == 0 && i < pass->settings->workers; i++) {
		if (pass->workers[i].state == WORKER_UP)
			r = worker_send(&pass->workers[i], line, (size_t)length);
	}
	dispatch_expire(pass, (double)time_ms);
	return r < 0 ? r : pass_settle(pass);
}

/* The requests from `next` on that arrive before `end_ms` take off. */
static void take_off(struct pass *pass, uint64_t next, uint64_t end_ms)
{
	pass->flight_count = 0;
	while (next < pass->trace->count && pass->trace->items[next].timestamp_ms < end_ms) {
		if (pass->flight_count == pass->flight_capacity) {
			uint32_t capacity = 2 * pass->flight_capacity + 64;
			struct flight *grown =
				reallocarray(pass->flights, capacity, sizeof(*grown));

			if (!grown)
				messages_no_memory();
			pass->flights = grown;
			pass->flight_capacity = capacity;
		}
		pass->flights[pass->flight_count++] = (struct flight){.request = next++};
	}
	pass->open = pass->flight_count;
}

static int replay(struct pass *pass)
{
	uint64_t next = 0, started = rdx_clock_ns();
	int r = 0;

	while (r == 0 && next < pass->trace->count) {
		uint64_t time_ms = pass->trace->items[next].timestamp_ms;

		r = advance(pass, time_ms);
		if (r == 0)
			r = incidents_begin(pass, next);
		if (r < 0)
			break;
		take_off(pass, next, time_ms + PASS_TICK_MS);
		next += pass->flight_count;
		r = dispatch(pass);
		if (r == 0)
			r = pass_settle(pass);
		pass->flight_count = 0;
		if (r == 0)
			r = incidents_after_tick(pass);
		narrate_progress(pass->done, pass->cached_blocks, pass->blocks);
	}
	if (r == 0)
		r = incidents_end(pass);
	pass->wall_ns = rdx_clock_ns() - started;
	return r;
}

/* -- from start to end -- */

static int conclude(struct pass *pass)
{
	struct json_object *answer;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < pass->settings->workers; i++) {
		r = pass_command(pass, i, "{\"command\":\"finish\"}\n", &answer);
		if (r == 0)
			json_object_put(answer);
	}
	if (r == 0 && pass->index)
		r = compare_all(pass);
	if (r == 0)
		r = workers_account(pass);
	if (r == 0 && pass->router_state == ROUTER_UP) {
		const char line[] = "{\"command\":\"stats\"}\n";

		r = child_send(&pass->router, line, sizeof(line) - 1);
		while (r == 0 && !pass->index_bytes)
			r = pass_pump(pass, 100);
	}
	return r;
}

static int run(struct pass *pass)
{
	int r = workers_start(pass);

	if (r == 0 && pass->policy == POLICY_OVERLAP)
		r = router_open(pass);
	if (r == 0)
		r = replay(pass);
	narrate_end();
	return r < 0 ? r : conclude(pass);
}

/* End the processes; what was counted stays. */
static void stop(struct pass *pass)
{
	rdx_index_close(pass->index);
	pass->index = NULL;
	child_stop(&pass->router);
	pass->router_state = ROUTER_NONE;
	for (uint32_t i = 0; i < pass->settings->workers; i++) {
		child_stop(&pass->workers[i].child);
		json_object_put(pass->workers[i].answer);
		pass->workers[i].answer = NULL;
	}
}

int pass_run(struct pass *pass, const struct settings *settings, const struct requests *trace,
	     enum policy policy, int incidents, const char *base_dir)
{
	const char *what = policy == POLICY_OVERLAP && !incidents ? "undisturbed"
								  : policy_text(policy);
	int r;

	*pass = (struct pass){
		.settings = settings,
		.trace = trace,
		.policy = policy,
		.random = settings->seed,
		.router = CHILD_NONE,
		.incident_now = UINT64_MAX,
	};
	snprintf(pass->dir, sizeof(pass->dir), "%s/%s", base_dir, what);
	for (uint32_t i = 0; i < settings->workers; i++)
		pass->workers[i] = (struct worker){.child = CHILD_NONE, .id = i};
	if (incidents)
		incidents_plan(pass);
	narrate_begin(what, trace->count);
	r = run(pass);
	stop(pass);
	place_drop(pass->dir);
	return r;
}

void pass_close(struct pass *pass)
{
	free(pass->flights);
	free(pass->running);
	free(pass->incidents);
	free(pass->recoveries);
	samples_free(&pass->first_token_us);
	samples_free(&pass->hash_ns);
	samples_free(&pass->lookup_ns);
}
