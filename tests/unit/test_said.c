/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what engines send, decoded (tools/bridge/payload.h, said.h): both layouts, every form of
 * a name, token and key, and everything that is refused, each by its fault. Where it is there, each
 * payload of ../shared/reference/vectors/engine-payloads.jsonl too, against what a msgpack decoder of
 * another kind made of it.
 */
#include "tests/expect.h"
#include "tools/bridge/payload.h"
#include "tools/bridge/said.h"
#include "tools/program/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOADS RDX_SOURCE_DIR "/../shared/reference/vectors/engine-payloads.jsonl"

static struct payload payload;
static struct said said;

/* Bytes as hexadecimal digits, blanks between them for the eye. */
static size_t bytes_of(const char *digits, uint8_t *ret_bytes)
{
	char packed[8192];
	size_t count = 0;

	for (; *digits; digits++)
		if (*digits != ' ')
			packed[count++] = *digits;
	assert_true(hex_read(packed, (uint32_t)count / 2, ret_bytes));
	return count / 2;
}

static void batch_is(const char *digits, enum fault fault)
{
	static uint8_t bytes[4096];
	size_t count = bytes_of(digits, bytes);
	enum fault got = payload_read(&payload, bytes, count);

	if (got != fault)
		print_error("%s: %s\n", digits, fault_text(got));
	assert_int_equal(got, fault);
}

/* Of a batch with this event alone. */
static void event_is(const char *digits, enum fault fault)
{
	char batch[8192];
	enum fault got;

	snprintf(batch, sizeof(batch), "93 00 91 %s c0", digits);
	batch_is(batch, FAULT_NONE);
	assert_int_equal(payload.event_count, 1);
	got = said_read(&said, &payload, 0, NULL);
	if (got != fault)
		print_error("%s: %s\n", digits, fault_text(got));
	assert_int_equal(got, fault);
}

#define TYPE      "a4 74797065"
#define STORED    "ab 426c6f636b53746f726564"
#define REMOVED   "ac 426c6f636b52656d6f766564"
#define NAMES     "ac 626c6f636b5f686173686573"
#define REMAINING "b5 72656d61696e696e675f636f70795f636f756e7473"
#define PARENT    "b1 706172656e745f626c6f636b5f68617368"
#define TOKENS    "a9 746f6b656e5f696473"
#define SIZE      "aa 626c6f636b5f73697a65"
#define EXTRA     "aa 65787472615f6b657973"
#define MM        "a7 6d6d5f6b657973"
#define MEDIUM    "a6 6d656469756d"
#define WIDE      "c420 0001020304050607 08090a0b0c0d0e0f 1011121314151617 18191a1b1c1d1e1f"

static void batches(void **state)
{
	(void)state;
	batch_is("92 00 90", FAULT_NONE);
	assert_false(payload.has_rank);
	batch_is("93 cb3ff8000000000000 90 c0", FAULT_NONE);
	assert_false(payload.has_rank);
	assert_true(payload.time_s == 1.5);
	batch_is("94 00 90 05 c0", FAULT_NONE);
	assert_true(payload.has_rank);
	assert_int_equal(payload.dp_rank, 5);

	batch_is("91 00", FAULT_BATCH);
	batch_is("c0", FAULT_BATCH);
	batch_is("80", FAULT_BATCH);
	batch_is("93 00 c0 c0", FAULT_BATCH);
	batch_is("93 00 90 ff", FAULT_BATCH);                 /* rank -1 */
	batch_is("93 00 90 cf0000000100000000", FAULT_BATCH); /* 2^32 */
	batch_is("93 00 90 a131", FAULT_BATCH);
}

/* Cut off, too much, nested too deep, claims of more than there is. */
static void no_msgpack(void **state)
{
	char deep[1024] = "";

	(void)state;
	batch_is("93 00 90", FAULT_MSGPACK);
	batch_is("92 00 90 c0", FAULT_MSGPACK);
	batch_is("c1", FAULT_MSGPACK);
	batch_is("dd ffffffff", FAULT_MSGPACK);
	batch_is("df 7fffffff 00", FAULT_MSGPACK);
	batch_is("92 00 dd 00ffffff 00", FAULT_MSGPACK);
	batch_is("92 00 c6 ffffffff 00", FAULT_MSGPACK);
	batch_is("92 00 c9 ffffffff 00 00", FAULT_MSGPACK);
	batch_is("92 00 db 00000002 00", FAULT_MSGPACK);
	batch_is("92 00 dc ff", FAULT_MSGPACK);
	for (int i = 0; i < 200; i++)
		strcat(deep, "91");
	strcat(deep, "c0");
	batch_is(deep, FAULT_MSGPACK);
	assert_int_equal(payload_read(&payload, "", 0), FAULT_MSGPACK);
}

