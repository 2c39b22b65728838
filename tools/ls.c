/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-ls: every segment below the directory, also dead and unreadable ones.
 */
#include "tools/inspect/census.h"
#include "tools/program/again.h"
#include "tools/program/counters.h"
#include "tools/program/figures.h"
#include "tools/program/json.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"
#include "tools/program/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDE_COLUMNS   140 /* on a terminal this wide, all columns are shown */
#define SOURCE_COLUMNS 6
#define NS_PER_S       UINT64_C(1000000000)
#define SILENT_NS      (10 * NS_PER_S) /* a bridge says something each second */

struct ls_options {
	const char *dir;
	struct ranks wanted;
	int json;
	int all_columns;
	uint64_t watch_ns;
};

struct ls {
	const struct ls_options *options;
	struct space space;
};

#define TO(member) OPTIONS_TO(struct ls_options, member)

static const char *const state_text[] = {"live", "dead", "unreadable"};

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(dir)),
	OPTIONS_JSON(TO(json)),
	OPTIONS_WATCH(TO(watch_ns)),
	{"long", 'l', NULL,
	 "All columns, as on wide terminals: block size, file size, process, epoch", OPTIONS_FLAG,
	 TO(all_columns)},
	{0},
};

static const struct options_arguments arguments = {
	.shown = "[WORKER[:RANK]...]",
	.take = ranks_take,
	.at = offsetof(struct ls_options, wanted),
};

static const struct options_program program = {
	.entries = entries,
	.arguments = &arguments,
	.about =
		"List the segments of a namespace, one for each rank of a worker, including dead "
		"and unreadable ones.\v"
		"STATE is live (a process holds it), dead (none does; the file stays until the "
		"worker comes back or ringdex clean removes it) or unreadable. RING is in slots of "
		"64 "
		"bytes. BARRIER is how many slots ago the newest clear of all tiers was "
		"published, where recovery starts: birth (never cleared, and the ring has not "
		"wrapped), none (no longer in the ring: recovery takes the ledger). LAST is the "
		"id of the newest event, AGE how long ago it was made, where it is stamped: "
		"whoever "
		"knows that the engine should be busy can tell a stopped one from an idle one. "
		"DEVICE, HOST, DISK and EXTERNAL are blocks held. FLAGS: "
		"lacking (it says less than its engine holds: LACKING in answers) or unknown (less "
		"or more: INEXACT in answers), until what could not be represented is removed or "
		"cleared; worker (its clears are those of the whole worker), bell (it wakes "
		"sleeping consumers), disk (the directory is not in "
		"memory: writing can block the engine). SOURCE is what feeds a rank, where that "
		"is not its engine itself: bridge, or away where the bridge has no connection to "
		"the engine. MESSAGE is the number of the message published last, GAPS how many "
		"holes in the numbers nothing filled, REPLAYED how many messages came of a "
		"replay, LAG the time from the engine's stamp of the last one until it was "
		"published, HEARD how long ago it came. Below the table is what needs "
		"attention, also that an indexer runs and does not follow a rank, or not all of "
		"it.\n\n"
		"Exit status: 0 all could be read, 1 a segment or the directory could not be, 2 "
		"wrong usage.",
};

static int has_flag(const struct sighting *sighting, uint64_t flag)
{
	return (sighting->counters[RDX_COUNTER_FLAGS] & flag) != 0;
}

/* 0 or RDX_INEXACT_... */
static uint8_t inexact(const struct sighting *sighting)
{
	if (has_flag(sighting, RDX_LIVE_UNKNOWN))
		return RDX_INEXACT_UNKNOWN;
	return has_flag(sighting, RDX_LIVE_LACKING) ? RDX_INEXACT_LACKING : 0;
}

static struct json_object *tiers_json(const struct sighting *sighting)
{
	struct json_object *tiers = json_new_object();

	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		struct json_object *entry;

		if (sighting->info.tier_blocks[tier] == 0)
			continue;
		entry = json_new_object();
		json_put_number(entry, "capacity_blocks", sighting->info.tier_blocks[tier]);
		json_put_number(entry, "held_blocks", sighting->counters[RDX_COUNTER_HELD + tier]);
		json_put_number(entry, "orphans", sighting->counters[RDX_COUNTER_ORPHANS + tier]);
		json_put(tiers, rdx_tier_text(tier), entry);
	}
	return tiers;
}

