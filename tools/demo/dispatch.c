/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/dispatch.h"

#include "tools/demo/incidents.h"
#include "tools/demo/workers.h"
#include "consumer/index/index_handle.h"
#include "tools/program/messages.h"
#include "tools/trace/trace_tokens.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES 24

int router_start(struct pass *pass)
{
	static const char *const waits[] = {"auto", "io_uring", "epoll"};
	const struct settings *s = pass->settings;
	char path[PATH_MAX], tokens[NUMBER_BYTES], workers[NUMBER_BYTES], weight[NUMBER_BYTES];
	char blocks[NUMBER_BYTES], host[NUMBER_BYTES];
	char *arguments[] = {"ringdex-demo", "--router", "--dir", pass->dir, "--workers", workers,
			     "--blocks", blocks, "--host-blocks", host, "--block-tokens", tokens,
			     "--overlap-weight", weight, "--wait", (char *)waits[s->wait_mode],
			     NULL};
	int r;

	snprintf(path, sizeof(path), "%s/ringdex-demo", s->bin);
	snprintf(tokens, sizeof(tokens), "%u", s->block_tokens);
	snprintf(workers, sizeof(workers), "%u", s->workers);
	snprintf(blocks, sizeof(blocks), "%u", s->blocks);
	snprintf(host, sizeof(host), "%u", s->host_blocks);
	snprintf(weight, sizeof(weight), "%.6f", s->overlap_weight);
	r = child_start(&pass->router, path, arguments);
	if (r < 0)
		messages_say("cannot start %s: %s", path, strerror(-r));
	else
		pass->router_state = ROUTER_STARTING;
	return r;
}

static int indexes_open(const struct pass *pass, struct rdx_index **ret_index)
{
	struct rdx_index_key key = {
		.size = sizeof(key),
		.model = DEMO_MODEL,
		.block_tokens = pass->settings->block_tokens,
	};

	return rdx_index_open(ret_index, pass->dir, &key);
}

int router_reopen(struct pass *pass)
{
	struct rdx_index *index;

	if (indexes_open(pass, &index) < 0)
		return 0;
	if (index->writer_id == pass->index->writer_id) {
		rdx_index_close(index);
		return 0;
	}
	rdx_index_close(pass->index);
	pass->index = index;
	return 1;
}

int router_open(struct pass *pass)
{
	int r = router_start(pass);

	while (r == 0 && pass->router_state == ROUTER_STARTING)
		r = pass_pump(pass, 100);
	if (r == 0) {
		r = indexes_open(pass, &pass->index);
		if (r < 0)
			messages_say_error(r, "cannot open the router's index in %s", pass->dir);
	}
	return r;
}

/* -- load -- */

void dispatch_running(struct pass *pass, uint32_t worker, double until_ms, uint32_t blocks)
{
	if (pass->running_count == pass->running_capacity) {
		uint32_t capacity = 2 * pass->running_capacity + 64;
		struct running *grown = reallocarray(pass->running, capacity, sizeof(*grown));

		if (!grown)
			messages_no_memory();
		pass->running = grown;
		pass->running_capacity = capacity;
	}
	pass->running[pass->running_count++] = (struct running){until_ms, worker, blocks};
}

void dispatch_expire(struct pass *pass, double now_ms)
{
	for (uint32_t i = 0; i < pass->running_count;) {
		if (pass->running[i].until_ms <= now_ms)
			pass->running[i] = pass->running[--pass->running_count];
		else
			i++;
	}
}

void dispatch_forget(struct pass *pass, uint32_t worker)
{
	for (uint32_t i = 0; i < pass->running_count;) {
		if (pass->running[i].worker == worker)
			pass->running[i] = pass->running[--pass->running_count];
		else
			i++;
	}
}

static uint32_t blocks_of(const struct pass *pass, uint64_t request)
{
	const struct request *r = &pass->trace->items[request];

	return (r->input_length + r->output_length) / pass->settings->block_tokens;
}

