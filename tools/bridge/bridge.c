/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-bridge: subscribe to engines' ZeroMQ streams and publish what they say. docs/bridge.md.
 */
#include "tools/bridge/bridge_options.h"
#include "tools/bridge/report.h"
#include "tools/bridge/source.h"

#include "shm/clock.h"
#include "tools/program/messages.h"
#include "tools/program/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CHECK_NS           UINT64_C(1000000000)
#define NS_PER_MS          UINT64_C(1000000)
#define EVENTS_MAX         64
#define SOCKETS_PER_STREAM 6 /* stream, both ends of its monitor, replay; two that still close */

struct bridge {
	struct source *sources;
	struct report *reports;
	uint32_t count;
	uint32_t opened;
	int json;
	int is_over; /* standard input has ended */
	int epoll_fd;
	void *context;
	uint64_t check_ns;
};

static int open_sources(struct bridge *bridge, const struct bridge_options *options)
{
	for (uint32_t i = 0; i < options->count; i++) {
		const struct engine_options *engine = &options->engines[i];

		for (uint32_t rank = 0; rank < engine->ranks; rank++) {
			struct source *source = &bridge->sources[bridge->opened++];
			int r = source_open(source, engine, engine->first_rank + rank,
					    bridge->context, bridge->epoll_fd);

			if (r < 0) {
				messages_say("cannot %s %s: %s",
					     engine->binds ? "listen at" : "connect to",
					     source->endpoint, zmq_strerror(-r));
				return r;
			}
		}
	}
	return 0;
}

/* Be woken where told to stop, and, if wished, by standard input: by events that are no source's. */
static int watch_ends(struct bridge *bridge, int with_input)
{
	struct epoll_event stop = {.events = EPOLLIN};
	struct epoll_event input = {.events = EPOLLIN, .data.ptr = bridge};
	int r;

	bridge->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (bridge->epoll_fd < 0 ||
	    epoll_ctl(bridge->epoll_fd, EPOLL_CTL_ADD, stop_fd(), &stop) < 0) {
		r = -errno;
		messages_say("cannot begin to wait: %s", strerror(-r));
		return r;
	}
	if (with_input && epoll_ctl(bridge->epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0) {
		r = -errno;
		messages_say("--end-with-input: standard input must be a pipe or a socket: %s",
			     strerror(-r));
		return r;
	}
	return 0;
}

/* What is said there is passed over. */
static void read_input(struct bridge *bridge)
{
	char bytes[256];
	ssize_t count = read(STDIN_FILENO, bytes, sizeof(bytes));

	bridge->is_over = count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN);
}

static int open_bridge(struct bridge *bridge, const struct bridge_options *options)
{
	int r;

	bridge->count = options->streams;
	bridge->json = options->json;
	bridge->sources = calloc(bridge->count, sizeof(*bridge->sources));
	bridge->reports = calloc(bridge->count, sizeof(*bridge->reports));
	bridge->context = zmq_ctx_new();
	if (!bridge->sources || !bridge->reports || !bridge->context)
		messages_no_memory();
	r = watch_ends(bridge, options->ends_with_input);
	if (r < 0)
		return r;
	zmq_ctx_set(bridge->context, ZMQ_MAX_SOCKETS,
		    (int)(SOCKETS_PER_STREAM * bridge->count + 1));
	return open_sources(bridge, options);
}

static void close_bridge(struct bridge *bridge)
{
	for (uint32_t i = 0; i < bridge->opened; i++)
		source_close(&bridge->sources[i]);
	zmq_ctx_term(bridge->context);
	close(bridge->epoll_fd);
	free(bridge->sources);
	free(bridge->reports);
}

/* Sleep until something comes or is due. */
static void wait_for_turn(struct bridge *bridge)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t now = rdx_clock_ns(), due = bridge->check_ns;
	int count;

	for (uint32_t i = 0; i < bridge->count; i++) {
		uint64_t next = bridge->sources[i].is_due ? now : source_due(&bridge->sources[i]);

		due = next < due ? next : due;
	}
	count = epoll_wait(bridge->epoll_fd, events, EVENTS_MAX,
			   due > now ? (int)((due - now + NS_PER_MS - 1) / NS_PER_MS) : 0);
	for (int i = 0; i < count; i++) {
		void *who = events[i].data.ptr;

		if (who == bridge)
			read_input(bridge);
		else if (who)
			((struct source *)who)->is_due = 1;
	}
}

static void give_turns(struct bridge *bridge)
{
	uint64_t now = rdx_clock_ns();
	int checks = now >= bridge->check_ns;

	if (checks)
		bridge->check_ns = now + CHECK_NS;
	for (uint32_t i = 0; i < bridge->count && !stop_asked(); i++) {
		struct source *source = &bridge->sources[i];

		if (checks)
			source_check(source);
		if (!checks && !source->is_due && source_due(source) > now)
			continue;
		source->is_due = source_turn(source, now);
		report_changes(&bridge->reports[i], source, bridge->json);
	}
}

int main(int argc, char **argv)
{
	static struct bridge_options options;
	struct bridge bridge = {0};
	int r;

	bridge_options_parse(argc, argv, &options);
	signal(SIGPIPE, SIG_IGN); /* a reader that goes away does not end the workers */
	stop_listen();
	r = open_bridge(&bridge, &options);
	while (r == 0 && !bridge.is_over && !stop_asked()) {
		give_turns(&bridge);
		wait_for_turn(&bridge);
	}
	close_bridge(&bridge);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
