/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/request_reader.h"

#include "tools/ringdexd/body.h"

#include <strings.h>
#include <sys/socket.h>

/*
 * What llhttp calls. One that returns -1 ends the parse; `refusal` says why.
 */

static int refuse(struct request_reader *reader, int status)
{
	if (!reader->refusal)
		reader->refusal = status;
	return -1;
}

static int on_begin(llhttp_t *parser)
{
	struct request_reader *reader = parser->data;

	reader->target.count = 0;
	reader->body.count = 0;
	reader->body_bytes = 0;
	reader->head_bytes = 0;
	reader->field_bytes = 0;
	reader->value_bytes = 0;
	reader->is_json = 0;
	reader->takes_openmetrics = 0;
	reader->has_token = 0;
	reader->none_match[0] = 0;
	origin_begin(&reader->origin);
	reader->is_asked = 0;
	reader->is_head_read = 0;
	reader->is_begun = 1;
	return 0;
}

#define HEADER_FRAME                                                                               \
	3 /* bytes of a header besides its name and value: a colon, the end of the line */

/* Bytes of the head, of which a request has but so many. */
static int is_head_full(struct request_reader *reader, size_t count)
{
	reader->head_bytes += count;
	return reader->head_bytes > reader->options->limits.head_bytes;
}

static int on_target(llhttp_t *parser, const char *at, size_t count)
{
	struct request_reader *reader = parser->data;

	if (is_head_full(reader, count))
		return refuse(reader, 431);
	return grown_add(&reader->target, at, count, 1) < 0 ? refuse(reader, 503) : 0;
}

/* Where "http://HOST" ends, with which a target begins that is meant for a proxy; 0: it does not. */
static size_t authority_bytes(const char *target)
{
	size_t scheme = strncasecmp(target, "http://", 7) == 0    ? 7
			: strncasecmp(target, "https://", 8) == 0 ? 8
								  : 0;

	return scheme ? scheme + strcspn(target + scheme, "/?") : 0;
}

/* A server must take it as it takes the path behind (RFC 9112, 3.2.2). Its host is not looked at: a browser sends it to
 * proxies alone. */
static int on_target_whole(llhttp_t *parser)
{
	struct grown *target = &((struct request_reader *)parser->data)->target;
	size_t authority = target->count ? authority_bytes(target->bytes) : 0;

	if (!authority)
		return 0;
	if (target->bytes[authority] != '/')
		target->bytes[--authority] = '/'; /* "http://x?a" is "/?a" */
	target->count -= authority;
	memmove(target->bytes, target->bytes + authority, target->count + 1);
	return 0;
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
	struct request_reader *reader = parser->data;

	if (is_head_full(reader, count))
		return refuse(reader, 431);
	reader->field_bytes =
		keep(reader->field, reader->field_bytes, REQUEST_FIELD_BYTES, at, count);
	return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t count)
{
	struct request_reader *reader = parser->data;

	if (is_head_full(reader, count))
		return refuse(reader, 431);
	reader->value_bytes =
		keep(reader->value, reader->value_bytes, REQUEST_VALUE_BYTES, at, count);
	return 0;
}

static int is_field(const struct request_reader *reader, const char *name)
{
	return reader->field_bytes == strlen(name) &&
	       strncasecmp(reader->field, name, reader->field_bytes) == 0;
}

