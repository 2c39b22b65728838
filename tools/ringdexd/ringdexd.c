/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdexd: maintains the indexes of a namespace, and answers over HTTP who holds what.
 */
#include "shm/clock.h"
#include "shm/namespace.h"
#include "tools/program/beside.h"
#include "tools/program/messages.h"
#include "tools/program/stop.h"
#include "tools/ringdexd/access.h"
#include "tools/ringdexd/bridges.h"
#include "tools/ringdexd/desk.h"
#include "tools/ringdexd/ending.h"
#include "tools/ringdexd/listen.h"
#include "tools/ringdexd/log.h"
#include "tools/ringdexd/loop.h"
#include "tools/ringdexd/manager.h"
#include "tools/ringdexd/passed.h"
#include "tools/ringdexd/routes.h"
#include "tools/ringdexd/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PASSED_MAX  16
#define CONNECTIONS 16384
#define NS_PER_US   1000
#define LOOK_NS     UINT64_C(250000000) /* at time-outs, streams, bridges */

struct ringdexd {
	struct settings_flags flags;
	struct settings settings;
	struct configuration_texts texts;   /* that the settings of the start point to */
	struct configuration_texts renewed; /* those of the last reload */
	struct space space;
	struct loop *loop;
	struct keeper *keeper;
	struct server *server;
	struct bridges *bridges;
	char bridge[PATH_MAX]; /* the program */
	struct desk *desk;
	struct listen_at at[PASSED_MAX + SETTINGS_ADDRESSES_MAX]; /* that are open */
	uint32_t listening;
	uint64_t looked_ns; /* at time-outs and at the keeper */
	int is_ending;
	int has_left; /* what was not closed in time */
	struct manager manager;
	struct loop_socket stop;
	struct loop_socket hangup;
	struct access access;
};

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
		log_say(LOG_AT_WARNING,
			"there are %" PRIu64 " descriptors: %" PRIu64
			" connections at once at most",
			(uint64_t)limit.rlim_cur, most);
	else if (*connections)
		return;
	*connections = (uint32_t)(*connections || most < CONNECTIONS ? most : CONNECTIONS);
}

/* What a service manager has opened: before this process opens anything. -errno, which is said */
static int take_passed(struct ringdexd *d)
{
	int count = passed_take(d->at, PASSED_MAX);

	if (count > 0)
		d->listening = (uint32_t)count;
	return count;
}

/* Is one of these sockets open to whom they must not be? That is said. */
static int is_passed_unguarded(const struct ringdexd *d)
{
	const struct listen_at *at = access_find_unguarded(&d->access, d->at, d->listening);

	if (at && at->is_abstract)
		return listen_refuse_abstract(at->text) < 0;
	return at && listen_refuse(at->text, "") < 0;
}

/* What an address names may have changed since it was checked. */
static int listen_on(struct ringdexd *d, const char *address)
{
	const char *place = configuration_place(&d->texts, address);
	struct listen_at *at = &d->at[d->listening];
	int r = listen_open(address, place, at);

	if (r < 0)
		return r;
	if (access_find_unguarded(&d->access, at, 1)) {
		close(at->fd);
		return listen_refuse(at->text, place);
	}
	d->listening++;
	return server_listen(d->server, at->fd, at->is_unix);
}

/* Where a service manager listens already, and where the options say; else at the default. */
static int listen_everywhere(struct ringdexd *d)
{
	static const char *const fallback[] = {"127.0.0.1:8090", NULL};
	const char *const *address = d->settings.listen;
	int r = 0;

	if (!address[0] && !d->listening)
		address = fallback;
	for (uint32_t i = 0; r == 0 && i < d->listening; i++)
		r = server_listen(d->server, d->at[i].fd, d->at[i].is_unix);
	for (; r == 0 && *address; address++)
		r = listen_on(d, *address);
	return r;
}

static const char *why_no_register(const struct ringdexd *d)
{
	if (d->settings.no_register)
		return "registration is switched off here: --no-register";
	return access_why_no_register(&d->access);
}

