/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/traffic.h"

#include "shm/clock.h"
#include "tools/program/messages.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OVERLAP_WEIGHT 4.0 /* of a block to compute; one in use at the worker weighs 1 */

void traffic_open(struct traffic *ret_traffic, struct crew *crew, const struct requests *trace,
		  enum policy policy)
{
	*ret_traffic = (struct traffic){
		.crew = crew,
		.trace = trace,
		.policy = policy,
		.random = {crew->settings->seed},
		.flights = calloc(trace->count, sizeof(struct flight)),
		.tokens = calloc(trace->longest, sizeof(uint32_t)),
		.hashes = calloc(trace->longest, sizeof(uint64_t)),
	};
	if (!ret_traffic->flights || !ret_traffic->tokens || !ret_traffic->hashes)
		messages_no_memory();
}

void traffic_tick(struct traffic *traffic, uint64_t end_ms)
{
	const struct requests *trace = traffic->trace;

	traffic->begin = traffic->end;
	while (!traffic_is_done(traffic) && trace->items[traffic->end].timestamp_ms < end_ms)
		traffic->end++;
}

/* Leading blocks held by each worker, in device and host tier together. Returns how many full
 * blocks the prompt has. */
static uint32_t look_up(struct traffic *traffic, const struct trace_request *request,
			uint32_t ret_held[DEMO_WORKERS_MAX])
{
	static struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	struct rdx_index *index = traffic->crew->index;
	uint64_t started_ns, hashed_ns;
	uint32_t blocks;
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

/* The worker of least cost of those that are ready. */
static uint32_t choose_by_overlap(struct traffic *traffic, const struct trace_request *request)
{
	const struct crew *crew = traffic->crew;
	uint32_t held[DEMO_WORKERS_MAX], best = 0;
	uint32_t blocks = look_up(traffic, request, held);
	double least = INFINITY;

	for (uint32_t w = 0; w < crew->settings->workers; w++) {
		const struct worker *worker = &crew->workers[w];
		double cost = OVERLAP_WEIGHT * (blocks - held[w]) +
			      (double)(worker->used_blocks + worker->asked_blocks);

		if (!worker->epoch || cost >= least)
			continue;
		least = cost;
		best = w;
	}
	return best;
}

/* The next worker that is ready, in turn or by chance; one is. */
static uint32_t choose_blindly(struct traffic *traffic)
{
	const struct crew *crew = traffic->crew;
	uint32_t w;

	do {
		if (traffic->policy == POLICY_RANDOM)
			w = random_below(&traffic->random, crew->settings->workers);
		else
			w = traffic->next_worker++ % crew->settings->workers;
	} while (!crew->workers[w].epoch);
	return w;
}

/* Blocks that a request needs. */
static uint64_t needs(const struct traffic *traffic, const struct trace_request *request)
{
	return (request->input_length + request->output_length) /
	       traffic->crew->settings->block_tokens;
}

static void send_off(struct traffic *traffic, uint64_t i)
{
	const struct trace_request *request = &traffic->trace->items[i];
	int is_blind = traffic->crew->indexer == CREW_STOPPED;
	uint32_t w = is_blind || traffic->policy != POLICY_OVERLAP
			     ? choose_blindly(traffic)
			     : choose_by_overlap(traffic, request);
	FILE *to = traffic->crew->children[w].in;

	traffic->flights[i] = (struct flight){.state = FLIGHT_SENT, .worker = w};
	traffic->blind += (uint64_t)is_blind;
	traffic->crew->workers[w].asked_blocks += needs(traffic, request);
	fprintf(to, "{\"id\": %" PRIu64 ", ", i);
	trace_request_write_members(request, to);
	crew_tell(traffic->crew, w, "}\n");
}

void traffic_dispatch(struct traffic *traffic)
{
	const struct crew *crew = traffic->crew;
	int is_worker_ready = 0;

	for (uint32_t w = 0; w < crew->settings->workers; w++)
		is_worker_ready |= crew->workers[w].epoch != 0;
	if (!is_worker_ready || crew->indexer == CREW_COMING)
		return;
	for (uint64_t i = traffic->begin; i < traffic->end; i++) {
		if (traffic->flights[i].state == FLIGHT_OPEN)
			send_off(traffic, i);
	}
}

static void count(struct served *served, struct json_object *object)
{
	served->requests++;
	served->blocks += crew_number(object, "total_blocks");
	served->cached_blocks += crew_number(object, "cached_blocks");
	served->host_blocks += crew_number(object, "host_blocks");
}

int traffic_heard(struct traffic *traffic, uint32_t w, struct json_object *object)
{
	uint64_t id = crew_number(object, "id");
	struct flight *flight = &traffic->flights[id];

	if (id < traffic->begin || id >= traffic->end || flight->state != FLIGHT_SENT ||
	    flight->worker != w)
		return 0;
	flight->state = FLIGHT_DONE;
	traffic->done++;
	traffic->crew->workers[w].asked_blocks -= needs(traffic, &traffic->trace->items[id]);
	if (json_object_object_get_ex(object, "error", NULL)) {
		traffic->refused++;
		return 1;
	}
	count(&traffic->all, object);
	count(&traffic->served[w], object);
	samples_add(&traffic->first_token_us, (uint64_t)(1000 * (crew_real(object, "queued_ms") +
								 crew_real(object, "prefill_ms"))));
	return 1;
}

void traffic_lost(struct traffic *traffic, uint32_t worker)
{
	for (uint64_t i = traffic->begin; i < traffic->end; i++) {
		struct flight *flight = &traffic->flights[i];

		if (flight->state == FLIGHT_SENT && flight->worker == worker)
			flight->state = FLIGHT_OPEN;
	}
}
