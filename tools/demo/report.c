/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/report.h"

#include "tools/program/figures.h"
#include "tools/program/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define P50  500
#define P90  900
#define P99  990
#define P999 999
#define MAX  1000

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static const char *pass_name(const struct pass *pass)
{
	if (pass->policy == POLICY_RANDOM)
		return "random";
	if (pass->policy == POLICY_ROUND_ROBIN)
		return "round robin";
	return pass->incident_count ? "overlap, disturbed" : "overlap";
}

static void title(const char *text)
{
	printf("\n%s\n", text);
	fflush(stdout);
}

static void print_policies(struct pass *passes, uint32_t count)
{
	static const struct table_column columns[] = {
		{"ROUTING", TABLE_TEXT, 0},
		{"REQUESTS", TABLE_NUMBER, 0},
		{"PREFIX HIT RATE", TABLE_NUMBER, 0},
		{"OF IT HOST", TABLE_NUMBER, 0},
		{"FIRST TOKEN P50", TABLE_NUMBER, 0},
		{"P99", TABLE_NUMBER, 0},
	};
	struct table *table = TABLE_NEW(columns);

	for (uint32_t i = 0; i < count; i++) {
		struct pass *p = &passes[i];

		table_row(table);
		table_text(table, "%s", pass_name(p));
		table_grouped(table, p->done);
		table_text(table, "%.1f %%", percent(p->cached_blocks, p->blocks));
		table_tone(table, p->policy == POLICY_OVERLAP ? TABLE_GOOD : TABLE_PLAIN);
		table_text(table, "%.1f %%", percent(p->host_blocks, p->blocks));
		table_duration(table, 1000 * samples_percentile(&p->first_token_us, P50));
		table_duration(table, 1000 * samples_percentile(&p->first_token_us, P99));
	}
	title("Routing: blocks of the prompts found cached, and time to the first token in the\n"
	      "engines' virtual time");
	table_print(table);
}

static void print_published(const struct pass *passes, uint32_t count)
{
	static const struct table_column columns[] = {
		{"ROUTING", TABLE_TEXT, 0},
		{"EVENTS", TABLE_NUMBER, 0},
		{"BLOCKS STORED", TABLE_NUMBER, 0},
		{"REMOVED", TABLE_NUMBER, 0},
		{"TOOK", TABLE_NUMBER, 0},
	};
	struct table *table = TABLE_NEW(columns);

	for (uint32_t i = 0; i < count; i++) {
		const struct pass *p = &passes[i];

		table_row(table);
		table_text(table, "%s", pass_name(p));
		table_grouped(table, p->published.events);
		table_grouped(table, p->published.blocks_stored);
		table_grouped(table, p->published.blocks_removed);
		table_duration(table, p->wall_ns);
	}
	title("Published meanwhile, in real time");
	table_print(table);
}

static void print_workers(struct pass *pass)
{
	static const struct table_column columns[] = {
		{"WORKER", TABLE_NUMBER, 0},
		{"LIVES", TABLE_NUMBER, 0},
		{"REQUESTS", TABLE_NUMBER, 0},
		{"HIT RATE", TABLE_NUMBER, 0},
		{"PUBLISH CALLS", TABLE_NUMBER, 0},
		{"P50", TABLE_NUMBER, 0},
		{"P99", TABLE_NUMBER, 0},
		{"MAX", TABLE_NUMBER, 0},
		{"PER BLOCK", TABLE_NUMBER, 0},
	};
	struct table *table = TABLE_NEW(columns);

	for (uint32_t i = 0; i < pass->settings->workers; i++) {
		const struct worker *worker = &pass->workers[i];
		const struct publish_latency *latency = &pass->latency[i];

		table_row(table);
		table_number(table, i);
		table_number(table, worker->lives);
		table_grouped(table, worker->requests);
		table_text(table, "%.1f %%", percent(worker->cached_blocks, worker->blocks));
		table_grouped(table, latency->calls);
		table_duration(table, latency->p50_ns);
		table_duration(table, latency->p99_ns);
		table_duration(table, latency->max_ns);
		table_text(table, "%.0f ns", latency->per_block_ns);
	}
	title("Workers: what publishing costs the engine, each call timed, and by block stored,\n"
	      "in the worker's last life");
	table_print(table);
}

static void add_latency(struct table *table, const char *name, struct samples *samples)
{
	table_row(table);
	table_text(table, "%s", name);
	table_grouped(table, samples->count);
	table_duration(table, samples_percentile(samples, P50));
	table_duration(table, samples_percentile(samples, P90));
	table_duration(table, samples_percentile(samples, P99));
	table_duration(table, samples_percentile(samples, P999));
	table_duration(table, samples_percentile(samples, MAX));
}

