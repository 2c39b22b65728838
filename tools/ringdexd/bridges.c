/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/bridges.h"

#include "shm/clock.h"
#include "tools/ringdexd/log.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define AGAIN_MIN_NS                                                                               \
	UINT64_C(100000000) /* before it is started again; then twice as long each time */
#define AGAIN_MAX_NS UINT64_C(10000000000)
#define PROVEN_NS    UINT64_C(10000000000) /* who ran so long begins with the least again */
#define END_NS       UINT64_C(2000000000)  /* to end by itself, when told to */
#define LINE_BYTES   4096
#define STATE_BYTES  32
#define END_BYTES    64

struct bridge {
	struct loop_socket socket; /* first */
	struct bridges *bridges;
	struct bridge *next;
	struct bridge_stream stream;
	enum bridge_status status;
	char state[STATE_BYTES]; /* as it said itself */
	uint32_t dp_rank;        /* as which it is published */
	pid_t pid;               /* 0: there is no process, or it was waited for */
	int has_socket;
	int has_ended;  /* as a look has seen, while somebody else had its output still */
	int is_removed; /* it is in the list of those that end */
	uint64_t started_ns;
	uint64_t again_ns; /* the pause before the next start */
	uint64_t
		due_ns; /* the next start; of one that is removed: until when it may end, and is remembered */
	size_t line_bytes;
	char line[LINE_BYTES];
};

struct bridges {
	struct loop *loop;
	struct bridges_options options;
	struct bridge *first;  /* by instance and rank */
	struct bridge *ending; /* removed: its process may be there, and its rank known */
	uint32_t count;        /* of the first list */
	uint64_t restarts;
};

static void say(const struct bridge *bridge, enum log_level level, const char *text)
{
	log_say(level, "bridge of instance %" PRIu64 " dp_rank %" PRIu32 ": %s",
		bridge->stream.instance_id, bridge->stream.dp_rank, text);
}

/*
 * What it says
 */

/* In the words of `ringdex bridge --json`. */
static enum bridge_status status_of(const char *state)
{
	if (strcmp(state, "waiting") == 0)
		return BRIDGE_WAITING;
	return strcmp(state, "broken") == 0 || strcmp(state, "lost") == 0 ? BRIDGE_PAUSED
									  : BRIDGE_ACTIVE;
}

static void take_report(struct bridge *bridge, struct json_object *report)
{
	struct json_object *state, *dp_rank;

	if (!json_object_object_get_ex(report, "state", &state) ||
	    !json_object_is_type(state, json_type_string))
		return;
	if (strcmp(bridge->state, json_object_get_string(state)) != 0)
		say(bridge, LOG_AT_INFO, json_object_get_string(state));
	snprintf(bridge->state, STATE_BYTES, "%s", json_object_get_string(state));
	bridge->status = status_of(bridge->state);
	if (json_object_object_get_ex(report, "dp_rank", &dp_rank))
		bridge->dp_rank = (uint32_t)json_object_get_int64(dp_rank);
}

static void take_line(struct bridge *bridge)
{
	struct json_object *report;

	bridge->line[bridge->line_bytes] = 0;
	bridge->line_bytes = 0;
	report = bridge->line[0] == '{' ? json_tokener_parse(bridge->line) : NULL;
	if (json_object_is_type(report, json_type_object))
		take_report(bridge, report);
	else if (bridge->line[0])
		say(bridge, LOG_AT_WARNING, bridge->line);
	json_object_put(report);
}

/* The rest of a line that is too long is lost. */
static void take_bytes(struct bridge *bridge, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] == '\n')
			take_line(bridge);
		else if (bridge->line_bytes < LINE_BYTES - 1)
			bridge->line[bridge->line_bytes++] = bytes[i];
	}
}

/*
 * Its process
 */

static void say_end(const struct bridge *bridge, int status)
{
	char text[END_BYTES];

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "ended by signal %d, is started again",
			 WTERMSIG(status));
	else
		snprintf(text, sizeof(text), "ended with status %d, is started again",
			 WEXITSTATUS(status));
	say(bridge, LOG_AT_WARNING, text);
}

static void put_off(struct bridge *bridge, uint64_t now)
{
	bridge->status = BRIDGE_FAILED;
	bridge->due_ns = now + bridge->again_ns;
	bridge->again_ns =
		bridge->again_ns < AGAIN_MAX_NS / 2 ? 2 * bridge->again_ns : AGAIN_MAX_NS;
}