/* What a list claims is held against what is there, before anybody makes room for it. */
static void claims(void **state)
{
	static const struct {
		const char *digits;
		int fits;
	} cases[] = {
		{"c0", 1},
		{"93 00 90 c0", 1},
		{"82 a161 cb3ff8000000000000 a162 93 d0ff d6 01 00000000 c7 01 05 00", 1},
		{"dd 00000002 c0 c0", 1},
		{"dd ffffffff", 0},
		{"92 dd 00000002 c0 c0", 0},
		{"df 00000002 c0 c0 c0", 0},
		{"91 de 8000 c0", 0},
		{"d9 02 61", 0},
		{"c6 00000002 61", 0},
		{"d8 00 00", 0},
		{"cb 00", 0},
	};
	uint8_t bytes[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t count = bytes_of(cases[i].digits, bytes);

		if (payload_claims_fit(bytes, count) != cases[i].fits)
			print_error("%s\n", cases[i].digits);
		assert_int_equal(payload_claims_fit(bytes, count), cases[i].fits);
	}
}

static void a_map(void **state)
{
	const struct rdx_engine_event *event = &said.event;

	(void)state;
	event_is("87 " NAMES "93 0b cfffffffffffffffff ff " TYPE STORED PARENT "d0fd" SIZE
		 "02 " TOKENS "94 01 02 ceffffffff 04 " MEDIUM "a3 475055 a8 64656661756c7473 c0",
		 FAULT_NONE);
	assert_string_equal(event->type, "BlockStored");
	assert_string_equal(event->medium, "GPU");
	assert_int_equal(event->count, 3);
	assert_int_equal(event->name_bytes, 8);
	assert_memory_equal(event->names, ((uint64_t[]){11, UINT64_MAX, UINT64_MAX}), 24);
	assert_int_equal(*(const int64_t *)event->parent, -3);
	assert_int_equal(event->block_tokens, 2);
	assert_int_equal(event->token_count, 4);
	assert_int_equal(event->tokens[2], UINT32_MAX);
	assert_int_equal(event->flags, 0);
	assert_int_equal(event->unknown_fields, 0); /* it was nil */

	/* harmless; of nobody; of nobody, with a NUL in its name */
	event_is("84 " TYPE REMOVED "aa 73657373696f6e5f6964 01 a1 78 01 a2 6900 01", FAULT_NONE);
	assert_int_equal(event->unknown_fields, 2);
	assert_null(event->names);
}

static void an_array(void **state)
{
	const struct rdx_engine_event *event = &said.event;

	(void)state;
	event_is("9c " STORED "91 " WIDE WIDE
		 "92 01 02 02 07 a3 435055 a1 6c 91 91 a1 6c 03 a1 6b 09",
		 FAULT_NONE);
	assert_int_equal(event->count, 1);
	assert_int_equal(event->name_bytes, 32);
	assert_memory_equal(event->names, event->parent, 32);
	assert_string_equal(event->medium, "CPU");
	assert_string_equal(event->lora_name, "l");
	assert_string_equal(event->spec_kind, "k");
	assert_int_equal(event->group, 3);
	assert_int_equal(event->flags, RDX_ENGINE_GROUP | RDX_ENGINE_LORA_ID | RDX_ENGINE_KEYS);
	assert_int_equal(event->key_count, 1);
	assert_int_equal(event->unknown_fields, 0);

	event_is("93 " REMOVED "91 05 c0", FAULT_NONE); /* shorter */
	assert_int_equal(event->count, 1);
	assert_int_equal(event->flags, 0);
	event_is("96 " REMOVED "91 05 a3 475055 00 c0 01", FAULT_NONE); /* longer */
	assert_int_equal(event->unknown_fields, 1);
	event_is("91 b0 416c6c426c6f636b73436c6561726564", FAULT_NONE);
	assert_string_equal(event->type, "AllBlocksCleared");
	event_is("92 a1 78 05", FAULT_NONE); /* the translator knows that it does not know it */
	assert_int_equal(event->unknown_fields, 1);
}

