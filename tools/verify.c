/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-verify: the index against the workers' own ledgers.
 */
#include "tools/inspect/indexes.h"
#include "tools/inspect/sighting.h"
#include "tools/program/figures.h"
#include "tools/program/json.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct verify_options {
	const char *dir;
	struct ranks wanted;
	int json;
};

/* How one rank came out of it. */
enum outcome { OUTCOME_EQUAL, OUTCOME_DIFFERENT, OUTCOME_NOT_COMPARED, OUTCOME_DEAD };

struct verdict {
	struct rank_name name;
	enum outcome outcome;
	struct rdx_difference difference;
	char reason[SIGHTING_REASON_BYTES];
};

#define TO(member) OPTIONS_TO(struct verify_options, member)

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(dir)),
	OPTIONS_JSON(TO(json)),
	{0},
};

static const struct options_arguments arguments = {
	.shown = "[WORKER[:RANK]...]",
	.take = ranks_take,
	.at = offsetof(struct verify_options, wanted),
};

static const struct options_program program = {
	.entries = entries,
	.arguments = &arguments,
	.about = "Compare what the index says that each rank holds, or each of those named, with "
		 "the rank's own ledger after the same event, block by block. Needs a running "
		 "indexer (ringdex follow).\v"
		 "It reads the whole table for each rank, which is slow and harms nobody. Of a "
		 "LACKING "
		 "rank it compares what both sides can know. Without "
		 "arguments dead ranks are skipped. A rank whose events keep coming may never be "
		 "seen at the same event on both sides: then it is not compared.\n\n"
		 "Exit status: 0 all are equal, 1 there are differences, or the directory could "
		 "not be opened, 2 wrong usage, 3 no difference, but something, or all, could not "
		 "be compared.",
};

static const char *reason_text(int error)
{
	switch (-error) {
	case EAGAIN:
		return "events keep coming, and index and ledger were never seen after the same "
		       "one: try again when there are fewer";
	case ENOENT:
		return "the index does not know it: try again if it has just started";
	case ESTALE:
		return "the index holds an earlier life of it, or shows it as neither EXACT nor "
		       "LACKING: see ringdex ls";
	default:
		return messages_explain(error);
	}
}

/* Compare with the index that the rank feeds. */
static int compare(const struct space *space, const struct rank_name *name,
		   const struct rdx_rank_info *info, struct rdx_difference *ret_difference)
{
	struct index_name index_name = {.block_tokens = info->block_tokens};
	struct rdx_index *index;
	int r;

	memcpy(index_name.model, info->model, RDX_TEXT_BYTES);
	memcpy(index_name.tenant, info->tenant, RDX_TEXT_BYTES);
	r = indexes_open(space, &index_name, &index);
	if (r == -EAGAIN || r == -ESRCH)
		return -ENOENT;
	if (r < 0)
		return r;
	ret_difference->size = sizeof(*ret_difference);
	r = rdx_index_verify(index, name->worker_id, name->dp_rank, ret_difference);
	rdx_index_close(index);
	return r;
}

static struct verdict verify_rank(const struct space *space, const struct rank_name *name)
{
	struct verdict verdict = {.name = *name, .outcome = OUTCOME_NOT_COMPARED};
	struct rdx_rank_info info;
	struct rdx_reader *reader;
	int alive, r = sighting_open(space, name, &reader);

	if (r < 0) {
		sighting_diagnose(space, name, r, verdict.reason);
		return verdict;
	}
	info = *rdx_reader_info(reader);
	alive = rdx_reader_alive(reader) != 0; /* an error is no death */
	rdx_reader_close(reader);
	if (!alive) {
		snprintf(verdict.reason, SIGHTING_REASON_BYTES, "it is dead");
		verdict.outcome = OUTCOME_DEAD;
		return verdict;
	}
	r = compare(space, name, &info, &verdict.difference);
	if (r < 0)
		snprintf(verdict.reason, SIGHTING_REASON_BYTES, "%s", reason_text(r));
	else
		verdict.outcome =
			verdict.difference.differences ? OUTCOME_DIFFERENT : OUTCOME_EQUAL;
	return verdict;
}

