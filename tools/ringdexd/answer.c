/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/answer.h"

#include "tools/program/printable.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN  ((size_t)4096)
#define NUMBER_DIGITS 20
#define ERROR_BYTES   1024 /* with a few texts of a request */

void answer_begin(struct answer *answer)
{
	answer->used = ANSWER_HEAD_BYTES;
	answer->type = "application/json";
	answer->headers = NULL;
	answer->stream = NULL;
	answer->is_endless = 0;
	answer->status = 200;
	answer->broken = 0;
}

void answer_free(struct answer *answer)
{
	budget_change(answer->budget, answer->capacity, 0);
	free(answer->bytes);
	*answer = (struct answer){.budget = answer->budget};
}

/* Room for `count` bytes more: where, or NULL. */
static char *room(struct answer *answer, size_t count)
{
	size_t capacity = answer->capacity ? answer->capacity : CAPACITY_MIN;

	if (answer->broken)
		return NULL;
	while (capacity - answer->used < count)
		capacity *= 2;
	if (capacity > answer->capacity)
		answer->broken =
			budget_enlarge(answer->budget, &answer->bytes, &answer->capacity, capacity);
	return answer->broken ? NULL : answer->bytes + answer->used;
}

void answer_bytes(struct answer *answer, const char *bytes, size_t count)
{
	char *at = room(answer, count);

	if (!at)
		return;
	memcpy(at, bytes, count);
	answer->used += count;
}

void answer_text(struct answer *answer, const char *text)
{
	answer_bytes(answer, text, strlen(text));
}

void answer_number(struct answer *answer, uint64_t number)
{
	char digits[NUMBER_DIGITS], *at = digits + NUMBER_DIGITS;

	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	answer_bytes(answer, at, (size_t)(digits + NUMBER_DIGITS - at));
}

static void print(struct answer *answer, const char *format, va_list arguments)
{
	va_list again;
	char *at;
	int count;

	va_copy(again, arguments);
	count = vsnprintf(NULL, 0, format, again);
	va_end(again);
	at = count < 0 ? NULL : room(answer, (size_t)count + 1);
	if (!at)
		return;
	vsnprintf(at, (size_t)count + 1, format, arguments);
	answer->used += (size_t)count;
}

void answer_print(struct answer *answer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print(answer, format, arguments);
	va_end(arguments);
}

void answer_json_text(struct answer *answer, const char *text)
{
	answer_text(answer, "\"");
	while (*text) {
		size_t bytes = printable_sequence(text);

		if (!bytes)
			answer_text(answer, "\\ufffd");
		else if (*text == '"' || *text == '\\')
			answer_print(answer, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			answer_print(answer, "\\u%04x", (unsigned int)*text);
		else
			answer_bytes(answer, text, bytes);
		text += bytes ? bytes : 1;
	}
	answer_text(answer, "\"");
}

void answer_ok(struct answer *answer, int status)
{
	answer->status = status;
	answer_text(answer, "{\"status\":\"ok\"}");
}

void answer_error(struct answer *answer, int status, const char *format, ...)
{
	char text[ERROR_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	answer_begin(answer);
	answer->status = status;
	answer_text(answer, "{\"error\":");
	answer_json_text(answer, text);
	answer_text(answer, "}");
}

void answer_plain(struct answer *answer, int status, const char *format, ...)
{
	va_list arguments;

	answer_begin(answer);
	answer->status = status;
	answer->type = "text/plain; charset=utf-8";
	va_start(arguments, format);
	print(answer, format, arguments);
	va_end(arguments);
}

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{201, "Created"},
		{304, "Not Modified"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{413, "Payload Too Large"},
		{415, "Unsupported Media Type"},
		{422, "Unprocessable Entity"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Error";
}

void answer_stream(struct answer *answer, struct stream *stream)
{
	answer->stream = stream;
}

/* Put these bytes before the body: where both begin. */
static const char *put_before(struct answer *answer, const char *bytes, size_t count)
{
	char *from;

	if (!answer->bytes && !room(answer, 0)) /* a head alone, the first of all */
		return NULL;
	from = answer->bytes + ANSWER_HEAD_BYTES - count;
	memcpy(from, bytes, count);
	return from;
}

/* What says how long the body is, in the head. */
static void print_length(const struct answer *answer, size_t body, char *text, size_t bytes)
{
	if (answer->status == 304) /* which has no body, and says nothing of that of 200 */
		text[0] = 0;
	else if (!answer->stream)
		snprintf(text, bytes, "Content-Length: %zu\r\n", body);
	else
		snprintf(text, bytes, "%s",
			 answer->is_chunked ? "Transfer-Encoding: chunked\r\n" : "");
}

/* What goes before a chunk; what goes behind is appended. A chunk of no bytes would end the body. */
static void frame_chunk(struct answer *answer, size_t body, char *text, size_t bytes)
{
	text[0] = 0;
	if (!answer->is_chunked || !body)
		return;
	snprintf(text, bytes, "%zx\r\n", body);
	answer_text(answer, "\r\n");
}

const char *answer_finish(struct answer *answer, int has_body, int last, size_t *ret_count)
{
	char head[ANSWER_HEAD_BYTES], length[64], chunk[32] = "";
	size_t body = answer_body_bytes(answer);
	int count;

	print_length(answer, body, length, sizeof(length));
	if (answer->stream && has_body)
		frame_chunk(answer, body, chunk, sizeof(chunk));
	count = snprintf(head, sizeof(head), "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s%s%s%s\r\n%s",
			 answer->status, reason(answer->status), answer->type, length,
			 answer->headers ? answer->headers : "",
			 answer->status == 401 ? "WWW-Authenticate: Bearer\r\n" : "",
			 last ? "Connection: close\r\n" : "", chunk);
	*ret_count = (size_t)count + (has_body ? answer_body_bytes(answer) : 0);
	return put_before(answer, head, (size_t)count);
}

void answer_begin_piece(struct answer *answer)
{
	answer->used = ANSWER_HEAD_BYTES;
}

const char *answer_finish_piece(struct answer *answer, int ends, size_t *ret_count)
{
	char chunk[32];

	frame_chunk(answer, answer_body_bytes(answer), chunk, sizeof(chunk));
	if (ends && answer->is_chunked)
		answer_text(answer, "0\r\n\r\n");
	*ret_count = strlen(chunk) + answer_body_bytes(answer);
	return put_before(answer, chunk, strlen(chunk));
}
