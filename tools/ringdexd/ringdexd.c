/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdexd: maintains the indexes of a namespace, and answers over HTTP who holds what.
 */
#include "shm/clock.h"
#include "shm/namespace.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"
#include "tools/program/stop.h"
#include "tools/ringdexd/desk.h"
#include "tools/ringdexd/listen.h"
#include "tools/ringdexd/loop.h"
#include "tools/ringdexd/routes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ADDRESSES_MAX 16
#define CONNECTIONS   16384
#define TOKEN_BYTES   512
#define NS_PER_MS     UINT64_C(1000000)
#define DAY_NS        UINT64_C(86400000000000)
#define LOOK_NS       UINT64_C(250000000) /* between two looks at time-outs */
#define STOP_NS       UINT64_C(800000000) /* in which answers may still be taken */

struct ringdexd_options {
	struct rdx_indexer_options indexer;
	const char *listen[ADDRESSES_MAX + 1];
	const char *token_file;
	int open_to_all;
	struct server_limits limits;
};

#define TO(member) OPTIONS_TO(struct ringdexd_options, member)

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(indexer.dir)),
	{"listen", 'l', "ADDRESS",
	 "Serve HTTP there: HOST:PORT (port 0: any that is free), [IPv6]:PORT or unix:PATH; may be "
	 "given "
	 "again",
	 OPTIONS_TEXTS, TO(listen), .min = 1, .fallback = "127.0.0.1:8090"},
	{"token-file", 0, "FILE",
	 "A request over TCP must have the token that is this file's first line, as a bearer token",
	 OPTIONS_TEXT, TO(token_file), .min = 1},
	{"open-to-all", 0, NULL, "Listen on other addresses than this host's own without a token",
	 OPTIONS_FLAG, TO(open_to_all)},
	{"connections", 0, "N", "Connections at once", OPTIONS_NUMBER, TO(limits.connections),
	 .min = 1, .max = 1000000, .fallback = "16384, or half of the descriptors"},
	{"request-timeout", 0, "TIME", "Time that a request may take to arrive", OPTIONS_DURATION,
	 TO(limits.request_ns), .min = NS_PER_MS, .max = DAY_NS},
	{"idle-timeout", 0, "TIME", "Time after which a connection without a request is closed",
	 OPTIONS_DURATION, TO(limits.idle_ns), .min = NS_PER_MS, .max = DAY_NS},
	OPTIONS_WAIT(TO(indexer.wait_mode)),
	OPTIONS_REST(TO(indexer.rest_mode)),
	{0},
};

static const struct options_program program = {
	.entries = entries,
	.about = "Maintain the indexes of a namespace, as ringdex follow does, and answer over "
		 "HTTP who "
		 "holds which prefix, as NVIDIA Dynamo's stand-alone indexer does. Runs until "
		 "SIGINT or "
		 "SIGTERM. While another process maintains the indexes it answers from them, and "
		 "takes "
		 "over when that one ends.\v"
		 "Exit status: 0 told to stop, 1 it could not start or go on, 2 wrong usage.",
};

struct ringdexd {
	const struct ringdexd_options *options;
	struct space space;
	struct loop *loop;
	struct keeper *keeper;
	struct server *server;
	struct desk *desk;
	struct listen_at at[ADDRESSES_MAX];
	uint32_t listening;
	uint64_t look_ns; /* the next one */
	struct loop_socket stop;
	char token[TOKEN_BYTES];
};

static int read_token(const char *path, char *ret_token)
{
	FILE *file = fopen(path, "re");
	size_t count;

	if (!file || !fgets(ret_token, TOKEN_BYTES, file)) {
		messages_say("cannot read a token from %s: %s", path,
			     file ? "it is empty" : strerror(errno));
		if (file)
			fclose(file);
		return -EINVAL;
	}
	fclose(file);
	count = strcspn(ret_token, "\r\n");
	ret_token[count] = 0;
	if (count >= 16 && count < TOKEN_BYTES - 1)
		return 0;
	messages_say("the token in %s must have 16 to %d characters", path, TOKEN_BYTES - 2);
	return -EINVAL;
}

/* A connection is a descriptor, and an index three or more: half of them are for connections at most. */
static void share_descriptors(uint32_t *connections)
{
	struct rlimit limit;
	uint64_t most;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	most = limit.rlim_cur / 2;
	if (*connections > most)
		messages_say("there are %" PRIu64 " descriptors: %" PRIu64
			     " connections at once at most",
			     (uint64_t)limit.rlim_cur, most);
	else if (*connections)
		return;
	*connections = (uint32_t)(*connections || most < CONNECTIONS ? most : CONNECTIONS);
}

