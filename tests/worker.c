/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/worker.h"

#include "tests/patience.h"

#include "consumer/index/index_handle.h"
#include "shm/namespace.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PACE_EVERY 16
#define REST_US    100

/* What a worker's ledgers can take. */
static void set_blocks(struct rdx_publisher_options *options)
{
	for (int tier = 0; tier < WORKER_TIERS; tier++)
		options->tier_blocks[tier] = WORKER_BLOCKS;
}

void worker_calls_make(struct calls *calls, const struct rdx_hash_key *key, uint64_t seed,
		       uint32_t clear_in)
{
	struct calls_shape shape = {.chains = WORKER_CHAINS,
				    .depth = WORKER_DEPTH,
				    .clear_in = clear_in,
				    .tiers = WORKER_TIERS,
				    .eras = 1};
	struct rdx_publisher_options options = {.size = sizeof(options)};

	set_blocks(&options);
	calls_make(calls, &shape, key, &options, seed);
}

const struct rdx_run *worker_row(const struct rdx_run *runs, int count, uint64_t worker_id,
				 uint32_t dp_rank)
{
	for (int i = 0; i < count; i++)
		if (runs[i].worker_id == worker_id && runs[i].dp_rank == dp_rank)
			return &runs[i];
	return NULL;
}

/* An indexer in another process does not run for a while: its index is STALE, or in the midst of a
 * change. What was answered is not its last word. */
static int is_to_ask_again(int r, const struct patience *patience)
{
	if ((r != -ESTALE && r != -EAGAIN) || patience_is_over(patience))
		return 0;
	usleep(1000);
	return 1;
}

/* Answers about one conversation that are not the oracle's. */
static int compare_chain(struct rdx_index *index, const struct calls *calls, uint64_t worker_id,
			 uint32_t dp_rank, uint32_t chain)
{
	uint64_t prefixes[WORKER_DEPTH];
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	struct patience patience = patience_begin();
	const struct rdx_run *row;
	int count, differences = 0;

	calls_prefixes(calls, chain, prefixes);
	do
		count = rdx_index_lookup(index, prefixes, WORKER_DEPTH, runs, RDX_RANKS_MAX);
	while (is_to_ask_again(count, &patience));
	if (count < 0)
		return count;
	row = worker_row(runs, count, worker_id, dp_rank);
	if (!row)
		return -ENOENT;
	for (uint8_t set = 0; set < RDX_TIER_COUNT; set++) {
		uint32_t want = oracle_run(&calls->oracle, prefixes, WORKER_DEPTH, set);

		if (row->blocks[set] == want)
			continue;
		print_message("worker %llu rank %u chain %u set %u: %u blocks, not %u "
			      "(state %u, scanned %u)\n",
			      (unsigned long long)worker_id, dp_rank, chain, set, row->blocks[set],
			      want, row->state, row->scanned);
		differences++;
	}
	return differences;
}

int worker_differences(struct rdx_index *index, const struct calls *calls, uint64_t worker_id,
		       uint32_t dp_rank)
{
	struct patience patience = patience_begin();
	struct rdx_difference difference = {.size = sizeof(difference)};
	uint64_t held = calls_held(calls);
	int differences = 0, r;

	for (int scan = 0; scan <= 1; scan++) {
		rdx_index_force_scan(index, scan);
		for (uint32_t chain = 0; chain < WORKER_CHAINS; chain++) {
			r = compare_chain(index, calls, worker_id, dp_rank, chain);
			if (r < 0)
				return r;
			differences += r;
		}
	}
	rdx_index_force_scan(index, 0);
	do
		r = rdx_index_verify(index, worker_id, dp_rank, &difference);
	while (is_to_ask_again(r, &patience));
	if (r < 0)
		return r;
	if (difference.differences || difference.compared != held)
		print_message("worker %llu rank %u: %llu differences to its ledger, %llu blocks, "
			      "not %llu\n",
			      (unsigned long long)worker_id, dp_rank,
			      (unsigned long long)difference.differences,
			      (unsigned long long)difference.compared, (unsigned long long)held);
	return differences + (int)difference.differences + (difference.compared != held);
}

struct rdx_publisher_options worker_options(const struct worker_plan *plan)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	options.dir = plan->child.dir;
	options.instance = "http://localhost:8000";
	options.model = WORKER_MODEL;
	options.worker_id = plan->worker_id;
	options.dp_rank = plan->dp_rank;
	options.ring_slots = plan->ring_slots;
	options.clear_scope = plan->clear_scope;
	set_blocks(&options);
	return options;
}

static void rest(struct worker_plan *plan, const struct calls *calls,
		 const struct rdx_publisher *publisher, uint32_t order)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	if (atomic_load(&plan->answered) != order) {
		rdx_publisher_get_stats(publisher, &stats);
		atomic_store(&plan->events, stats.events);
		atomic_store(&plan->done, calls->done);
		atomic_store(&plan->answered, order);
	}
	usleep(REST_US);
}

int worker_main(const char *path)
{
	struct worker_plan *plan = child_attend(path, sizeof(*plan));
	struct rdx_publisher_options options;
	static struct calls calls;
	struct rdx_publisher *publisher;
	struct rdx_hash_key key;
	int r, dir_fd;

	if (!plan)
		return 2;
	child_heed(&plan->child);
	options = worker_options(plan);
	if (rdx_publisher_open(&publisher, &options) < 0)
		return 3;
	dir_fd = rdx_namespace_open(plan->child.dir, 0);
	r = rdx_namespace_key(dir_fd, 0, &key);
	close(dir_fd);
	worker_calls_make(&calls, &key, plan->seed, plan->clear_in);
	while (r == 0) {
		uint32_t order = atomic_load(&plan->order);

		if (calls.done >= atomic_load(&plan->limit)) {
			rest(plan, &calls, publisher, order);
			continue;
		}
		r = calls_step(&calls, publisher);
		if (plan->pace_us && calls.done % PACE_EVERY == 0)
			usleep(plan->pace_us);
	}
	return 4;
}

int indexer_main(const char *path)
{
	struct indexer_plan *plan = child_attend(path, sizeof(*plan));
	struct rdx_indexer_options options = {.size = sizeof(options)};
	struct rdx_indexer *indexer;
	int r;

	if (!plan)
		return 2;
	child_heed(&plan->child);
	options.dir = plan->child.dir;
	options.initial_blocks = 256; /* small: tables are built often */
	r = rdx_indexer_open(&indexer, &options);
	atomic_store(&plan->result, r);
	while (r >= 0) {
		r = rdx_indexer_poll(indexer, 0);
		if (r == 0)
			r = rdx_indexer_wait(indexer, -1);
	}
	return 3;
}

void worker_run(struct worker_plan *plan, uint64_t limit)
{
	atomic_store(&plan->limit, limit);
	atomic_fetch_add(&plan->order, 1);
}

int worker_rests(struct worker_plan *plan)
{
	return atomic_load(&plan->answered) == atomic_load(&plan->order);
}

int worker_find(struct rdx_index *index, uint64_t worker_id, uint32_t dp_rank,
		struct rdx_index_rank *ret_info)
{
	static struct rdx_index_rank info[RDX_RANKS_MAX] = {{.size = sizeof(info[0])}};
	int count = rdx_index_ranks(index, info, RDX_RANKS_MAX);

	for (int i = 0; i < count; i++) {
		if (info[i].worker_id != worker_id || info[i].dp_rank != dp_rank)
			continue;
		*ret_info = info[i];
		return 1;
	}
	return count < 0 ? count : 0;
}
