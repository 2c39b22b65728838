/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mock/answers.h"

#include "tools/program/sheet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HASH_TEXT_BYTES 17

static double ms(uint64_t us)
{
	return (double)us / 1000;
}

static double ratio(uint64_t part, uint64_t all)
{
	return all ? (double)part / (double)all : 0;
}

static struct json_object *begin(const char *command)
{
	struct json_object *object = json_new_object();

	json_put_text(object, "command", command);
	return object;
}

static void put_rank(struct json_object *object, const struct announcer *announcer,
		     const struct rdx_publisher_options *options)
{
	json_put_id(object, "worker_id", options->worker_id);
	json_put_number(object, "dp_rank", options->dp_rank);
	json_put_id(object, "epoch", announcer->epoch);
}

void answers_ready(const struct announcer *announcer, const struct rdx_publisher_options *options)
{
	struct json_object *object = json_new_object();

	json_put_flag(object, "ready", 1);
	put_rank(object, announcer, options);
	json_put_number(object, "pid", (uint64_t)getpid());
	json_print_line(object);
}

void answers_request(uint64_t id, const struct engine_answer *answer)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct engine_answer, host_blocks),
		JSON_FIELD(struct engine_answer, total_blocks),
		JSON_FIELD(struct engine_answer, running),
		JSON_FIELD(struct engine_answer, free_blocks),
	};
	struct json_object *object = json_new_object();

	json_put_id(object, "id", id);
	json_put_number(object, "cached_blocks", answer->device_blocks + answer->host_blocks);
	JSON_PUT_FIELDS(object, fields, answer);
	json_put_fraction(object, "time_ms", ms(answer->time_us));
	json_put_fraction(object, "queued_ms", ms(answer->queued_us));
	json_put_fraction(object, "prefill_ms", ms(answer->prefill_us));
	json_print_line(object);
}

static void say_error(struct json_object *object, const char *text)
{
	json_put_text(object, "error", text);
	json_print_line(object);
}

void answers_error(uint64_t line, const char *text)
{
	struct json_object *object = json_new_object();

	json_put_number(object, "line", line);
	say_error(object, text);
}

void answers_refused(uint64_t id, const char *text)
{
	struct json_object *object = json_new_object();

	json_put_id(object, "id", id);
	say_error(object, text);
}

void answers_command(const char *command, const struct engine *engine)
{
	struct json_object *object = begin(command);
	struct engine_stats stats;

	engine_stats(engine, &stats);
	json_put_fraction(object, "time_ms", ms(stats.time_us));
	json_put_number(object, "running", stats.running);
	json_put_number(object, "free_blocks", stats.free_blocks);
	json_print_line(object);
}

static void put_engine(struct json_object *object, const struct engine *engine)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct engine_stats, requests),
		JSON_FIELD(struct engine_stats, refused),
		JSON_FIELD(struct engine_stats, preempted),
		JSON_FIELD(struct engine_stats, running),
		JSON_FIELD(struct engine_stats, prompt_blocks),
		JSON_FIELD_AS("hit_device_blocks", struct engine_stats, hit_device),
		JSON_FIELD_AS("hit_host_blocks", struct engine_stats, hit_host),
		JSON_FIELD_AS("clear_commands", struct engine_stats, clears),
	};
	struct engine_stats stats;

	engine_stats(engine, &stats);
	json_put_fraction(object, "time_ms", ms(stats.time_us));
	JSON_PUT_FIELDS(object, fields, &stats);
	json_put_fraction(object, "hit_rate",
			  ratio(stats.hit_device + stats.hit_host, stats.prompt_blocks));
}

