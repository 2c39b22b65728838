/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/traffic.h"

#include "shm/clock.h"
#include "tools/program/messages.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NOT_UP         UINT64_MAX
#define OVERLAP_WEIGHT 4.0 /* of a block to compute; one in use at the worker weighs 1 */

void traffic_open(struct traffic *ret_traffic, struct crew *crew, const struct requests *trace,
		  enum policy policy)
{
	*ret_traffic = (struct traffic){
		.crew = crew,
		.trace = trace,
		.policy = policy,
		.random = crew->settings->seed,
		.flights = calloc(trace->count, sizeof(struct flight)),
		.tokens = calloc(trace->longest, sizeof(uint32_t)),
		.hashes = calloc(trace->longest, sizeof(uint64_t)),
	};
	if (!ret_traffic->flights || !ret_traffic->tokens || !ret_traffic->hashes)
		messages_no_memory();
}

void traffic_tick(struct traffic *traffic, uint64_t now_ms, uint64_t end_ms)
{
	const struct requests *trace = traffic->trace;

	for (uint64_t i = traffic->oldest; i < traffic->end; i++) {
		struct flight *flight = &traffic->flights[i];

		if (flight->state == FLIGHT_RUNNING && flight->until_ms <= (double)now_ms)
			flight->state = FLIGHT_DONE;
		if (flight->state == FLIGHT_DONE && i == traffic->oldest)
			traffic->oldest++;
	}
	traffic->begin = traffic->end;
	while (traffic->end < trace->count && trace->items[traffic->end].timestamp_ms < end_ms)
		traffic->end++;
	traffic->open = traffic->end - traffic->begin;
}

/* -- where to -- */

/* Blocks in use at each worker, those that requests share counted once for each; NOT_UP where
 * it is not. Is one up? */
static int loads(const struct traffic *traffic, uint64_t *ret_loads)
{
	const struct crew *crew = traffic->crew;
	int some = 0;

	for (uint32_t w = 0; w < crew->settings->workers; w++) {
		ret_loads[w] = crew->members[w].state == CREW_UP ? 0 : NOT_UP;
		some |= ret_loads[w] == 0;
	}
	for (uint64_t i = traffic->oldest; i < traffic->end; i++) {
		const struct flight *flight = &traffic->flights[i];
		const struct trace_request *request = &traffic->trace->items[i];

		if (flight->state == FLIGHT_RUNNING || flight->state == FLIGHT_SENT)
			ret_loads[flight->worker] +=
				(request->input_length + request->output_length) /
				crew->settings->block_tokens;
	}
	return some;
}

/* Leading blocks held by each worker, in device and host tier together. Returns how many full
 * blocks the prompt has. */
static uint32_t look_up(struct traffic *traffic, const struct trace_request *request,
			uint32_t ret_held[DEMO_WORKERS_MAX])
{
	static struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	uint64_t started_ns, hashed_ns;
	uint32_t blocks;
	struct rdx_index *index = traffic->crew->index;
	int rows;

	memset(ret_held, 0, DEMO_WORKERS_MAX * sizeof(*ret_held));
	rdx_trace_prompt(request->hash_ids, request->input_length, traffic->tokens);
	started_ns = rdx_clock_ns();
	blocks = (uint32_t)rdx_hash_blocks(rdx_hash_seed(NULL, NULL), traffic->tokens,
					   request->input_length,
					   traffic->crew->settings->block_tokens, traffic->hashes);
	rdx_hash_chain(rdx_index_hash_key(index), 0, traffic->hashes, blocks, traffic->hashes);
	hashed_ns = rdx_clock_ns();
	rows = rdx_index_lookup(index, traffic->hashes, blocks, runs, RDX_RANKS_MAX);
	samples_add(&traffic->lookup_ns, rdx_clock_ns() - hashed_ns);
	samples_add(&traffic->hash_ns, hashed_ns - started_ns);
	traffic->without_answer += rows < 0;
	for (int i = 0; i < rows; i++) {
		if (runs[i].worker_id < DEMO_WORKERS_MAX)
			ret_held[runs[i].worker_id] = runs[i].blocks[RDX_TIER_HOST];
	}
	return blocks;
}

