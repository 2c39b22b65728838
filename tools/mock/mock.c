/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-mock: the mock engine as a process.
 *
 * Standard input: one JSON object per line, a request of a trace (docs/trace-format.md) or
 * a command. Standard output: first {"ready":true,"worker_id","dp_rank","epoch","pid"}, then
 * one line for each input line, flushed, in order:
 *
 *   request    {"id","cached_blocks","host_blocks","total_blocks","time_ms","queued_ms",
 *              "prefill_ms","running","free_blocks"}: full blocks of the prompt found cached
 *              (host_blocks of them in the host tier), and its full blocks; virtual time at
 *              admission, how long it waited, how long the rest takes to compute
 *              {"id","error"} where it never fits
 *   clear      {"command":"clear","time_ms","running","free_blocks"}
 *              "tier": "device", "host" or "all"; "announce":false publishes nothing. With
 *              --clear-scope worker, send that to every other rank of the worker first, then
 *              the announced one to one rank, and no request between them
 *   advance    {"command":"advance","time_ms","running","free_blocks"}
 *              virtual time ran on to the line's whole "time_ms", if it was not there yet: who
 *              asks an index between two requests sees what is computed by then
 *   finish     {"command":"finish",...}: virtual time ran until no request was left
 *   stats      {"command":"stats",...}: engine, publisher, "publish_ns" with nearest-rank
 *              percentiles of all publish calls
 *   dump       {"command":"dump","worker_id","dp_rank","epoch","last_event_id","inexact",
 *              "device":[...],"host":[...]}: the engine's own cache, straight from its pool:
 *              distinct prefix hashes (rdx_hash_chain over the tokens), 16 hexadecimal digits
 *              each, ascending
 *   bad line   {"line","error"}; a message on standard error; the rest is read
 *
 * Ids and the epoch are strings of decimal digits, other numbers are JSON numbers. Who writes many
 * lines ahead must read the answers meanwhile.
 */
#include "tools/mock/answers.h"
#include "tools/mock/mock_options.h"
#include "tools/program/messages.h"
#include "tools/program/stop.h"
#include "shm/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1e6

struct mock {
	struct mock_options options;
	struct announcer announcer;
	struct engine *engine;
	struct lines lines;
	struct trace_request request;
	uint64_t bad_lines;
	uint64_t started_ns; /* real time of the trace's time 0, with --speed */
};

static void report(struct mock *mock, const char *text)
{
	messages_say("%s:%" PRIu64 ": %s", mock->lines.name, mock->lines.number, text);
	mock->bad_lines++;
}

static int run_request(struct mock *mock, int answer_it)
{
	struct engine_answer answer;
	int error = engine_submit(mock->engine, &mock->request, &answer);

	if (error && error != -E2BIG)
		return error;
	if (!answer_it)
		return 0;
	if (error)
		answers_refused(mock->request.id,
				"more blocks than the engine has: raise --blocks");
	else
		answers_request(mock->request.id, &answer);
	return 0;
}

static int run_clear(struct mock *mock, struct json_object *object,
		     struct json_line_fault *ret_fault)
{
	struct json_object *value;
	const char *tier = "all";
	uint8_t scope;
	int tell = 1;

	if (json_object_object_get_ex(object, "tier", &value))
		tier = json_object_get_string(value);
	if (tier && strcmp(tier, "all") == 0)
		scope = RDX_SCOPE_ALL;
	else if (tier && strcmp(tier, "device") == 0)
		scope = RDX_TIER_DEVICE;
	else if (tier && strcmp(tier, "host") == 0)
		scope = RDX_TIER_HOST;
	else
		return json_line_fault(ret_fault, "\"tier\" is %.40s: give device, host or all",
				       tier ? tier : "null");
	if (json_object_object_get_ex(object, "announce", &value))
		tell = json_object_get_boolean(value);
	engine_clear(mock->engine, scope, tell);
	answers_command("clear", mock->engine);
	return 0;
}

static int run_advance(struct mock *mock, struct json_object *object,
		       struct json_line_fault *ret_fault)
{
	struct json_object *value;
	uint64_t time_ms;

	if (!json_object_object_get_ex(object, "time_ms", &value) ||
	    !json_line_unsigned(value, UINT64_MAX / 1000, &time_ms))
		return json_line_fault(
			ret_fault, "\"time_ms\" is missing or not a number: give the time of the "
				   "trace to run on to, in milliseconds");
	engine_advance(mock->engine, time_ms * 1000);
	answers_command("advance", mock->engine);
	return 0;
}