/* Characters of a token (RFC 9110, 5.6.2). */
static size_t token_bytes(const char *text)
{
	return strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

static size_t quoted_bytes(const char *text)
{
	size_t count = 1;

	while (text[count] && text[count] != '"')
		count += text[count] == '\\' && text[count + 1] ? 2 : 1;
	return text[count] ? count + 1 : 0;
}

/* "; charset=utf-8", none, or more: of each a name and a value. */
static int are_parameters(const char *text)
{
	for (;;) {
		size_t name, value;

		text += strspn(text, " \t");
		if (!*text)
			return 1;
		if (*text++ != ';')
			return 0;
		text += strspn(text, " \t");
		if (!*text)
			return 1;
		name = token_bytes(text);
		if (!name || text[name] != '=')
			return 0;
		text += name + 1;
		value = *text == '"' ? quoted_bytes(text) : token_bytes(text);
		if (*text == '"' && !value)
			return 0;
		text += value;
	}
}

/* "application/json", perhaps with parameters, or "application/...+json". `value` ends with a NUL. */
static int says_json(const char *value)
{
	static const char type[] = "application/", json[] = "json";
	const char *subtype = value + sizeof(type) - 1;
	size_t count;

	if (strncasecmp(value, type, sizeof(type) - 1) != 0)
		return 0;
	count = token_bytes(subtype);
	if (count < sizeof(json) - 1 ||
	    strncasecmp(subtype + count - (sizeof(json) - 1), json, sizeof(json) - 1) != 0)
		return 0;
	if (count > sizeof(json) - 1 &&
	    (count == sizeof(json) || subtype[count - sizeof(json)] != '+'))
		return 0;
	return are_parameters(subtype + count);
}

/* Is it one of "a/b;q=0.5, c/d"? As Prometheus's own libraries have it, whatever the preference. */
static int names_openmetrics(const char *value, size_t count)
{
	static const char wanted[] = "application/openmetrics-text";
	size_t at = 0;

	while (at < count) {
		size_t end = at, next;

		while (end < count && !strchr(",; \t", value[end]))
			end++;
		if (end - at == sizeof(wanted) - 1 &&
		    strncasecmp(value + at, wanted, end - at) == 0)
			return 1;
		next = end;
		while (next < count && value[next] != ',')
			next++;
		for (at = next + 1; at < count && (value[at] == ' ' || value[at] == '\t'); at++)
			;
	}
	return 0;
}

/* Without a branch that depends on how much of it is right. */
static int is_token(const struct request_reader *reader)
{
	static const char scheme[] = "Bearer ";
	const char *token = reader->options->token;
	size_t count = sizeof(scheme) - 1, bytes = token ? strlen(token) : 0;
	size_t given = reader->value_bytes;
	unsigned char differs = 0;

	while (given && (reader->value[given - 1] == ' ' || reader->value[given - 1] == '\t'))
		given--;
	if (!token || given != count + bytes || strncasecmp(reader->value, scheme, count) != 0)
		return 0;
	for (size_t i = 0; i < bytes; i++)
		differs |= (unsigned char)(reader->value[count + i] ^ token[i]);
	return !differs;
}

static void keep_tags(struct request_reader *reader)
{
	uint32_t count = keep(reader->none_match, 0, REQUEST_TAGS_BYTES - 1, reader->value,
			      reader->value_bytes);

	reader->none_match[count] = 0;
}

/* Of a header that is whole; what does not fit is cut. */
static const char *value_text(struct request_reader *reader)
{
	uint32_t end = reader->value_bytes < REQUEST_VALUE_BYTES ? reader->value_bytes
								 : REQUEST_VALUE_BYTES - 1;

	reader->value[end] = 0;
	return reader->value;
}

static int on_header(llhttp_t *parser)
{
	static const char go_on[] = "100-continue";
	struct request_reader *reader = parser->data;

	if (is_head_full(reader, HEADER_FRAME))
		return refuse(reader, 431);
	if (reader->is_head_read)
		;
	else if (is_field(reader, "expect"))
		reader->is_asked = reader->value_bytes == sizeof(go_on) - 1 &&
				   strncasecmp(reader->value, go_on, sizeof(go_on) - 1) == 0;
	else if (is_field(reader, "content-type"))
		reader->is_json = (uint8_t)says_json(value_text(reader));
	else if (is_field(reader, "accept"))
		reader->takes_openmetrics |=
			(uint8_t)names_openmetrics(reader->value, reader->value_bytes);
	else if (is_field(reader, "authorization"))
		reader->has_token = (uint8_t)is_token(reader);
	else if (is_field(reader, "host"))
		origin_take_host(&reader->origin, reader->value, reader->value_bytes);
	else if (is_field(reader, "origin"))
		origin_take_page(&reader->origin, reader->value, reader->value_bytes);
	else if (is_field(reader, "if-none-match"))
		keep_tags(reader);
	reader->field_bytes = 0;
	reader->value_bytes = 0;
	return 0;
}

static int is_path(const struct route *route, const char *target)
{
	size_t bytes = strcspn(target, "?");

	return strlen(route->path) == bytes && memcmp(route->path, target, bytes) == 0;
}

/* Is there a route of that path that needs no token? */
static int is_open(const struct request_reader *reader)
{
	for (const struct route *route = reader->options->routes; route->method; route++)
		if (route->is_open && is_path(route, reader->target.bytes))
			return 1;
	return 0;
}

/* Is there a route that reads it? Of others it is passed over, so that nobody keeps anything by it. */
static int takes_body(const struct request_reader *reader)
{
	if (reader->parser.method != HTTP_POST)
		return 0;
	for (const struct route *route = reader->options->routes; route->method; route++)
		if (strcmp(route->method, "POST") == 0 && is_path(route, reader->target.bytes))
			return 1;
	return 0;
}

/* Does it wait to be told that its body may come? Clients of 1.0 know nothing of that (RFC 9110, 10.1.1). */
static int waits_for_go_on(const struct request_reader *reader)
{
	const llhttp_t *parser = &reader->parser;

	return reader->is_asked && (parser->http_major != 1 || parser->http_minor > 0) &&
	       (parser->flags & F_CHUNKED ||
		(parser->flags & F_CONTENT_LENGTH && parser->content_length > 0));
}

/* Who has shown the token is no stranger any more, as long as the connection lasts; nor is anybody where there is
 * none any more. */
static void trust(struct request_reader *reader)
{
	struct budget *all = reader->target.budget->of;

	if (!all)
		return;
	budget_move(&reader->target.budget, reader->target.capacity, all);
	budget_move(&reader->body.budget, reader->body.capacity, all);
}

/* Of no body is anything taken before it is known that it may come. */
static int on_head(llhttp_t *parser)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct request_reader *reader = parser->data;
	const struct server_options *options = reader->options;

	reader->is_head_read = 1;
	if (reader->is_unix && !users_have(options->users, reader->peer))
		return refuse(reader, 403);
	if (parser->method == HTTP_CONNECT)
		return refuse(reader, 501);
	parser->upgrade = 0; /* nobody has to take such an offer */
	if (options->token && !reader->is_unix && !reader->has_token && !is_open(reader))
		return refuse(reader, 401);
	if (reader->has_token || !options->token)
		trust(reader);
	if (!options->token && !reader->is_unix &&
	    !origin_is_ours(&reader->origin, reader->is_loopback, options->addresses))
		return refuse(reader, 403);
	if (parser->content_length > options->limits.body_bytes && parser->flags & F_CONTENT_LENGTH)
		return refuse(reader, 413);
	reader->takes_body = (uint8_t)takes_body(reader);
	/* the peer waits for it a while, and sends its body in any case; no answer is under way now */
	if (waits_for_go_on(reader))
		(void)!send(reader->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t count)
{
	struct request_reader *reader = parser->data;

	reader->body_bytes += count;
	if (reader->body_bytes > reader->options->limits.body_bytes)
		return refuse(reader, 413);
	if (!reader->takes_body)
		return 0;
	return grown_add(&reader->body, at, count, BODY_PADDING) < 0 ? refuse(reader, 503) : 0;
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
		all.on_url_complete = on_target_whole;
		all.on_header_field = on_field;
		all.on_header_value = on_value;
		all.on_header_value_complete = on_header;
		all.on_headers_complete = on_head;
		all.on_body = on_body;
		all.on_message_complete = on_whole;
	}
	return &all;
}