static struct json_object *barrier_json(const struct sighting *sighting)
{
	struct json_object *barrier;

	if (!sighting->has_barrier)
		return NULL;
	barrier = json_new_object();
	json_put_number(barrier, "position", sighting->barrier_position);
	json_put_number(barrier, "event_id", sighting->barrier_event_id);
	json_put_number(barrier, "slots_ago", sighting->end_position - sighting->barrier_position);
	json_put_flag(barrier, "birth", sighting->barrier_event_id == 0);
	return barrier;
}

static struct json_object *counters_json(const struct sighting *sighting)
{
	struct json_object *counters = json_new_object();

	for (unsigned int i = 0; i < RDX_COUNTER_COUNT; i++)
		if (counters_name(i))
			json_put_number(counters, counters_name(i), sighting->counters[i]);
	return counters;
}

static const char *report_text(uint32_t mode)
{
	return mode <= RDX_REPORT_PRESENCE ? options_shared_reports[mode] : "?";
}

static void info_json(struct json_object *object, const struct rdx_rank_info *info)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct rdx_rank_info, block_tokens),
		JSON_FIELD(struct rdx_rank_info, format_version),
		JSON_FIELD(struct rdx_rank_info, features_compat),
		JSON_FIELD(struct rdx_rank_info, hash_scheme),
		JSON_FIELD(struct rdx_rank_info, creator_pid),
		JSON_FIELD(struct rdx_rank_info, file_bytes),
		JSON_FIELD(struct rdx_rank_info, ring_slots),
	};

	json_put_text(object, "instance", info->instance);
	json_put_text(object, "model", info->model);
	json_put_text(object, "tenant", info->tenant);
	JSON_PUT_FIELDS(object, fields, info);
	json_put_id(object, "epoch", info->epoch);
	json_put_id(object, "created_ns", info->created_ns);
	json_put_text(object, "report_mode", report_text(info->report_mode));
}

static const char *cause_name(int cause)
{
	const char *name = strerrorname_np(-cause);

	return name ? name : "?";
}

/* What the indexes show of a rank, or why the indexer does not follow it; null: none has it, or not in
 * this life. */
static struct json_object *standing_json(const struct standing *standing,
					 const struct sighting *sighting)
{
	const struct rdx_index_rank *rank =
		standing_find(standing, &sighting->name, sighting->info.epoch);
	int cause = standing_refused(standing, &sighting->name);
	struct json_object *object;

	if (!rank && !cause)
		return NULL;
	object = json_new_object();
	if (!rank) {
		json_put_text(object, "state", NULL);
		json_put_text(object, "cause", cause_name(cause));
		return object;
	}
	json_put_text(object, "state", rdx_state_text(rank->state));
	json_put_text(object, "cause", rank->cause ? strerrorname_np(-rank->cause) : NULL);
	return object;
}

/* What feeds it; null: nobody said. */
static struct json_object *source_json(const struct rdx_source *source)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct rdx_source, gaps_lost),
		JSON_FIELD(struct rdx_source, gaps_filled),
		JSON_FIELD(struct rdx_source, replayed),
	};
	struct json_object *object;

	if (source->kind == RDX_SOURCE_NONE)
		return NULL;
	object = json_new_object();
	json_put_text(object, "kind", rdx_source_text(source->kind));
	json_put_flag(object, "away", (int)source->is_away);
	if (source->next_sequence)
		json_put_id(object, "sequence", source->next_sequence - 1);
	else
		json_put(object, "sequence", NULL);
	JSON_PUT_FIELDS(object, fields, source);
	json_put_age(object, "lag_ns", source->lag_ns ? source->lag_ns : UINT64_MAX);
	json_put_age(object, "heard_age_ns", sighting_source_age(source->heard_ns));
	json_put_age(object, "said_age_ns", sighting_source_age(source->said_ns));
	return object;
}

