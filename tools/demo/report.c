/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/report.h"

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

static void cell_grouped(struct table *table, unsigned int column, uint64_t value)
{
	char text[SIZE_TEXT_BYTES];

	table_cell(table, column, "%s", grouped_text(value, text));
}

static void cell_duration(struct table *table, unsigned int column, uint64_t ns)
{
	char text[SIZE_TEXT_BYTES];

	table_cell(table, column, "%s", duration_text(ns, text));
}

static void title(const char *text)
{
	printf("\n%s\n", text);
	fflush(stdout);
}

static void print_policies(struct pass *passes, uint32_t count)
{
	struct table *table = table_new();

	table_add_column(table, "ROUTING", COLUMN_TEXT);
	table_add_column(table, "REQUESTS", COLUMN_NUMBER);
	table_add_column(table, "PREFIX HIT RATE", COLUMN_NUMBER);
	table_add_column(table, "OF IT HOST", COLUMN_NUMBER);
	table_add_column(table, "FIRST TOKEN P50", COLUMN_NUMBER);
	table_add_column(table, "P99", COLUMN_NUMBER);
	for (uint32_t i = 0; i < count; i++) {
		struct pass *p = &passes[i];

		table_row(table);
		table_cell(table, 0, "%s", pass_name(p));
		cell_grouped(table, 1, p->done);
		table_cell(table, 2, "%.1f %%", percent(p->cached_blocks, p->blocks));
		table_tone(table, 2, p->policy == POLICY_OVERLAP ? TONE_GOOD : TONE_PLAIN);
		table_cell(table, 3, "%.1f %%", percent(p->host_blocks, p->blocks));
		cell_duration(table, 4, 1000 * samples_percentile(&p->first_token_us, P50));
		cell_duration(table, 5, 1000 * samples_percentile(&p->first_token_us, P99));
	}
	title("Routing: blocks of the prompts found cached, and time to the first token in the\n"
	      "engines' virtual time");
	table_print(table);
}

static void print_published(const struct pass *passes, uint32_t count)
{
	struct table *table = table_new();

	table_add_column(table, "ROUTING", COLUMN_TEXT);
	table_add_column(table, "EVENTS", COLUMN_NUMBER);
	table_add_column(table, "BLOCKS STORED", COLUMN_NUMBER);
	table_add_column(table, "REMOVED", COLUMN_NUMBER);
	table_add_column(table, "TOOK", COLUMN_NUMBER);
	for (uint32_t i = 0; i < count; i++) {
		const struct pass *p = &passes[i];

		table_row(table);
		table_cell(table, 0, "%s", pass_name(p));
		cell_grouped(table, 1, p->published.events);
		cell_grouped(table, 2, p->published.blocks_stored);
		cell_grouped(table, 3, p->published.blocks_removed);
		cell_duration(table, 4, p->wall_ns);
	}
	title("Published meanwhile, in real time");
	table_print(table);
}

static void print_workers(struct pass *pass)
{
	struct table *table = table_new();

	table_add_column(table, "WORKER", COLUMN_NUMBER);
	table_add_column(table, "LIVES", COLUMN_NUMBER);
	table_add_column(table, "REQUESTS", COLUMN_NUMBER);
	table_add_column(table, "HIT RATE", COLUMN_NUMBER);
	table_add_column(table, "PUBLISH CALLS", COLUMN_NUMBER);
	table_add_column(table, "P50", COLUMN_NUMBER);
	table_add_column(table, "P99", COLUMN_NUMBER);
	table_add_column(table, "MAX", COLUMN_NUMBER);
	table_add_column(table, "PER BLOCK", COLUMN_NUMBER);
	for (uint32_t i = 0; i < pass->settings->workers; i++) {
		const struct worker *worker = &pass->workers[i];
		const struct publish_latency *latency = &pass->latency[i];

		table_row(table);
		table_number(table, 0, i);
		table_number(table, 1, worker->lives);
		cell_grouped(table, 2, worker->requests);
		table_cell(table, 3, "%.1f %%", percent(worker->cached_blocks, worker->blocks));
		cell_grouped(table, 4, latency->calls);
		cell_duration(table, 5, latency->p50_ns);
		cell_duration(table, 6, latency->p99_ns);
		cell_duration(table, 7, latency->max_ns);
		table_cell(table, 8, "%.0f ns", latency->per_block_ns);
	}
	title("Workers: what publishing costs the engine, each call timed, and by block stored,\n"
	      "in the worker's last life");
	table_print(table);
}

static void add_latency(struct table *table, const char *name, struct samples *samples)
{
	table_row(table);
	table_cell(table, 0, "%s", name);
	cell_grouped(table, 1, samples->count);
	cell_duration(table, 2, samples_percentile(samples, P50));
	cell_duration(table, 3, samples_percentile(samples, P90));
	cell_duration(table, 4, samples_percentile(samples, P99));
	cell_duration(table, 5, samples_percentile(samples, P999));
	cell_duration(table, 6, samples_percentile(samples, MAX));
}

static void print_lookups(struct pass *pass)
{
	struct table *table = table_new();

	table_add_column(table, "ROUTER", COLUMN_TEXT);
	table_add_column(table, "COUNT", COLUMN_NUMBER);
	table_add_column(table, "P50", COLUMN_NUMBER);
	table_add_column(table, "P90", COLUMN_NUMBER);
	table_add_column(table, "P99", COLUMN_NUMBER);
	table_add_column(table, "P99.9", COLUMN_NUMBER);
	table_add_column(table, "MAX", COLUMN_NUMBER);
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
	table_cell(table, 0, "%s", cause_text(pass, r));
	cell_grouped(table, 1, r->request);
	table_number(table, 2, r->worker);
	table_cell(table, 3, "%s", r->way);
	cell_grouped(table, 4, r->skipped);
	cell_grouped(table, 5, r->ledger_blocks);
	cell_grouped(table, 6, r->replayed);
	table_cell(table, 7, "%.1f", (double)r->ns / 1000);
}

static void print_recoveries(const struct pass *pass)
{
	struct table *table = table_new();
	uint32_t lapped = 0, shown = 0;

	table_add_column(table, "AFTER", COLUMN_TEXT);
	table_add_column(table, "REQUEST", COLUMN_NUMBER);
	table_add_column(table, "WORKER", COLUMN_NUMBER);
	table_add_column(table, "WAY", COLUMN_TEXT);
	table_add_column(table, "SKIPPED", COLUMN_NUMBER);
	table_add_column(table, "BLOCKS", COLUMN_NUMBER);
	table_add_column(table, "REPLAYED", COLUMN_NUMBER);
	table_add_column(table, "MICROSECONDS", COLUMN_NUMBER);
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
	char a[SIZE_TEXT_BYTES], b[SIZE_TEXT_BYTES];

	print_policies(passes, count);
	print_published(passes, count);
	print_lookups(pass);
	print_workers(pass);
	print_recoveries(pass);
	printf("\ndivergences: %s. The index and the engines' own caches were compared %" PRIu64
	       "\ntimes, %s blocks in all.\n",
	       grouped_text(c.divergences, a), c.times, grouped_text(c.blocks, b));
	printf("index: %s at the end; its process slept by %s.\n", size_text(pass->index_bytes, a),
	       pass->wait);
	if (c.failed)
		printf("%" PRIu64 " comparisons could not be made: see above.\n", c.failed);
	if (pass->refused)
		printf("%" PRIu64 " requests need more blocks than a worker has: give more "
		       "--blocks.\n",
		       pass->refused);
	fflush(stdout);
}
