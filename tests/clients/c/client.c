/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the installed library: publish, index, look up, compare. "client DIR" does
 * that in the namespace DIR, "client --sizes" prints the sizes that other languages compare
 * theirs with.
 */
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>
#include <ringdex/rdx_reader.h>
#include <ringdex/rdx_version.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSTANCE "http://client:1"

static void check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "not so: %s\n", what);
	exit(1);
}
#define CHECK(condition) check((condition) != 0, #condition)

#define PRINT_SIZE(name) printf(#name " %zu\n", sizeof(struct name))

static void print_sizes(void)
{
	PRINT_SIZE(rdx_publisher_options);
	PRINT_SIZE(rdx_stored);
	PRINT_SIZE(rdx_removed);
	PRINT_SIZE(rdx_tokens);
	PRINT_SIZE(rdx_publisher_stats);
	PRINT_SIZE(rdx_indexer_options);
	PRINT_SIZE(rdx_index_key);
	PRINT_SIZE(rdx_run);
}

static struct rdx_publisher *publish(const char *dir)
{
	struct rdx_publisher_options options = {.size = sizeof(options),
						.dir = dir,
						.instance = INSTANCE,
						.model = "model",
						.worker_id = 7,
						.block_tokens = 4,
						.ring_slots = 64};
	uint32_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	uint64_t names[] = {71, 72, 73};
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .tokens = tokens,
				    .token_count = 12,
				    .count = 3,
				    .name_bytes = 8};
	struct rdx_removed removed = {
		.size = sizeof(removed), .names = &names[2], .count = 1, .name_bytes = 8};
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	struct rdx_publisher *publisher;

	options.tier_blocks[RDX_TIER_DEVICE] = 64;
	CHECK(rdx_publisher_open(&publisher, &options) == 0);
	CHECK(rdx_publish_stored(publisher, &stored) == 0);
	CHECK(rdx_publish_removed(publisher, &removed) == 0);
	CHECK(rdx_publisher_get_stats(publisher, &stats) == 0);
	CHECK(stats.events == 2 && stats.held[RDX_TIER_DEVICE] == 2);
	return publisher;
}

/* Poll until the index answers with both events; the test's timeout ends what never does. */
static struct rdx_index *follow(struct rdx_indexer *indexer, const char *dir,
				struct rdx_run *ret_run)
{
	struct rdx_index_key key = {.size = sizeof(key),
				    .model = "model",
				    .block_tokens = 4,
				    .flags = RDX_INDEX_ALL_RANKS};
	uint32_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	struct rdx_tokens request = {.size = sizeof(request), .ids = tokens, .count = 12};
	struct rdx_index *index = NULL;
	int rows = 0;

	while (rows != 1 || ret_run->last_event_id < 2 || ret_run->state != RDX_STATE_EXACT) {
		if (rdx_indexer_poll(indexer, 0) == 0)
			rdx_indexer_wait(indexer, 1000000);
		if (!index && rdx_index_open(&index, dir, &key) < 0)
			continue;
		rows = rdx_index_lookup_tokens(index, &request, ret_run, 1);
		CHECK(rows >= 0 || rows == -11); /* -EAGAIN */
	}
	return index;
}

int main(int argc, char **argv)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};
	struct rdx_run run = {.size = sizeof(run)};
	struct rdx_publisher *publisher;
	struct rdx_indexer *indexer;
	struct rdx_index *index;

	CHECK(argc == 2);
	if (strcmp(argv[1], "--sizes") == 0) {
		print_sizes();
		return 0;
	}
	CHECK(rdx_version() ==
	      RDX_VERSION_MAJOR * 1000000 + RDX_VERSION_MINOR * 1000 + RDX_VERSION_PATCH);
	CHECK(strcmp(rdx_version_text(), RDX_VERSION) == 0);
	options.dir = argv[1];
	publisher = publish(argv[1]);
	CHECK(rdx_indexer_open(&indexer, &options) == 0);
	index = follow(indexer, argv[1], &run);
	CHECK(run.worker_id == 7 && run.dp_rank == 0);
	CHECK(run.blocks[RDX_TIER_DEVICE] == 2 && run.blocks[RDX_TIER_EXTERNAL] == 2);
	CHECK(run.epoch == rdx_publisher_epoch(publisher));
	CHECK(strcmp(run.instance, INSTANCE) == 0);
	rdx_index_close(index);
	rdx_indexer_close(indexer);
	rdx_publisher_close(publisher);
	puts("ok");
	return 0;
}
