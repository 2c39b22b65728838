/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/report.h"

#include "tools/program/json.h"
#include "tools/program/printable.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const states[SOURCE_STATES] = {
	[SOURCE_WAITING] = "waiting",
	[SOURCE_CONNECTED] = "connected",
	[SOURCE_BROKEN] = "broken",
	[SOURCE_LOST] = "lost",
};

/* What its rank is worth in answers. */
static const char *worth_of(const struct source *source)
{
	static const char *const words[] = {[0] = "EXACT",
					    [RDX_INEXACT_LACKING] = "LACKING",
					    [RDX_INEXACT_UNKNOWN] = "INEXACT"};

	return source->rank.publisher ? words[rank_worth(&source->rank)] : NULL;
}

static void print_json(const struct source *source)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct tally, messages),    JSON_FIELD(struct tally, bytes),
		JSON_FIELD(struct tally, events),      JSON_FIELD(struct tally, other_topics),
		JSON_FIELD(struct tally, connections), JSON_FIELD(struct tally, losses),
		JSON_FIELD(struct tally, asks),        JSON_FIELD(struct tally, unanswered),
		JSON_FIELD(struct tally, replayed),    JSON_FIELD(struct tally, repeats),
		JSON_FIELD(struct tally, gaps),        JSON_FIELD(struct tally, restarts),
		JSON_FIELD(struct tally, doubts),      JSON_FIELD(struct tally, gaps_filled),
	};
	struct json_object *object = json_new_object(), *refused = json_new_object();
	const struct tally *tally = &source->tally;

	json_put_text(object, "endpoint", source->endpoint);
	json_put_id(object, "worker", source->options->publisher.worker_id);
	json_put_number(object, "dp_rank", source->rank.dp_rank);
	json_put_text(object, "state", states[source->state]);
	json_put_text(object, "worth", worth_of(source));
	json_put_id(object, "sequence", tally->sequence);
	json_put_age(object, "lag_ns", tally->lag_ns);
	JSON_PUT_FIELDS(object, fields, tally);
	for (int i = FAULT_NONE + 1; i < FAULTS; i++)
		if (tally->refused[i])
			json_put_number(refused, fault_name(i), tally->refused[i]);
	json_put(object, "refused", refused);
	json_print_line(object);
}

static void print_text(const struct source *source)
{
	const struct tally *tally = &source->tally;
	const char *worth = worth_of(source);

	printable_put(stdout, source->endpoint);
	printf(": worker %" PRIu64 " rank %" PRIu32 ": %s, %s; message %" PRIu64
	       ", replayed %" PRIu64 ", gaps %" PRIu64 ", restarts %" PRIu64 "\n",
	       source->options->publisher.worker_id, source->rank.dp_rank, states[source->state],
	       worth ? worth : "no rank", tally->sequence, tally->replayed, tally->gaps,
	       tally->restarts);
}

void report_changes(struct report *report, const struct source *source, int json)
{
	const struct report now = {
		.state = (int)source->state,
		.worth = (int)rank_worth(&source->rank),
		.is_open = source->rank.publisher != NULL,
		.dp_rank = source->rank.dp_rank,
		.gaps = source->tally.gaps,
		.restarts = source->tally.restarts,
		.was_told = 1,
	};

	if (now.state == report->state && now.worth == report->worth &&
	    now.is_open == report->is_open && now.dp_rank == report->dp_rank &&
	    now.gaps == report->gaps && now.restarts == report->restarts && report->was_told)
		return;
	*report = now;
	if (json)
		print_json(source);
	else
		print_text(source);
	fflush(stdout);
}
