/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the call that publishes a block until an answer over HTTP has it. Asks again and again, so a request's
 * own time is in it; the next block is published a while after. Prints a line of JSON.
 */
#include "bench/http/client.h"
#include "bench/measure.h"
#include "shm/clock.h"
#include <ringdex/rdx_publisher.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORKER        5001
#define TIER_BLOCKS   65536
#define WARM_UP       8
#define GAP_NS        2000000 /* between two blocks, as at an engine's pace */
#define REQUEST_BYTES 512
#define NOBODY        "\"scores\":{}"

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "http-visible: %s: %s\n", what, strerror(-r));
	exit(1);
}

static struct rdx_publisher *open_publisher(const char *dir, const char *model)
{
	struct rdx_publisher_options options = {.size = sizeof(options),
						.dir = dir,
						.instance = "http://bench",
						.model = model,
						.worker_id = WORKER};
	struct rdx_publisher *publisher;

	options.tier_blocks[RDX_TIER_DEVICE] = TIER_BLOCKS;
	must(rdx_publisher_open(&publisher, &options), "open a worker");
	return publisher;
}

static void store(struct rdx_publisher *publisher, uint64_t name)
{
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = &name,
				    .local_hashes = &name,
				    .count = 1,
				    .name_bytes = 8};

	must(rdx_publish_stored(publisher, &stored), "store");
}

static size_t write_request(char *ret_request, const char *model, uint64_t name)
{
	char body[REQUEST_BYTES / 2];
	int bytes = snprintf(body, sizeof(body),
			     "{\"block_hashes\":[%" PRIu64 "],\"model_name\":\"%s\"}", name, model);

	return (size_t)snprintf(ret_request, REQUEST_BYTES,
				"POST /query_by_hash HTTP/1.1\r\nHost: localhost\r\n"
				"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				bytes, body);
}

/* How long it took until it was seen, in microseconds. */
static double show(struct rdx_publisher *publisher, struct client *client, const char *model,
		   uint64_t name)
{
	char request[REQUEST_BYTES];
	size_t bytes = write_request(request, model, name);
	uint64_t begin = rdx_clock_ns();

	store(publisher, name);
	do
		client_ask(client, request, bytes);
	while (client->status != 200 || strstr(client->body, NOBODY));
	return (double)(rdx_clock_ns() - begin) / 1e3;
}

int main(int argc, char **argv)
{
	const struct timespec gap = {.tv_nsec = GAP_NS};
	struct rdx_publisher *publisher;
	struct client client;
	uint32_t count;
	double *took;

	if (argc != 5) {
		fprintf(stderr, "usage: http-visible ADDRESS DIR MODEL BLOCKS\n");
		return 2;
	}
	count = (uint32_t)strtoul(argv[4], NULL, 10);
	if (!count)
		return 2;
	took = measure_values(count);
	publisher = open_publisher(argv[2], argv[3]);
	client_open(&client, argv[1]);
	for (uint32_t i = 0; i < WARM_UP + count; i++) {
		double us = show(publisher, &client, argv[3], i + 1);

		if (i >= WARM_UP)
			took[i - WARM_UP] = us;
		nanosleep(&gap, NULL);
	}
	printf("{\"p50\": %.3f, \"p99\": %.3f}\n", measure_percentile(took, count, 50),
	       measure_percentile(took, count, 99));
	client_close(&client);
	rdx_publisher_close(publisher);
	free(took);
	return 0;
}