static struct json_object *sighting_json(const struct standing *standing,
					 const struct sighting *sighting)
{
	struct json_object *object = json_new_object();

	json_put_id(object, "worker", sighting->name.worker_id);
	if (!sighting->name.any_rank)
		json_put_number(object, "dp_rank", sighting->name.dp_rank);
	json_put_text(object, "state", state_text[sighting->state]);
	json_put_flag(object, "alive", sighting->alive);
	if (sighting->state == SIGHTING_UNREADABLE) {
		json_put_text(object, "reason", sighting->reason);
		json_put_text(object, "error", strerrorname_np(-sighting->error));
		return object;
	}
	json_put(object, "index", standing_json(standing, sighting));
	info_json(object, &sighting->info);
	json_put_number(object, "end_position", sighting->end_position);
	json_put_number(object, "last_event_id", sighting->last_event_id);
	json_put_age(object, "last_event_age_ns", sighting->silent_ns);
	json_put(object, "barrier", barrier_json(sighting));
	json_put_text(object, "inexact", rdx_inexact_text(inexact(sighting)));
	json_put_flag(object, "rings_bell", has_flag(sighting, RDX_LIVE_RINGS_BELL));
	json_put_flag(object, "disk_backed", has_flag(sighting, RDX_LIVE_DISK_BACKED));
	json_put_flag(object, "clears_worker", (int)sighting->clear_scope_worker);
	json_put(object, "tiers", tiers_json(sighting));
	json_put(object, "counters", counters_json(sighting));
	json_put(object, "source", source_json(&sighting->source));
	return object;
}

static void print_json(const char *dir, const struct standing *standing,
		       const struct sighting *sightings, size_t count)
{
	struct json_object *object = json_new_object();
	struct json_object *segments = json_new_array();

	for (size_t i = 0; i < count; i++)
		json_append(segments, sighting_json(standing, &sightings[i]));
	json_put_text(object, "dir", dir);
	json_put_flag(object, "has_indexer", standing->has_indexer);
	json_put(object, "segments", segments);
	json_print(object);
}

static int has_tier(const struct sighting *sightings, size_t count, uint8_t tier)
{
	for (size_t i = 0; i < count; i++)
		if (sightings[i].info.tier_blocks[tier])
			return 1;
	return 0;
}

static int has_source(const struct sighting *sightings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (sightings[i].source.kind != RDX_SOURCE_NONE)
			return 1;
	return 0;
}

static void append_duration(struct table *table, uint64_t ns)
{
	if (ns == UINT64_MAX)
		table_skip(table);
	else
		table_duration(table, ns);
}

static void append_source(struct table *table, const struct rdx_source *source)
{
	const char *kind = rdx_source_text(source->kind);

	if (source->kind == RDX_SOURCE_NONE) {
		for (int i = 0; i < SOURCE_COLUMNS; i++)
			table_skip(table);
		return;
	}
	table_text(table, "%s", source->is_away ? "away" : kind ? kind : "?");
	if (source->is_away)
		table_tone(table, TABLE_WARNING);
	if (source->next_sequence)
		table_number(table, source->next_sequence - 1);
	else
		table_skip(table);
	table_number(table, source->gaps_lost);
	table_number(table, source->replayed);
	append_duration(table, source->lag_ns ? source->lag_ns : UINT64_MAX);
	append_duration(table, sighting_source_age(source->heard_ns));
}

static void append_flags(struct table *table, const struct sighting *sighting)
{
	const char *how = rdx_inexact_text(inexact(sighting));
	const char *text[] = {
		how ? how : "",
		how ? " " : "",
		sighting->clear_scope_worker ? "worker " : "",
		has_flag(sighting, RDX_LIVE_RINGS_BELL) ? "bell " : "",
		has_flag(sighting, RDX_LIVE_DISK_BACKED) ? "disk " : "",
	};
	char flags[40];
	int length = snprintf(flags, sizeof(flags), "%s%s%s%s%s", text[0], text[1], text[2],
			      text[3], text[4]);

	if (length > 0)
		flags[length - 1] = 0;
	table_text(table, "%s", flags);
	if (how || has_flag(sighting, RDX_LIVE_DISK_BACKED))
		table_tone(table, TABLE_WARNING);
}