void request_reader_begin(struct request_reader *reader, const struct server_options *options,
			  struct budget *budget, int fd, int is_unix)
{
	*reader = (struct request_reader){.options = options,
					  .target.budget = budget,
					  .body.budget = budget,
					  .fd = fd,
					  .is_unix = is_unix != 0};
	reader->peer = is_unix ? users_peer(fd) : USERS_NOBODY;
	reader->is_loopback = !is_unix && origin_is_loopback(fd);
	llhttp_init(&reader->parser, HTTP_REQUEST, settings());
	reader->parser.data = reader;
}

void request_reader_drop_body(struct request_reader *reader)
{
	grown_free(&reader->body);
}

void request_reader_drop(struct request_reader *reader)
{
	grown_free(&reader->target);
	grown_free(&reader->body);
}

enum request_reader_outcome request_reader_take(struct request_reader *reader, const char *bytes,
						size_t count, size_t *ret_taken)
{
	llhttp_errno_t r = llhttp_execute(&reader->parser, bytes, count);

	*ret_taken = count;
	if (r == HPE_OK)
		return REQUEST_MORE;
	if (r == HPE_PAUSED) {
		*ret_taken = (size_t)(llhttp_get_error_pos(&reader->parser) - bytes);
		llhttp_resume(&reader->parser);
		reader->is_begun = 0;
		return REQUEST_WHOLE;
	}
	if (!reader->refusal)
		reader->refusal = 400;
	return REQUEST_REFUSED;
}

const char *request_reader_why(const struct request_reader *reader)
{
	switch (reader->refusal) {
	case 401:
		return "a bearer token is needed";
	case 403:
		return reader->is_unix
			       ? "your user may not ask here: --allow-users names those that may"
			       : "this comes from a page of another site, or asks for a name that "
				 "is not "
				 "known here: ask localhost or an IP address, name it by --listen, "
				 "or use "
				 "--token-file";
	case 413:
		return "the body is larger than is taken here";
	case 431:
		return "the head is larger than is taken here";
	case 501:
		return "no other protocol is spoken here";
	case 503:
		return "no memory for this now";
	default:
		return llhttp_get_error_reason(&reader->parser);
	}
}
