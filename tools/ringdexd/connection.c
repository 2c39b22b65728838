/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/connection.h"

#include "shm/clock.h"
#include "tools/ringdexd/body.h"

#include <errno.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD_MAX    ((size_t)65536) /* bytes of later requests, from which on the peer waits */
#define LINGER_NS   UINT64_C(1000000000)
#define KEPT_NS     UINT64_C(1000000000) /* memory of a connection that is idle */
#define FIELD_BYTES 64                   /* of a header's name that we want, or less */
#define VALUE_BYTES 1024

enum phase {
	IDLE,      /* nothing of a request yet */
	READING,   /* some of it */
	ANSWERING, /* the answer is on its way */
	LINGERING, /* the last answer is sent: what the peer still sends is dropped, until it is done */
	ENDED,
};

/* A text or bytes that grow. */
struct grown {
	char *bytes;
	size_t count;
	size_t capacity;
};

struct connection {
	struct loop_socket socket; /* first */
	struct connection_host *host;
	struct connection *next, *before;
	llhttp_t parser;
	struct grown target;
	struct grown body;
	struct grown held; /* came while an answer was on its way */
	struct answer answer;
	size_t head_bytes;
	uint64_t until_ns; /* of the phase */
	uint32_t field_bytes, value_bytes;
	char field[FIELD_BYTES], value[VALUE_BYTES]; /* of the header that is being read */
	uint8_t phase;
	uint8_t is_trusted;
	uint8_t is_json;
	uint8_t has_token;
	uint8_t is_asked; /* whether it may send its body */
	uint8_t is_last;  /* it ends after this answer */
	uint8_t peer_ended;
	int refusal; /* the status that the request gets before it is whole; 0 */
};

static struct connection *of(struct loop_socket *socket)
{
	return (struct connection *)socket;
}

static struct connection *of_parser(llhttp_t *parser)
{
	return parser->data;
}

static int grow(struct grown *grown, const char *bytes, size_t count, size_t spare)
{
	size_t capacity = grown->capacity ? grown->capacity : 256;

	while (capacity < grown->count + count + spare)
		capacity *= 2;
	if (capacity > grown->capacity) {
		char *larger = realloc(grown->bytes, capacity);

		if (!larger)
			return -ENOMEM;
		grown->bytes = larger;
		grown->capacity = capacity;
	}
	memcpy(grown->bytes + grown->count, bytes, count);
	grown->count += count;
	memset(grown->bytes + grown->count, 0, spare);
	return 0;
}

static void shrink(struct grown *grown)
{
	free(grown->bytes);
	*grown = (struct grown){0};
}

static void enter(struct connection *connection, enum phase phase, uint64_t lasts_ns)
{
	connection->phase = (uint8_t)phase;
	connection->until_ns = rdx_clock_ns() + lasts_ns;
}

/*
 * What llhttp calls. One that returns -1 ends the parse; `refusal` says why.
 */

static int refuse(struct connection *connection, int status)
{
	if (!connection->refusal)
		connection->refusal = status;
	return -1;
}

static int on_begin(llhttp_t *parser)
{
	struct connection *connection = of_parser(parser);

	connection->target.count = 0;
	connection->body.count = 0;
	connection->head_bytes = 0;
	connection->field_bytes = 0;
	connection->value_bytes = 0;
	connection->is_json = 0;
	connection->has_token = 0;
	connection->is_asked = 0;
	enter(connection, READING, connection->host->options.limits.request_ns);
	return 0;
}

/* Bytes of the head, of which a request has but so many. */
static int is_head_full(struct connection *connection, size_t count)
{
	connection->head_bytes += count;
	return connection->head_bytes > connection->host->options.limits.head_bytes;
}

static int on_target(llhttp_t *parser, const char *at, size_t count)
{
	struct connection *connection = of_parser(parser);

	if (is_head_full(connection, count))
		return refuse(connection, 431);
	return grow(&connection->target, at, count, 1) < 0 ? refuse(connection, 503) : 0;
}

/* Keep the beginning: what is longer is none that we know. */
static uint32_t keep(char *to, uint32_t at, uint32_t capacity, const char *from, size_t count)
{
	size_t kept = count < capacity - at ? count : capacity - at;

	memcpy(to + at, from, kept);
	return at + (uint32_t)kept;
}

static int on_field(llhttp_t *parser, const char *at, size_t count)
{
	struct connection *connection = of_parser(parser);

	if (is_head_full(connection, count))
		return refuse(connection, 431);
	connection->field_bytes =
		keep(connection->field, connection->field_bytes, FIELD_BYTES, at, count);
	return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t count)
{
	struct connection *connection = of_parser(parser);

	if (is_head_full(connection, count))
		return refuse(connection, 431);
	connection->value_bytes =
		keep(connection->value, connection->value_bytes, VALUE_BYTES, at, count);
	return 0;
}

