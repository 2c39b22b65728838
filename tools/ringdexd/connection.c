/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/connection.h"

#include "shm/clock.h"
#include "tools/ringdexd/body.h"
#include "tools/ringdexd/log.h"
#include "tools/ringdexd/parameter.h"
#include "tools/ringdexd/request_reader.h"
#include "tools/ringdexd/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD_MAX  ((size_t)65536) /* bytes of later requests, from which on the peer waits */
#define LINGER_NS UINT64_C(1000000000)
#define KEPT_NS   UINT64_C(1000000000) /* memory of a connection that is idle */
#define KEPT_BYTES                                                                                 \
	((size_t)65536) /* of a body or an answer; larger ones go when they are not needed */
#define STATUSES_OF_CLASS 100
#define RETRY_LATER       "Retry-After: 1\r\n"

enum phase {
	IDLE,      /* nothing of a request yet */
	READING,   /* some of it */
	ANSWERING, /* the answer is on its way */
	LINGERING, /* the last answer is sent: what the peer still sends is dropped, until it is done */
	ENDED,
};

struct connection {
	struct loop_socket socket; /* first */
	struct connection_host *host;
	struct connection *next, *before;
	struct request_reader reader;
	struct grown held; /* came while an answer was on its way */
	size_t held_at;    /* how much of it was parsed */
	struct answer answer;
	struct stream *stream;             /* that the rest of the answer comes from */
	struct connection *next_streaming; /* in the host's list */
	uint64_t until_ns;                 /* of the phase */
	uint8_t phase;
	uint8_t is_last;    /* it ends after this answer */
	uint8_t is_waiting; /* for its stream, which has nothing now */
	uint8_t peer_ended;
};

static struct connection *of(struct loop_socket *socket)
{
	return (struct connection *)socket;
}

static void enter(struct connection *connection, enum phase phase, uint64_t lasts_ns)
{
	connection->phase = (uint8_t)phase;
	connection->until_ns = rdx_clock_ns() + lasts_ns;
}

/*
 * Answers
 */

static void send_bytes(struct connection *connection, const char *bytes, size_t count)
{
	enter(connection, ANSWERING, connection->host->options.limits.answer_ns);
	loop_send(connection->host->loop, &connection->socket, bytes, count);
}

/* Its body is made, or nobody takes it any more. */
static void end_stream(struct connection *connection)
{
	struct connection **at = &connection->host->streaming;
	struct stream *stream = connection->stream;

	if (!stream)
		return;
	while (*at != connection)
		at = &(*at)->next_streaming;
	*at = connection->next_streaming;
	connection->stream = NULL;
	connection->is_waiting = 0;
	stream->ended(stream);
}

/* Whoever ended his half of it has gone: nothing else would tell. */
static int is_endless(const struct connection *connection)
{
	return connection->stream && connection->answer.is_endless;
}

/* If the answer has one. */
static void begin_stream(struct connection *connection, int has_body)
{
	connection->stream = connection->answer.stream;
	if (!connection->stream)
		return;
	connection->next_streaming = connection->host->streaming;
	connection->host->streaming = connection;
	if (!has_body)
		end_stream(connection);
}

static void send_answer(struct connection *connection)
{
	struct answer *answer = &connection->answer;
	int has_body = connection->reader.parser.method != HTTP_HEAD;
	const char *bytes;
	size_t count;

	/* clients of 1.0 know the end of an answer by that of the connection */
	if (connection->host->is_draining ||
	    !llhttp_should_keep_alive(&connection->reader.parser) ||
	    connection->reader.parser.http_minor == 0)
		connection->is_last = 1;
	answer->is_chunked = connection->reader.parser.http_minor != 0;
	bytes = answer_finish(answer, has_body, connection->is_last, &count);
	begin_stream(connection, has_body);
	if (!bytes || answer->broken)
		connection_end(connection);
	else
		send_bytes(connection, bytes, count);
}

/* Is what was read of the target one of ours, for which errors are JSON? Dynamo's are mostly plain text. */
static int is_v1(const struct connection *connection)
{
	static const char prefix[] = "/v1/";
	const struct grown *target = &connection->reader.target;

	return target->count >= sizeof(prefix) - 1 &&
	       memcmp(target->bytes, prefix, sizeof(prefix) - 1) == 0;
}

/* In words, instead of any other answer; and the connection is over. */
static void answer_refusal(struct connection *connection, int status, const char *text)
{
	connection->is_last = 1;
	if (is_v1(connection))
		answer_error(&connection->answer, status, "%s", text);
	else
		answer_plain(&connection->answer, status, "%s\n", text);
	if (status == 503)
		connection->answer.headers = RETRY_LATER;
}

/* It could not be read to its end. */
static void send_refusal(struct connection *connection, int status, const char *text)
{
	struct server_counters *counters = &connection->host->counters;

	counters->refusals[status / STATUSES_OF_CLASS]++;
	counters->unauthorized += status == 401;
	log_say(LOG_AT_DEBUG, "a request is refused: %d, %s", status, text);
	request_reader_drop_body(&connection->reader);
	answer_refusal(connection, status, text);
	send_answer(connection);
}

