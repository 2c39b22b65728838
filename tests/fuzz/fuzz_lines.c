/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: lines as programs read them: events of ringdex-feed, requests of a trace, requests of
 * ringdex-query as objects. A line is read or refused with a message of one line,
 * never anything else; what is read keeps the bounds that its reader promises.
 *
 * The first byte says what reads the others, which are lines.
 */
#include "tests/fuzz/event.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/refusal.h"
#include "tests/rig.h"
#include "tools/feed/feed_line.h"
#include "tools/query/prompt.h"
#include "tools/trace/generator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX   8
#define BLOCK       2 /* tokens */
#define NUMBERS_MAX 6

enum { FEED, TRACE, PROMPT, READERS };

static struct feed_line lines[2]; /* one that is read, one that is held back */
static struct trace_request trace;
static struct prompt prompt;
static uint64_t sum;

void fuzz_setup(void)
{
}

/* The readers keep memory, not what was in it. */
void fuzz_fresh(void)
{
	feed_line_free(&lines[0]);
	feed_line_free(&lines[1]);
	trace_request_free(&trace);
	prompt_free(&prompt);
	memset(lines, 0, sizeof(lines));
	memset(&trace, 0, sizeof(trace));
}

/* As feed.c does: removals are held back and joined. */
static void read_feed(const char *text, size_t length)
{
	struct json_line_fault fault = {{0}};
	struct json_object *object;
	int r = json_line_parse(text, length, &object, &fault);

	refusal_check(r, &fault);
	if (r < 0)
		return;
	r = feed_line_read(&lines[0], object, NULL, &fault);
	refusal_check(r, &fault);
	if (r == 0 && !lines[0].is_about_worth)
		sum += event_touch(&lines[0].event);
	if (r == 0 && lines[1].event.count) {
		r = feed_line_join(&lines[1], &lines[0], NULL);
		FUZZ_CHECK(r == 0 || r == 1);
		sum += event_touch(&lines[1].event);
	} else if (r == 0 && feed_line_is_removal(&lines[0], NULL)) {
		struct feed_line other = lines[1];

		lines[1] = lines[0];
		lines[0] = other;
	}
	json_object_put(object);
}

static void read_trace(const char *text, size_t length)
{
	struct json_line_fault fault = {{0}};
	struct json_object *object;
	int r = json_line_parse(text, length, &object, &fault);

	if (r == 0) {
		r = trace_request_read(object, 7, &trace, &fault);
		json_object_put(object);
		if (r == 0) {
			FUZZ_CHECK(trace.input_length >= 1 &&
				   trace.input_length <= TRACE_INPUT_MAX &&
				   trace.hash_count == trace_spans(trace.input_length));
			sum += fuzz_touch(trace.hash_ids, trace.hash_count * sizeof(uint64_t));
		}
	}
	refusal_check(r, &fault);
}

static void read_prompt(const char *text, size_t length)
{
	static const struct prompt_defaults defaults = {0};
	struct json_line_fault fault = {{0}};
	struct rdx_tokens tokens;
	int r = prompt_read(&prompt, text, length, &fault);

	if (r == 0) {
		sum += fuzz_touch(prompt.ids, prompt.count * sizeof(uint32_t));
		r = prompt_tokens(&prompt, &defaults, BLOCK, &tokens, &fault);
		for (uint64_t i = 0; r == 0 && i < tokens.key_count; i++)
			sum += tokens.keys[i].key;
	}
	refusal_check(r, &fault);
}

