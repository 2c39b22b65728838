/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/router.h"

#include "tools/demo/requests.h"
#include "tools/demo/recount.h"
#include "shm/clock.h"
#include "tools/program/messages.h"
#include "tools/trace/trace_tokens.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <ringdex/rdx_indexer.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct router {
	const struct settings *settings;
	struct rdx_indexer *indexer; /* of the indexing thread */
	pthread_mutex_t lock;        /* of stats */
	struct rdx_indexer_stats stats;
	struct rdx_index *index;     /* of the answering thread */
	struct recount recount;          /* of the indexing thread */
	atomic_int ended;
	/* scratch of the answering thread */
	uint64_t *ids;
	uint32_t *tokens;
	uint64_t *hashes;
	uint32_t tokens_capacity;
	int64_t loads[DEMO_WORKERS_MAX];
	struct rdx_run runs[RDX_RANKS_MAX];
};

/* -- the indexing thread -- */

static int poll_once(struct router *router)
{
	int r;

	recount_begin(&router->recount);
	r = rdx_indexer_poll(router->indexer, 0);
	if (r >= 0)
		recount_end(&router->recount, router->indexer, r == 0);
	if (r == 0) {
		struct rdx_indexer_stats stats = {.size = sizeof(stats)};

		rdx_indexer_stats(router->indexer, &stats);
		pthread_mutex_lock(&router->lock);
		router->stats = stats;
		pthread_mutex_unlock(&router->lock);
	}
	return r;
}

