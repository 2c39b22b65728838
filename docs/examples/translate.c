/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of example-publish, as vLLM says them: decoded, not interpreted, and handed to the
 * translator. Usage: example-translate DIR. Stays until its standard input ends.
 */
#include <ringdex/rdx_engine.h>
#include <ringdex/rdx_publisher.h>

#include <stdio.h>
#include <string.h>

#define BLOCK_TOKENS 4

/* {"type":"BlockStored","block_hashes":[..],"parent_block_hash":..,"token_ids":[..],"block_size":4,
 *  "medium":"GPU","group_idx":0,"kv_cache_spec_kind":"full_attention","session_id":"chat-1"} */
static struct rdx_engine_event stored(const struct rdx_engine *engine, const uint64_t *names,
				      uint32_t count, const uint64_t *parent,
				      const uint32_t *tokens)
{
	struct rdx_engine_event event = {.size = sizeof(event)};

	event.type = "BlockStored";
	event.medium = "GPU";
	event.names = names;
	event.name_bytes = 8;
	event.count = count;
	event.parent = parent;
	event.tokens = tokens;
	event.token_count = (uint64_t)count * BLOCK_TOKENS;
	event.block_tokens = BLOCK_TOKENS;
	event.flags = RDX_ENGINE_GROUP;
	event.spec_kind = "full_attention";
	/* each field for which the event has no place: whether it may be ignored is not ours to say */
	event.unknown_fields += rdx_engine_field(engine, "session_id") == RDX_ENGINE_FIELD_UNKNOWN;
	return event;
}

static int open_both(const char *dir, struct rdx_publisher **ret_publisher,
		     struct rdx_engine **ret_engine)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};
	struct rdx_engine_options translation = {.size = sizeof(translation)};
	int r;

	options.dir = dir;
	options.instance = "http://localhost:8000";
	options.model = "example";
	options.worker_id = 1;
	options.block_tokens = BLOCK_TOKENS;
	options.tier_blocks[RDX_TIER_DEVICE] = 1024;
	r = rdx_publisher_open(ret_publisher, &options);
	if (r < 0)
		return r;
	r = rdx_engine_open(ret_engine, *ret_publisher, &translation);
	if (r < 0)
		rdx_publisher_close(*ret_publisher);
	return r;
}

int main(int argc, char **argv)
{
	uint64_t first[] = {0xa1, 0xa2, 0xa3}, second[] = {0xb2};
	uint32_t prompt[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	uint32_t other[] = {21, 22, 23, 24};
	struct rdx_engine_event removed = {.size = sizeof(removed)}, event;
	struct rdx_publisher *publisher;
	struct rdx_engine *engine;
	int r = open_both(argc > 1 ? argv[1] : NULL, &publisher, &engine);

	if (r < 0) {
		fprintf(stderr, "example-translate: %s\n", strerror(-r));
		return 1;
	}
	/* a batch: its sequence number, then its events; the stream begins with the engine */
	rdx_engine_sequence(engine, 0, 0);
	event = stored(engine, first, 3, NULL, prompt);
	rdx_engine_publish(engine, &event);
	event = stored(engine, second, 1, &first[0], other);
	rdx_engine_publish(engine, &event);

	rdx_engine_sequence(engine, 1, 0);
	removed.type = "BlockRemoved";
	removed.medium = "GPU";
	removed.names = &first[2];
	removed.name_bytes = 8;
	removed.count = 1;
	removed.flags = RDX_ENGINE_GROUP;
	rdx_engine_publish(engine, &removed);
	puts("published");
	fflush(stdout);
	while (getchar() != EOF)
		;
	rdx_engine_close(engine);
	rdx_publisher_close(publisher);
	return 0;
}
