/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/report.h"

#include "tools/program/figures.h"
#include "tools/program/sheet.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* -- what the rows are -- */

static void lookups(struct sheet *sheet, const void *of, uint32_t i)
{
	struct traffic traffic = ((const struct pass *)of)->traffic;

	sheet_text(sheet, "LOOKUP", NULL, i ? "look up all workers" : "hash the prompt");
	sheet_samples(sheet, i ? &traffic.lookup_ns : &traffic.hash_ns);
}

static void routing(struct sheet *sheet, const void *of, uint32_t i)
{
	const struct pass *pass = (const struct pass *)of + i;
	struct samples first_token_us = pass->traffic.first_token_us;
	const struct served *sum = &pass->traffic.all;

	sheet_text(sheet, "ROUTING", NULL, pass->plan->title);
	sheet_text(sheet, NULL, "policy", pass->plan->key);
	sheet_number(sheet, "REQUESTS", "requests", SHEET_GROUPED, pass->traffic.done);
	sheet_fraction(sheet, "PREFIX HIT RATE", "hit_rate", SHEET_SHARE, traffic_hit_rate(sum));
	sheet_tone(sheet, pass->plan->policy == POLICY_OVERLAP ? TABLE_GOOD : TABLE_PLAIN);
	sheet_fraction(sheet, "OF IT HOST", "hit_rate_host", SHEET_SHARE,
		       sum->blocks ? (double)sum->host_blocks / (double)sum->blocks : 0);
	sheet_number(sheet, "FIRST TOKEN P50", NULL, SHEET_NS,
		     1000 * samples_percentile(&first_token_us, 500));
	sheet_number(sheet, "P99", NULL, SHEET_NS, 1000 * samples_percentile(&first_token_us, 990));
	sheet_number(sheet, NULL, "refused", SHEET_PLAIN, pass->traffic.refused);
	sheet_number(sheet, NULL, "prompt_blocks", SHEET_PLAIN, sum->blocks);
	sheet_number(sheet, NULL, "cached_blocks", SHEET_PLAIN, sum->cached_blocks);
}

static void published(struct sheet *sheet, const void *of, uint32_t i)
{
	static const struct {
		const char *title, *name;
		int counter;
	} numbers[] = {{"EVENTS", "events", RDX_COUNTER_EVENTS},
		       {"BLOCKS STORED", "blocks_stored", RDX_COUNTER_BLOCKS_STORED},
		       {"REMOVED", "blocks_removed", RDX_COUNTER_BLOCKS_REMOVED},
		       {NULL, "clears", RDX_COUNTER_CLEARS},
		       {NULL, "inexact_marks", RDX_COUNTER_INEXACT_MARKS}};
	const struct pass *pass = (const struct pass *)of + i;

	sheet_text(sheet, "ROUTING", NULL, pass->plan->title);
	for (size_t n = 0; n < sizeof(numbers) / sizeof(numbers[0]); n++)
		sheet_number(sheet, numbers[n].title, numbers[n].name, SHEET_GROUPED,
			     pass->crew.published[numbers[n].counter]);
	sheet_number(sheet, "TOOK", "wall_ns", SHEET_NS, pass->wall_ns);
}

/* In JSON, both and all of the time to the first token. */
static void policies(struct sheet *sheet, const void *of, uint32_t i)
{
	struct samples first_token_us = ((const struct pass *)of)[i].traffic.first_token_us;

	routing(sheet, of, i);
	published(sheet, of, i);
	sheet_open(sheet);
	sheet_samples(sheet, &first_token_us);
	sheet_close(sheet, "first_token_virtual_us");
}

static void workers(struct sheet *sheet, const void *of, uint32_t w)
{
	const struct pass *pass = of;
	struct json_object *stats = pass->crew.members[w].answer;
	struct json_object *ns = json_object_object_get(stats, "publish_ns");

	sheet_number(sheet, "WORKER", "worker", SHEET_PLAIN, w);
	sheet_number(sheet, "LIVES", "lives", SHEET_PLAIN, pass->crew.members[w].lives);
	sheet_number(sheet, "REQUESTS", "requests", SHEET_GROUPED,
		     pass->traffic.served[w].requests);
	sheet_fraction(sheet, "HIT RATE", "hit_rate", SHEET_SHARE,
		       traffic_hit_rate(&pass->traffic.served[w]));
	sheet_number(sheet, "PUBLISH CALLS", "publish_calls", SHEET_GROUPED,
		     crew_number(stats, "publish_calls"));
	sheet_open(sheet);
	sheet_number(sheet, "P50", "p50", SHEET_NS, crew_number(ns, "p50"));
	sheet_number(sheet, "P99", "p99", SHEET_NS, crew_number(ns, "p99"));
	sheet_number(sheet, "MAX", "max", SHEET_NS, crew_number(ns, "max"));
	sheet_fraction(sheet, "PER BLOCK", "per_block_stored", SHEET_NS,
		       crew_real(stats, "publish_ns_per_stored_block"));
	sheet_close(sheet, "publish_ns");
}