static void print_lookups(struct pass *pass)
{
	static const struct table_column columns[] = {
		{"ROUTER", TABLE_TEXT, 0},
		{"COUNT", TABLE_NUMBER, 0},
		{"P50", TABLE_NUMBER, 0},
		{"P90", TABLE_NUMBER, 0},
		{"P99", TABLE_NUMBER, 0},
		{"P99.9", TABLE_NUMBER, 0},
		{"MAX", TABLE_NUMBER, 0},
	};
	struct table *table = TABLE_NEW(columns);

	add_latency(table, "hash the prompt", &pass->hash_ns);
	add_latency(table, "look up all workers", &pass->lookup_ns);
	title("Router: from token ids to prefix hashes, from those to each worker's leading\n"
	      "blocks, each timed, while the other thread applies events");
	table_print(table);
}

static const char *cause_text(const struct pass *pass, const struct recovery *recovery)
{
	if (recovery->after == AFTER_LAPPED)
		return "ring went round";
	switch (pass->incidents[recovery->after].kind) {
	case INCIDENT_KILL_WORKER:
		return "worker killed";
	case INCIDENT_KILL_ROUTER:
		return "router killed";
	case INCIDENT_PAUSE:
		return "router stopped";
	default:
		return "cleared";
	}
}

static void add_recovery(struct table *table, const struct pass *pass, const struct recovery *r)
{
	table_row(table);
	table_text(table, "%s", cause_text(pass, r));
	table_grouped(table, r->request);
	table_number(table, r->worker);
	table_text(table, "%s", r->way);
	table_grouped(table, r->skipped);
	table_grouped(table, r->ledger_blocks);
	table_grouped(table, r->replayed);
	table_text(table, "%.1f", (double)r->ns / 1000);
}

static void print_recoveries(const struct pass *pass)
{
	static const struct table_column columns[] = {
		{"AFTER", TABLE_TEXT, 0},
		{"REQUEST", TABLE_NUMBER, 0},
		{"WORKER", TABLE_NUMBER, 0},
		{"WAY", TABLE_TEXT, 0},
		{"SKIPPED", TABLE_NUMBER, 0},
		{"BLOCKS", TABLE_NUMBER, 0},
		{"REPLAYED", TABLE_NUMBER, 0},
		{"MICROSECONDS", TABLE_NUMBER, 0},
	};
	struct table *table = TABLE_NEW(columns);
	uint32_t lapped = 0, shown = 0;

	for (uint32_t i = 0; i < pass->recovery_count; i++) {
		const struct recovery *r = &pass->recoveries[i];

		if (r->after == AFTER_START)
			continue; /* empty workers, nothing to recover */
		lapped += r->after == AFTER_LAPPED;
		add_recovery(table, pass, r);
		shown++;
	}
	title("Recoveries, from shared memory alone: events skipped, blocks taken from the\n"
	      "ledger, events replayed. continue: read on where it was; barrier: from the\n"
	      "newest Cleared, or from birth; ledger: the blocks held, then the events since");
	table_print(table);
	if (!shown)
		printf("none\n");
	if (lapped)
		printf("(ring went round: the router was not given the processor in time, the\n"
		       "ring was written once around meanwhile)\n");
}

struct comparison report_comparison(const struct pass *passes, uint32_t count)
{
	struct comparison sum = {0};

	for (uint32_t i = 0; i < count; i++) {
		sum.times += passes[i].comparison.times;
		sum.blocks += passes[i].comparison.blocks;
		sum.divergences += passes[i].comparison.divergences;
		sum.failed += passes[i].comparison.failed;
	}
	return sum;
}

void report_print(struct pass *passes, uint32_t count)
{
	struct pass *pass = &passes[0];
	const struct comparison c = report_comparison(passes, count);
	char a[FIGURES_BYTES], b[FIGURES_BYTES];

	print_policies(passes, count);
	print_published(passes, count);
	print_lookups(pass);
	print_workers(pass);
	print_recoveries(pass);
	printf("\ndivergences: %s. The index and the engines' own caches were compared %" PRIu64
	       "\ntimes, %s blocks in all.\n",
	       figures_grouped(c.divergences, a), c.times, figures_grouped(c.blocks, b));
	printf("index: %s at the end; its process slept by %s.\n", figures_size(pass->index_bytes, a),
	       pass->wait);
	if (c.failed)
		printf("%" PRIu64 " comparisons could not be made: see above.\n", c.failed);
	if (pass->refused)
		printf("%" PRIu64 " requests need more blocks than a worker has: give more "
		       "--blocks.\n",
		       pass->refused);
	fflush(stdout);
}