static void loads(const struct pass *pass, int64_t *ret_loads)
{
	memset(ret_loads, 0, pass->settings->workers * sizeof(*ret_loads));
	for (uint32_t i = 0; i < pass->running_count; i++)
		ret_loads[pass->running[i].worker] += pass->running[i].blocks;
	for (uint32_t i = 0; i < pass->flight_count; i++) {
		const struct flight *flight = &pass->flights[i];

		if (flight->state == FLIGHT_SENT)
			ret_loads[flight->worker] += blocks_of(pass, flight->request);
	}
	for (uint32_t i = 0; i < pass->settings->workers; i++) {
		if (pass->workers[i].state != WORKER_UP)
			ret_loads[i] = -1;
	}
}

/* -- sending -- */

static int send_to(struct pass *pass, struct flight *flight, uint32_t to)
{
	const struct request *request = &pass->trace->items[flight->request];
	struct worker *worker = &pass->workers[to];
	char id[32];
	int r, length = snprintf(id, sizeof(id), "{\"id\":%" PRIu64 ",", flight->request);

	flight->state = FLIGHT_SENT;
	flight->worker = to;
	r = child_send(&worker->child, id, (size_t)length);
	if (r == 0)
		r = worker_send(worker, request->body, strlen(request->body));
	if (r == 0 && worker->arm_kill)
		r = incident_kill_worker(pass, worker);
	return r;
}

static int ask(struct pass *pass, struct flight *flight)
{
	const struct request *request = &pass->trace->items[flight->request];
	char text[64 + DEMO_WORKERS_MAX * NUMBER_BYTES];
	int64_t load[DEMO_WORKERS_MAX];
	int r, length = snprintf(text, sizeof(text), "{\"id\":%" PRIu64 ",\"loads\":[",
				 flight->request);

	loads(pass, load);
	for (uint32_t i = 0; i < pass->settings->workers; i++)
		length += snprintf(text + length, sizeof(text) - (size_t)length, "%s%" PRId64,
				   i ? "," : "", load[i]);
	length += snprintf(text + length, sizeof(text) - (size_t)length, "],");
	r = child_send(&pass->router, text, (size_t)length);
	if (r == 0)
		r = child_send(&pass->router, request->body, strlen(request->body));
	if (r < 0)
		messages_say("the router does not listen any more: %s", strerror(-r));
	flight->state = FLIGHT_ASKED;
	return r;
}

/* The next worker that is up: in turn, or by chance. NOBODY where none is. */
static uint32_t choose_blindly(struct pass *pass)
{
	uint32_t workers = pass->settings->workers;

	for (uint32_t tries = 0; tries < workers; tries++) {
		uint32_t at = pass->next_worker++ % workers;

		if (pass->policy == POLICY_RANDOM) {
			pass->random += RDX_TRACE_GOLDEN;
			at = (uint32_t)(rdx_trace_mix(pass->random) % workers);
		}
		if (pass->workers[at].state == WORKER_UP)
			return at;
	}
	return NOBODY;
}

/* May the router be asked? One question at a time, for each must count the load of the one
 * before; and somebody must be there to be chosen. */
static int may_ask(const struct pass *pass)
{
	int up = 0;

	for (uint32_t i = 0; i < pass->flight_count; i++) {
		if (pass->flights[i].state == FLIGHT_ASKED)
			return 0;
	}
	for (uint32_t i = 0; i < pass->settings->workers; i++)
		up |= pass->workers[i].state == WORKER_UP;
	return up && pass->router_state == ROUTER_UP;
}

int dispatch(struct pass *pass)
{
	int routed = pass->router_state != ROUTER_NONE && pass->router_state != ROUTER_STOPPED;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < pass->flight_count; i++) {
		struct flight *flight = &pass->flights[i];
		uint32_t to;

		if (flight->state != FLIGHT_ASK)
			continue;
		if (routed) {
			if (!may_ask(pass))
				return 0;
			r = ask(pass, flight);
			if (r == 0 && pass->arm_router_kill)
				r = incident_kill_router(pass);
			continue;
		}
		to = choose_blindly(pass);
		if (to == NOBODY)
			return 0;
		if (pass->router_state == ROUTER_STOPPED)
			pass->incidents[pass->incident_now].without++;
		r = send_to(pass, flight, to);
	}
	return r;
}

