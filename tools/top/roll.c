/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/top/roll.h"

#include "shm/clock.h"
#include "tools/program/figures.h"
#include "tools/program/messages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1e9

const struct roll_heading roll_headings[ROLL_COLUMNS] = {
	[ROLL_RANK] = {"RANK", 12, 0},     [ROLL_STATE] = {"STATE", 11, 0},
	[ROLL_BLOCKS] = {"BLOCKS", 11, 1}, [ROLL_RATE] = {"EVENTS/S", 9, 1},
	[ROLL_LAG] = {"LAG", 7, 1},        [ROLL_AGE] = {"AGE", 8, 1},
	[ROLL_SEEN] = {"SEEN", 8, 1},      [ROLL_RECOVERED] = {"RECOVERED", 9, 1},
	[ROLL_MODEL] = {"MODEL", 20, 0},   [ROLL_INSTANCE] = {"INSTANCE", 0, 0},
};

static void fill_segment(struct roll_row *row, const struct sighting *sighting)
{
	static const char *const states[] = {"live", "dead", "unreadable"};
	static const enum table_tone tones[] = {TABLE_WARNING, TABLE_FAINT, TABLE_BAD};

	row->name = sighting->name;
	row->state = states[sighting->state];
	row->tone = tones[sighting->state];
	row->rate = -1;
	row->lag = row->age_ns = row->seen_ns = ROLL_UNKNOWN;
	if (sighting->state == SIGHTING_UNREADABLE)
		return;
	row->epoch = sighting->info.epoch;
	row->last_event_id = sighting->last_event_id;
	row->age_ns = sighting->silent_ns;
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		row->blocks += sighting->counters[RDX_COUNTER_HELD + tier];
	memcpy(row->model, sighting->info.model, sizeof(row->model));
	memcpy(row->instance, sighting->info.instance, sizeof(row->instance));
}

static void fill_index(struct roll_row *row, const struct rdx_index_rank *rank)
{
	const char *state = rdx_state_text(rank->state);

	row->state = state ? state : "?";
	row->tone = rank->state == RDX_STATE_EXACT   ? TABLE_GOOD
		    : rank->state == RDX_STATE_STALE ? TABLE_BAD
						     : TABLE_WARNING;
	row->seen_ns = rank->age_ns;
	/* the index was asked later: it may know more */
	row->lag = rank->last_event_id < row->last_event_id
			   ? row->last_event_id - rank->last_event_id
			   : 0;
	if (row->age_ns == ROLL_UNKNOWN)
		row->age_ns = rank->event_age_ns;
	for (int way = 0; way < 4; way++)
		row->recovered += rank->recoveries[way];
}

static const struct roll_row *find(const struct roll *roll, const struct roll_row *wanted)
{
	for (size_t i = 0; i < roll->count; i++)
		if (roll->rows[i].name.worker_id == wanted->name.worker_id &&
		    roll->rows[i].name.dp_rank == wanted->name.dp_rank &&
		    roll->rows[i].epoch == wanted->epoch)
			return &roll->rows[i];
	return NULL;
}

static void fill_rate(struct roll_row *row, const struct roll *before, uint64_t now_ns)
{
	const struct roll_row *was = find(before, row);

	if (was && now_ns > before->taken_ns && row->last_event_id >= was->last_event_id)
		row->rate = (double)(row->last_event_id - was->last_event_id) * NS_PER_S /
			    (double)(now_ns - before->taken_ns);
}

int roll_take(struct roll *roll, const struct space *space, const struct ranks *wanted)
{
	struct roll next = {.taken_ns = rdx_clock_ns()};
	struct census census;
	int r = census_take(space, wanted, &census);

	if (r < 0)
		return r;
	next.rows = calloc(census.count + 1, sizeof(*next.rows));
	if (!next.rows)
		messages_no_memory();
	next.count = census.count;
	next.has_indexer = census.standing.has_indexer;
	for (size_t i = 0; i < census.count; i++) {
		const struct sighting *sighting = &census.sightings[i];
		const struct rdx_index_rank *rank =
			standing_find(&census.standing, &sighting->name, sighting->info.epoch);

		fill_segment(&next.rows[i], sighting);
		if (rank && sighting->state == SIGHTING_LIVE)
			fill_index(&next.rows[i], rank);
		if (sighting->state != SIGHTING_UNREADABLE)
			fill_rate(&next.rows[i], roll, next.taken_ns);
		next.live += sighting->state == SIGHTING_LIVE;
		next.rate += next.rows[i].rate > 0 ? next.rows[i].rate : 0;
	}
	census_free(&census);
	roll_free(roll);
	*roll = next;
	return 0;
}

void roll_free(struct roll *roll)
{
	free(roll->rows);
	*roll = (struct roll){0};
}

struct order {
	enum roll_column by;
	int reversed;
};

