/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/report.h"

#include "tools/program/figures.h"
#include "tools/program/json.h"
#include "tools/program/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS_MAX 24
#define NAME_BYTES  48

/* -- a sheet: rows of cells, each with a title for people and a name in JSON -- */

struct sheet {
	struct table_column columns[COLUMNS_MAX];
	uint32_t count;
	struct table *table;     /* NULL while the columns are declared */
	struct json_object *row; /* NULL where people are told */
};

/* Describes row `i`: a call for each of its cells, always the same ones. */
typedef void (*sheet_row)(struct sheet *sheet, struct pass *passes, uint32_t i);

enum unit { UNIT_PLAIN, UNIT_COUNT, UNIT_NS, UNIT_SHARE, UNIT_DECIMAL };

/* Is the cell to be put into the table now? One without a title is not for people. */
static int is_shown(struct sheet *sheet, const char *title, enum table_kind kind)
{
	if (!title || sheet->row)
		return 0;
	if (!sheet->table)
		sheet->columns[sheet->count++] = (struct table_column){title, kind, 0};
	return sheet->table != NULL;
}

/* `name` NULL: not in JSON. */
static void text(struct sheet *sheet, const char *title, const char *name, const char *value)
{
	if (sheet->row && name)
		json_put_text(sheet->row, name, value);
	if (is_shown(sheet, title, TABLE_TEXT))
		table_text(sheet->table, "%s", value);
}

static void cell(struct sheet *sheet, const char *title, const char *name, enum unit unit,
		 double value)
{
	if (sheet->row && name && unit >= UNIT_SHARE)
		json_put_fraction(sheet->row, name, value);
	else if (sheet->row && name)
		json_put_number(sheet->row, name, (uint64_t)value);
	if (!is_shown(sheet, title, TABLE_NUMBER))
		return;
	if (unit == UNIT_COUNT)
		table_grouped(sheet->table, (uint64_t)value);
	else if (unit == UNIT_NS)
		table_duration(sheet->table, (uint64_t)value);
	else if (unit == UNIT_SHARE)
		table_text(sheet->table, "%.1f %%", 100 * value);
	else
		table_text(sheet->table, unit == UNIT_DECIMAL ? "%.1f" : "%.0f", value);
}

static void print_table(const char *title, sheet_row describe, struct pass *passes, uint32_t first,
			uint32_t end)
{
	struct sheet sheet = {.count = 0};

	describe(&sheet, passes, first);
	sheet.table = table_new(sheet.columns, sheet.count);
	for (uint32_t i = first; i < end; i++) {
		table_row(sheet.table);
		describe(&sheet, passes, i);
	}
	printf("\n%s\n", title);
	table_print(sheet.table);
}

static struct json_object *row_json(sheet_row describe, struct pass *passes, uint32_t i)
{
	struct sheet sheet = {.row = json_new_object()};

	describe(&sheet, passes, i);
	return sheet.row;
}

static void put_list(struct json_object *object, const char *name, sheet_row describe,
		     struct pass *passes, uint32_t count)
{
	struct json_object *list = json_new_array();

	for (uint32_t i = 0; i < count; i++)
		json_append(list, row_json(describe, passes, i));
	json_put(object, name, list);
}

/* -- what the rows are -- */

static double hit_rate(const struct pass *pass)
{
	struct served sum = traffic_served(&pass->traffic);

	return traffic_hit_rate(&sum);
}

static void percentiles(struct sheet *sheet, struct samples *samples)
{
	cell(sheet, "COUNT", "count", UNIT_COUNT, samples->total_count);
	cell(sheet, "P50", "p50", UNIT_NS, samples_percentile(samples, 500));
	cell(sheet, "P90", "p90", UNIT_NS, samples_percentile(samples, 900));
	cell(sheet, "P99", "p99", UNIT_NS, samples_percentile(samples, 990));
	cell(sheet, "P99.9", "p999", UNIT_NS, samples_percentile(samples, 999));
	cell(sheet, "MAX", "max", UNIT_NS, samples->max_ns);
}

/* Of the router, in the first pass. */
static void lookups(struct sheet *sheet, struct pass *passes, uint32_t i)
{
	text(sheet, "ROUTER", NULL, i ? "look up all workers" : "hash the prompt");
	percentiles(sheet, i ? &passes->traffic.lookup_ns : &passes->traffic.hash_ns);
}

static void first_token(struct sheet *sheet, struct pass *passes, uint32_t i)
{
	percentiles(sheet, &passes[i].traffic.first_token_us);
}