/* From now on. */
static void admit(struct ringdexd *d, const struct access *access)
{
	d->access = *access;
	server_change(d->server, &d->settings.limits, d->access.token[0] ? d->access.token : NULL,
		      &d->access.users);
	d->desk->no_register = why_no_register(d);
}

/* Sockets stay open as they are: would other hosts get in by one of them? That is said. */
static int would_open(const struct ringdexd *d, const struct access *access)
{
	const struct listen_at *at = access_find_unguarded(access, d->at, d->listening);

	if (at && at->is_abstract)
		messages_say("%s is open and has no file whose mode says who may connect: keep "
			     "allow-users, or restart ringdexd to listen elsewhere",
			     at->text);
	else if (at)
		messages_say("%s is open and can be reached from other hosts: keep token-file or "
			     "open-to-all, or restart ringdexd to listen elsewhere",
			     at->text);
	return at != NULL;
}

/* Read the configuration again, all of it or nothing. */
static void reload(struct ringdexd *d)
{
	struct configuration_texts texts = {.is_again = 1};
	struct settings next;
	struct access access;

	manager_reloading(&d->manager);
	if (settings_read(&d->flags, &next, &texts) || access_read(&next, &texts, &access) ||
	    would_open(d, &access)) {
		log_say(LOG_AT_ERROR, "the configuration stays as it was");
		configuration_free(&texts);
	} else {
		share_descriptors(&next.limits.connections);
		settings_take_over(&d->settings, &next);
		log_begin(d->settings.log_form, d->settings.log_level);
		admit(d, &access);
		configuration_free(&d->renewed);
		d->renewed = texts;
		log_say(LOG_AT_INFO, "the configuration was read again");
	}
	manager_reloaded(&d->manager);
}

static void on_stop(struct loop_socket *socket, const char *bytes, size_t count)
{
	(void)socket, (void)bytes, (void)count; /* stop_asked says it */
}

static void on_hangup(struct loop_socket *socket, const char *bytes, size_t count)
{
	struct ringdexd *d =
		(struct ringdexd *)((char *)socket - offsetof(struct ringdexd, hangup));
	struct signalfd_siginfo info;

	(void)bytes, (void)count;
	if (read(socket->fd, &info, sizeof(info)) == (ssize_t)sizeof(info) && !stop_asked())
		reload(d);
}

static void on_watched_closed(struct loop_socket *socket)
{
	(void)socket;
}

static const struct loop_handler stop_handler = {.received = on_stop, .closed = on_watched_closed};
static const struct loop_handler hangup_handler = {.received = on_hangup,
						   .closed = on_watched_closed};

static sigset_t hangup_alone(void)
{
	sigset_t hangup;

	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	return hangup;
}

/* Blocked, so that it can be read: it ends nothing, not even where this is started from a terminal. */
static void hold_hangup(void)
{
	sigset_t hangup = hangup_alone();

	signal(SIGHUP, SIG_DFL); /* ignored, as under nohup, it could not be read */
	pthread_sigmask(SIG_BLOCK, &hangup, NULL);
}