static void tokens(void **state)
{
	const struct rdx_engine_event *event = &said.event;

	(void)state;
	event_is("82 " TYPE STORED TOKENS "92 92 01 02 92 02 03", FAULT_NONE);
	assert_int_equal(event->flags, RDX_ENGINE_PAIRS);
	assert_int_equal(event->token_count, 2);
	assert_memory_equal(event->tokens, ((uint32_t[]){1, 2, 2, 3}), 16);
	event_is("82 " TYPE STORED TOKENS "92 05 a2 6869", FAULT_NONE);
	assert_int_equal(event->tokens[1], rdx_engine_token("hi", 2));
	assert_int_equal(event->keys[0].kind, RDX_ENGINE_KEY_TOKEN);
	assert_int_equal(event->keys[0].at, 1);
	assert_string_equal(event->keys[0].bytes, "hi");

	event_is("82 " TYPE STORED TOKENS "92 05 92 01 02", FAULT_TOKEN);
	event_is("82 " TYPE STORED TOKENS "92 92 01 02 05", FAULT_TOKEN);
	event_is("82 " TYPE STORED TOKENS "91 92 01 a131", FAULT_TOKEN);
	event_is("82 " TYPE STORED TOKENS "91 93 01 02 03", FAULT_TOKEN);
	event_is("82 " TYPE STORED TOKENS "91 cf0000000100000000", FAULT_TOKEN);
	event_is("82 " TYPE STORED TOKENS "91 ff", FAULT_TOKEN);
	event_is("82 " TYPE STORED TOKENS "91 a0", FAULT_TOKEN);
	event_is("82 " TYPE STORED TOKENS "91 cb3ff0000000000000", FAULT_TOKEN);
	event_is("82 " TYPE STORED TOKENS "05", FAULT_LIST);
}

static void key_is(uint32_t index, uint8_t kind, uint32_t at, const char *bytes)
{
	const struct rdx_engine_key *key = &said.event.keys[index];

	assert_int_equal(key->kind, kind);
	assert_int_equal(key->at, at);
	if (!bytes)
		return;
	assert_int_equal(key->byte_count, strlen(bytes));
	assert_memory_equal(key->bytes, bytes, strlen(bytes));
}

static void keys(void **state)
{
	(void)state;
	event_is("82 " TYPE STORED EXTRA
		 "95 c0 92 a1 73 c402 6162 91 92 a1 69 d0ff 91 92 a1 69 a1 69 05",
		 FAULT_NONE);
	assert_int_equal(said.event.key_blocks, 5);
	assert_int_equal(said.event.key_count, 5);
	key_is(0, RDX_ENGINE_KEY_TEXT, 1, "s");
	key_is(1, RDX_ENGINE_KEY_DIGEST, 1, "ab");
	key_is(2, RDX_ENGINE_KEY_OBJECT, 2, "i");
	key_is(3, RDX_ENGINE_KEY_OTHER, 3, NULL);
	key_is(4, RDX_ENGINE_KEY_OTHER, 4, NULL);

	/* {"hash": "h", "start_offset": 1}, "j", {"hash": "h", "x": 1}, {"hash": "h", "hash": "i"} */
	event_is("83 " TYPE STORED EXTRA "91 c0 " MM
		 "91 94 82 a468617368 a168 ac73746172745f6f6666736574 01 a16a 82 a468617368 a168 "
		 "a178 01 82 a468617368 a168 a468617368 a169",
		 FAULT_NONE);
	key_is(0, RDX_ENGINE_KEY_OBJECT, 0, "h");
	key_is(1, RDX_ENGINE_KEY_OBJECT, 0, "j");
	key_is(2, RDX_ENGINE_KEY_OTHER, 0, NULL);
	key_is(3, RDX_ENGINE_KEY_OTHER, 0, NULL);

	event_is("83 " TYPE STORED EXTRA "91 91 a173 " MM "91 91 a173", FAULT_KEY_LISTS);
	event_is("82 " TYPE STORED EXTRA "05", FAULT_LIST);
	event_is("82 " TYPE STORED MM "a0", FAULT_LIST);
}

