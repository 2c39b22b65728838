/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/router.h"

#include "shm/clock.h"
#include "tools/program/messages.h"
#include "tools/trace/request.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_reader.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct router {
	const struct settings *settings;
	/* of the indexing thread */
	struct rdx_indexer *indexer;
	uint64_t reported; /* recoveries */
	/* of both */
	_Atomic uint64_t index_bytes;
	atomic_int ended;
	/* of the answering thread */
	struct rdx_index *index;
	struct trace_request request;
	uint32_t *tokens;
	uint64_t *hashes;
	uint32_t tokens_capacity;
	struct rdx_run runs[RDX_RANKS_MAX];
};

/* -- the indexing thread -- */

static void report_recoveries(struct router *router)
{
	struct rdx_recovery_row row = {.size = sizeof(row)};

	while (rdx_indexer_recovery(router->indexer, router->reported, &row) == 0) {
		router->reported++;
		printf("{\"recovered\":\"%s\",\"worker\":%" PRIu64 ",\"skipped\":%" PRIu64
		       ",\"replayed\":%" PRIu64 ",\"ledger_blocks\":%" PRIu64 ",\"ns\":%" PRIu64
		       "}\n",
		       row.way == RDX_RECOVERED_LEDGER ? "ledger" : "barrier", row.worker_id,
		       row.events_skipped, row.events_replayed, row.ledger_blocks, row.duration_ns);
		fflush(stdout);
	}
}

static int poll_once(struct router *router)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	int r = rdx_indexer_poll(router->indexer, 0);

	report_recoveries(router);
	if (r == 0 && rdx_indexer_get_stats(router->indexer, &stats) == 0)
		router->index_bytes = stats.table_bytes;
	return r;
}

static void *index_loop(void *context)
{
	struct router *router = context;

	while (!router->ended) {
		int r = poll_once(router);

		if (r == 0)
			r = rdx_indexer_wait(router->indexer, -1);
		if (r < 0) {
			messages_say_error(r, "the router cannot maintain the index");
			exit(EXIT_FAILED);
		}
	}
	return NULL;
}

/* -- the answering thread -- */

static void reserve(struct router *router, uint32_t tokens)
{
	if (tokens <= router->tokens_capacity)
		return;
	free(router->tokens);
	free(router->hashes);
	router->tokens = calloc(tokens, sizeof(*router->tokens));
	router->hashes = calloc(tokens, sizeof(*router->hashes));
	if (!router->tokens || !router->hashes)
		messages_no_memory();
	router->tokens_capacity = tokens;
}

/* The worker of least cost, -1 where none may be chosen. */
static int choose(const struct router *router, struct json_object *loads, uint32_t blocks,
		  const uint32_t *held)
{
	double least = 0;
	int64_t least_load = 0;
	int best = -1;

	for (uint32_t w = 0; w < router->settings->workers; w++) {
		int64_t load = json_object_get_int64(json_object_array_get_idx(loads, w));
		double cost = router->settings->overlap_weight * (blocks - held[w]) + (double)load;

		if (load < 0 ||
		    (best >= 0 && (cost > least || (cost == least && load >= least_load))))
			continue;
		least = cost;
		least_load = load;
		best = (int)w;
	}
	return best;
}

static void answer(struct router *router, struct json_object *loads)
{
	const struct trace_request *request = &router->request;
	uint32_t held[DEMO_WORKERS_MAX] = {0}, blocks;
	uint64_t started_ns, hashed_ns, done_ns;
	int rows;

	reserve(router, request->input_length);
	rdx_trace_prompt(request->hash_ids, request->input_length, router->tokens);
	started_ns = rdx_clock_ns();
	blocks = (uint32_t)rdx_hash_blocks(rdx_hash_seed(NULL, NULL), router->tokens,
					   request->input_length, router->settings->block_tokens,
					   router->hashes);
	rdx_hash_chain(rdx_index_hash_key(router->index), 0, router->hashes, blocks,
		       router->hashes);
	hashed_ns = rdx_clock_ns();
	router->runs[0].size = sizeof(router->runs[0]);
	rows = rdx_index_lookup(router->index, router->hashes, blocks, router->runs, RDX_RANKS_MAX);
	done_ns = rdx_clock_ns();
	for (int i = 0; i < rows; i++) {
		if (router->runs[i].worker_id < DEMO_WORKERS_MAX)
			held[router->runs[i].worker_id] = router->runs[i].blocks[RDX_TIER_HOST];
	}
	printf("{\"id\":%" PRIu64 ",\"worker\":%d,\"hash_ns\":%" PRIu64 ",\"lookup_ns\":%" PRIu64
	       ",\"disturbed\":%d,\"index_bytes\":%" PRIu64 "}\n",
	       request->id, choose(router, loads, blocks, held), hashed_ns - started_ns,
	       done_ns - hashed_ns, rows < 0, router->index_bytes);
	fflush(stdout);
}

static int serve(struct router *router)
{
	struct json_line_fault fault = {"no loads"};
	size_t capacity = 0;
	char *line = NULL;
	int r = 0;

	while (r == 0 && getline(&line, &capacity, stdin) > 0) {
		struct json_object *object = json_tokener_parse(line), *loads = NULL;

		if (!json_object_object_get_ex(object, "loads", &loads) ||
		    json_object_array_length(loads) != router->settings->workers)
			r = -EBADMSG;
		else
			r = trace_request_read(object, 0, &router->request, &fault);
		if (r == 0)
			answer(router, loads);
		json_object_put(object);
	}
	if (r < 0)
		messages_say("the router was asked what it does not understand: %s", fault.text);
	free(line);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* -- both -- */

static int open_index(struct router *router)
{
	const struct settings *s = router->settings;
	struct rdx_index_key key = {
		.size = sizeof(key),
		.model = DEMO_MODEL,
		.block_tokens = s->block_tokens,
	};
	struct rdx_indexer_options options = {.size = sizeof(options)};
	int r;

	options.dir = s->dir;
	options.wait_mode = s->wait_mode;
	options.initial_blocks = (uint64_t)s->workers * (s->blocks + s->host_blocks);
	r = rdx_indexer_open(&router->indexer, &options);
	while (r >= 0 && (r = poll_once(router)) > 0)
		;
	if (r == 0)
		r = rdx_index_open(&router->index, s->dir, &key);
	if (s->wait_mode == RDX_WAIT_URING && (r == -ENOSYS || r == -EPERM))
		messages_say("io_uring is not to be had here: use --wait=auto or --wait=epoll");
	else if (r < 0)
		messages_say_error(r, "the router cannot open the index of %s", s->dir);
	return r;
}

static int run(struct router *router)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	pthread_t indexing;
	int r, status;

	rdx_indexer_get_stats(router->indexer, &stats);
	printf("{\"ready\":true,\"wait\":\"%s\"}\n",
	       stats.wait_mode == RDX_WAIT_URING ? "io_uring" : "epoll");
	fflush(stdout);
	r = -pthread_create(&indexing, NULL, index_loop, router);
	if (r < 0) {
		messages_say_error(r, "cannot start a thread");
		return EXIT_FAILED;
	}
	status = serve(router);
	router->ended = 1;
	pthread_join(indexing, NULL);
	return status;
}

int router_run(const struct settings *settings)
{
	struct router router = {.settings = settings};
	int status = open_index(&router) < 0 ? EXIT_FAILED : run(&router);

	rdx_index_close(router.index);
	rdx_indexer_close(router.indexer);
	trace_request_free(&router.request);
	free(router.tokens);
	free(router.hashes);
	return status;
}