static int is_field(const struct connection *connection, const char *name)
{
	return connection->field_bytes == strlen(name) &&
	       strncasecmp(connection->field, name, connection->field_bytes) == 0;
}

/* "application/json", perhaps with parameters, or "application/...+json". */
static int says_json(const char *value, size_t count)
{
	static const char json[] = "json";
	size_t end = 0;

	while (end < count && value[end] != ';' && value[end] != ' ')
		end++;
	return end > sizeof(json) && strncasecmp(value, "application/", 12) == 0 &&
	       strncasecmp(value + end - 4, json, 4) == 0 &&
	       (value[end - 5] == '/' || value[end - 5] == '+');
}

/* Without a branch that depends on how much of it is right. */
static int is_token(const struct connection *connection)
{
	static const char scheme[] = "Bearer ";
	const char *token = connection->host->options.token;
	size_t count = sizeof(scheme) - 1, bytes = token ? strlen(token) : 0;
	unsigned char differs = 0;

	if (!token || connection->value_bytes != count + bytes ||
	    strncasecmp(connection->value, scheme, count) != 0)
		return 0;
	for (size_t i = 0; i < bytes; i++)
		differs |= (unsigned char)(connection->value[count + i] ^ token[i]);
	return !differs;
}

static int on_header(llhttp_t *parser)
{
	static const char go_on[] = "100-continue";
	struct connection *connection = of_parser(parser);

	if (is_field(connection, "expect"))
		connection->is_asked =
			connection->value_bytes == sizeof(go_on) - 1 &&
			strncasecmp(connection->value, go_on, sizeof(go_on) - 1) == 0;
	else if (is_field(connection, "content-type"))
		connection->is_json =
			(uint8_t)says_json(connection->value, connection->value_bytes);
	else if (is_field(connection, "authorization"))
		connection->has_token = (uint8_t)is_token(connection);
	connection->field_bytes = 0;
	connection->value_bytes = 0;
	return 0;
}

static int on_head(llhttp_t *parser)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct connection *connection = of_parser(parser);

	if (parser->upgrade)
		return refuse(connection, 501);
	if (parser->content_length > connection->host->options.limits.body_bytes &&
	    parser->flags & F_CONTENT_LENGTH)
		return refuse(connection, 413);
	/* the peer waits for it a while, and sends its body in any case; no answer is under way now */
	if (connection->is_asked)
		(void)!send(connection->socket.fd, go_on, sizeof(go_on) - 1,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t count)
{
	struct connection *connection = of_parser(parser);

	if (connection->body.count + count > connection->host->options.limits.body_bytes)
		return refuse(connection, 413);
	return grow(&connection->body, at, count, BODY_PADDING) < 0 ? refuse(connection, 503) : 0;
}

static int on_whole(llhttp_t *parser)
{
	(void)parser;
	return HPE_PAUSED; /* it is answered first */
}

static const llhttp_settings_t *settings(void)
{
	static llhttp_settings_t all;

	if (!all.on_message_begin) {
		llhttp_settings_init(&all);
		all.on_message_begin = on_begin;
		all.on_url = on_target;
		all.on_header_field = on_field;
		all.on_header_value = on_value;
		all.on_header_value_complete = on_header;
		all.on_headers_complete = on_head;
		all.on_body = on_body;
		all.on_message_complete = on_whole;
	}
	return &all;
}

/*
 * Answers
 */

static void send_answer(struct connection *connection)
{
	struct answer *answer = &connection->answer;
	const char *bytes;
	size_t count;

	if (connection->host->is_draining || !llhttp_should_keep_alive(&connection->parser))
		connection->is_last = 1;
	bytes = answer_finish(answer, connection->parser.method != HTTP_HEAD, connection->is_last,
			      &count);
	if (!bytes || answer->broken) {
		connection_end(connection);
		return;
	}
	enter(connection, ANSWERING, connection->host->options.limits.answer_ns);
	loop_send(connection->host->loop, &connection->socket, bytes, count);
}

/* It could not be read to its end: an answer, and the connection is over. */
static void send_refusal(struct connection *connection, int status, const char *text)
{
	connection->is_last = 1;
	answer_plain(&connection->answer, status, "%s\n", text);
	send_answer(connection);
}

static const char *refusal_text(int status)
{
	switch (status) {
	case 413:
		return "the body is larger than is taken here";
	case 431:
		return "the head is larger than is taken here";
	case 501:
		return "no other protocol is spoken here";
	default:
		return "no memory for this now";
	}
}