static void refused(void **state)
{
	(void)state;
	event_is("c0", FAULT_EVENT);
	event_is("05", FAULT_EVENT);
	event_is("90", FAULT_EVENT);
	event_is("80", FAULT_EVENT);
	event_is("81 " NAMES "90", FAULT_EVENT);
	event_is("91 c0", FAULT_TEXT);
	event_is("91 05", FAULT_TEXT);
	event_is("81 " TYPE "a3 610062", FAULT_TEXT);
	event_is("82 " TYPE STORED MEDIUM "05", FAULT_TEXT);
	event_is("82 " TYPE STORED MEDIUM "c403 475055", FAULT_TEXT);
	event_is("82 " TYPE STORED TYPE STORED, FAULT_FIELD_TWICE);
	event_is("82 " TYPE STORED "05 05", FAULT_FIELD_TWICE);
	event_is("82 " TYPE STORED SIZE "ff", FAULT_NUMBER);
	event_is("82 " TYPE STORED SIZE "cf0000000100000000", FAULT_NUMBER);
	event_is("82 " TYPE STORED SIZE "a131", FAULT_NUMBER);
	event_is("82 " TYPE STORED NAMES "05", FAULT_LIST);
	event_is("83 " TYPE REMOVED NAMES "920102" REMAINING "9101", FAULT_LIST);
	event_is("83 " TYPE REMOVED NAMES "9101" REMAINING "91ff", FAULT_NUMBER);
	event_is("83 " TYPE REMOVED NAMES "920102" REMAINING "920003", FAULT_NONE);
	assert_non_null(said.event.remaining);
	assert_int_equal(said.event.remaining[0], 0);
	assert_int_equal(said.event.remaining[1], 3);
	assert_int_equal(said.event.unknown_fields, 0);
	event_is("82 " TYPE STORED NAMES "91 c0", FAULT_NAME);
	event_is("82 " TYPE STORED NAMES "91 a131", FAULT_NAME);
	event_is("82 " TYPE STORED NAMES "91 c401 31", FAULT_NAME);
	event_is("82 " TYPE STORED NAMES "91 cb3ff0000000000000", FAULT_NAME);
	event_is("82 " TYPE STORED NAMES "92 05 " WIDE, FAULT_NAME_SIZES);
	event_is("83 " TYPE STORED NAMES "91 05 " PARENT WIDE, FAULT_NAME_SIZES);
	event_is("82 " TYPE STORED PARENT "a0", FAULT_NAME);
}

/* -- real ones -- */

static uint64_t integer(struct json_object *value)
{
	return json_object_get_int64(value) < 0 ? (uint64_t)json_object_get_int64(value)
						: json_object_get_uint64(value);
}

/* A name as 8 or 32 bytes. */
static uint8_t name_of(struct json_object *value, uint8_t *ret_bytes)
{
	struct json_object *digits;
	uint64_t number;

	if (json_object_is_type(value, json_type_object) &&
	    json_object_object_get_ex(value, "bin", &digits)) {
		assert_true(hex_read(json_object_get_string(digits), 32, ret_bytes));
		return 32;
	}
	number = integer(value);
	memcpy(ret_bytes, &number, sizeof(number));
	return sizeof(number);
}

static void same_names(struct json_object *list)
{
	const struct rdx_engine_event *event = &said.event;
	uint8_t bytes[32];

	assert_int_equal(event->count, json_object_array_length(list));
	for (uint32_t i = 0; i < event->count; i++) {
		uint8_t width = name_of(json_object_array_get_idx(list, i), bytes);

		assert_int_equal(width, event->name_bytes);
		assert_memory_equal((const uint8_t *)event->names + (size_t)i * width, bytes,
				    width);
	}
}

