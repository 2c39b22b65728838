/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/report.h"
#include "tools/program/json.h"

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static const char *pass_key(const struct pass *pass)
{
	return pass->policy == POLICY_OVERLAP && !pass->incident_count ? "overlap_undisturbed"
								       : policy_text(pass->policy);
}

static struct json_object *percentiles(struct samples *samples)
{
	struct json_object *object = json_new_object();

	json_put_number(object, "count", samples->count);
	json_put_number(object, "p50", samples_percentile(samples, 500));
	json_put_number(object, "p90", samples_percentile(samples, 900));
	json_put_number(object, "p99", samples_percentile(samples, 990));
	json_put_number(object, "p999", samples_percentile(samples, 999));
	json_put_number(object, "max", samples_percentile(samples, 1000));
	return object;
}

static struct json_object *policy_object(struct pass *pass)
{
	struct json_object *object = json_new_object();

	json_put_text(object, "policy", pass_key(pass));
	json_put_number(object, "requests", pass->done);
	json_put_number(object, "refused", pass->refused);
	json_put_fraction(object, "hit_rate", share(pass->cached_blocks, pass->blocks));
	json_put_fraction(object, "hit_rate_host", share(pass->host_blocks, pass->blocks));
	json_put_number(object, "prompt_blocks", pass->blocks);
	json_put_number(object, "cached_blocks", pass->cached_blocks);
	json_put(object, "first_token_virtual_us", percentiles(&pass->first_token_us));
	json_put_number(object, "events", pass->published.events);
	json_put_number(object, "blocks_stored", pass->published.blocks_stored);
	json_put_number(object, "blocks_removed", pass->published.blocks_removed);
	json_put_number(object, "clears", pass->published.clears);
	json_put_number(object, "inexact_marks", pass->published.inexact_marks);
	json_put_number(object, "wall_ns", pass->wall_ns);
	return object;
}

static struct json_object *worker_object(const struct pass *pass, uint32_t i)
{
	const struct worker *worker = &pass->workers[i];
	const struct publish_latency *latency = &pass->latency[i];
	struct json_object *object = json_new_object(), *ns = json_new_object();

	json_put_number(object, "worker", i);
	json_put_number(object, "lives", worker->lives);
	json_put_number(object, "requests", worker->requests);
	json_put_fraction(object, "hit_rate", share(worker->cached_blocks, worker->blocks));
	json_put_number(object, "publish_calls", latency->calls);
	json_put_number(ns, "p50", latency->p50_ns);
	json_put_number(ns, "p99", latency->p99_ns);
	json_put_number(ns, "max", latency->max_ns);
	json_put_fraction(ns, "per_block_stored", latency->per_block_ns);
	json_put(object, "publish_ns", ns);
	return object;
}

static const char *kind_text(enum incident_kind kind)
{
	static const char *const texts[] = {"worker_killed", "router_killed", "worker_cleared",
					    "router_stopped"};

	return texts[kind];
}

static struct json_object *incident_object(const struct incident *incident)
{
	struct json_object *object = json_new_object();
	int of_worker = incident->kind == INCIDENT_KILL_WORKER || incident->kind == INCIDENT_CLEAR;

	json_put_text(object, "what", kind_text(incident->kind));
	json_put_number(object, "request", incident->at);
	if (of_worker)
		json_put_number(object, "worker", incident->worker);
	if (incident->kind == INCIDENT_CLEAR)
		json_put_text(object, "tier", rdx_tier_text(incident->tier));
	if (incident->kind == INCIDENT_KILL_WORKER)
		json_put_number(object, "dropped_ns", incident->dropped_ns);
	if (incident->kind != INCIDENT_CLEAR)
		json_put_number(object, "back_ns", incident->back_ns);
	if (incident->kind == INCIDENT_PAUSE)
		json_put_number(object, "requests_without_router", incident->without);
	else if (incident->kind != INCIDENT_CLEAR)
		json_put_number(object, "requests_again", incident->rerouted);
	json_put_flag(object, "happened", incident->finished);
	return object;
}

static struct json_object *recovery_object(const struct pass *pass, const struct recovery *r)
{
	struct json_object *object = json_new_object();
	const char *after = r->after == AFTER_START    ? "start"
			    : r->after == AFTER_LAPPED ? "ring_went_round"
						       : kind_text(pass->incidents[r->after].kind);

	json_put_text(object, "after", after);
	json_put_number(object, "request", r->request);
	json_put_number(object, "worker", r->worker);
	json_put_text(object, "way", r->way);
	json_put_number(object, "events_skipped", r->skipped);
	json_put_number(object, "ledger_blocks", r->ledger_blocks);
	json_put_number(object, "events_replayed", r->replayed);
	json_put_fraction(object, "microseconds", (double)r->ns / 1000);
	return object;
}

static void put_lists(struct json_object *object, struct pass *passes, uint32_t count)
{
	struct json_object *rates = json_new_object(), *policies = json_new_array();
	struct json_object *workers = json_new_array(), *incidents = json_new_array();
	struct json_object *recoveries = json_new_array();
	const struct pass *pass = &passes[0];

	for (uint32_t i = 0; i < count; i++) {
		json_put_fraction(rates, pass_key(&passes[i]),
				  share(passes[i].cached_blocks, passes[i].blocks));
		json_append(policies, policy_object(&passes[i]));
	}
	for (uint32_t i = 0; i < pass->settings->workers; i++)
		json_append(workers, worker_object(pass, i));
	for (uint32_t i = 0; i < pass->incident_count; i++)
		json_append(incidents, incident_object(&pass->incidents[i]));
	for (uint32_t i = 0; i < pass->recovery_count; i++)
		json_append(recoveries, recovery_object(pass, &pass->recoveries[i]));
	json_put(object, "hit_rates", rates);
	json_put(object, "policies", policies);
	json_put(object, "workers", workers);
	json_put(object, "incidents", incidents);
	json_put(object, "recoveries", recoveries);
}

void report_print_json(struct pass *passes, uint32_t count)
{
	struct json_object *object = json_new_object();
	const struct comparison c = report_comparison(passes, count);
	struct pass *pass = &passes[0];

	json_put_number(object, "divergences", c.divergences);
	json_put_number(object, "comparisons", c.times);
	json_put_number(object, "comparisons_failed", c.failed);
	json_put_number(object, "blocks_compared", c.blocks);
	json_put_fraction(object, "hit_rate", share(pass->cached_blocks, pass->blocks));
	json_put_number(object, "requests", pass->done);
	json_put(object, "hash_ns", percentiles(&pass->hash_ns));
	json_put(object, "lookup_ns", percentiles(&pass->lookup_ns));
	json_put_number(object, "lookups_without_answer", pass->without_answer);
	json_put_text(object, "wait", pass->wait);
	json_put_number(object, "index_bytes", pass->index_bytes);
	put_lists(object, passes, count);
	json_print(object);
}
