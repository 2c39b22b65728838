/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers at a pace: each publishes so many events a second, of one block each, a store and later its removal.
 * Begins when a line with a number of milliseconds comes on standard input, and then says as a line of JSON
 * what it did; the workers live until the input ends.
 */
#include "shm/clock.h"
#include <ringdex/rdx_publisher.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define WORKERS_MAX 256
#define FIRST_ID    1001 /* above those that hold the prompt */
#define CHAIN       16   /* blocks of a prompt */
#define HELD        64   /* prompts that a worker holds */
#define TIER_BLOCKS 2048
#define RING_SLOTS  16384
#define NS_PER_S    UINT64_C(1000000000)

static struct {
	struct rdx_publisher *publisher[WORKERS_MAX];
	uint32_t workers;
	uint64_t rate;   /* of one, a second */
	uint64_t events; /* of one, so far */
} crew;

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "http-pace: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void open_all(const char *dir, const char *model)
{
	struct rdx_publisher_options options = {.size = sizeof(options),
						.dir = dir,
						.instance = "http://bench",
						.model = model,
						.ring_slots = RING_SLOTS};

	options.tier_blocks[RDX_TIER_DEVICE] = TIER_BLOCKS;
	for (uint32_t i = 0; i < crew.workers; i++) {
		options.worker_id = FIRST_ID + i;
		must(rdx_publisher_open(&crew.publisher[i], &options), "open a worker");
	}
}

/* Of block `i` of a prompt; local hashes are the same number. */
static uint64_t name_of(uint32_t worker, uint64_t prompt, uint64_t i)
{
	return (uint64_t)(worker + 1) << 48 | prompt << 8 | i;
}

static void store(uint32_t worker, uint64_t prompt, uint64_t i)
{
	uint64_t name = name_of(worker, prompt, i), parent = name - 1;
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = &name,
				    .local_hashes = &name,
				    .parent = i ? &parent : NULL,
				    .count = 1,
				    .name_bytes = 8,
				    .time_ns = rdx_clock_ns()};

	must(rdx_publish_stored(crew.publisher[worker], &stored), "store");
}

static void drop(uint32_t worker, uint64_t prompt, uint64_t i)
{
	uint64_t name = name_of(worker, prompt, i);
	struct rdx_removed removed = {.size = sizeof(removed),
				      .names = &name,
				      .count = 1,
				      .name_bytes = 8,
				      .time_ns = rdx_clock_ns()};

	must(rdx_publish_removed(crew.publisher[worker], &removed), "remove");
}

/* The blocks of a prompt one by one, then those of its oldest one, children first. */
static void publish(uint32_t worker, uint64_t event)
{
	uint64_t prompt = HELD + event / (2 * CHAIN), i = event % (2 * CHAIN);

	if (i < CHAIN)
		store(worker, prompt, i);
	else
		drop(worker, prompt - HELD, 2 * CHAIN - 1 - i);
}

static void hold_first(void)
{
	for (uint32_t worker = 0; worker < crew.workers; worker++)
		for (uint64_t i = 0; i < HELD * CHAIN; i++)
			store(worker, i / CHAIN, i % CHAIN);
}

static void sleep_until(uint64_t ns)
{
	struct timespec time = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

/* One event of each worker a step; who is late makes up for it. */
static void slice(uint64_t ms)
{
	uint64_t begin = rdx_clock_ns(), steps = crew.rate * ms / 1000;

	for (uint64_t step = 0; step < steps; step++) {
		sleep_until(begin + step * NS_PER_S / crew.rate);
		for (uint32_t worker = 0; worker < crew.workers; worker++)
			publish(worker, crew.events);
		crew.events++;
	}
	printf("{\"events\": %" PRIu64 ", \"seconds\": %.6f}\n", steps * crew.workers,
	       (double)(rdx_clock_ns() - begin) / 1e9);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[32];

	if (argc != 5) {
		fprintf(stderr, "usage: http-pace DIR MODEL WORKERS EVENTS-A-SECOND\n");
		return 2;
	}
	crew.workers = (uint32_t)strtoul(argv[3], NULL, 10);
	crew.rate = strtoull(argv[4], NULL, 10);
	if (!crew.workers || crew.workers > WORKERS_MAX || !crew.rate)
		return 2;
	prctl(PR_SET_TIMERSLACK, 1L, 0L, 0L, 0L);
	open_all(argv[1], argv[2]);
	hold_first();
	printf("{}\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		slice(strtoull(line, NULL, 10));
	for (uint32_t i = 0; i < crew.workers; i++)
		rdx_publisher_close(crew.publisher[i]);
	return 0;
}