/* Its process may have ended: then it can be waited for, and is to be started again. */
static void reap(struct bridge *bridge, uint64_t now)
{
	int status = 0;

	if (!bridge->pid || bridge->has_socket || waitpid(bridge->pid, &status, WNOHANG) == 0)
		return;
	bridge->pid = 0;
	if (bridge->is_removed)
		return;
	if (now - bridge->started_ns >= PROVEN_NS)
		bridge->again_ns = AGAIN_MIN_NS;
	say_end(bridge, status);
	put_off(bridge, now);
}

static void hang_up(struct bridge *bridge)
{
	if (!bridge->is_removed)
		bridge->status = BRIDGE_FAILED;
	/* it ends already, or is of no use: it says nothing any more */
	kill(bridge->pid, SIGKILL);
	loop_close(bridge->bridges->loop, &bridge->socket);
}

/* A process that it left behind may have its output, which then has no end. What it said itself before its own
 * end is there at the next look. */
static void look_at_end(struct bridge *bridge)
{
	siginfo_t info = {0};

	if (!bridge->has_socket ||
	    waitid(P_PID, (id_t)bridge->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    !info.si_pid)
		return;
	if (bridge->has_ended)
		hang_up(bridge);
	bridge->has_ended = 1;
}

static void on_received(struct loop_socket *socket, const char *bytes, size_t count)
{
	struct bridge *bridge = (struct bridge *)socket;

	if (count)
		take_bytes(bridge, bytes, count);
	else
		hang_up(bridge);
}

static void on_failed(struct loop_socket *socket, int error)
{
	(void)error;
	hang_up((struct bridge *)socket);
}

static void on_closed(struct loop_socket *socket)
{
	struct bridge *bridge = (struct bridge *)socket;

	bridge->has_socket = 0;
	reap(bridge, rdx_clock_ns());
}

static const struct loop_handler handler = {
	.received = on_received,
	.failed = on_failed,
	.closed = on_closed,
};

static void start(struct bridge *bridge)
{
	struct bridges *bridges = bridge->bridges;
	int fd, r;

	bridge->started_ns = rdx_clock_ns();
	bridge->line_bytes = 0;
	bridge->state[0] = 0;
	r = bridge_process_start(bridges->options.program, bridges->options.dir, &bridge->stream,
				 &bridge->pid, &fd);
	if (r < 0) {
		log_say(LOG_AT_ERROR, "cannot start %s, and tries again: %s",
			bridges->options.program, strerror(-r));
		put_off(bridge, bridge->started_ns);
		return;
	}
	bridge->status = BRIDGE_PENDING;
	bridge->has_socket = 1;
	bridge->has_ended = 0;
	bridge->socket = (struct loop_socket){.fd = fd, .handler = &handler};
	if (loop_receive(bridges->loop, &bridge->socket) < 0)
		hang_up(bridge);
}

/*
 * All of them
 */

int bridges_open(struct bridges **ret_bridges, struct loop *loop,
		 const struct bridges_options *options)
{
	struct bridges *bridges = calloc(1, sizeof(*bridges));

	if (!bridges)
		return -ENOMEM;
	signal(SIGCHLD, SIG_DFL); /* ignored, as a parent may have it, nobody could be waited for */
	bridges->loop = loop;
	bridges->options = *options;
	*ret_bridges = bridges;
	return 0;
}

static int is_before(const struct bridge_stream *a, const struct bridge_stream *b)
{
	return a->instance_id < b->instance_id ||
	       (a->instance_id == b->instance_id && a->dp_rank < b->dp_rank);
}

int bridges_add(struct bridges *bridges, const struct bridge_stream *stream)
{
	struct bridge **at = &bridges->first, *bridge;

	if (bridges->count >= bridges->options.most)
		return -ENOSPC;
	bridge = calloc(1, sizeof(*bridge));
	if (!bridge)
		return -ENOMEM;
	bridge->bridges = bridges;
	bridge->stream = *stream;
	bridge->dp_rank = stream->dp_rank;
	bridge->again_ns = AGAIN_MIN_NS;
	while (*at && is_before(&(*at)->stream, stream))
		at = &(*at)->next;
	bridge->next = *at;
	*at = bridge;
	bridges->count++;
	start(bridge);
	return 0;
}

/* It is in no list of streams any more. */
static void end(struct bridges *bridges, struct bridge *bridge)
{
	bridges->count--;
	if (!bridge->pid) { /* nor has it a socket */
		free(bridge);
		return;
	}
	kill(bridge->pid, SIGTERM);
	bridge->is_removed = 1;
	bridge->due_ns = rdx_clock_ns() + END_NS;
	bridge->next = bridges->ending;
	bridges->ending = bridge;
}

void bridges_remove(struct bridges *bridges, uint64_t instance_id, const uint32_t *dp_rank)
{
	struct bridge **at = &bridges->first;

	while (*at) {
		struct bridge *bridge = *at;

		if (bridge->stream.instance_id != instance_id ||
		    (dp_rank && bridge->stream.dp_rank != *dp_rank)) {
			at = &bridge->next;
			continue;
		}
		*at = bridge->next;
		end(bridges, bridge);
	}
}

const struct bridge *bridges_next(const struct bridges *bridges, const struct bridge *after)
{
	return after ? after->next : bridges->first;
}

struct bridge_view bridge_view(const struct bridge *bridge)
{
	return (struct bridge_view){
		.stream = &bridge->stream, .dp_rank = bridge->dp_rank, .status = bridge->status};
}

const struct bridge *bridges_of_instance(const struct bridges *bridges, uint64_t instance_id)
{
	const struct bridge *bridge = bridges->first;

	while (bridge && bridge->stream.instance_id != instance_id)
		bridge = bridge->next;
	return bridge;
}

const struct bridge *bridges_of_model(const struct bridges *bridges, const char *model,
				      const char *tenant)
{
	const struct bridge *bridge = bridges->first;

	while (bridge && (strcmp(bridge->stream.model, model) != 0 ||
			  strcmp(bridge->stream.tenant, tenant) != 0))
		bridge = bridge->next;
	return bridge;
}

static int publishes(const struct bridge *list, uint64_t instance_id, uint32_t dp_rank)
{
	while (list && (list->stream.instance_id != instance_id || list->dp_rank != dp_rank))
		list = list->next;
	return list != NULL;
}

int bridges_publish(const struct bridges *bridges, uint64_t instance_id, uint32_t dp_rank)
{
	return publishes(bridges->first, instance_id, dp_rank) ||
	       publishes(bridges->ending, instance_id, dp_rank);
}

const char *bridge_status_text(enum bridge_status status)
{
	static const char *const texts[BRIDGE_STATUSES] = {"pending", "waiting", "active", "paused",
							   "failed"};

	return texts[status];
}

const char *bridge_status_of_dynamo(enum bridge_status status)
{
	return bridge_status_text(status == BRIDGE_WAITING ? BRIDGE_ACTIVE : status);
}

uint64_t bridges_restarts(const struct bridges *bridges)
{
	return bridges->restarts;
}

void bridges_look(struct bridges *bridges, uint64_t now_ns)
{
	struct bridge **at = &bridges->ending;

	while (*at) {
		struct bridge *bridge = *at;

		if (bridge->pid && now_ns >= bridge->due_ns)
			kill(bridge->pid, SIGKILL);
		look_at_end(bridge);
		reap(bridge, now_ns);
		if (bridge->pid || now_ns < bridge->due_ns) {
			at = &bridge->next;
			continue;
		}
		*at = bridge->next;
		free(bridge);
	}
	for (struct bridge *bridge = bridges->first; bridge; bridge = bridge->next) {
		if (bridge->pid) {
			look_at_end(bridge);
			reap(bridge, now_ns);
		} else if (now_ns >= bridge->due_ns) {
			bridges->restarts++;
			start(bridge);
		}
	}
}

int bridges_have_any(const struct bridges *bridges)
{
	return bridges->first || bridges->ending;
}

uint32_t bridges_drain(struct bridges *bridges)
{
	uint32_t left = 0;

	while (bridges->first) {
		struct bridge *bridge = bridges->first;

		bridges->first = bridge->next;
		end(bridges, bridge);
	}
	for (const struct bridge *bridge = bridges->ending; bridge; bridge = bridge->next)
		left += bridge->has_socket != 0;
	return left;
}

void bridges_kill(struct bridges *bridges)
{
	bridges_drain(bridges);
	for (struct bridge *bridge = bridges->ending; bridge; bridge = bridge->next)
		if (bridge->has_socket)
			hang_up(bridge);
}

void bridges_free(struct bridges *bridges)
{
	if (!bridges)
		return;
	while (bridges->ending) {
		struct bridge *bridge = bridges->ending;

		bridges->ending = bridge->next;
		if (bridge->pid) {
			kill(bridge->pid, SIGKILL);
			waitpid(bridge->pid, NULL, 0);
		}
		free(bridge);
	}
	free(bridges);
}