static void read_line(uint8_t form, const char *text, size_t length)
{
	switch (form % READERS) {
	case FEED:
		read_feed(text, length);
		break;
	case TRACE:
		read_trace(text, length);
		break;
	default:
		read_prompt(text, length);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct fuzz_input in = {bytes, count};
	uint8_t form = fuzz_byte(&in);

	lines[1].event.count = 0;
	for (uint32_t i = 0; i < LINES_MAX && in.left; i++) {
		const uint8_t *end = memchr(in.at, '\n', in.left);
		size_t length = end ? (size_t)(end - in.at) : in.left;

		/* terminated, as lines_next gives it */
		read_line(form, fuzz_text(in.at, length), length);
		in.at += length + (end != NULL);
		in.left -= length + (end != NULL);
	}
	return 0;
}

/* ---- The made corpus: lines by the grammar of docs/feed-format.md, and a generated trace. */

struct draft {
	uint64_t random;
	char *at;
	size_t left;
};

static uint32_t roll(struct draft *draft, uint32_t sides)
{
	return (uint32_t)(rig_random(&draft->random) >> 32) % sides;
}

__attribute__((format(printf, 2, 3))) static void put(struct draft *draft, const char *format, ...)
{
	va_list arguments;
	int count;

	va_start(arguments, format);
	count = vsnprintf(draft->at, draft->left, format, arguments);
	va_end(arguments);
	if (count < 0 || (size_t)count >= draft->left)
		count = draft->left ? (int)draft->left - 1 : 0;
	draft->at += count;
	draft->left -= (size_t)count;
}

static void put_number(struct draft *draft)
{
	static const char *const numbers[] = {
		"0",
		"1",
		"-1",
		"71",
		"4294967296",
		"18446744073709551615",
		"18446744073709551616",
		"\"0xff\"",
		"\"-12\"",
		"1e3",
		"2.5",
		"null",
		"\"\"",
		"\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\""};
	uint32_t drawn = roll(draft, 40);

	if (drawn < sizeof(numbers) / sizeof(*numbers))
		put(draft, "%s", numbers[drawn]);
	else
		put(draft, "%u", drawn);
}

static void put_array(struct draft *draft)
{
	uint32_t count = roll(draft, NUMBERS_MAX);

	put(draft, "[");
	for (uint32_t i = 0; i < count; i++) {
		put(draft, "%s", i ? "," : "");
		if (roll(draft, 8))
			put_number(draft);
		else
			put(draft, "[%u,%u]", roll(draft, 9), roll(draft, 9));
	}
	put(draft, "]");
}

static void put_keys(struct draft *draft)
{
	static const char *const keys[] = {"null",
					   "[]",
					   "[\"a\"]",
					   "[[\"image\",3]]",
					   "[{\"hash\":\"x\",\"start_offset\":0}]",
					   "[{\"bin\":\"00ff\"}]",
					   "[\"dynamo-cache-salt:s\"]",
					   "\"b\"",
					   "[[\"\",1],7]"};
	uint32_t count = roll(draft, 4);

	put(draft, "[");
	for (uint32_t i = 0; i < count; i++)
		put(draft, "%s%s", i ? "," : "", keys[roll(draft, 9)]);
	put(draft, "]");
}

static void put_text(struct draft *draft)
{
	static const char *const texts[] = {"GPU",      "device",  "cpu_pinned", "full_attention",
					    "LOCAL",    "a",       "",           "\\u0000",
					    "\xc3\xa9", "lacking", "unknown",    "all"};

	put(draft, "\"%s\"", texts[roll(draft, sizeof(texts) / sizeof(*texts))]);
}

static void put_feed_line(struct draft *draft)
{
	static const char *const types[] = {
		"stored",      "removed",      "cleared",          "inexact",
		"BlockStored", "BlockRemoved", "AllBlocksCleared", "?"};
	static const struct {
		const char *name;
		void (*put)(struct draft *draft);
	} fields[] = {
		{"names", put_array},        {"token_ids", put_array},
		{"local_hashes", put_array}, {"remaining", put_array},
		{"parent", put_number},      {"dp_rank", put_number},
		{"seq", put_number},         {"block_size", put_number},
		{"group_idx", put_number},   {"lora_id", put_number},
		{"time_ns", put_number},     {"tier", put_text},
		{"medium", put_text},        {"lora_name", put_text},
		{"cache_salt", put_text},    {"kv_cache_spec_kind", put_text},
		{"locality", put_text},      {"ownership", put_text},
		{"inexact", put_text},       {"extra_keys", put_keys},
		{"mm_keys", put_keys},       {"whatever", put_keys},
	};

	put(draft, "{\"worker\":%u,\"type\":\"%s\"", roll(draft, 3), types[roll(draft, 8)]);
	for (uint32_t i = roll(draft, 8); i > 0; i--) {
		uint32_t field = roll(draft, sizeof(fields) / sizeof(*fields));

		put(draft, ",\"%s\":", fields[field].name);
		fields[field].put(draft);
	}
	put(draft, "}");
}

static void put_prompt(struct draft *draft)
{
	put(draft, "{\"token_ids\":");
	put_array(draft);
	if (roll(draft, 2)) {
		put(draft, ",\"%s\":", roll(draft, 2) ? "extra_keys" : "mm_keys");
		put_keys(draft);
	}
	if (roll(draft, 2)) {
		put(draft, ",\"%s\":", roll(draft, 2) ? "lora_name" : "cache_salt");
		put_text(draft);
	}
	put(draft, "%s}", roll(draft, 4) ? "" : ",\"eagle\":true");
}

/* A request as ringdex-trace generates it. */
static void put_trace_line(struct draft *draft)
{
	struct trace_generate_options options = TRACE_GENERATE_DEFAULTS;
	struct trace_generator *generator;
	struct trace_request made;
	FILE *file = fmemopen(draft->at, draft->left, "w");

	options.requests = 1;
	options.seed = rig_random(&draft->random);
	FUZZ_CHECK(file && trace_generator_open(&generator, &options) == 0);
	FUZZ_CHECK(trace_generator_next(generator, &made) == 1);
	trace_request_write(&made, file);
	fclose(file);
	trace_generator_close(generator);
	draft->left -= strnlen(draft->at, draft->left);
	draft->at += strlen(draft->at);
}

size_t fuzz_seed(uint64_t number, uint8_t *ret_bytes, size_t capacity)
{
	struct draft draft = {number, (char *)ret_bytes + 1, capacity - 1};
	uint32_t reader = number % READERS;

	memset(ret_bytes, 0, capacity);
	ret_bytes[0] = (uint8_t)(reader | roll(&draft, 4) << 6);
	for (uint32_t i = 1 + roll(&draft, 3); i > 0; i--) {
		if (reader == FEED)
			put_feed_line(&draft);
		else if (reader == TRACE)
			put_trace_line(&draft);
		else
			put_prompt(&draft);
		if (i > 1)
			put(&draft, "\n");
	}
	return (size_t)((uint8_t *)draft.at - ret_bytes);
}