/* One that came since the start is read, too. -errno */
static int open_hangup(void)
{
	sigset_t hangup = hangup_alone();
	int fd = signalfd(-1, &hangup, SFD_CLOEXEC | SFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static int watch(struct ringdexd *d, struct loop_socket *socket, int fd,
		 const struct loop_handler *handler)
{
	if (fd < 0)
		return -errno;
	*socket = (struct loop_socket){.fd = fd, .handler = handler};
	return loop_watch(d->loop, socket);
}

/* io_uring or epoll; and that the other one was meant where it is so. */
static int open_loop(struct ringdexd *d)
{
	uint32_t wanted = d->settings.indexer.wait_mode;
	int r = loop_open(&d->loop, wanted);

	if (r < 0 && wanted == RDX_WAIT_URING)
		messages_say("io_uring is not available here (%s): use --wait auto or --wait epoll",
			     strerror(-r));
	else if (r < 0)
		messages_say("cannot wait for requests: %s", strerror(-r));
	else if (wanted == RDX_WAIT_AUTO && loop_mode(d->loop) == RDX_WAIT_EPOLL)
		log_say(LOG_AT_WARNING, "io_uring is not available here: epoll is used");
	return r;
}

static void on_answered(void *context, const struct route *route, const struct request *request,
			int status, uint64_t took_ns)
{
	struct desk *desk = context;

	traffic_count(&desk->traffic, route, status, took_ns);
	if (log_is_said(LOG_AT_DEBUG))
		log_say(LOG_AT_DEBUG, "%s: %d in %" PRIu64 " us", request->path, status,
			took_ns / NS_PER_US);
}

/* Where the bridge's program is; whether it is there, who registers finds out. */
static int open_bridges(struct ringdexd *d)
{
	struct bridges_options options = {.program = d->settings.bridge,
					  .dir = d->settings.indexer.dir,
					  .most = d->settings.registered};
	int r = 0;

	if (!options.program) {
		r = beside_path("ringdex-bridge", d->bridge);
		options.program = d->bridge;
	}
	return r < 0 ? r : bridges_open(&d->bridges, d->loop, &options);
}

static int open_all(struct ringdexd *d)
{
	struct server_options serving = {.limits = d->settings.limits,
					 .routes = routes_all,
					 .context = d->desk,
					 .addresses = d->settings.listen,
					 .answered = on_answered};
	int r = open_loop(d);

	if (r == 0)
		r = keeper_start(&d->keeper, &d->settings.indexer, d->settings.clean_ns);
	if (r == 0)
		r = open_bridges(d);
	if (r == 0)
		r = desk_open(d->desk, &d->space, d->keeper);
	if (r == 0)
		r = server_open(&d->server, d->loop, &serving);
	if (r < 0)
		return r;
	d->desk->server = d->server;
	d->desk->choose = &d->settings.choose;
	d->desk->bridges = d->bridges;
	admit(d, &d->access);
	d->desk->traffic.routes = serving.routes;
	r = watch(d, &d->stop, dup(stop_fd()), &stop_handler);
	if (r == 0)
		r = watch(d, &d->hangup, open_hangup(), &hangup_handler);
	return r < 0 ? r : listen_everywhere(d);
}

/* Between two looks: a second where nobody is served, since only the manager waits for anything then. */
static uint64_t look_ns(const struct ringdexd *d)
{
	uint64_t most = manager_look_ns(&d->manager);
	int serves = server_get_counters(d->server)->connections || bridges_have_any(d->bridges);

	if (d->is_ending)
		return ENDING_TURN_NS;
	return serves && most > LOOK_NS ? LOOK_NS : most;
}

static int turn(struct ringdexd *d, uint64_t most_ns)
{
	int r = loop_turn(d->loop, most_ns);
	uint64_t now = rdx_clock_ns();

	if (r < 0)
		messages_say("cannot wait for requests: %s", strerror(-r));
	else
		histogram_add(&d->desk->traffic.turns, loop_busy_ns(d->loop));
	if (now - d->looked_ns >= look_ns(d)) {
		server_look(d->server, now);
		bridges_look(d->bridges, now);
		if (!d->is_ending) /* what ends is not ready, whatever it was before */
			manager_look(&d->manager, d->keeper, now);
		d->looked_ns = now;
	}
	return r;
}

static int serve(struct ringdexd *d)
{
	int r = 0;

	while (r == 0 && !stop_asked())
		r = turn(d, look_ns(d));
	return r;
}

static uint32_t under_way(void *context)
{
	struct ringdexd *d = context;

	return server_drain(d->server) + bridges_drain(d->bridges);
}

static void cut(void *context)
{
	struct ringdexd *d = context;

	server_end(d->server);
	bridges_kill(d->bridges);
	keeper_ask_to_stop(d->keeper); /* so that it does so meanwhile */
}

static uint32_t unclosed(void *context)
{
	struct ringdexd *d = context;

	return loop_sockets(d->loop);
}

static int go_on(void *context, uint64_t most_ns)
{
	return turn(context, most_ns);
}

static const struct ending_calls ending = {.now_ns = rdx_clock_ns,
					   .under_way = under_way,
					   .cut = cut,
					   .unclosed = unclosed,
					   .turn = go_on};

/* Answers that are under way get their time, what is idle none. */
static void end(struct ringdexd *d)
{
	if (stop_asked())
		log_leave_by(rdx_clock_ns() + ENDING_NS);
	d->is_ending = 1;
	manager_stopping(&d->manager);
	d->looked_ns = 0; /* what is idle goes at once */
	for (uint32_t i = 0; i < d->listening; i++)
		listen_remove(&d->at[i]); /* a successor may have the name from now on */
	if (d->stop.handler)
		loop_close(d->loop, &d->stop);
	if (d->hangup.handler)
		loop_close(d->loop, &d->hangup);
	if (d->server)
		ending_run(&ending, d);
	d->has_left = d->loop && loop_sockets(d->loop);
	keeper_stop(d->keeper);
	desk_close(d->desk);
	server_free(d->server);
	bridges_free(d->bridges);
	loop_free(d->loop);
	manager_close(&d->manager);
}

/* For who started it, who may read that or not: it neither waits for him nor ends without him. */
static void print_start(const struct ringdexd *d)
{
	struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
	int is_taken = poll(&output, 1, 0) == 1 && output.revents & POLLOUT;

	for (uint32_t i = 0; is_taken && i < d->listening; i++)
		is_taken = dprintf(STDOUT_FILENO, "listening on %s\n", d->at[i].text) > 0;
	if (!is_taken)
		log_say(LOG_AT_WARNING, "nobody reads on standard output where this listens");
}

/* EXIT_DONE: no fault. */
static int check_config(const struct ringdexd *d, int faults)
{
	struct access access;

	faults += access_read(&d->settings, &d->texts, &access);
	if (faults)
		return EXIT_USAGE;
	printf("no fault\n");
	return EXIT_DONE;
}

static int open_directory(struct ringdexd *d)
{
	const char *dir = d->settings.indexer.dir;
	int fd = rdx_namespace_open(dir, 1);

	if (fd < 0) {
		messages_say("cannot make %s: %s", dir, strerror(-fd));
		return fd;
	}
	close(fd);
	return space_open(&d->space, dir);
}

static int run(struct ringdexd *d)
{
	int r;

	share_descriptors(&d->settings.limits.connections);
	stop_listen();
	manager_open(&d->manager);
	r = open_directory(d);
	if (r < 0)
		return r;
	r = open_all(d);
	if (r == 0) {
		print_start(d);
		r = serve(d);
	}
	end(d);
	space_close(&d->space);
	return r;
}

int main(int argc, char **argv)
{
	static struct ringdexd d;
	static struct desk desk;
	int faults, r;

	hold_hangup(); /* before anything that takes a while */
	d.desk = &desk;
	settings_parse(argc, argv, &d.flags);
	/* whoever reads the log may go: it goes on */
	signal(SIGPIPE, SIG_IGN);
	r = log_open();
	if (r < 0) {
		messages_say("cannot start a thread: %s", strerror(-r));
		return EXIT_FAILED;
	}
	faults = settings_read(&d.flags, &d.settings, &d.texts);
	if (d.settings.check_config)
		return check_config(&d, faults);
	if (faults)
		return EXIT_USAGE;
	log_begin(d.settings.log_form, d.settings.log_level);
	if (access_read(&d.settings, &d.texts, &d.access))
		return EXIT_USAGE;
	if (take_passed(&d) < 0)
		return EXIT_FAILED;
	if (is_passed_unguarded(&d))
		return EXIT_USAGE;
	r = run(&d);
	configuration_free(&d.renewed);
	configuration_free(&d.texts);
	if (d.has_left) { /* ends with the process: it is no leak, which a sanitizer would look for */
		log_leave();
		_exit(r < 0 ? EXIT_FAILED : EXIT_DONE);
	}
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