/* The worker of least cost, then of least load, of those that are up; -1 where none is. */
static int choose_by_overlap(struct traffic *traffic, uint64_t i)
{
	const struct crew *crew = traffic->crew;
	uint64_t load[DEMO_WORKERS_MAX];
	uint32_t held[DEMO_WORKERS_MAX];
	uint32_t blocks;
	double least = 0;
	int best = -1;

	if (!loads(traffic, load))
		return -1;
	blocks = look_up(traffic, &traffic->trace->items[i], held);
	for (uint32_t w = 0; w < crew->settings->workers; w++) {
		double cost = OVERLAP_WEIGHT * (blocks - held[w]) + (double)load[w];

		if (load[w] == NOT_UP ||
		    (best >= 0 && (cost > least || (cost == least && load[w] >= load[best]))))
			continue;
		least = cost;
		best = (int)w;
	}
	return best;
}

/* The next worker that is up: in turn, or by chance. -1 where none is. */
static int choose_blindly(struct traffic *traffic)
{
	const struct crew *crew = traffic->crew;
	uint32_t workers = crew->settings->workers;

	for (uint32_t tries = 0; tries < workers; tries++) {
		uint32_t w = traffic->next_worker++ % workers;

		if (traffic->policy == POLICY_RANDOM) {
			traffic->random += RDX_TRACE_GOLDEN;
			w = (uint32_t)(rdx_trace_mix(traffic->random) % workers);
		}
		if (crew->members[w].state == CREW_UP)
			return (int)w;
	}
	return -1;
}

static int choose(struct traffic *traffic, uint64_t i)
{
	enum crew_state indexer = crew_indexer(traffic->crew)->state;

	if (traffic->policy != POLICY_OVERLAP || indexer == CREW_STOPPED)
		return choose_blindly(traffic);
	return indexer == CREW_UP ? choose_by_overlap(traffic, i) : -1;
}

static void send_off(struct traffic *traffic, uint64_t i, uint32_t w)
{
	struct child *child = &traffic->crew->children[w];

	traffic->flights[i] = (struct flight){.state = FLIGHT_SENT, .worker = w};
	traffic->blind += crew_indexer(traffic->crew)->state == CREW_STOPPED;
	fprintf(child->in, "{\"id\": %" PRIu64 ", ", i);
	trace_request_write_members(&traffic->trace->items[i], child->in);
	crew_tell(traffic->crew, w, "}\n");
}

void traffic_dispatch(struct traffic *traffic)
{
	for (uint64_t i = traffic->begin; i < traffic->end; i++) {
		int w = traffic->flights[i].state == FLIGHT_OPEN ? choose(traffic, i) : -1;

		if (w >= 0)
			send_off(traffic, i, (uint32_t)w);
	}
}

/* -- answers -- */

static void count(struct served *served, struct json_object *object)
{
	served->requests++;
	served->blocks += crew_number(object, "total_blocks");
	served->cached_blocks += crew_number(object, "cached_blocks");
	served->host_blocks += crew_number(object, "host_blocks");
}

int traffic_heard(struct traffic *traffic, uint32_t w, struct json_object *object)
{
	double prefill_ms = crew_real(object, "prefill_ms");
	uint64_t id = crew_number(object, "id");
	struct flight *flight = &traffic->flights[id];

	if (id < traffic->begin || id >= traffic->end || flight->state != FLIGHT_SENT ||
	    flight->worker != w)
		return 0;
	traffic->crew->members[w].pending--;
	traffic->open--;
	traffic->done++;
	flight->state = FLIGHT_DONE;
	if (json_object_object_get_ex(object, "error", NULL)) {
		traffic->refused++;
		return 1;
	}
	count(&traffic->all, object);
	count(&traffic->served[w], object);
	samples_add(&traffic->first_token_us,
		    (uint64_t)(1000 * (crew_real(object, "queued_ms") + prefill_ms)));
	flight->state = FLIGHT_RUNNING;
	flight->until_ms = crew_real(object, "time_ms") + prefill_ms +
			   traffic->trace->items[id].output_length * 1000.0 / DEMO_DECODE_RATE;
	return 1;
}

uint32_t traffic_waiting(struct traffic *traffic, uint32_t worker, int lose)
{
	uint32_t waiting = 0;

	for (uint64_t i = traffic->oldest; i < traffic->end; i++) {
		struct flight *flight = &traffic->flights[i];

		if (flight->worker != worker || flight->state == FLIGHT_OPEN ||
		    flight->state == FLIGHT_DONE)
			continue;
		waiting += flight->state == FLIGHT_SENT;
		if (lose)
			flight->state = flight->state == FLIGHT_SENT ? FLIGHT_OPEN : FLIGHT_DONE;
	}
	return waiting;
}