static void *index_loop(void *context)
{
	struct router *router = context;

	while (!atomic_load(&router->ended)) {
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

static int reserve(struct router *router, uint32_t tokens)
{
	uint32_t spans = (tokens + RDX_TRACE_SPAN_TOKENS - 1) / RDX_TRACE_SPAN_TOKENS;

	if (tokens <= router->tokens_capacity)
		return 0;
	free(router->ids);
	free(router->tokens);
	free(router->hashes);
	router->ids = calloc(spans, sizeof(*router->ids));
	router->tokens = calloc((size_t)spans * RDX_TRACE_SPAN_TOKENS, sizeof(*router->tokens));
	router->hashes = calloc(tokens, sizeof(*router->hashes));
	if (!router->ids || !router->tokens || !router->hashes)
		messages_no_memory();
	router->tokens_capacity = tokens;
	return 0;
}

static uint32_t read_loads(struct json_object *object, int64_t *ret_loads)
{
	struct json_object *list;
	size_t count;

	if (!json_object_object_get_ex(object, "loads", &list) ||
	    !json_object_is_type(list, json_type_array))
		return 0;
	count = json_object_array_length(list);
	if (count > DEMO_WORKERS_MAX)
		return 0;
	for (size_t i = 0; i < count; i++)
		ret_loads[i] = json_object_get_int64(json_object_array_get_idx(list, i));
	return (uint32_t)count;
}

/* The worker of least cost, -1 where none may be chosen. */
static int choose(const struct router *router, uint32_t workers, uint32_t blocks,
		  const uint32_t *held)
{
	double weight = router->settings->overlap_weight, least = 0;
	int best = -1;

	for (uint32_t w = 0; w < workers; w++) {
		double cost = weight * (blocks - held[w]) + (double)router->loads[w];

		if (router->loads[w] < 0 ||
		    (best >= 0 && (cost > least ||
				   (cost == least && router->loads[w] >= router->loads[best]))))
			continue;
		least = cost;
		best = (int)w;
	}
	return best;
}

static void answer(struct router *router, struct json_object *object, uint64_t id,
		   uint32_t input_length)
{
	uint32_t spans = (input_length + RDX_TRACE_SPAN_TOKENS - 1) / RDX_TRACE_SPAN_TOKENS;
	uint32_t held[DEMO_WORKERS_MAX] = {0}, workers, blocks;
	uint64_t started, hashed, done;
	int rows, best;

	reserve(router, input_length);
	workers = read_loads(object, router->loads);
	if (!workers || requests_hash_ids(object, router->ids, spans) < 0) {
		messages_say("the router was asked something it does not understand");
		exit(EXIT_FAILED);
	}
	rdx_trace_prompt(router->ids, input_length, router->tokens);
	started = rdx_clock_ns();
	blocks = (uint32_t)rdx_hash_blocks(rdx_hash_seed(NULL, NULL), router->tokens, input_length,
					   router->settings->block_tokens, router->hashes);
	rdx_hash_chain(rdx_index_hash_key(router->index), 0, router->hashes, blocks,
		       router->hashes);
	hashed = rdx_clock_ns();
	rows = rdx_index_lookup(router->index, router->hashes, blocks, router->runs, RDX_RANKS_MAX);
	done = rdx_clock_ns();
	for (int i = 0; i < rows; i++) {
		if (router->runs[i].worker_id < workers)
			held[router->runs[i].worker_id] = router->runs[i].blocks[RDX_TIER_HOST];
	}
	best = choose(router, workers, blocks, held);
	printf("{\"id\":%" PRIu64 ",\"worker\":%d,\"overlap\":%u,\"blocks\":%u,\"hash_ns\":%" PRIu64
	       ",\"lookup_ns\":%" PRIu64 ",\"status\":%d}\n",
	       id, best, best < 0 ? 0 : held[best], blocks, hashed - started, done - hashed,
	       rows < 0 ? rows : 0);
	fflush(stdout);
}

static void answer_stats(struct router *router)
{
	struct rdx_indexer_stats stats;

	pthread_mutex_lock(&router->lock);
	stats = router->stats;
	pthread_mutex_unlock(&router->lock);
	printf("{\"command\":\"stats\",\"events\":%" PRIu64 ",\"table_bytes\":%" PRIu64
	       ",\"generations\":%" PRIu64 ",\"slots_lost\":%" PRIu64 ",\"wakes\":%" PRIu64 "}\n",
	       stats.events, stats.table_bytes, stats.generations, stats.slots_lost, stats.wakes);
	fflush(stdout);
}

static int serve(struct router *router)
{
	size_t capacity = 0;
	char *line = NULL;
	int status = EXIT_DONE;

	while (status == EXIT_DONE && getline(&line, &capacity, stdin) > 0) {
		struct json_object *object = json_tokener_parse(line);
		uint64_t id, input;

		if (requests_number(object, "id", INT64_MAX, &id) &&
		    requests_number(object, "input_length", UINT32_MAX / 2, &input)) {
			answer(router, object, id, (uint32_t)input);
		} else if (json_object_object_get_ex(object, "command", NULL)) {
			answer_stats(router);
		} else {
			messages_say("the router was asked something it does not understand");
			status = EXIT_FAILED;
		}
		json_object_put(object);
	}
	free(line);
	return status;
}

/* -- both -- */

static int indexes_open(struct router *router)
{
	struct rdx_index_key key = {
		.size = sizeof(key),
		.model = DEMO_MODEL,
		.block_tokens = router->settings->block_tokens,
	};
	struct rdx_indexer_options options = RDX_INDEXER_OPTIONS_INIT;
	int r;

	options.dir = router->settings->dir;
	options.wait_mode = router->settings->wait_mode;
	options.initial_blocks = (uint64_t)router->settings->workers *
				 (router->settings->blocks + router->settings->host_blocks);
	r = rdx_indexer_open(&router->indexer, &options);
	if (r < 0)
		return r;
	recount_open(&router->recount, options.dir, &key);
	do {
		r = poll_once(router);
	} while (r > 0);
	return r < 0 ? r : rdx_index_open(&router->index, options.dir, &key);
}

static int say_ready(struct router *router)
{
	printf("{\"ready\":true,\"wait\":\"%s\"}\n",
	       router->stats.wait_mode == RDX_WAIT_URING ? "io_uring" : "epoll");
	return fflush(stdout);
}

static void complain_of_start(const struct settings *settings, int error)
{
	if (settings->wait_mode == RDX_WAIT_URING && (error == -ENOSYS || error == -EPERM))
		messages_say("io_uring is not to be had here: use --wait=auto or --wait=epoll");
	else
		messages_say_error(error, "the router cannot open the index of %s", settings->dir);
}

int router_run(const struct settings *settings)
{
	struct router router = {.settings = settings};
	int status = EXIT_FAILED, r;
	pthread_t indexing;

	pthread_mutex_init(&router.lock, NULL);
	r = indexes_open(&router);
	if (r < 0) {
		complain_of_start(settings, r);
	} else if (say_ready(&router) == 0) {
		r = -pthread_create(&indexing, NULL, index_loop, &router);
		if (r < 0) {
			messages_say_error(r, "cannot start a thread");
		} else {
			status = serve(&router);
			atomic_store(&router.ended, 1);
			pthread_join(indexing, NULL);
		}
	}
	rdx_index_close(router.index);
	recount_close(&router.recount);
	rdx_indexer_close(router.indexer);
	free(router.ids);
	free(router.tokens);
	free(router.hashes);
	pthread_mutex_destroy(&router.lock);
	return status;
}
