/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/log.h"

#include "shm/clock.h"
#include "tools/program/json.h"
#include "tools/program/messages.h"
#include "tools/program/printable.h"
#include "tools/ringdexd/log_queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIME_BYTES 40
#define LOST_BYTES 128
#define NS_PER_MS  1000000
#define LEAVE_NS   UINT64_C(5000000000) /* for the last lines, unless told otherwise */

const char *const log_levels[] = {"debug", "info", "warning", "error", NULL};
const char *const log_forms[] = {"text", "json", NULL};

static uint64_t leave_by_ns; /* 0: see LEAVE_NS */
static _Atomic int form = LOG_AS_TEXT, least_level = LOG_AT_INFO;

/* Of the world, in UTC, as in RFC 3339. */
static const char *time_text(char *ret_text)
{
	struct timespec now;
	struct tm parts;
	size_t count;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	count = strftime(ret_text, TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(ret_text + count, TIME_BYTES - count, ".%03ldZ", now.tv_nsec / NS_PER_MS);
	return ret_text;
}

static void put_json(FILE *to, const char *time, const char *level, const char *text)
{
	struct json_object *line = json_new_object();

	json_put_text(line, "time", time);
	json_put_text(line, "level", level);
	json_put_text(line, "message", text);
	fprintf(to, "%s\n",
		json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN |
							     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(line);
}

/* To be freed; NULL without memory. */
static char *make_line(enum log_level level, const char *text, size_t *ret_bytes)
{
	char time[TIME_BYTES], *line = NULL;
	FILE *made = open_memstream(&line, ret_bytes);

	if (!made)
		return NULL;
	time_text(time);
	if (atomic_load_explicit(&form, memory_order_relaxed) == LOG_AS_JSON) {
		put_json(made, time, log_levels[level], text);
	} else {
		fprintf(made, "%s %s ", time, log_levels[level]);
		printable_put(made, text);
		fputc('\n', made);
	}
	if (fclose(made) == 0)
		return line;
	free(line);
	return NULL;
}

static void write_line(enum log_level level, const char *text)
{
	size_t bytes;
	char *line = log_is_said(level) ? make_line(level, text, &bytes) : NULL;

	if (line)
		log_queue_put(line, bytes);
	free(line);
}

/* At any level: it is about those that are said. */
static char *make_lost(uint64_t lines, size_t *ret_bytes)
{
	char text[LOST_BYTES];

	snprintf(text, sizeof(text),
		 "lost lines of this log: %" PRIu64
		 ", since whoever reads it was too slow, or gone",
		 lines);
	return make_line(LOG_AT_WARNING, text, ret_bytes);
}

static void write_error(const char *text)
{
	write_line(LOG_AT_ERROR, text);
}

void log_leave(void)
{
	log_queue_drain(leave_by_ns ? leave_by_ns : rdx_clock_ns() + LEAVE_NS);
}

int log_open(void)
{
	int r = log_queue_open(make_lost);

	if (r == 0 && atexit(log_leave) != 0)
		r = -ENOMEM;
	return r;
}

void log_leave_by(uint64_t until_ns)
{
	leave_by_ns = until_ns;
}

uint64_t log_lost(void)
{
	return log_queue_lost();
}

void log_begin(enum log_form new_form, enum log_level least)
{
	atomic_store_explicit(&form, new_form, memory_order_relaxed);
	atomic_store_explicit(&least_level, least, memory_order_relaxed);
	messages_set_writer(write_error);
}

int log_is_said(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

void log_say(enum log_level level, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	write_line(level, text ? text : format);
	free(text);
}