static const struct route *find_route(struct connection *connection, const char *path)
{
	const char *method = llhttp_method_name((llhttp_method_t)connection->reader.parser.method);
	const struct route *other = NULL;

	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (const struct route *route = connection->host->options.routes; route->method; route++) {
		if (strcmp(route->path, path) != 0)
			continue;
		if (strcmp(route->method, method) == 0)
			return route;
		other = route;
	}
	if (!other) {
		answer_error(&connection->answer, 404, "there is no %s", path);
		return NULL;
	}
	answer_error(&connection->answer, 405, "%s takes %s", path, other->method);
	connection->answer.headers =
		strcmp(other->method, "GET") == 0 ? "Allow: GET, HEAD\r\n" : "Allow: POST\r\n";
	return NULL;
}

/* 1; 0 where that is answered. */
static int check_parameters(const struct route *route, const struct request *request,
			    struct answer *answer)
{
	char name[PARAMETER_NAME_BYTES];

	if (!route->parameters || !parameter_unknown(request->query, route->parameters, name))
		return 1;
	answer_error(answer, 400, "%s has no parameter \"%s\": /v1/openapi.json says what it has",
		     route->path, name);
	return 0;
}

/* What its reader found: a token moves all that the connection keeps. */
static void follow_reader(struct connection *connection)
{
	struct budget *to = connection->reader.target.budget;

	budget_move(&connection->held.budget, connection->held.capacity, to);
	budget_move(&connection->answer.budget, connection->answer.capacity, to);
}

static void answer_request(struct connection *connection)
{
	struct connection_host *host = connection->host;
	static const char no_body[BODY_PADDING];
	struct request request = {
		.body = connection->reader.body.count ? connection->reader.body.bytes : no_body,
		.body_bytes = connection->reader.body.count,
		.is_json = connection->reader.is_json,
		.takes_openmetrics = connection->reader.takes_openmetrics,
		.none_match = connection->reader.none_match,
		.path = connection->reader.target.bytes,
		.query = ""};
	char *query = strchr(connection->reader.target.bytes, '?');
	const struct route *route;
	uint64_t begun_ns = rdx_clock_ns();

	if (query) {
		*query = 0;
		request.query = query + 1;
	}
	host->counters.requests++;
	follow_reader(connection);
	answer_begin(&connection->answer);
	route = find_route(connection, request.path);
	if (route && check_parameters(route, &request, &connection->answer))
		route->answer(host->options.context, &request, &connection->answer);
	if (connection->answer.broken == -ENOBUFS && !connection->answer.stream) {
		answer_free(&connection->answer);
		answer_refusal(connection, 503, "no memory for this now");
	}
	if (host->options.answered)
		host->options.answered(host->options.context, route, &request,
				       connection->answer.status, rdx_clock_ns() - begun_ns);
	if (connection->reader.body.capacity > KEPT_BYTES)
		request_reader_drop_body(&connection->reader);
	send_answer(connection);
}

/* Read up to the end of a request or of the bytes, and answer. How many were taken. */
static size_t read_some(struct connection *connection, const char *bytes, size_t count)
{
	struct request_reader *reader = &connection->reader;
	size_t taken;

	switch (request_reader_take(reader, bytes, count, &taken)) {
	case REQUEST_WHOLE:
		answer_request(connection);
		break;
	case REQUEST_REFUSED:
		send_refusal(connection, reader->refusal, request_reader_why(reader));
		break;
	default:
		if (reader->is_begun && connection->phase == IDLE)
			enter(connection, READING, connection->host->options.limits.request_ns);
	}
	return taken;
}

/* Keep it until the answer is sent. */
static void hold(struct connection *connection, const char *bytes, size_t count)
{
	struct grown *held = &connection->held;

	if (connection->held_at) {
		held->count -= connection->held_at;
		memmove(held->bytes, held->bytes + connection->held_at, held->count);
		connection->held_at = 0;
	}
	if (held->count + count > HELD_MAX)
		loop_pause(connection->host->loop, &connection->socket);
	if (grown_add(held, bytes, count, 0) < 0) { /* the answer under way is the last one */
		connection->is_last = 1;
		held->count = 0;
		loop_pause(connection->host->loop, &connection->socket);
	}
}

static int is_reading(const struct connection *connection)
{
	return connection->phase == IDLE || connection->phase == READING;
}

/* Read what was held, up to the end of a request. */
static void go_on(struct connection *connection)
{
	struct grown *held = &connection->held;

	while (is_reading(connection) && connection->held_at < held->count)
		connection->held_at += read_some(connection, held->bytes + connection->held_at,
						 held->count - connection->held_at);
	if (connection->held_at == held->count)
		held->count = connection->held_at = 0;
}

/*
 * What the loop calls
 */

static void on_received(struct loop_socket *socket, const char *bytes, size_t count)
{
	struct connection *connection = of(socket);
	size_t taken = 0;

	if (!count) {
		connection->peer_ended = 1;
		/* an answer still reaches who only ended his half */
		if (connection->phase != ANSWERING || is_endless(connection))
			connection_end(connection);
		return;
	}
	while (is_reading(connection) && taken < count)
		taken += read_some(connection, bytes + taken, count - taken);
	if (connection->phase == ANSWERING && !connection->is_last && taken < count)
		hold(connection, bytes + taken, count - taken);
}