static void put_publisher(struct json_object *object, const struct rdx_publisher_stats *published)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct rdx_publisher_stats, events),
		JSON_FIELD(struct rdx_publisher_stats, slots),
		JSON_FIELD(struct rdx_publisher_stats, blocks_stored),
		JSON_FIELD(struct rdx_publisher_stats, blocks_removed),
		JSON_FIELD(struct rdx_publisher_stats, clears),
		JSON_FIELD(struct rdx_publisher_stats, repeats),
		JSON_FIELD(struct rdx_publisher_stats, unknown_parents),
		JSON_FIELD(struct rdx_publisher_stats, unknown_names),
		JSON_FIELD(struct rdx_publisher_stats, unknown_removals),
		JSON_FIELD(struct rdx_publisher_stats, mismatched),
		JSON_FIELD(struct rdx_publisher_stats, other_block_size),
		JSON_FIELD(struct rdx_publisher_stats, conflicts),
		JSON_FIELD(struct rdx_publisher_stats, ledger_full),
		JSON_FIELD(struct rdx_publisher_stats, map_full),
		JSON_FIELD(struct rdx_publisher_stats, inexact_marks),
		JSON_FIELD(struct rdx_publisher_stats, bells),
		JSON_FIELD(struct rdx_publisher_stats, inexact),
		JSON_FIELD_AS("held_device", struct rdx_publisher_stats, held[RDX_TIER_DEVICE]),
		JSON_FIELD_AS("held_host", struct rdx_publisher_stats, held[RDX_TIER_HOST]),
		JSON_FIELD(struct rdx_publisher_stats, names),
	};

	JSON_PUT_FIELDS(object, fields, published);
}

static void publish_ns(struct sheet *sheet, const void *of, uint32_t i)
{
	const struct announcer *announcer = of;
	struct samples calls = announcer->calls;

	(void)i;
	sheet_samples(sheet, &calls);
	sheet_fraction(sheet, NULL, "mean", SHEET_PLAIN, ratio(calls.total_ns, calls.total_count));
}

static void put_latency(struct json_object *object, const struct announcer *announcer)
{
	json_put_number(object, "publish_calls", announcer->calls.total_count);
	json_put_number(object, "publish_failed", announcer->failed);
	json_put_number(object, "publish_blocks", announcer->blocks);
	json_put(object, "publish_ns", sheet_object(publish_ns, announcer, 0));
	json_put_fraction(object, "publish_ns_per_stored_block",
			  ratio(announcer->stored_ns, announcer->stored_blocks));
}

void answers_stats(const struct engine *engine, struct announcer *announcer)
{
	struct rdx_publisher_stats published = {.size = sizeof(published)};
	struct json_object *object = begin("stats");

	rdx_publisher_get_stats(announcer->publisher, &published);
	put_engine(object, engine);
	put_publisher(object, &published);
	put_latency(object, announcer);
	json_print_line(object);
}

/* 16 digits without a call of printf for each of some 100,000 hashes. */
static void write_hash(uint64_t hash, char *ret_text)
{
	ret_text[HASH_TEXT_BYTES - 1] = 0;
	for (int i = HASH_TEXT_BYTES - 2; i >= 0; i--, hash >>= 4)
		ret_text[i] = "0123456789abcdef"[hash & 15];
}

static int put_cached(struct json_object *object, const char *name, const struct engine *engine,
		      uint8_t tier)
{
	struct json_object *array;
	char text[HASH_TEXT_BYTES];
	uint64_t *hashes;
	uint32_t count;
	int r = engine_cached(engine, tier, &hashes, &count);

	if (r < 0)
		return r;
	array = json_new_array();
	for (uint32_t i = 0; i < count; i++) {
		write_hash(hashes[i], text);
		json_append_text(array, text);
	}
	json_put(object, name, array);
	free(hashes);
	return 0;
}

int answers_dump(const struct engine *engine, const struct announcer *announcer,
		 const struct rdx_publisher_options *options)
{
	struct rdx_publisher_stats published = {.size = sizeof(published)};
	struct json_object *object = begin("dump");
	int r;

	rdx_publisher_get_stats(announcer->publisher, &published);
	put_rank(object, announcer, options);
	json_put_number(object, "last_event_id", published.events);
	json_put_number(object, "inexact", published.inexact);
	r = put_cached(object, "device", engine, POOL_DEVICE);
	if (r == 0)
		r = put_cached(object, "host", engine, POOL_HOST);
	if (r < 0)
		json_object_put(object);
	else
		json_print_line(object);
	return r;
}