static const struct route *find_route(struct connection *connection, const char *path)
{
	const char *method = llhttp_method_name((llhttp_method_t)connection->parser.method);
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
	if (other)
		answer_error(&connection->answer, 405, "%s takes %s", path, other->method);
	else
		answer_error(&connection->answer, 404, "there is no %s", path);
	return NULL;
}

static void answer_request(struct connection *connection)
{
	struct connection_host *host = connection->host;
	static const char no_body[BODY_PADDING];
	struct request request = {.body = connection->body.count ? connection->body.bytes : no_body,
				  .body_bytes = connection->body.count,
				  .is_json = connection->is_json,
				  .path = connection->target.bytes,
				  .query = ""};
	char *query = strchr(connection->target.bytes, '?');
	const struct route *route;

	if (query) {
		*query = 0;
		request.query = query + 1;
	}
	host->counters.requests++;
	answer_begin(&connection->answer);
	route = find_route(connection, request.path);
	if (route && host->options.token && !connection->is_trusted && !connection->has_token &&
	    !route->is_open)
		answer_error(&connection->answer, 401, "a bearer token is needed");
	else if (route)
		route->answer(host->options.context, &request, &connection->answer);
	send_answer(connection);
}

/* Parse up to the end of a request or of the bytes. How many were taken. */
static size_t parse(struct connection *connection, const char *bytes, size_t count)
{
	llhttp_errno_t r = llhttp_execute(&connection->parser, bytes, count);

	if (r == HPE_OK)
		return count;
	if (r == HPE_PAUSED) {
		const char *at = llhttp_get_error_pos(&connection->parser);

		llhttp_resume(&connection->parser);
		answer_request(connection);
		return (size_t)(at - bytes);
	}
	if (connection->refusal)
		send_refusal(connection, connection->refusal, refusal_text(connection->refusal));
	else
		send_refusal(connection, 400, llhttp_get_error_reason(&connection->parser));
	return count;
}

static void hold(struct connection *connection, const char *bytes, size_t count)
{
	if (connection->held.count + count > HELD_MAX)
		loop_pause(connection->host->loop, &connection->socket);
	if (count && grow(&connection->held, bytes, count, 0) < 0)
		connection_end(connection);
}

static void feed(struct connection *connection, const char *bytes, size_t count)
{
	size_t taken = 0;

	while (taken < count && connection->phase <= READING)
		taken += parse(connection, bytes + taken, count - taken);
	if (connection->phase == ANSWERING && !connection->is_last && taken < count)
		hold(connection, bytes + taken, count - taken);
}

/*
 * What the loop calls
 */

static void on_received(struct loop_socket *socket, const char *bytes, size_t count)
{
	struct connection *connection = of(socket);

	if (!count) {
		connection->peer_ended = 1;
		if (connection->phase !=
		    ANSWERING) /* an answer still reaches who only ended his half */
			connection_end(connection);
		return;
	}
	if (connection->phase <= READING)
		feed(connection, bytes, count);
	else if (connection->phase == ANSWERING && !connection->is_last)
		hold(connection, bytes, count);
}

/* Memory is kept from one request to the next; of many that are idle it would be much. */
static void drop_memory(struct connection *connection)
{
	shrink(&connection->body);
	shrink(&connection->held);
	shrink(&connection->target);
	answer_free(&connection->answer);
}

static void on_sent(struct loop_socket *socket)
{
	struct connection *connection = of(socket);
	struct grown held = connection->held;

	if (connection->is_last || (connection->peer_ended && !held.count)) {
		if (connection->peer_ended) {
			connection_end(connection);
			return;
		}
		/* closed now, bytes under way would be answered by a reset, which may overtake the answer */
		shutdown(socket->fd, SHUT_WR);
		loop_resume(connection->host->loop, socket);
		enter(connection, LINGERING, LINGER_NS);
		return;
	}
	connection->held = (struct grown){0};
	enter(connection, IDLE, connection->host->options.limits.idle_ns);
	feed(connection, held.bytes, held.count);
	free(held.bytes);
	if (connection->phase <= READING && connection->peer_ended)
		connection_end(connection);
	else if (connection->held.count <= HELD_MAX && !connection->peer_ended)
		loop_resume(connection->host->loop, socket);
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

void connection_open(struct connection_host *host, int fd, int is_trusted)
{
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
	connection->is_trusted = is_trusted != 0;
	llhttp_init(&connection->parser, HTTP_REQUEST, settings());
	connection->parser.data = connection;
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
	connection->phase = ENDED;
	loop_close(connection->host->loop, &connection->socket);
}

void connection_look(struct connection *connection, uint64_t now_ns)
{
	if (connection->phase == ENDED)
		return;
	if (connection->phase == IDLE && connection->host->is_draining) {
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

struct connection *connection_next(const struct connection *connection)
{
	return connection->next;
}