static void print_words(const struct verdict *verdict)
{
	const struct rdx_difference *difference = &verdict->difference;
	char rank[RANKS_TEXT_BYTES];

	ranks_name_text(&verdict->name, rank);
	if (verdict->outcome == OUTCOME_EQUAL)
		printf("%s: equal%s: %" PRIu64 " block%s after event %" PRIu64 "\n", rank,
		       difference->partial ? " as far as it fits into the index" : "",
		       difference->compared, figures_plural(difference->compared),
		       difference->event_id);
	else if (verdict->outcome == OUTCOME_DIFFERENT)
		printf("%s: %" PRIu64 " difference%s, the ledger holding %" PRIu64 " block%s after "
		       "event %" PRIu64 "; the first: prefix hash %" PRIu64 ", tier %s, is in the "
		       "%s\n",
		       rank, difference->differences, figures_plural(difference->differences),
		       difference->compared, figures_plural(difference->compared),
		       difference->event_id, difference->first_hash,
		       rdx_tier_text(difference->first_tier),
		       difference->first_in_index ? "index but not in the ledger"
						  : "ledger but not in the index");
	else
		printf("%s: not compared: %s\n", rank, verdict->reason);
}

static struct json_object *verdict_json(const struct verdict *verdict)
{
	static const char *const text[] = {"equal", "different", "not_compared", "dead"};
	const struct rdx_difference *difference = &verdict->difference;
	struct json_object *object = json_new_object();

	json_put_id(object, "worker", verdict->name.worker_id);
	if (!verdict->name.any_rank)
		json_put_number(object, "dp_rank", verdict->name.dp_rank);
	json_put_text(object, "result", text[verdict->outcome]);
	if (verdict->outcome >= OUTCOME_NOT_COMPARED) {
		json_put_text(object, "reason", verdict->reason);
		return object;
	}
	json_put_number(object, "event_id", difference->event_id);
	json_put_number(object, "ledger_blocks", difference->compared);
	json_put_number(object, "differences", difference->differences);
	json_put_flag(object, "partial", difference->partial);
	if (difference->differences) {
		json_put_id(object, "first_hash", difference->first_hash);
		json_put_text(object, "first_tier", rdx_tier_text(difference->first_tier));
		json_put_text(object, "first_side",
			      difference->first_in_index ? "index" : "ledger");
	}
	return object;
}

/* Differences outweigh what could not be compared. */
static int worse(int status, enum outcome outcome, int was_named)
{
	if (outcome == OUTCOME_DIFFERENT)
		return EXIT_FAILED;
	if (status == EXIT_DONE &&
	    (outcome == OUTCOME_NOT_COMPARED || (outcome == OUTCOME_DEAD && was_named)))
		return EXIT_NOT_COMPARED;
	return status;
}

static int verify_all(const struct verify_options *options, const struct space *space,
		      const struct ranks *found)
{
	struct json_object *ranks = options->json ? json_new_array() : NULL;
	int status = EXIT_DONE, compared = 0;

	for (size_t i = 0; i < found->count; i++) {
		struct verdict verdict = verify_rank(space, &found->names[i]);

		if (verdict.outcome == OUTCOME_DEAD && !options->wanted.count && !ranks)
			continue;
		compared += verdict.outcome < OUTCOME_NOT_COMPARED;
		status = worse(status, verdict.outcome, options->wanted.count != 0);
		if (ranks)
			json_append(ranks, verdict_json(&verdict));
		else
			print_words(&verdict);
		fflush(stdout);
	}
	if (ranks) {
		struct json_object *object = json_new_object();

		json_put_text(object, "dir", space->dir);
		json_put(object, "ranks", ranks);
		json_print(object);
	}
	if (!compared && status == EXIT_DONE) {
		messages_say("no running rank in %s: nothing to compare", space->dir);
		return EXIT_NOT_COMPARED;
	}
	return status;
}

static int verify(const struct verify_options *options, const struct space *space)
{
	struct ranks found;
	int status;

	if (!space_has_indexer(space)) {
		messages_say(
			"no indexer runs in %s, so there is nothing to compare with: start ringdex "
			"follow",
			space->dir);
		return EXIT_NOT_COMPARED;
	}
	if (ranks_find(space, &options->wanted, &found) < 0)
		return EXIT_FAILED;
	if (ranks_missing(space, &options->wanted, &found, RANKS_SEE_LS))
		status = EXIT_NOT_COMPARED;
	else
		status = verify_all(options, space, &found);
	ranks_free(&found);
	return status;
}

int main(int argc, char **argv)
{
	struct verify_options options = {.dir = RDX_DEFAULT_DIR};
	struct space space;
	int status;

	options_parse(&program, argc, argv, &options);
	if (space_open(&space, options.dir) < 0)
		return EXIT_FAILED;
	status = verify(&options, &space);
	space_close(&space);
	ranks_free(&options.wanted);
	return status;
}
