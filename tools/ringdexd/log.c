/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/log.h"

#include "tools/program/json.h"
#include "tools/program/messages.h"
#include "tools/program/printable.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TIME_BYTES 40
#define NS_PER_MS  1000000

const char *const log_levels[] = {"debug", "info", "warning", "error", NULL};
const char *const log_forms[] = {"text", "json", NULL};

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

/* In one piece, so that no other thread's or process's line is within this one. */
static void write_line(enum log_level level, const char *text)
{
	char time[TIME_BYTES], *line = NULL;
	size_t bytes;
	FILE *made;

	if (!log_is_said(level))
		return;
	made = open_memstream(&line, &bytes);
	if (!made)
		return;
	time_text(time);
	if (atomic_load_explicit(&form, memory_order_relaxed) == LOG_AS_JSON) {
		put_json(made, time, log_levels[level], text);
	} else {
		fprintf(made, "%s %s ", time, log_levels[level]);
		printable_put(made, text);
		fputc('\n', made);
	}
	if (fclose(made) == 0)
		(void)!write(STDERR_FILENO, line, bytes);
	free(line);
}

static void write_error(const char *text)
{
	write_line(LOG_AT_ERROR, text);
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