static int listen_on(struct ringdexd *d, const char *address)
{
	struct listen_at *at = &d->at[d->listening];
	int r = listen_open(address, at);

	if (r < 0)
		return r;
	if (!at->is_loopback && !d->token[0] && !d->options->open_to_all) {
		messages_say(
			"%s can be reached from other hosts: give --token-file, or --open-to-all",
			at->text);
		close(at->fd);
		return -EPERM;
	}
	d->listening++;
	return server_listen(d->server, at->fd, at->is_unix);
}

static int listen_everywhere(struct ringdexd *d)
{
	static const char *const fallback[] = {"127.0.0.1:8090", NULL};
	const char *const *address = d->options->listen[0] ? d->options->listen : fallback;
	int r = 0;

	for (; r == 0 && *address; address++)
		r = listen_on(d, *address);
	return r;
}

static void on_stop(struct loop_socket *socket, const char *bytes, size_t count)
{
	(void)socket, (void)bytes, (void)count; /* stop_asked says it */
}

static void on_stop_closed(struct loop_socket *socket)
{
	(void)socket;
}

static const struct loop_handler stop_handler = {.received = on_stop, .closed = on_stop_closed};

static int open_all(struct ringdexd *d)
{
	struct server_options serving = {
		.limits = d->options->limits, .routes = routes_all, .context = d->desk};
	int r = loop_open(&d->loop, d->options->indexer.wait_mode);

	if (r < 0) {
		messages_say("cannot wait through io_uring: %s", strerror(-r));
		return r;
	}
	if (d->options->token_file) {
		r = read_token(d->options->token_file, d->token);
		serving.token = d->token;
	}
	if (r == 0)
		r = keeper_start(&d->keeper, &d->options->indexer);
	if (r == 0)
		r = desk_open(d->desk, &d->space, d->keeper);
	if (r == 0)
		r = server_open(&d->server, d->loop, &serving);
	if (r < 0)
		return r;
	d->desk->server = d->server;
	d->stop = (struct loop_socket){.fd = dup(stop_fd()), .handler = &stop_handler};
	r = loop_watch(d->loop, &d->stop);
	return r < 0 ? r : listen_everywhere(d);
}

static int turn(struct ringdexd *d)
{
	int r = loop_turn(d->loop, LOOK_NS);
	uint64_t now = rdx_clock_ns();

	if (r < 0)
		messages_say("cannot wait for requests: %s", strerror(-r));
	if (now >= d->look_ns) {
		server_look(d->server, now);
		d->look_ns = now + LOOK_NS;
	}
	return r;
}

static int serve(struct ringdexd *d)
{
	int r = 0;

	while (r == 0 && !stop_asked())
		r = turn(d);
	return r;
}

/* Answers that are under way get their time, what is idle none. */
static void end(struct ringdexd *d)
{
	uint64_t until = rdx_clock_ns() + STOP_NS;

	d->look_ns = 0; /* what is idle goes at once */
	for (uint32_t i = 0; i < d->listening; i++)
		listen_remove(&d->at[i]); /* a successor may have the name from now on */
	if (d->stop.handler)
		loop_close(d->loop, &d->stop);
	if (d->server) {
		while (server_drain(d->server) && rdx_clock_ns() < until && turn(d) == 0)
			;
		server_end(d->server);
		for (until += STOP_NS; loop_sockets(d->loop) && rdx_clock_ns() < until;)
			(void)turn(d);
	}
	keeper_stop(d->keeper);
	desk_close(d->desk);
	server_free(d->server);
	loop_free(d->loop);
}

static void print_start(const struct ringdexd *d)
{
	for (uint32_t i = 0; i < d->listening; i++)
		printf("listening on %s\n", d->at[i].text);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct ringdexd_options options = {
		.indexer = {.size = sizeof(options.indexer), .dir = RDX_DEFAULT_DIR},
		.limits = server_limits_default};
	static struct ringdexd d;
	static struct desk desk;
	int r;

	options_parse(&program, argc, argv, &options);
	share_descriptors(&options.limits.connections);
	stop_listen();
	d.options = &options;
	d.desk = &desk;
	r = rdx_namespace_open(options.indexer.dir, 1);
	if (r >= 0) {
		close(r);
		r = space_open(&d.space, options.indexer.dir);
	} else {
		messages_say("cannot make %s: %s", options.indexer.dir, strerror(-r));
	}
	if (r < 0)
		return EXIT_FAILED;
	r = open_all(&d);
	if (r == 0) {
		print_start(&d);
		r = serve(&d);
	}
	end(&d);
	space_close(&d.space);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
