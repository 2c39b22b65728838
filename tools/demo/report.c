/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/report.h"

#include "tools/program/figures.h"
#include "tools/program/sheet.h"

#include <inttypes.h>
#include <stdio.h>

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

	sheet_text(sheet, "ROUTING", "policy", pass->plan->title);
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
	struct json_object *stats = pass->crew.workers[w].answer;
	struct json_object *ns = json_object_object_get(stats, "publish_ns");

	sheet_number(sheet, "WORKER", "worker", SHEET_ID, w);
	sheet_number(sheet, "LIVES", "lives", SHEET_PLAIN, pass->crew.workers[w].lives);
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
	const struct recovery *recovery = &((const struct pass *)of)->incidents.recoveries[i];

	sheet_text(sheet, "AFTER", "after", recovery->after);
	sheet_number(sheet, "REQUEST", "request", SHEET_GROUPED, recovery->request);
	sheet_number(sheet, "WORKER", "worker", SHEET_ID, recovery->worker);
	sheet_text(sheet, "WAY", "way", recovery->way);
	sheet_number(sheet, "SKIPPED", "events_skipped", SHEET_GROUPED, recovery->events_skipped);
	sheet_number(sheet, "READ", "events_read", SHEET_GROUPED, recovery->events_read);
	sheet_number(sheet, "BLOCKS", "blocks", SHEET_GROUPED, recovery->blocks);
	sheet_number(sheet, "TOOK", "duration_ns", SHEET_NS, recovery->took_ns);
}

void report_print(const struct pass *passes, uint32_t count)
{
	const struct comparison *c = passes->comparison;
	const struct traffic *traffic = &passes->traffic;
	char a[FIGURES_BYTES], b[FIGURES_BYTES];

	sheet_print("Routing: blocks of the prompts found cached, and time to the first token\n"
		    "in the engines' virtual time",
		    routing, passes, 0, count);
	sheet_print("Published meanwhile, in real time", published, passes, 0, count);
	sheet_print("Lookups: from token ids to prefix hashes, from those to the leading blocks\n"
		    "of each worker, each timed, while the indexer applies events",
		    lookups, passes, 0, 2);
	sheet_print("Workers: what publishing costs the engine, each call timed, and by block\n"
		    "stored, in the worker's last life",
		    workers, passes, 0, passes->crew.settings->workers);
	sheet_print("Recoveries, from shared memory alone: events skipped and read, blocks held\n"
		    "then. continue: read on where it was; barrier: from the newest Cleared, or\n"
		    "from birth; ledger: the blocks held, then the events since",
		    recoveries, passes, 0, passes->incidents.recovery_count);
	printf("\ndivergences: %s. The index was compared with the workers' ledgers and the\n"
	       "engines' own caches %" PRIu64 " times, %s blocks in all.\n",
	       figures_grouped(c->divergences, a), c->times, figures_grouped(c->blocks, b));
	printf("index: %s at the end; the indexer slept by %s.\n",
	       figures_size(crew_number(passes->crew.indexer_state, "table_bytes"), a),
	       json_object_get_string(json_object_object_get(passes->crew.indexer_state, "wait")));
	if (c->failed)
		printf("%" PRIu64 " comparisons could not be made: see above.\n", c->failed);
	if (traffic->refused)
		printf("%" PRIu64 " requests need more blocks than a worker has: give more "
		       "--blocks.\n",
		       traffic->refused);
}

void report_print_json(const struct pass *passes, uint32_t count)
{
	const struct incidents *incidents = &passes->incidents;
	struct json_object *object = json_new_object();
	const struct comparison *c = passes->comparison;

	json_put_number(object, "divergences", c->divergences);
	json_put_number(object, "comparisons", c->times);
	json_put_number(object, "comparisons_failed", c->failed);
	json_put_number(object, "blocks_compared", c->blocks);
	json_put(object, "policies", sheet_list(policies, passes, count));
	json_put(object, "hash_ns", sheet_object(lookups, passes, 0));
	json_put(object, "lookup_ns", sheet_object(lookups, passes, 1));
	json_put_number(object, "lookups_without_answer", passes->traffic.without_answer);
	json_put(object, "indexer", json_object_get(passes->crew.indexer_state));
	json_put(object, "workers", sheet_list(workers, passes, passes->crew.settings->workers));
	json_put(object, "incidents", json_object_get(incidents->list));
	json_put(object, "recoveries", sheet_list(recoveries, passes, incidents->recovery_count));
	json_print(object);
}