static void recoveries(struct sheet *sheet, const void *of, uint32_t i)
{
	static const struct {
		const char *title, *name;
	} numbers[] = {{"SKIPPED", "events_skipped"},
		       {"BLOCKS", "ledger_blocks"},
		       {"REPLAYED", "events_replayed"}};
	struct json_object *all = ((const struct pass *)of)->incidents.recoveries;
	struct json_object *row = json_object_array_get_idx(all, i);
	char after[32];

	snprintf(after, sizeof(after), "%s", crew_text(row, "after"));
	*strchrnul(after, '_') = ' ';
	sheet_text(sheet, "AFTER", NULL, after);
	sheet_number(sheet, "REQUEST", NULL, SHEET_GROUPED, crew_number(row, "request"));
	sheet_number(sheet, "WORKER", NULL, SHEET_PLAIN, crew_number(row, "worker"));
	sheet_text(sheet, "WAY", NULL, crew_text(row, "way"));
	for (size_t n = 0; n < sizeof(numbers) / sizeof(numbers[0]); n++)
		sheet_number(sheet, numbers[n].title, NULL, SHEET_GROUPED,
			     crew_number(row, numbers[n].name));
	sheet_number(sheet, "TOOK", NULL, SHEET_NS, crew_number(row, "duration_ns"));
}

/* In JSON only. */
static void incidents(struct sheet *sheet, const void *of, uint32_t i)
{
	const struct incident *incident = &((const struct pass *)of)->incidents.items[i];
	enum incident_kind kind = incident->kind;

	sheet_text(sheet, NULL, "what", incidents_name(kind));
	sheet_number(sheet, NULL, "request", SHEET_PLAIN, incident->at);
	if (kind == INCIDENT_KILL_WORKER || kind == INCIDENT_CLEAR)
		sheet_number(sheet, NULL, "worker", SHEET_PLAIN, incident->worker);
	if (kind == INCIDENT_CLEAR)
		sheet_text(sheet, NULL, "tier", incident->host_only ? "host" : "all");
	else
		sheet_number(sheet, NULL, "back_ns", SHEET_NS, incident->back_ns);
	if (kind == INCIDENT_KILL_WORKER) {
		sheet_number(sheet, NULL, "dropped_ns", SHEET_NS, incident->dropped_ns);
		sheet_number(sheet, NULL, "requests_again", SHEET_PLAIN, incident->again);
	}
	if (kind == INCIDENT_PAUSE)
		sheet_number(sheet, NULL, "requests_without_indexer", SHEET_PLAIN,
			     incident->without);
	sheet_flag(sheet, "happened", incident->stage >= INCIDENT_OVER);
}

/* -- all of it -- */

void report_print(const struct pass *passes, uint32_t count)
{
	const struct comparison *c = passes->comparison;
	const struct traffic *traffic = &passes->traffic;
	char a[FIGURES_BYTES], b[FIGURES_BYTES];

	sheet_print(
		"Routing: blocks of the prompts found cached, and time to the first token in the\n"
		"engines' virtual time",
		routing, passes, 0, count);
	sheet_print("Published meanwhile, in real time", published, passes, 0, count);
	sheet_print("Lookups: from token ids to prefix hashes, from those to each worker's "
		    "leading\n"
		    "blocks, each timed, while the indexer applies events",
		    lookups, passes, 0, 2);
	sheet_print(
		"Workers: what publishing costs the engine, each call timed, and by block stored,\n"
		"in the worker's last life",
		workers, passes, 0, passes->crew.settings->workers);
	sheet_print("Recoveries, from shared memory alone: events skipped, blocks taken from the\n"
		    "ledger, events replayed. continue: read on where it was; barrier: from the\n"
		    "newest Cleared, or from birth; ledger: the blocks held, then the events since",
		    recoveries, passes, 0,
		    (uint32_t)json_object_array_length(passes->incidents.recoveries));
	printf("\ndivergences: %s. The index was compared with the workers' ledgers and the\n"
	       "engines' own caches %" PRIu64 " times, %s blocks in all.\n",
	       figures_grouped(c->divergences, a), c->times, figures_grouped(c->blocks, b));
	printf("index: %s at the end; the indexer slept by %s.\n",
	       figures_size(passes->crew.index_bytes, a), passes->crew.wait);
	if (c->failed)
		printf("%" PRIu64 " comparisons could not be made: see above.\n", c->failed);
	if (traffic->refused)
		printf("%" PRIu64 " requests need more blocks than a worker has: give more "
		       "--blocks.\n",
		       traffic->refused);
}

void report_print_json(const struct pass *passes, uint32_t count)
{
	struct json_object *object = json_new_object(), *rates = json_new_object();
	const struct comparison *c = passes->comparison;

	for (uint32_t i = 0; i < count; i++)
		json_put_fraction(rates, passes[i].plan->key,
				  traffic_hit_rate(&passes[i].traffic.all));
	json_put_number(object, "divergences", c->divergences);
	json_put_number(object, "comparisons", c->times);
	json_put_number(object, "comparisons_failed", c->failed);
	json_put_number(object, "blocks_compared", c->blocks);
	json_put_fraction(object, "hit_rate", traffic_hit_rate(&passes->traffic.all));
	json_put_number(object, "requests", passes->traffic.done);
	json_put(object, "hash_ns", sheet_object(lookups, passes, 0));
	json_put(object, "lookup_ns", sheet_object(lookups, passes, 1));
	json_put_number(object, "lookups_without_answer", passes->traffic.without_answer);
	json_put_text(object, "wait", passes->crew.wait);
	json_put_number(object, "index_bytes", passes->crew.index_bytes);
	json_put(object, "hit_rates", rates);
	json_put(object, "policies", sheet_list(policies, passes, count));
	json_put(object, "workers", sheet_list(workers, passes, passes->crew.settings->workers));
	json_put(object, "incidents", sheet_list(incidents, passes, passes->incidents.count));
	json_put(object, "recoveries", json_object_get(passes->incidents.recoveries));
	json_print(object);
}
