/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mock/answers.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <unistd.h>

static double ms(uint64_t us)
{
	return (double)us / 1000;
}

static void rank_fields(FILE *file, const struct announcer *announcer,
			const struct rdx_publisher_options *options)
{
	fprintf(file, "\"worker_id\":%" PRIu64 ",\"dp_rank\":%u,\"epoch\":\"%" PRIu64 "\"",
		options->worker_id, options->dp_rank, announcer->epoch);
}

void answers_ready(FILE *file, const struct announcer *announcer,
		   const struct rdx_publisher_options *options)
{
	fputs("{\"ready\":true,", file);
	rank_fields(file, announcer, options);
	fprintf(file, ",\"pid\":%d}\n", (int)getpid());
}

void answers_request(FILE *file, uint64_t id, const struct engine_answer *answer)
{
	fprintf(file,
		"{\"id\":%" PRIu64 ",\"cached_blocks\":%u,\"host_blocks\":%u,\"total_blocks\":%u,"
		"\"time_ms\":%.3f,\"queued_ms\":%.3f,\"prefill_ms\":%.3f,\"running\":%u,"
		"\"free_blocks\":%u}\n",
		id, answer->device_blocks + answer->host_blocks, answer->host_blocks,
		answer->total_blocks, ms(answer->time_us), ms(answer->queued_us),
		ms(answer->prefill_us), answer->running, answer->free_blocks);
}

static void write_text(FILE *file, const char *text)
{
	struct json_object *string = json_object_new_string(text);

	fputs(string ? json_object_to_json_string(string) : "\"out of memory\"", file);
	json_object_put(string);
}

void answers_error(FILE *file, uint64_t line, const char *text)
{
	fprintf(file, "{\"line\":%" PRIu64 ",\"error\":", line);
	write_text(file, text);
	fputs("}\n", file);
}

void answers_refused(FILE *file, uint64_t id, const char *text)
{
	fprintf(file, "{\"id\":%" PRIu64 ",\"error\":", id);
	write_text(file, text);
	fputs("}\n", file);
}

void answers_command(FILE *file, const char *command, const struct engine *engine)
{
	struct engine_stats stats;

	engine_stats(engine, &stats);
	fprintf(file, "{\"command\":\"%s\",\"time_ms\":%.3f,\"running\":%u}\n", command,
		ms(stats.time_us), stats.running);
}

static void engine_fields(FILE *file, const struct engine_stats *s)
{
	uint64_t hits = s->hit_device + s->hit_host;

	fprintf(file,
		"\"time_ms\":%.3f,\"requests\":%" PRIu64 ",\"refused\":%" PRIu64
		",\"preempted\":%" PRIu64 ",\"running\":%u,\"prompt_blocks\":%" PRIu64
		",\"hit_device_blocks\":%" PRIu64 ",\"hit_host_blocks\":%" PRIu64
		",\"hit_rate\":%.4f,\"clear_commands\":%" PRIu64,
		ms(s->time_us), s->requests, s->refused, s->preempted, s->running, s->prompt_blocks,
		s->hit_device, s->hit_host,
		s->prompt_blocks ? (double)hits / (double)s->prompt_blocks : 0, s->clears);
}

static void publisher_fields(FILE *file, const struct rdx_publisher_stats *s)
{
	fprintf(file,
		"\"events\":%" PRIu64 ",\"slots\":%" PRIu64 ",\"blocks_stored\":%" PRIu64
		",\"blocks_removed\":%" PRIu64 ",\"clears\":%" PRIu64 ",\"repeats\":%" PRIu64
		",\"unknown_parents\":%" PRIu64 ",\"unknown_names\":%" PRIu64
		",\"unknown_removals\":%" PRIu64 ",\"mismatched\":%" PRIu64
		",\"other_block_size\":%" PRIu64 ",\"conflicts\":%" PRIu64
		",\"ledger_full\":%" PRIu64 ",\"map_full\":%" PRIu64 ",\"inexact_marks\":%" PRIu64
		",\"bells\":%" PRIu64 ",\"inexact\":%u,\"held_device\":%" PRIu64
		",\"held_host\":%" PRIu64 ",\"names\":%" PRIu64,
		s->events, s->slots, s->blocks_stored, s->blocks_removed, s->clears, s->repeats,
		s->unknown_parents, s->unknown_names, s->unknown_removals, s->mismatched,
		s->other_block_size, s->conflicts, s->ledger_full, s->map_full, s->inexact_marks,
		s->bells, s->inexact, s->held[RDX_TIER_DEVICE], s->held[RDX_TIER_HOST], s->names);
}

