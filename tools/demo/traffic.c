/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/traffic.h"

#include "tools/program/messages.h"
#include "tools/trace/trace_tokens.h"

#include <inttypes.h>
#include <stdlib.h>

#define LOAD_BYTES 24

void traffic_open(struct traffic *ret_traffic, struct crew *crew, const struct requests *trace,
		  enum policy policy)
{
	*ret_traffic = (struct traffic){
		.crew = crew, .trace = trace, .policy = policy, .random = crew->settings->seed};
	ret_traffic->flights = calloc(trace->count, sizeof(*ret_traffic->flights));
	if (!ret_traffic->flights)
		messages_no_memory();
}

void traffic_close(struct traffic *traffic)
{
	free(traffic->flights);
	samples_free(&traffic->first_token_us);
	samples_free(&traffic->hash_ns);
	samples_free(&traffic->lookup_ns);
}

void traffic_expire(struct traffic *traffic, uint64_t now_ms)
{
	for (uint64_t i = traffic->oldest; i < traffic->end; i++) {
		struct flight *flight = &traffic->flights[i];

		if (flight->state == FLIGHT_RUNNING && flight->until_ms <= (double)now_ms)
			flight->state = FLIGHT_DONE;
		if (flight->state == FLIGHT_DONE && i == traffic->oldest)
			traffic->oldest++;
	}
}

void traffic_take_off(struct traffic *traffic, uint64_t end_ms)
{
	const struct requests *trace = traffic->trace;

	traffic->begin = traffic->end;
	while (traffic->end < trace->count && trace->items[traffic->end].timestamp_ms < end_ms)
		traffic->end++;
	traffic->open = traffic->end - traffic->begin;
}

/* -- where to -- */

/* Blocks in use at each worker, -1 where it is not up; is one? */
static int loads(const struct traffic *traffic, int64_t *ret_loads)
{
	const struct crew *crew = traffic->crew;
	int some = 0;

	for (uint32_t w = 0; w < crew->settings->workers; w++) {
		ret_loads[w] = crew->workers[w].state == CREW_UP ? 0 : -1;
		some |= ret_loads[w] == 0;
	}
	for (uint64_t i = traffic->oldest; i < traffic->end; i++) {
		const struct flight *flight = &traffic->flights[i];
		const struct request *request = &traffic->trace->items[i];

		if ((flight->state == FLIGHT_RUNNING || flight->state == FLIGHT_SENT) &&
		    ret_loads[flight->worker] >= 0)
			ret_loads[flight->worker] +=
				(request->input_length + request->output_length) /
				crew->settings->block_tokens;
	}
	return some;
}

static void ask(struct traffic *traffic, uint64_t i)
{
	struct crew *crew = traffic->crew;
	char text[DEMO_WORKERS_MAX * LOAD_BYTES] = "";
	int64_t load[DEMO_WORKERS_MAX];
	int length = 0;

	if (!loads(traffic, load))
		return;
	for (uint32_t w = 0; w < crew->settings->workers; w++)
		length += snprintf(text + length, LOAD_BYTES, "%s%" PRId64, w ? "," : "", load[w]);
	traffic->flights[i].state = FLIGHT_ASKED;
	child_tell(&crew->router, "{\"id\":%" PRIu64 ",\"loads\":[%s],%s", i, text,
		   traffic->trace->items[i].fields);
}

static void send_off(struct traffic *traffic, uint64_t i)
{
	struct worker *worker = &traffic->crew->workers[traffic->flights[i].worker];

	traffic->flights[i].state = FLIGHT_SENT;
	worker->pending++;
	child_tell(&worker->child, "{\"id\":%" PRIu64 ",%s", i, traffic->trace->items[i].fields);
}

/* The next worker that is up: in turn, or by chance. 0 where none is. */
static int choose_blindly(struct traffic *traffic, struct flight *flight)
{
	const struct crew *crew = traffic->crew;
	uint32_t workers = crew->settings->workers;

	for (uint32_t tries = 0; tries < workers; tries++) {
		uint32_t w = traffic->next_worker++ % workers;

		if (traffic->policy == POLICY_RANDOM) {
			traffic->random += RDX_TRACE_GOLDEN;
			w = (uint32_t)(rdx_trace_mix(traffic->random) % workers);
		}
		if (crew->workers[w].state == CREW_UP) {
			*flight = (struct flight){.state = FLIGHT_CHOSEN, .worker = w};
			return 1;
		}
	}
	return 0;
}