static void same_tokens(struct json_object *list)
{
	const struct rdx_engine_event *event = &said.event;

	assert_int_equal(event->token_count, json_object_array_length(list));
	for (uint64_t i = 0; i < event->token_count; i++) {
		struct json_object *value = json_object_array_get_idx(list, i);

		if (!(event->flags & RDX_ENGINE_PAIRS)) {
			assert_int_equal(event->tokens[i], json_object_get_uint64(value));
			continue;
		}
		for (uint64_t at = 0; at < 2; at++)
			assert_int_equal(
				event->tokens[2 * i + at],
				json_object_get_uint64(json_object_array_get_idx(value, at)));
	}
}

static void same_text(struct json_object *object, const char *name, const char *text)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, name, &value);
	assert_int_equal(value != NULL, text != NULL);
	if (value)
		assert_string_equal(json_object_get_string(value), text);
}

static void same_event(struct json_object *wanted)
{
	const struct rdx_engine_event *event = &said.event;
	struct json_object *value;
	uint8_t bytes[32];

	same_text(wanted, "type", event->type);
	same_text(wanted, "medium", event->medium);
	same_text(wanted, "lora_name", event->lora_name);
	same_text(wanted, "cache_salt", event->cache_salt);
	same_text(wanted, "kv_cache_spec_kind", event->spec_kind);
	same_text(wanted, "locality", event->locality);
	same_text(wanted, "ownership", event->ownership);
	assert_int_equal(event->unknown_fields, 0);
	if (json_object_object_get_ex(wanted, "block_hashes", &value))
		same_names(value);
	if (json_object_object_get_ex(wanted, "token_ids", &value))
		same_tokens(value);
	json_object_object_get_ex(wanted, "parent_block_hash", &value);
	assert_int_equal(value != NULL, event->parent != NULL);
	if (value)
		assert_memory_equal(event->parent, bytes, name_of(value, bytes));
	json_object_object_get_ex(wanted, "group_idx", &value);
	assert_int_equal(value != NULL, (event->flags & RDX_ENGINE_GROUP) != 0);
	assert_int_equal(event->group, json_object_get_uint64(value));
	json_object_object_get_ex(wanted, "block_size", &value);
	assert_int_equal(event->block_tokens, json_object_get_uint64(value));
	json_object_object_get_ex(wanted, "extra_keys", &value);
	assert_int_equal(event->key_blocks, value ? json_object_array_length(value) : 0);
}

static void check_line(const char *line)
{
	struct json_object *object = json_tokener_parse(line);
	struct json_object *events = member(member(object, "decoded"), "events"), *rank;
	static uint8_t bytes[4096];
	const char *digits = string(object, "hex");

	assert_true(strlen(digits) / 2 <= sizeof(bytes));
	assert_true(hex_read(digits, (uint32_t)strlen(digits) / 2, bytes));
	assert_int_equal(payload_read(&payload, bytes, strlen(digits) / 2), FAULT_NONE);
	assert_int_equal(payload.event_count, json_object_array_length(events));
	json_object_object_get_ex(member(object, "decoded"), "data_parallel_rank", &rank);
	assert_int_equal(payload.dp_rank, json_object_get_uint64(rank));
	for (uint32_t i = 0; i < payload.event_count; i++) {
		assert_int_equal(said_read(&said, &payload, i, NULL), FAULT_NONE);
		same_event(json_object_array_get_idx(events, i));
	}
	/* and none of its beginnings is one */
	for (size_t count = 0; count < strlen(digits) / 2; count++)
		assert_int_equal(payload_read(&payload, bytes, count), FAULT_MSGPACK);
	json_object_put(object);
}

static void real_payloads(void **state)
{
	FILE *file = fopen(PAYLOADS, "r");
	size_t capacity = 0, count = 0;
	char *line = NULL;

	(void)state;
	if (!file) {
		print_message("no %s: its payloads are left out\n", PAYLOADS);
		skip();
	}
	while (getline(&line, &capacity, file) > 0) {
		check_line(line);
		count++;
	}
	assert_true(count > 0);
	free(line);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches),       cmocka_unit_test(no_msgpack),
		cmocka_unit_test(claims),        cmocka_unit_test(a_map),
		cmocka_unit_test(an_array),      cmocka_unit_test(tokens),
		cmocka_unit_test(keys),          cmocka_unit_test(refused),
		cmocka_unit_test(real_payloads),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	payload_free(&payload);
	said_free(&said);
	return failed;
}