static void latency_fields(FILE *file, struct announcer *a)
{
	struct samples *calls = &a->calls;

	fprintf(file,
		"\"publish_calls\":%" PRIu64 ",\"publish_failed\":%" PRIu64
		",\"publish_blocks\":%" PRIu64 ",\"publish_ns\":{\"samples\":%" PRIu64
		",\"mean\":%.1f,\"p50\":%" PRIu64 ",\"p90\":%" PRIu64 ",\"p99\":%" PRIu64
		",\"p999\":%" PRIu64 ",\"max\":%" PRIu64 "},\"publish_ns_per_stored_block\":%.1f",
		calls->total_count, a->failed, a->blocks, calls->count,
		calls->total_count ? (double)calls->total_ns / (double)calls->total_count : 0,
		samples_percentile(calls, 500), samples_percentile(calls, 900),
		samples_percentile(calls, 990), samples_percentile(calls, 999), calls->max_ns,
		a->stored_blocks ? (double)a->stored_ns / (double)a->stored_blocks : 0);
}

void answers_stats(FILE *file, const struct engine *engine, struct announcer *announcer)
{
	struct rdx_publisher_stats published = {.size = sizeof(published)};
	struct engine_stats stats;

	engine_stats(engine, &stats);
	rdx_publisher_stats(announcer->publisher, &published);
	fputs("{\"command\":\"stats\",", file);
	engine_fields(file, &stats);
	fputc(',', file);
	publisher_fields(file, &published);
	fputc(',', file);
	latency_fields(file, announcer);
	fputs("}\n", file);
}

/* 16 digits without a call of printf for each of some 100,000 hashes. */
static void write_hash(FILE *file, uint64_t hash)
{
	static const char digits[] = "0123456789abcdef";
	char text[18] = "\"";

	for (int i = 16; i > 0; i--, hash >>= 4)
		text[i] = digits[hash & 15];
	text[17] = '"';
	fwrite(text, 1, sizeof(text), file);
}

static void write_hashes(FILE *file, const char *field, const uint64_t *hashes, uint32_t count)
{
	fprintf(file, ",\"%s\":[", field);
	for (uint32_t i = 0; i < count; i++) {
		if (i)
			fputc(',', file);
		write_hash(file, hashes[i]);
	}
	fputc(']', file);
}

int answers_dump(FILE *file, const struct engine *engine, const struct announcer *announcer,
		 const struct rdx_publisher_options *options)
{
	struct rdx_publisher_stats published = {.size = sizeof(published)};
	uint64_t *device, *host;
	uint32_t device_count, host_count;
	int error = engine_cached(engine, POOL_DEVICE, &device, &device_count);

	if (error)
		return error;
	error = engine_cached(engine, POOL_HOST, &host, &host_count);
	if (error) {
		free(device);
		return error;
	}
	rdx_publisher_stats(announcer->publisher, &published);
	fputs("{\"command\":\"dump\",", file);
	rank_fields(file, announcer, options);
	fprintf(file, ",\"last_event_id\":%" PRIu64 ",\"inexact\":%u", published.events,
		published.inexact);
	write_hashes(file, "device", device, device_count);
	write_hashes(file, "host", host, host_count);
	fputs("}\n", file);
	free(device);
	free(host);
	return 0;
}