void traffic_dispatch(struct traffic *traffic)
{
	enum crew_state router = traffic->crew->router_state;
	int stopped = router == CREW_STOPPED, blind = stopped || router == CREW_DOWN;
	/* one question at a time, for each must count the load of the one before */
	int may_ask = router == CREW_UP && !traffic_waiting(traffic, TRAFFIC_ROUTER, 0);

	for (uint64_t i = traffic->begin; i < traffic->end; i++) {
		struct flight *flight = &traffic->flights[i];

		if (flight->state == FLIGHT_ASK && blind && choose_blindly(traffic, flight))
			traffic->blind += (uint64_t)stopped;
		if (flight->state == FLIGHT_CHOSEN)
			send_off(traffic, i);
		if (flight->state == FLIGHT_ASK && may_ask) {
			ask(traffic, i);
			may_ask = 0;
		}
	}
}

/* -- answers -- */

/* The request that they answer, if it is one that waits so. */
static struct flight *find(struct traffic *traffic, struct json_object *object,
			   enum flight_state state, uint64_t *ret_id)
{
	*ret_id = crew_number(object, "id");
	if (*ret_id < traffic->begin || *ret_id >= traffic->end ||
	    traffic->flights[*ret_id].state != state)
		return NULL;
	return &traffic->flights[*ret_id];
}

int traffic_heard_worker(struct traffic *traffic, uint32_t w, struct json_object *object)
{
	struct served *served = &traffic->served[w];
	double prefill_ms = crew_real(object, "prefill_ms");
	uint64_t id;
	struct flight *flight = find(traffic, object, FLIGHT_SENT, &id);

	if (!flight || flight->worker != w)
		return 0;
	traffic->crew->workers[w].pending--;
	traffic->open--;
	traffic->done++;
	flight->state = FLIGHT_DONE;
	if (json_object_object_get_ex(object, "error", NULL)) {
		traffic->refused++;
		return 1;
	}
	served->requests++;
	served->blocks += crew_number(object, "total_blocks");
	served->cached_blocks += crew_number(object, "cached_blocks");
	served->host_blocks += crew_number(object, "host_blocks");
	samples_add(&traffic->first_token_us,
		    (uint64_t)(1000 * (crew_real(object, "queued_ms") + prefill_ms)));
	flight->state = FLIGHT_RUNNING;
	flight->until_ms = crew_real(object, "time_ms") + prefill_ms +
			   traffic->trace->items[id].output_length * 1000.0 / DEMO_DECODE_RATE;
	return 1;
}

int traffic_heard_router(struct traffic *traffic, struct json_object *object)
{
	const struct crew *crew = traffic->crew;
	int64_t w = json_object_get_int64(json_object_object_get(object, "worker"));
	uint64_t id;
	struct flight *flight = find(traffic, object, FLIGHT_ASKED, &id);

	if (!flight || w >= crew->settings->workers)
		return 0;
	traffic->without_answer += crew_number(object, "disturbed");
	traffic->index_bytes = crew_number(object, "index_bytes");
	samples_add(&traffic->hash_ns, crew_number(object, "hash_ns"));
	samples_add(&traffic->lookup_ns, crew_number(object, "lookup_ns"));
	flight->state = FLIGHT_ASK; /* again, where it died meanwhile */
	if (w >= 0 && crew->workers[w].state == CREW_UP)
		*flight = (struct flight){.state = FLIGHT_CHOSEN, .worker = (uint32_t)w};
	return 1;
}

uint32_t traffic_waiting(struct traffic *traffic, uint32_t worker, int lose)
{
	uint32_t count = 0;

	for (uint64_t i = traffic->oldest; i < traffic->end; i++) {
		struct flight *flight = &traffic->flights[i];
		int here = flight->worker == worker;

		if (worker == TRAFFIC_ROUTER ? flight->state == FLIGHT_ASKED
					     : here && flight->state == FLIGHT_SENT) {
			count++;
			flight->state = lose ? FLIGHT_ASK : flight->state;
		} else if (lose && here && flight->state == FLIGHT_RUNNING) {
			flight->state = FLIGHT_DONE;
		}
	}
	return count;
}

struct served traffic_served(const struct traffic *traffic)
{
	struct served sum = {0};

	for (uint32_t w = 0; w < DEMO_WORKERS_MAX; w++) {
		sum.requests += traffic->served[w].requests;
		sum.blocks += traffic->served[w].blocks;
		sum.cached_blocks += traffic->served[w].cached_blocks;
		sum.host_blocks += traffic->served[w].host_blocks;
	}
	return sum;
}
