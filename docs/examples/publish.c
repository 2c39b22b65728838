/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine announces its cache: two prompts that share their first block, then one block
 * evicted. Usage: example-publish DIR. Stays until its standard input ends, since the
 * blocks of a dead worker leave the index.
 */
#include <ringdex/rdx_publisher.h>

#include <stdio.h>
#include <string.h>

#define BLOCK_TOKENS 4

int main(int argc, char **argv)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};
	struct rdx_publisher *publisher;
	/* the engine's own names of its blocks, opaque to ringdex */
	uint64_t first[] = {0xa1, 0xa2, 0xa3}, second[] = {0xb2};
	uint32_t prompt[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	uint32_t other[] = {21, 22, 23, 24};
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = first,
				    .count = 3,
				    .tokens = prompt,
				    .token_count = 3 * BLOCK_TOKENS,
				    .tier = RDX_TIER_DEVICE,
				    .name_bytes = 8};
	struct rdx_removed removed = {.size = sizeof(removed),
				      .names = &first[2],
				      .count = 1,
				      .tier = RDX_TIER_DEVICE,
				      .name_bytes = 8};
	int r;

	options.dir = argc > 1 ? argv[1] : NULL;
	options.instance = "http://localhost:8000";
	options.model = "example";
	options.worker_id = 1;
	options.block_tokens = BLOCK_TOKENS;
	options.tier_blocks[RDX_TIER_DEVICE] = 1024;
	r = rdx_publisher_open(&publisher, &options);
	if (r < 0) {
		fprintf(stderr, "example-publish: %s\n", strerror(-r));
		return 1;
	}
	rdx_publish_stored(publisher, &stored);

	/* another continuation of the first block */
	stored.names = second;
	stored.parent = &first[0];
	stored.tokens = other;
	stored.token_count = BLOCK_TOKENS;
	stored.count = 1;
	rdx_publish_stored(publisher, &stored);

	rdx_publish_removed(publisher, &removed);
	puts("published");
	fflush(stdout);
	while (getchar() != EOF)
		;
	rdx_publisher_close(publisher);
	return 0;
}