static void routing(struct sheet *sheet, struct pass *passes, uint32_t i)
{
	struct traffic *t = &passes[i].traffic;
	struct served sum = traffic_served(t);

	text(sheet, "ROUTING", NULL, passes[i].plan->title);
	text(sheet, NULL, "policy", passes[i].plan->key);
	cell(sheet, "REQUESTS", "requests", UNIT_COUNT, t->done);
	cell(sheet, "PREFIX HIT RATE", "hit_rate", UNIT_SHARE, traffic_hit_rate(&sum));
	if (sheet->table)
		table_tone(sheet->table, t->policy == POLICY_OVERLAP ? TABLE_GOOD : TABLE_PLAIN);
	cell(sheet, "OF IT HOST", "hit_rate_host", UNIT_SHARE,
	     sum.blocks ? (double)sum.host_blocks / (double)sum.blocks : 0);
	cell(sheet, "FIRST TOKEN P50", NULL, UNIT_NS,
	     1000 * samples_percentile(&t->first_token_us, 500));
	cell(sheet, "P99", NULL, UNIT_NS, 1000 * samples_percentile(&t->first_token_us, 990));
	cell(sheet, NULL, "refused", UNIT_COUNT, t->refused);
	cell(sheet, NULL, "prompt_blocks", UNIT_COUNT, sum.blocks);
	cell(sheet, NULL, "cached_blocks", UNIT_COUNT, sum.cached_blocks);
}

static void published(struct sheet *sheet, struct pass *passes, uint32_t i)
{
	const uint64_t *sums = passes[i].crew.published;

	text(sheet, "ROUTING", NULL, passes[i].plan->title);
	cell(sheet, "EVENTS", "events", UNIT_COUNT, sums[RDX_COUNTER_EVENTS]);
	cell(sheet, "BLOCKS STORED", "blocks_stored", UNIT_COUNT, sums[RDX_COUNTER_BLOCKS_STORED]);
	cell(sheet, "REMOVED", "blocks_removed", UNIT_COUNT, sums[RDX_COUNTER_BLOCKS_REMOVED]);
	cell(sheet, "TOOK", "wall_ns", UNIT_NS, passes[i].wall_ns);
	cell(sheet, NULL, "clears", UNIT_COUNT, sums[RDX_COUNTER_CLEARS]);
	cell(sheet, NULL, "inexact_marks", UNIT_COUNT, sums[RDX_COUNTER_INEXACT_MARKS]);
}

static void policies(struct sheet *sheet, struct pass *passes, uint32_t i)
{
	routing(sheet, passes, i);
	published(sheet, passes, i);
	json_put(sheet->row, "first_token_virtual_us", row_json(first_token, passes, i));
}

static void publish_ns(struct sheet *sheet, struct pass *passes, uint32_t w)
{
	struct json_object *stats = passes->crew.workers[w].answer;
	struct json_object *ns = json_object_object_get(stats, "publish_ns");
	double per_block = crew_real(stats, "publish_ns_per_stored_block");

	cell(sheet, "P50", "p50", UNIT_NS, crew_number(ns, "p50"));
	cell(sheet, "P99", "p99", UNIT_NS, crew_number(ns, "p99"));
	cell(sheet, "MAX", "max", UNIT_NS, crew_number(ns, "max"));
	cell(sheet, "PER BLOCK", NULL, UNIT_NS, per_block);
	cell(sheet, NULL, "per_block_stored", UNIT_DECIMAL, per_block);
}

static void workers(struct sheet *sheet, struct pass *passes, uint32_t w)
{
	const struct worker *worker = &passes->crew.workers[w];
	const struct served *served = &passes->traffic.served[w];

	cell(sheet, "WORKER", "worker", UNIT_PLAIN, w);
	cell(sheet, "LIVES", "lives", UNIT_PLAIN, worker->lives);
	cell(sheet, "REQUESTS", "requests", UNIT_COUNT, served->requests);
	cell(sheet, "HIT RATE", "hit_rate", UNIT_SHARE, traffic_hit_rate(served));
	cell(sheet, "PUBLISH CALLS", "publish_calls", UNIT_COUNT,
	     crew_number(worker->answer, "publish_calls"));
	if (sheet->row)
		json_put(sheet->row, "publish_ns", row_json(publish_ns, passes, w));
	else
		publish_ns(sheet, passes, w);
}

static void recoveries(struct sheet *sheet, struct pass *passes, uint32_t i)
{
	static const struct recovery none = {.after = ""};
	const struct incidents *in = &passes->incidents;
	const struct recovery *r = i < in->recovery_count ? &in->recoveries[i] : &none;
	char words[NAME_BYTES];

	snprintf(words, sizeof(words), "%s", r->after);
	for (char *at = words; *at; at++)
		*at = *at == '_' ? ' ' : *at;
	text(sheet, "AFTER", NULL, words);
	text(sheet, NULL, "after", r->after);
	cell(sheet, "REQUEST", "request", UNIT_COUNT, r->request);
	cell(sheet, "WORKER", "worker", UNIT_PLAIN, r->worker);
	text(sheet, "WAY", "way", r->way);
	cell(sheet, "SKIPPED", "events_skipped", UNIT_COUNT, r->skipped);
	cell(sheet, "BLOCKS", "ledger_blocks", UNIT_COUNT, r->ledger_blocks);
	cell(sheet, "REPLAYED", "events_replayed", UNIT_COUNT, r->replayed);
	cell(sheet, "MICROSECONDS", "microseconds", UNIT_DECIMAL, (double)r->ns / 1000);
}