static int run_command(struct mock *mock, const char *command, struct json_object *object,
		       struct json_line_fault *ret_fault)
{
	if (strcmp(command, "clear") == 0)
		return run_clear(mock, object, ret_fault);
	if (strcmp(command, "advance") == 0)
		return run_advance(mock, object, ret_fault);
	if (strcmp(command, "stats") == 0) {
		answers_stats(mock->engine, &mock->announcer);
		return 0;
	}
	if (strcmp(command, "dump") == 0)
		return answers_dump(mock->engine, &mock->announcer, &mock->options.publisher);
	if (strcmp(command, "finish") == 0) {
		engine_finish(mock->engine);
		answers_command("finish", mock->engine);
		return 0;
	}
	return json_line_fault(ret_fault,
			       "unknown command %.40s: advance, clear, dump, finish or "
			       "stats",
			       command);
}

static int run_line(struct mock *mock, struct json_object *object,
		    struct json_line_fault *ret_fault)
{
	struct json_object *command;
	int r;

	if (json_object_object_get_ex(object, "command", &command)) {
		if (!json_object_is_type(command, json_type_string))
			return json_line_fault(ret_fault, "\"command\" is not a string: write one");
		return run_command(mock, json_object_get_string(command), object, ret_fault);
	}
	r = trace_request_read(object, mock->lines.number, &mock->request, ret_fault);
	return r < 0 ? r : run_request(mock, 1);
}

/* Answer lines until they end or a signal comes. */
static int serve(struct mock *mock)
{
	struct json_line_fault fault;
	struct json_object *object;
	int r;

	answers_ready(&mock->announcer, &mock->options.publisher);
	fflush(stdout);
	while ((r = json_line_next(&mock->lines, &object, &fault)) != 0) {
		if (r > 0) {
			r = run_line(mock, object, &fault);
			json_object_put(object);
		}
		if (r == -EBADMSG) {
			report(mock, fault.text);
			answers_error(mock->lines.number, fault.text);
		} else if (r < 0) {
			return r == -EINTR ? 0 : r;
		}
		if (fflush(stdout) < 0)
			return -errno;
	}
	return 0;
}

/* With --speed: sleep until the request's time. 1 when a stop signal came meanwhile. */
static int keep_pace(struct mock *mock)
{
	uint64_t due_ns, at_ns;

	if (mock->options.speed <= 0)
		return stop_asked();
	due_ns = mock->started_ns +
		 (uint64_t)((double)mock->request.timestamp_ms / mock->options.speed * NS_PER_MS);
	at_ns = rdx_clock_ns();
	return stop_sleep(due_ns > at_ns ? due_ns - at_ns : 0);
}

static int replay(struct mock *mock)
{
	struct json_line_fault fault;
	int got, error = 0;

	mock->started_ns = rdx_clock_ns();
	while ((got = trace_request_next(&mock->lines, &mock->request, &fault)) != 0 && !error) {
		if (got == -EINTR)
			return 0;
		if (got == -EBADMSG) {
			report(mock, fault.text);
			continue;
		}
		if (got < 0)
			return got;
		if (keep_pace(mock) > 0)
			return 0;
		error = run_request(mock, 0);
	}
	if (error)
		return error;
	engine_finish(mock->engine);
	answers_stats(mock->engine, &mock->announcer);
	return fflush(stdout) < 0 ? -errno : 0;
}

static int open_engine(struct mock *mock)
{
	struct mock_options *o = &mock->options;
	int error = announcer_open(&mock->announcer, &o->publisher, o->name_bytes, &o->engine.key);

	if (error) {
		messages_say("cannot open rank %u of worker %" PRIu64 " in %s: %s",
			     o->publisher.dp_rank, o->publisher.worker_id, o->publisher.dir,
			     messages_explain_create(error));
		return error;
	}
	o->engine.emit = announcer_event;
	o->engine.context = &mock->announcer;
	error = engine_open(&mock->engine, &o->engine);
	if (error) {
		messages_say_error(error, "cannot start the engine");
		announcer_close(&mock->announcer);
	}
	return error;
}

static int run(struct mock *mock)
{
	const char *path = mock->options.trace ? mock->options.trace : "-";
	int error = lines_open(&mock->lines, path);

	if (error) {
		messages_say_error(error, "cannot open %s", path);
		return EXIT_FAILED;
	}
	if (open_engine(mock) < 0) {
		lines_close(&mock->lines);
		return EXIT_FAILED;
	}
	error = mock->options.trace ? replay(mock) : serve(mock);
	if (error)
		messages_say_error(error, "cannot go on");
	else if (mock->options.hold)
		stop_sleep(STOP_FOREVER);
	if (mock->announcer.failed)
		messages_say_error(mock->announcer.first_error,
				   "%" PRIu64 " publish calls failed, the "
				   "first one",
				   mock->announcer.failed);
	error = error || mock->bad_lines || mock->announcer.failed;
	engine_close(mock->engine);
	announcer_close(&mock->announcer);
	trace_request_free(&mock->request);
	lines_close(&mock->lines);
	return error ? EXIT_FAILED : EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct mock mock = {0};

	mock_options_parse(argc, argv, &mock.options);
	signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of the write */
	stop_listen();
	return run(&mock);
}
