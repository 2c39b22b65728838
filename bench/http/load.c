/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks an HTTP server the same again and again, over some connections: each as soon as it is answered, or so
 * many a second in all. Every answer is compared with what it must be. Prints a line of JSON.
 */
#include "bench/http/client.h"
#include "bench/measure.h"
#include "shm/clock.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define CONNECTIONS_MAX 64
#define WARM_UP         16 /* requests of a connection that are not counted */
#define NS_PER_S        UINT64_C(1000000000)

struct load {
	const char *address;
	char *request;
	size_t request_bytes;
	struct json_object *expected;
	char *right; /* bytes of an answer that was right: most are the same */
	size_t right_bytes;
	uint32_t connections;
	uint64_t requests;
	uint64_t rate; /* a second, 0: as fast as they are answered */

	struct client clients[CONNECTIONS_MAX];
	uint64_t begun_ns[CONNECTIONS_MAX]; /* of its request; 0: it is free */
	uint64_t begin_ns;
	uint64_t sent, answered, wrong;
	double *took_us;
	uint32_t counted;
};

static char *read_file(const char *path, size_t *ret_bytes)
{
	FILE *file = fopen(path, "re");
	char *bytes = NULL;
	size_t capacity = 0;
	ssize_t count = file ? getdelim(&bytes, &capacity, EOF, file) : -1;

	if (count < 0) {
		perror(path);
		exit(1);
	}
	fclose(file);
	*ret_bytes = (size_t)count;
	return bytes;
}

/* Is the answer what it must be, in whatever order its members are? */
static int is_right(struct load *load, const struct client *client)
{
	struct json_object *said;
	int right;

	if (client->status != 200)
		return 0;
	if (client->body_bytes == load->right_bytes &&
	    memcmp(client->body, load->right, load->right_bytes) == 0)
		return 1;
	said = json_tokener_parse(client->body);
	right = said && json_object_equal(said, load->expected);
	json_object_put(said);
	if (right) {
		free(load->right);
		load->right = strndup(client->body, client->body_bytes);
		load->right_bytes = load->right ? client->body_bytes : 0;
	}
	return right;
}

/* When the next request is due: UINT64_MAX, there is none. */
static uint64_t due_ns(const struct load *load)
{
	if (load->sent == load->requests)
		return UINT64_MAX;
	return load->rate ? load->begin_ns + load->sent * NS_PER_S / load->rate : 0;
}

static void send_due(struct load *load)
{
	for (uint32_t i = 0; i < load->connections; i++) {
		uint64_t due = due_ns(load), now = rdx_clock_ns();

		if (load->begun_ns[i] || due > now)
			continue;
		/* one that had to wait for a connection has waited */
		load->begun_ns[i] = load->rate ? due : now;
		load->sent++;
		client_send(&load->clients[i], load->request, load->request_bytes);
	}
}

static void take_answer(struct load *load, uint32_t i)
{
	uint64_t now;

	if (!client_receive(&load->clients[i]))
		return;
	now = rdx_clock_ns();
	if (load->answered++ >= (uint64_t)WARM_UP * load->connections)
		load->took_us[load->counted++] = (double)(now - load->begun_ns[i]) / 1e3;
	load->wrong += !is_right(load, &load->clients[i]);
	load->begun_ns[i] = 0;
}

static void wait(const struct load *load, struct pollfd *ready)
{
	uint64_t due = due_ns(load), now = rdx_clock_ns(), left = due > now ? due - now : 0;
	struct timespec timeout = {(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
	int is_free = 0;

	for (uint32_t i = 0; i < load->connections; i++)
		is_free |= !load->begun_ns[i];
	ppoll(ready, load->connections, is_free && due != UINT64_MAX ? &timeout : NULL, NULL);
}

static void run(struct load *load)
{
	struct pollfd ready[CONNECTIONS_MAX];

	for (uint32_t i = 0; i < load->connections; i++) {
		client_open(&load->clients[i], load->address);
		ready[i] = (struct pollfd){.fd = load->clients[i].fd, .events = POLLIN};
	}
	load->requests += (uint64_t)WARM_UP * load->connections;
	load->took_us = measure_values((uint32_t)load->requests);
	load->begin_ns = rdx_clock_ns();
	while (load->answered < load->requests) {
		send_due(load);
		wait(load, ready);
		for (uint32_t i = 0; i < load->connections; i++)
			if (ready[i].revents)
				take_answer(load, i);
	}
	for (uint32_t i = 0; i < load->connections; i++)
		client_close(&load->clients[i]);
}

int main(int argc, char **argv)
{
	static struct load load;
	size_t bytes;
	char *expected;

	if (argc != 7) {
		fprintf(stderr, "usage: http-load ADDRESS REQUEST-FILE ANSWER-FILE CONNECTIONS "
				"REQUESTS REQUESTS-A-SECOND\n");
		return 2;
	}
	load.address = argv[1];
	load.request = read_file(argv[2], &load.request_bytes);
	expected = read_file(argv[3], &bytes);
	load.expected = json_tokener_parse(expected);
	load.connections = (uint32_t)strtoul(argv[4], NULL, 10);
	load.requests = strtoull(argv[5], NULL, 10);
	load.rate = strtoull(argv[6], NULL, 10);
	if (!load.expected || !load.connections || load.connections > CONNECTIONS_MAX ||
	    !load.requests)
		return 2;
	prctl(PR_SET_TIMERSLACK, 1L, 0L, 0L, 0L);
	run(&load);
	printf("{\"answers\": %" PRIu64 ", \"wrong\": %" PRIu64
	       ", \"p50\": %.3f, \"p99\": %.3f, \"seconds\": %.6f}\n",
	       load.answered, load.wrong, measure_percentile(load.took_us, load.counted, 50),
	       measure_percentile(load.took_us, load.counted, 99),
	       (double)(rdx_clock_ns() - load.begin_ns) / 1e9);
	json_object_put(load.expected);
	free(load.took_us);
	free(load.request);
	free(load.right);
	free(expected);
	return 0;
}