uint32_t dispatch_again(struct pass *pass, uint32_t worker)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < pass->flight_count; i++) {
		struct flight *flight = &pass->flights[i];

		if (worker == NOBODY ? flight->state == FLIGHT_ASKED
				     : flight->state == FLIGHT_SENT && flight->worker == worker) {
			flight->state = FLIGHT_ASK;
			count++;
		}
	}
	return count;
}

/* -- what the router says -- */

static struct flight *find_flight(struct pass *pass, uint64_t request)
{
	for (uint32_t i = 0; i < pass->flight_count; i++) {
		if (pass->flights[i].request == request &&
		    pass->flights[i].state == FLIGHT_ASKED)
			return &pass->flights[i];
	}
	return NULL;
}

static int on_answer(struct pass *pass, struct json_object *object, uint64_t id)
{
	struct flight *flight = find_flight(pass, id);
	uint64_t hash_ns, lookup_ns;
	int64_t to = json_object_get_int64(json_object_object_get(object, "worker"));

	if (!flight || to >= pass->settings->workers ||
	    !requests_number(object, "hash_ns", UINT64_MAX, &hash_ns) ||
	    !requests_number(object, "lookup_ns", UINT64_MAX, &lookup_ns))
		return -EBADMSG;
	if (json_object_get_int(json_object_object_get(object, "status")) < 0)
		pass->without_answer++;
	samples_add(&pass->hash_ns, hash_ns);
	samples_add(&pass->lookup_ns, lookup_ns);
	flight->state = FLIGHT_ASK;
	if (to < 0 || pass->workers[to].state != WORKER_UP)
		return 0; /* it died meanwhile */
	return send_to(pass, flight, (uint32_t)to);
}

static int on_recovered(struct pass *pass, struct json_object *object, const char *way)
{
	struct recovery recovery = {.after = incidents_cause(pass), .request = pass->done};
	struct recovery *grown;
	uint64_t worker;

	if (!requests_number(object, "worker", pass->settings->workers - 1, &worker) ||
	    !requests_number(object, "skipped", UINT64_MAX, &recovery.skipped) ||
	    !requests_number(object, "replayed", UINT64_MAX, &recovery.replayed) ||
	    !requests_number(object, "ledger_blocks", UINT64_MAX, &recovery.ledger_blocks) ||
	    !requests_number(object, "ns", UINT64_MAX, &recovery.ns))
		return -EBADMSG;
	recovery.worker = (uint32_t)worker;
	snprintf(recovery.way, sizeof(recovery.way), "%s", way);
	grown = reallocarray(pass->recoveries, pass->recovery_count + 1, sizeof(*grown));
	if (!grown)
		messages_no_memory();
	pass->recoveries = grown;
	grown[pass->recovery_count++] = recovery;
	return 0;
}

int dispatch_line(struct pass *pass, const char *line)
{
	struct json_object *object = json_tokener_parse(line), *value;
	uint64_t id;
	int r = -EBADMSG;

	if (requests_number(object, "id", UINT64_MAX, &id)) {
		r = on_answer(pass, object, id);
	} else if (json_object_object_get_ex(object, "recovered", &value)) {
		r = on_recovered(pass, object, json_object_get_string(value));
	} else if (json_object_object_get_ex(object, "ready", NULL)) {
		const char *wait = json_object_get_string(json_object_object_get(object, "wait"));

		snprintf(pass->wait, sizeof(pass->wait), "%s", wait ? wait : "");
		pass->router_state = ROUTER_UP;
		r = 0;
	} else if (json_object_object_get_ex(object, "command", NULL)) {
		r = requests_number(object, "table_bytes", UINT64_MAX, &pass->index_bytes)
			    ? 0
			    : -EBADMSG;
	}
	json_object_put(object);
	if (r == -EBADMSG)
		messages_say("the router said what cannot be understood: %.120s", line);
	return r;
}
