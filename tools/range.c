/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-range: what a rank's ring answers to a query of event ids.
 */
#include "tools/inspect/event_line.h"
#include "tools/inspect/inspect.h"
#include "tools/program/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct range_options {
	struct common_options common;
	struct rank_name name;
	int has_name;
	int has_epoch;
	int events;
	uint64_t epoch;
	uint64_t first_id;
	uint64_t last_id;
};

enum { KEY_FIRST = 256, KEY_LAST, KEY_EVENTS };

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct range_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'e':
		options->epoch = number_option(state, "--epoch", text, 1, UINT64_MAX);
		options->has_epoch = 1;
		return 0;
	case KEY_FIRST:
		options->first_id = number_option(state, "--first", text, 0, UINT64_MAX);
		return 0;
	case KEY_LAST:
		options->last_id = number_option(state, "--last", text, 0, UINT64_MAX);
		return 0;
	case KEY_EVENTS:
		options->events = 1;
		return 0;
	case ARGP_KEY_ARG:
		if (options->has_name)
			argp_error(state, "one rank at a time: '%s' is one more", text);
		rank_argument(state, text, &options->name);
		options->has_name = 1;
		return 0;
	case ARGP_KEY_END:
		if (!options->has_name)
			argp_error(state, "which rank? give WORKER or WORKER:RANK, as 7 or 7:0");
		options->name.any_rank = 0; /* rank 0 */
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option list[] = {
	{"epoch", 'e', "EPOCH", 0, "The epoch that the ids are of (default: the rank's present one)",
	 0},
	{"first", KEY_FIRST, "ID", 0, "First event id wanted; 0, the default, is no start", 0},
	{"last", KEY_LAST, "ID", 0, "Last event id wanted (default: no end). It does not cut", 0},
	{"events", KEY_EVENTS, 0, 0,
	 "Print the events too, as the JSON lines that ringdex-feed accepts; the outcome then goes "
	 "to standard error, or with --json before them", 0},
	{0},
};

static const struct argp argp = {
	.options = list,
	.parser = parse,
	.args_doc = "WORKER[:RANK]",
	.doc = "Ask a rank's ring for its events from one id on, as a router does that was away.\v"
	       "The outcome is one of four. EVENTS: they are in the ring, from the last clear of "
	       "all tiers at or after the first id, else from the first id, through the newest. "
	       "SNAPSHOT: too old, and no clear is in the ring: the ledger holds the state. "
	       "TOO_NEW: the first id is after the newest event. INVALID_RANGE: the last id is "
	       "before the first. No start, or the ids of another epoch, are answered from the "
	       "newest clear, else by SNAPSHOT.\n\n"
	       "Exit status: 0 answered, with whichever outcome, 1 the rank could not be read, "
	       "2 usage.",
	.children = common_children,
};

static const char *outcome_text(uint32_t outcome)
{
	static const char *const text[] = {
		[RDX_RANGE_EVENTS] = "EVENTS",
		[RDX_RANGE_SNAPSHOT] = "SNAPSHOT",
		[RDX_RANGE_TOO_NEW] = "TOO_NEW",
		[RDX_RANGE_INVALID] = "INVALID_RANGE",
	};

	return text[outcome];
}

static void print_words(FILE *to, const struct range_options *options,
			const struct rdx_range *range)
{
	fprintf(to, "%s: ", outcome_text(range->outcome));
	switch (range->outcome) {
	case RDX_RANGE_EVENTS:
		if (range->last_event_id < range->first_event_id)
			fprintf(to, "nothing was published yet\n");
		else
			fprintf(to, "%" PRIu64 " through %" PRIu64 ", from position %" PRIu64 "%s\n",
				range->first_event_id, range->last_event_id, range->start.position,
				!range->from_barrier	    ? ""
				: range->start.position     ? ", the newest clear of all tiers"
							    : ", the rank's birth");
		return;
	case RDX_RANGE_SNAPSHOT:
		fprintf(to, "no clear of all tiers is in the ring, and what was asked for is not "
			    "either: the state is in the ledger\n");
		return;
	case RDX_RANGE_TOO_NEW:
		fprintf(to, "the newest event is %" PRIu64 "\n", range->last_event_id);
		return;
	default:
		fprintf(to, "the last id, %" PRIu64 ", is before the first, %" PRIu64 "\n",
			options->last_id, options->first_id);
	}
}

static void print_json(const struct rdx_rank_info *info, const struct rdx_range *range)
{
	struct json_object *object = json_new_object();

	json_put_number(object, "worker", info->worker_id);
	json_put_number(object, "dp_rank", info->dp_rank);
	json_put_number(object, "epoch", info->epoch);
	json_put_text(object, "outcome", outcome_text(range->outcome));
	if (range->outcome == RDX_RANGE_EVENTS) {
		json_put_number(object, "first_event_id", range->first_event_id);
		json_put_number(object, "position", range->start.position);
		json_put_flag(object, "from_barrier", (int)range->from_barrier);
	}
	if (range->outcome == RDX_RANGE_EVENTS || range->outcome == RDX_RANGE_TOO_NEW)
		json_put_number(object, "last_event_id", range->last_event_id);
	json_print_line(object);
}

static int print_events(struct rdx_reader *reader, const struct rdx_range *range)
{
	struct event_line line = {0};
	struct rdx_event event = {.event_id = 0};
	int r = rdx_reader_seek(reader, &range->start);

	while (r == 0 && event.event_id < range->last_event_id) {
		r = rdx_reader_next(reader, &event);
		if (r == 0)
			break; /* the newest ones are hidden by a clear of the worker */
		if (r > 0) {
			event_line_print(&line, rdx_reader_info(reader), &event);
			r = 0;
		}
	}
	event_line_free(&line);
	if (r == -EOVERFLOW)
		messages_say("the ring went past event %" PRIu64 " while it was printed: ask again",
			 event.event_id + 1);
	else if (r < 0)
		messages_say_error(r, "cannot read on after event %" PRIu64, event.event_id);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int answer(const struct range_options *options, struct rdx_reader *reader, const char *rank)
{
	const struct rdx_rank_info *info = rdx_reader_info(reader);
	uint64_t epoch = options->has_epoch ? options->epoch : info->epoch;
	struct rdx_range range;
	int r = rdx_reader_range(reader, epoch, options->first_id, options->last_id, &range);

	if (r < 0) {
		messages_say_error(r, "cannot answer from the ring of %s", rank);
		return EXIT_FAILED;
	}
	if (options->common.json)
		print_json(info, &range);
	else
		print_words(options->events ? stderr : stdout, options, &range);
	if (options->events && range.outcome == RDX_RANGE_EVENTS)
		return print_events(reader, &range);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct range_options options = {.last_id = UINT64_MAX};
	struct tool_namespace space;
	struct rdx_reader *reader;
	char rank[RANK_TEXT_BYTES];
	int r, status = EXIT_FAILED;

	parse_command_line(&argp, argc, argv, &options);
	rank_text(options.name.worker_id, options.name.dp_rank, rank);
	if (open_namespace(&space, options.common.dir) < 0)
		return EXIT_FAILED;
	r = open_rank(&space, &options.name, &reader);
	if (r == 0) {
		status = answer(&options, reader, rank);
		rdx_reader_close(reader);
	} else {
		complain_rank(&space, &options.name, r);
	}
	close_namespace(&space);
	return status;
}