static void append_barrier(struct table *table, const struct sighting *sighting)
{
	if (!sighting->has_barrier)
		table_text(table, "none");
	else if (sighting->barrier_event_id == 0)
		table_text(table, "birth");
	else
		table_text(table, "%" PRIu64 " ago",
			   sighting->end_position - sighting->barrier_position);
}

static void append_row(struct table *table, const struct sighting *sighting)
{
	static const enum table_tone tone[] = {TABLE_GOOD, TABLE_FAINT, TABLE_BAD};
	const struct rdx_rank_info *info = &sighting->info;
	char rank[RANKS_TEXT_BYTES];

	table_row(table);
	table_text(table, "%s", ranks_name_text(&sighting->name, rank));
	table_text(table, "%s", state_text[sighting->state]);
	table_tone(table, tone[sighting->state]);
	if (sighting->state == SIGHTING_UNREADABLE) {
		table_skip_rest(table);
		return;
	}
	table_number(table, info->ring_slots);
	append_barrier(table, sighting);
	table_number(table, sighting->last_event_id);
	append_duration(table, sighting->silent_ns);
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		if (info->tier_blocks[tier])
			table_number(table, sighting->counters[RDX_COUNTER_HELD + tier]);
		else
			table_skip(table);
	append_flags(table, sighting);
	append_source(table, &sighting->source);
	table_number(table, info->block_tokens);
	table_size(table, info->file_bytes);
	table_number(table, info->creator_pid);
	table_number(table, info->epoch);
	if (info->tenant[0])
		table_text(table, "%s (%s)", info->model, info->tenant);
	else
		table_text(table, "%s", info->model);
	table_text(table, "%s", info->instance);
}

/* Of a live rank: is there an indexer that does not follow it, or not all of it? */
static void remark_standing(const struct standing *standing, const struct sighting *sighting,
			    const char *rank)
{
	const struct rdx_index_rank *row =
		standing_find(standing, &sighting->name, sighting->info.epoch);
	uint32_t others = standing_of_worker(standing, sighting->name.worker_id);
	int refused = standing_refused(standing, &sighting->name);

	if (row && row->cause)
		printf("%s: %s in the index: %s\n", rank, rdx_state_text(row->state),
		       row->cause == -ENOSPC ? "its blocks do not fit into it"
					     : messages_explain(row->cause));
	else if (!row && refused)
		printf("%s: in no index: %s (%" PRIu32 " rank%s of its worker %s there)\n", rank,
		       messages_explain(refused), others, figures_plural(others),
		       others == 1 ? "is" : "are");
	else if (!row && standing->has_indexer && standing->is_whole)
		printf("%s: in no index, though an indexer runs: it has just come, or the indexer "
		       "has not said why it does not follow it\n",
		       rank);
}

/* Of a live rank that a bridge feeds: does the bridge go on, and its engine? */
static void remark_source(const struct rdx_source *source, const char *rank)
{
	uint64_t said_age_ns = sighting_source_age(source->said_ns);

	if (source->kind != RDX_SOURCE_BRIDGE)
		return;
	if (source->is_away)
		printf("%s: its engine is away from the bridge, which waits for it\n", rank);
	if (said_age_ns != UINT64_MAX && said_age_ns > SILENT_NS)
		printf("%s: its bridge has said nothing for %" PRIu64
		       " s: it is stopped, or has too much to do\n",
		       rank, said_age_ns / NS_PER_S);
}

/* What needs attention, one line each. */
static void print_remarks(const struct standing *standing, const struct sighting *sighting)
{
	char rank[RANKS_TEXT_BYTES], text[FIGURES_COUNTED_BYTES];

	ranks_name_text(&sighting->name, rank);
	if (sighting->state == SIGHTING_UNREADABLE) {
		printf("%s: unreadable%s: %s\n", rank, sighting->alive ? ", though alive" : "",
		       sighting->reason);
		return;
	}
	if (sighting->alive) {
		remark_standing(standing, sighting, rank);
		remark_source(&sighting->source, rank);
	}
	if (inexact(sighting) == RDX_INEXACT_LACKING)
		printf("%s: LACKING: its engine holds blocks that it does not say: it may be "
		       "routed by\n",
		       rank);
	else if (inexact(sighting))
		printf("%s: INEXACT: what it says may be wrong either way: prefer others, or clear "
		       "its cache\n",
		       rank);
	for (unsigned int i = 0; i < RDX_COUNTER_COUNT; i++)
		if (counters_warning(i) && sighting->counters[i])
			printf("%s: %s\n", rank,
			       figures_counted(sighting->counters[i], counters_warning(i), text));
}