/* Of a column of numbers; what is not known is the least. */
static double figure(const struct roll_row *row, enum roll_column column)
{
	const uint64_t figures[ROLL_COLUMNS] = {
		[ROLL_BLOCKS] = row->blocks,       [ROLL_LAG] = row->lag,
		[ROLL_AGE] = row->age_ns,          [ROLL_SEEN] = row->seen_ns,
		[ROLL_RECOVERED] = row->recovered,
	};

	if (column == ROLL_RATE)
		return row->rate;
	return figures[column] == ROLL_UNKNOWN ? -1 : (double)figures[column];
}

static int compare_ranks(const struct roll_row *a, const struct roll_row *b)
{
	if (a->name.worker_id != b->name.worker_id)
		return a->name.worker_id < b->name.worker_id ? -1 : 1;
	return (a->name.dp_rank > b->name.dp_rank) - (a->name.dp_rank < b->name.dp_rank);
}

static int compare(const void *left, const void *right, void *context)
{
	const struct roll_row *a = left, *b = right;
	const struct order *order = context;
	int by;

	if (roll_headings[order->by].is_number)
		by = (figure(a, order->by) < figure(b, order->by)) -
		     (figure(a, order->by) > figure(b, order->by));
	else if (order->by == ROLL_STATE)
		by = strcmp(a->state, b->state);
	else if (order->by == ROLL_MODEL)
		by = strcmp(a->model, b->model);
	else if (order->by == ROLL_INSTANCE)
		by = strcmp(a->instance, b->instance);
	else
		by = compare_ranks(a, b);
	if (order->reversed)
		by = -by;
	return by ? by : compare_ranks(a, b);
}

void roll_sort(struct roll *roll, enum roll_column by, int reversed)
{
	struct order order = {by, reversed};

	qsort_r(roll->rows, roll->count, sizeof(*roll->rows), compare, &order);
}

int roll_matches(const struct roll_row *row, const char *filter)
{
	static const enum roll_column texts[] = {ROLL_RANK, ROLL_STATE, ROLL_MODEL, ROLL_INSTANCE};
	char text[ROLL_CELL_BYTES];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcasestr(roll_cell(row, texts[i], text), filter))
			return 1;
	return 0;
}

static void write_duration(uint64_t ns, char ret_text[ROLL_CELL_BYTES])
{
	char text[FIGURES_BYTES];

	snprintf(ret_text, ROLL_CELL_BYTES, "%s",
		 ns == ROLL_UNKNOWN ? "" : figures_duration(ns, text));
}

static void write_count(uint64_t count, char ret_text[ROLL_CELL_BYTES])
{
	char text[FIGURES_BYTES];

	snprintf(ret_text, ROLL_CELL_BYTES, "%s",
		 count == ROLL_UNKNOWN ? "" : figures_grouped(count, text));
}

const char *roll_cell(const struct roll_row *row, enum roll_column column,
		      char ret_text[ROLL_CELL_BYTES])
{
	ret_text[0] = 0;
	switch (column) {
	case ROLL_RANK:
		ranks_name_text(&row->name, ret_text);
		break;
	case ROLL_STATE:
		snprintf(ret_text, ROLL_CELL_BYTES, "%s", row->state);
		break;
	case ROLL_BLOCKS:
		write_count(row->blocks, ret_text);
		break;
	case ROLL_RATE:
		write_count(row->rate < 0 ? ROLL_UNKNOWN : (uint64_t)(row->rate + 0.5), ret_text);
		break;
	case ROLL_LAG:
		write_count(row->lag, ret_text);
		break;
	case ROLL_AGE:
		write_duration(row->age_ns, ret_text);
		break;
	case ROLL_SEEN:
		write_duration(row->seen_ns, ret_text);
		break;
	case ROLL_RECOVERED:
		write_count(row->recovered, ret_text);
		break;
	case ROLL_MODEL:
		snprintf(ret_text, ROLL_CELL_BYTES, "%s", row->model);
		break;
	default:
		snprintf(ret_text, ROLL_CELL_BYTES, "%s", row->instance);
	}
	return ret_text;
}

struct json_object *roll_json(const struct roll *roll)
{
	struct json_object *object = json_new_object(), *list = json_new_array();

	for (size_t i = 0; i < roll->count; i++) {
		const struct roll_row *row = &roll->rows[i];
		struct json_object *entry = json_new_object();

		json_put_id(entry, "worker", row->name.worker_id);
		json_put_number(entry, "dp_rank", row->name.dp_rank);
		json_put_text(entry, "state", row->state);
		json_put_number(entry, "blocks", row->blocks);
		if (row->rate < 0)
			json_put_text(entry, "events_per_second", NULL);
		else
			json_put_fraction(entry, "events_per_second", row->rate);
		json_put_age(entry, "lag_events", row->lag);
		json_put_age(entry, "last_event_age_ns", row->age_ns);
		json_put_age(entry, "seen_age_ns", row->seen_ns);
		json_put_number(entry, "recoveries", row->recovered);
		json_put_text(entry, "model", row->model);
		json_put_text(entry, "instance", row->instance);
		json_append(list, entry);
	}
	json_put_flag(object, "has_indexer", roll->has_indexer);
	json_put_fraction(object, "events_per_second", roll->rate);
	json_put(object, "ranks", list);
	return object;
}