/* Memory is kept from one request to the next; of many that are idle it would be much. */
static void drop_memory(struct connection *connection)
{
	request_reader_drop(&connection->reader);
	grown_free(&connection->held);
	answer_free(&connection->answer);
}

/* The connection ends: closed now, bytes under way would be answered by a reset, which may overtake the
 * answer. */
static void linger(struct connection *connection)
{
	if (connection->peer_ended) {
		connection_end(connection);
		return;
	}
	shutdown(connection->socket.fd, SHUT_WR);
	enter(connection, LINGERING, LINGER_NS);
	loop_resume(connection->host->loop, &connection->socket);
}

/* The answer is with the peer, or on its way: the next request. */
static void end_answer(struct connection *connection)
{
	if (connection->answer.capacity > KEPT_BYTES)
		answer_free(&connection->answer);
	if (connection->is_last) {
		linger(connection);
		return;
	}
	enter(connection, IDLE, connection->host->options.limits.idle_ns);
	go_on(connection);
	if (!is_reading(connection))
		return;
	if (connection->peer_ended)
		connection_end(connection);
	else
		loop_resume(connection->host->loop, &connection->socket);
}

/* The next piece of an answer, if there is one now. */
static void send_more(struct connection *connection)
{
	struct answer *answer = &connection->answer;
	const char *bytes;
	size_t count;
	int r;

	answer_begin_piece(answer);
	r = connection->stream->more(connection->stream, answer);
	bytes = answer_finish_piece(answer, r == 0, &count);
	if (r < 0 || !bytes || answer->broken) {
		connection_end(connection);
		return;
	}
	if (r == 0)
		end_stream(connection);
	else
		connection->is_waiting = count == 0;
	if (count)
		send_bytes(connection, bytes, count);
	else if (r == 0)
		end_answer(connection);
	else if (connection->peer_ended && is_endless(connection))
		connection_end(connection);
	else
		connection->until_ns = UINT64_MAX; /* not the peer's fault */
}

static void on_sent(struct loop_socket *socket)
{
	struct connection *connection = of(socket);

	if (connection->stream)
		send_more(connection);
	else
		end_answer(connection);
}

static void on_failed(struct loop_socket *socket, int error)
{
	(void)error; /* the peer has gone */
	connection_end(of(socket));
}

static void on_closed(struct loop_socket *socket)
{
	struct connection *connection = of(socket);

	if (connection->before)
		connection->before->next = connection->next;
	else
		connection->host->first = connection->next;
	if (connection->next)
		connection->next->before = connection->before;
	connection->host->counters.connections--;
	drop_memory(connection);
	free(connection);
}

static const struct loop_handler handler = {
	.received = on_received,
	.sent = on_sent,
	.failed = on_failed,
	.closed = on_closed,
};

void connection_open(struct connection_host *host, int fd, int is_unix)
{
	struct budget *budget = host->options.token && !is_unix ? &host->strangers : &host->budget;
	struct connection *connection = NULL;

	host->counters.accepted++;
	if (host->counters.connections < host->options.limits.connections)
		connection = calloc(1, sizeof(*connection));
	if (!connection) {
		host->counters.refused++;
		close(fd);
		return;
	}
	connection->socket.fd = fd;
	connection->socket.handler = &handler;
	connection->host = host;
	connection->held.budget = connection->answer.budget = budget;
	request_reader_begin(&connection->reader, &host->options, budget, fd, is_unix);
	enter(connection, IDLE, host->options.limits.idle_ns);
	host->counters.connections++;
	connection->next = host->first;
	if (host->first)
		host->first->before = connection;
	host->first = connection;
	if (loop_receive(host->loop, &connection->socket) < 0)
		connection_end(connection);
}

void connection_end(struct connection *connection)
{
	end_stream(connection);
	connection->phase = ENDED;
	loop_close(connection->host->loop, &connection->socket);
}

void connection_look(struct connection *connection, uint64_t now_ns)
{
	if (connection->phase == ENDED)
		return;
	if (connection->host->is_draining &&
	    (connection->phase == IDLE || connection->is_waiting)) {
		connection_end(connection);
		return;
	}
	if (connection->phase == IDLE &&
	    now_ns + connection->host->options.limits.idle_ns > connection->until_ns + KEPT_NS)
		drop_memory(connection);
	if (now_ns < connection->until_ns)
		return;
	if (connection->phase == READING) {
		connection->host->counters.timeouts++;
		send_refusal(connection, 408, "the request took too long");
	} else {
		connection->host->counters.timeouts += connection->phase == ANSWERING;
		connection_end(connection);
	}
}

void connection_ask_streams(struct connection_host *host)
{
	struct connection *next;

	for (struct connection *at = host->streaming; at; at = next) {
		next = at->next_streaming; /* this one may leave the list */
		if (at->is_waiting)
			send_more(at);
	}
}

struct connection *connection_next(const struct connection *connection)
{
	return connection->next;
}
