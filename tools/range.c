/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-range: what a rank's ring answers to a query of event ids.
 */
#include "tools/inspect/event_line.h"
#include "tools/inspect/sighting.h"
#include "tools/program/json.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct range_options {
	const char *dir;
	struct rank_name name;
	int json;
	int events;
	uint64_t epoch; /* 0: the present one */
	uint64_t first_id;
	uint64_t last_id;
};

#define TO(member) OPTIONS_TO(struct range_options, member)

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(dir)),
	OPTIONS_JSON(TO(json)),
	{"epoch", 'e', "EPOCH", "Epoch of the ids", OPTIONS_NUMBER, TO(epoch), .min = 1,
	 .max = UINT64_MAX, .fallback = "that of the rank"},
	{"first", 0, "ID", "First event id wanted", OPTIONS_NUMBER, TO(first_id), .max = UINT64_MAX,
	 .fallback = "0: no start"},
	{"last", 0, "ID", "Last event id wanted; it does not cut", OPTIONS_NUMBER, TO(last_id),
	 .max = UINT64_MAX, .fallback = "no end"},
	{"events", 0, NULL,
	 "Print the events too, as lines for ringdex feed; the outcome then goes to standard "
	 "error, with --json before them",
	 OPTIONS_FLAG, TO(events)},
	{0},
};

static const struct options_arguments arguments = {
	.shown = "WORKER[:RANK]",
	.missing = "WORKER or WORKER:RANK",
	.most = 1,
	.take = ranks_take_one,
	.at = offsetof(struct range_options, name),
};

static const struct options_program program = {
	.entries = entries,
	.arguments = &arguments,
	.about = "Ask the ring of a rank for its events from an id on, as a router does that was "
		 "away.\v"
		 "There are four outcomes. EVENTS: they are in the ring, from the last clear of "
		 "all tiers at or after the first id, else from the first id, through the newest. "
		 "SNAPSHOT: they are too old, and no clear is in the ring: the ledger holds the "
		 "state. TOO_NEW: the first id is after the newest event. INVALID_RANGE: the last "
		 "id is before the first. Without a first id, or with ids of another epoch, the "
		 "answer starts at the newest clear, else it is SNAPSHOT.\n\n"
		 "Exit status: 0 answered, whatever the outcome, 1 the rank could not be read, 2 "
		 "wrong usage.",
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
			fprintf(to, "nothing has been published yet\n");
		else
			fprintf(to,
				"%" PRIu64 " through %" PRIu64 ", from position %" PRIu64 "%s\n",
				range->first_event_id, range->last_event_id, range->start.position,
				!range->from_barrier    ? ""
				: range->start.position ? ", the newest clear of all tiers"
							: ", the rank's birth");
		return;
	case RDX_RANGE_SNAPSHOT:
		fprintf(to, "neither the events nor a clear of all tiers is in the ring: the state "
			    "is in the ledger\n");
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

	json_put_id(object, "worker", info->worker_id);
	json_put_number(object, "dp_rank", info->dp_rank);
	json_put_id(object, "epoch", info->epoch);
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
	struct rdx_event event = {.size = sizeof(event), .event_id = 0};
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
		messages_say("the ring wrapped over event %" PRIu64
			     " while it was printed: ask again",
			     event.event_id + 1);
	else if (r < 0)
		messages_say_error(r, "cannot read on after event %" PRIu64, event.event_id);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int answer(const struct range_options *options, struct rdx_reader *reader, const char *rank)
{
	const struct rdx_rank_info *info = rdx_reader_info(reader);
	uint64_t epoch = options->epoch ? options->epoch : info->epoch;
	struct rdx_range range = {.size = sizeof(range)};
	int r = rdx_reader_range(reader, epoch, options->first_id, options->last_id, &range);

	if (r < 0) {
		messages_say_error(r, "cannot answer from the ring of %s", rank);
		return EXIT_FAILED;
	}
	if (options->json)
		print_json(info, &range);
	else
		print_words(options->events ? stderr : stdout, options, &range);
	if (options->events && range.outcome == RDX_RANGE_EVENTS)
		return print_events(reader, &range);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct range_options options = {.dir = RDX_DEFAULT_DIR, .last_id = UINT64_MAX};
	struct space space;
	struct rdx_reader *reader;
	char rank[RANKS_TEXT_BYTES];
	int r, status = EXIT_FAILED;

	options_parse(&program, argc, argv, &options);
	ranks_text(options.name.worker_id, options.name.dp_rank, rank);
	if (space_open(&space, options.dir) < 0)
		return EXIT_FAILED;
	r = sighting_open(&space, &options.name, &reader);
	if (r == 0) {
		status = answer(&options, reader, rank);
		rdx_reader_close(reader);
	} else {
		sighting_say_error(&space, &options.name, r);
	}
	space_close(&space);
	return status;
}