static void print_table(const struct standing *standing, const struct sighting *sightings,
			size_t count, int all_columns)
{
	const int narrow = !all_columns && table_width() < WIDE_COLUMNS;
	const int unfed = !has_source(sightings, count);
	const struct table_column columns[] = {
		{"RANK", TABLE_TEXT, 0},
		{"STATE", TABLE_TEXT, 0},
		{"RING", TABLE_NUMBER, 0},
		{"BARRIER", TABLE_NUMBER, 0},
		{"LAST", TABLE_NUMBER, 0},
		{"AGE", TABLE_NUMBER, 0},
		{"DEVICE", TABLE_NUMBER, !has_tier(sightings, count, RDX_TIER_DEVICE)},
		{"HOST", TABLE_NUMBER, !has_tier(sightings, count, RDX_TIER_HOST)},
		{"DISK", TABLE_NUMBER, !has_tier(sightings, count, RDX_TIER_DISK)},
		{"EXTERNAL", TABLE_NUMBER, !has_tier(sightings, count, RDX_TIER_EXTERNAL)},
		{"FLAGS", TABLE_TEXT, 0},
		{"SOURCE", TABLE_TEXT, unfed},
		{"MESSAGE", TABLE_NUMBER, unfed},
		{"GAPS", TABLE_NUMBER, unfed},
		{"REPLAYED", TABLE_NUMBER, unfed},
		{"LAG", TABLE_NUMBER, unfed},
		{"HEARD", TABLE_NUMBER, unfed || narrow},
		{"BLOCK", TABLE_NUMBER, narrow},
		{"BYTES", TABLE_NUMBER, narrow},
		{"PID", TABLE_NUMBER, narrow},
		{"EPOCH", TABLE_NUMBER, narrow},
		{"MODEL", TABLE_LONG, 0},
		{"INSTANCE", TABLE_LONG, 0},
	};
	struct table *table = TABLE_NEW(columns);

	for (size_t i = 0; i < count; i++)
		append_row(table, &sightings[i]);
	table_print(table);
	for (size_t i = 0; i < count; i++)
		print_remarks(standing, &sightings[i]);
}

static int list_segments(const struct ls_options *options, const struct space *space)
{
	struct census census;
	int status = EXIT_DONE;

	if (census_take(space, &options->wanted, &census) < 0)
		return EXIT_FAILED;
	if (options->json)
		print_json(space->dir, &census.standing, census.sightings, census.count);
	else if (census.count)
		print_table(&census.standing, census.sightings, census.count, options->all_columns);
	else if (!options->wanted.count)
		messages_say("no segment in %s: start a worker", space->dir);
	if (ranks_missing(space, &options->wanted, &census.found, RANKS_SEE_LS))
		status = EXIT_FAILED;
	for (size_t i = 0; i < census.count; i++)
		if (census.sightings[i].state == SIGHTING_UNREADABLE)
			status = EXIT_FAILED;
	census_free(&census);
	return status;
}

static int look(void *context)
{
	struct ls *ls = context;

	(void)space_renew(&ls->space); /* what is gone has no segments */
	return list_segments(ls->options, &ls->space);
}

int main(int argc, char **argv)
{
	struct ls_options options = {.dir = RDX_DEFAULT_DIR};
	struct ls ls = {.options = &options};
	int status;

	options_parse(&program, argc, argv, &options);
	if (space_open(&ls.space, options.dir) < 0)
		return EXIT_FAILED;
	status = again_run(options.watch_ns, options.json, look, &ls);
	space_close(&ls.space);
	ranks_free(&options.wanted);
	return status;
}