static void incidents(struct sheet *sheet, struct pass *passes, uint32_t i)
{
	const struct incident *incident = &passes->incidents.items[i];
	enum incident_kind kind = incident->kind;

	text(sheet, NULL, "what", incidents_name(kind));
	cell(sheet, NULL, "request", UNIT_COUNT, incident->at);
	if (kind == INCIDENT_KILL_WORKER || kind == INCIDENT_CLEAR)
		cell(sheet, NULL, "worker", UNIT_PLAIN, incident->worker);
	if (kind == INCIDENT_CLEAR)
		text(sheet, NULL, "tier", rdx_tier_text(incident->tier));
	if (kind == INCIDENT_KILL_WORKER)
		cell(sheet, NULL, "dropped_ns", UNIT_NS, incident->dropped_ns);
	if (kind != INCIDENT_CLEAR)
		cell(sheet, NULL, "back_ns", UNIT_NS, incident->back_ns);
	if (kind == INCIDENT_PAUSE)
		cell(sheet, NULL, "requests_without_router", UNIT_COUNT, incident->without);
	else if (kind != INCIDENT_CLEAR)
		cell(sheet, NULL, "requests_again", UNIT_COUNT, incident->again);
	json_put_flag(sheet->row, "happened", incident->stage >= INCIDENT_OVER);
}

/* -- all of it -- */

/* Those of empty workers at the start are nothing to show. */
static void print_recoveries(struct pass *passes)
{
	const struct incidents *in = &passes->incidents;
	uint32_t first = 0, wrapped = 0;

	while (first < in->recovery_count && strcmp(in->recoveries[first].after, "start") == 0)
		first++;
	for (uint32_t i = first; i < in->recovery_count; i++)
		wrapped += strcmp(in->recoveries[i].after, "ring_wrapped") == 0;
	print_table("Recoveries, from shared memory alone: events skipped, blocks taken from the\n"
		    "ledger, events replayed. continue: read on where it was; barrier: from the\n"
		    "newest Cleared, or from birth; ledger: the blocks held, then the events since",
		    recoveries, passes, first, in->recovery_count);
	if (first == in->recovery_count)
		printf("none\n");
	if (wrapped)
		printf("(ring wrapped: the router was not given the processor in time, and a "
		       "whole\n"
		       "ring was written meanwhile)\n");
}

void report_print(struct pass *passes, uint32_t count)
{
	const struct comparison *c = passes->comparison;
	const struct traffic *traffic = &passes->traffic;
	char a[FIGURES_BYTES], b[FIGURES_BYTES];

	print_table(
		"Routing: blocks of the prompts found cached, and time to the first token in the\n"
		"engines' virtual time",
		routing, passes, 0, count);
	print_table("Published meanwhile, in real time", published, passes, 0, count);
	print_table("Router: from token ids to prefix hashes, from those to each worker's leading\n"
		    "blocks, each timed, while the other thread applies events",
		    lookups, passes, 0, 2);
	print_table(
		"Workers: what publishing costs the engine, each call timed, and by block stored,\n"
		"in the worker's last life",
		workers, passes, 0, passes->crew.settings->workers);
	print_recoveries(passes);
	printf("\ndivergences: %s. The index was compared with the workers' ledgers and the\n"
	       "engines' own caches %" PRIu64 " times, %s blocks in all.\n",
	       figures_grouped(c->divergences, a), c->times, figures_grouped(c->blocks, b));
	printf("index: %s at the end; its process slept by %s.\n",
	       figures_size(traffic->index_bytes, a), passes->crew.wait);
	if (c->failed)
		printf("%" PRIu64 " comparisons could not be made: see above.\n", c->failed);
	if (traffic->refused)
		printf("%" PRIu64 " requests need more blocks than a worker has: give more "
		       "--blocks.\n",
		       traffic->refused);
}

void report_print_json(struct pass *passes, uint32_t count)
{
	struct json_object *object = json_new_object(), *rates = json_new_object();
	const struct comparison *c = passes->comparison;
	const struct incidents *in = &passes->incidents;
	const struct traffic *traffic = &passes->traffic;

	for (uint32_t i = 0; i < count; i++)
		json_put_fraction(rates, passes[i].plan->key, hit_rate(&passes[i]));
	json_put_number(object, "divergences", c->divergences);
	json_put_number(object, "comparisons", c->times);
	json_put_number(object, "comparisons_failed", c->failed);
	json_put_number(object, "blocks_compared", c->blocks);
	json_put_fraction(object, "hit_rate", hit_rate(passes));
	json_put_number(object, "requests", traffic->done);
	json_put(object, "hash_ns", row_json(lookups, passes, 0));
	json_put(object, "lookup_ns", row_json(lookups, passes, 1));
	json_put_number(object, "lookups_without_answer", traffic->without_answer);
	json_put_text(object, "wait", passes->crew.wait);
	json_put_number(object, "index_bytes", traffic->index_bytes);
	json_put(object, "hit_rates", rates);
	put_list(object, "policies", policies, passes, count);
	put_list(object, "workers", workers, passes, passes->crew.settings->workers);
	put_list(object, "incidents", incidents, passes, in->count);
	put_list(object, "recoveries", recoveries, passes, in->recovery_count);
	json_print(object);
}
