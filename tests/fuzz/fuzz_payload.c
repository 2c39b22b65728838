/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: batches of msgpack as engines send them, read as ringdex-bridge does. A batch, and each
 * event of it, is read or refused by a fault; all that an event refers to can be read; memory is bounded
 * by the bytes that came.
 *
 * An input is a batch, as it is.
 */
#include "tests/fuzz/event.h"
#include "tests/fuzz/fuzz.h"
#include "tests/rig.h"
#include "tools/bridge/payload.h"
#include "tools/bridge/said.h"

#include <string.h>

#define NAMES_MAX  4
#define BATCH_MAX  3
#define FIELDS_MAX 8

static struct payload payload;
static struct said said;
static uint64_t sum;

void fuzz_setup(void)
{
}

void fuzz_fresh(void)
{
	payload_free(&payload);
	said_free(&said);
}

/* Each value that is said has a byte at least, and room is made for twice as much as is needed. */
static void check_memory(uint64_t bytes)
{
	FUZZ_CHECK(said.texts_used <= bytes);
	FUZZ_CHECK(said.event.count <= bytes && said.event.token_count <= bytes);
	FUZZ_CHECK(said.event.key_count <= bytes && said.event.key_blocks <= bytes);
}

static void read_events(uint64_t bytes)
{
	for (uint32_t i = 0; i < payload.event_count; i++) {
		enum fault fault = said_read(&said, &payload, i, NULL);

		FUZZ_CHECK(fault == FAULT_NONE ||
			   (fault >= FAULT_EVENT && fault < FAULT_TRANSLATOR));
		FUZZ_CHECK(fault_text(fault) && fault_name(fault));
		check_memory(bytes);
		if (fault == FAULT_NONE)
			sum += event_touch(&said.event);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	const uint8_t *batch = fuzz_at_edge(bytes, count);
	enum fault fault = payload_read(&payload, batch, count);

	FUZZ_CHECK(fault == FAULT_NONE || fault == FAULT_MSGPACK || fault == FAULT_BATCH);
	if (fault != FAULT_NONE)
		return 0;
	FUZZ_CHECK(payload_claims_fit(batch, count) && payload.event_count <= count);
	read_events(count);
	/* one value: what is cut off is none */
	FUZZ_CHECK(payload_read(&payload, batch, count - 1) == FAULT_MSGPACK);
	return 0;
}

/* ---- The made corpus: batches as engines write them, in both layouts, and some that none would. */

struct draft {
	uint64_t random;
	msgpack_packer packer;
};

static uint32_t roll(struct draft *draft, uint32_t sides)
{
	return (uint32_t)(rig_random(&draft->random) >> 32) % sides;
}

static void put_text(struct draft *draft, const char *text)
{
	msgpack_pack_str_with_body(&draft->packer, text, strlen(text));
}

static void put_some_text(struct draft *draft)
{
	static const char *const texts[] = {"GPU",   "CPU_PINNED", "full_attention",
					    "LOCAL", "a",          ""};

	put_text(draft, texts[roll(draft, 6)]);
}

static void put_number(struct draft *draft)
{
	switch (roll(draft, 8)) {
	case 0:
		msgpack_pack_nil(&draft->packer);
		break;
	case 1:
		msgpack_pack_uint64(&draft->packer, rig_random(&draft->random));
		break;
	case 2:
		msgpack_pack_int64(&draft->packer, -(int64_t)roll(draft, 300));
		break;
	default:
		msgpack_pack_uint64(&draft->packer, roll(draft, 70000));
	}
}

static void put_name(struct draft *draft, int wide)
{
	uint8_t bytes[SAID_NAME_BYTES_MAX] = {(uint8_t)roll(draft, 256)};

	if (wide)
		msgpack_pack_bin_with_body(&draft->packer, bytes, sizeof(bytes));
	else if (roll(draft, 4))
		msgpack_pack_uint64(&draft->packer, rig_random(&draft->random));
	else
		msgpack_pack_int64(&draft->packer, (int64_t)roll(draft, 9) - 4);
}

static void put_names(struct draft *draft)
{
	uint32_t count = roll(draft, NAMES_MAX), wide = roll(draft, 2);

	msgpack_pack_array(&draft->packer, count);
	while (count--)
		put_name(draft, wide);
}

static void put_parent(struct draft *draft)
{
	if (roll(draft, 3))
		put_name(draft, roll(draft, 2));
	else
		msgpack_pack_nil(&draft->packer);
}

static void put_tokens(struct draft *draft)
{
	uint32_t count = 2 * roll(draft, NAMES_MAX), kind = roll(draft, 4);

	msgpack_pack_array(&draft->packer, count);
	for (; count; count--) {
		if (kind == 0)
			msgpack_pack_array(&draft->packer, 2);
		if (kind == 0)
			msgpack_pack_uint64(&draft->packer, roll(draft, 100));
		if (kind == 1 && roll(draft, 2))
			put_some_text(draft);
		else
			msgpack_pack_uint64(&draft->packer, roll(draft, 150000));
	}
}

/* As vLLM, SGLang and TensorRT-LLM have them, of one block. */
static void put_block_keys(struct draft *draft)
{
	msgpack_packer *packer = &draft->packer;

	switch (roll(draft, 6)) {
	case 0:
		msgpack_pack_nil(packer);
		break;
	case 1:
		msgpack_pack_array(packer, 1);
		put_some_text(draft);
		break;
	case 2:
		msgpack_pack_array(packer, 1);
		msgpack_pack_array(packer, 2);
		put_some_text(draft);
		put_number(draft);
		break;
	case 3:
		msgpack_pack_array(packer, 1);
		msgpack_pack_bin_with_body(packer, "digest", 6);
		break;
	case 4:
		msgpack_pack_array(packer, 1);
		msgpack_pack_map(packer, 2);
		put_text(draft, "hash");
		put_some_text(draft);
		put_text(draft, "start_offset");
		put_number(draft);
		break;
	default:
		put_some_text(draft);
	}
}

static void put_keys(struct draft *draft)
{
	uint32_t count = roll(draft, NAMES_MAX);

	if (count == 0) {
		msgpack_pack_nil(&draft->packer);
		return;
	}
	msgpack_pack_array(&draft->packer, count);
	while (count--)
		put_block_keys(draft);
}

static const struct {
	const char *name;
	void (*put)(struct draft *draft);
} fields[] = {
	/* in the order of an array */
	{"block_hashes", put_names},
	{"parent_block_hash", put_parent},
	{"token_ids", put_tokens},
	{"block_size", put_number},
	{"lora_id", put_number},
	{"medium", put_some_text},
	{"lora_name", put_some_text},
	{"extra_keys", put_keys},
	{"group_idx", put_number},
	{"kv_cache_spec_kind", put_some_text},
	{"kv_cache_spec_sliding_window", put_number},
	{"cache_salt", put_some_text},
	{"mm_keys", put_keys},
	{"locality", put_some_text},
	{"ownership", put_some_text},
	{"remaining_copy_counts", put_names},
	{"session_id", put_number},
	{"whatever", put_number},
};
#define FIELDS (sizeof(fields) / sizeof(*fields))

static void put_event(struct draft *draft)
{
	static const char *const types[] = {"BlockStored", "BlockRemoved", "AllBlocksCleared",
					    "BlockStored", "stored",       "?"};
	const char *type = types[roll(draft, 6)];
	uint32_t count = roll(draft, FIELDS_MAX), is_map = roll(draft, 2);

	if (is_map)
		msgpack_pack_map(&draft->packer, count + 1);
	else
		msgpack_pack_array(&draft->packer, count + 1);
	if (is_map)
		put_text(draft, "type");
	put_text(draft, type);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t field = is_map ? roll(draft, FIELDS) : i;

		if (is_map)
			put_text(draft, fields[field].name);
		fields[field].put(draft);
	}
}

size_t fuzz_seed(uint64_t number, uint8_t *ret_bytes, size_t capacity)
{
	struct draft draft = {.random = number};
	uint32_t events = roll(&draft, BATCH_MAX + 1), values = 2 + roll(&draft, 2);
	msgpack_sbuffer buffer;
	size_t count;

	msgpack_sbuffer_init(&buffer);
	msgpack_packer_init(&draft.packer, &buffer, msgpack_sbuffer_write);
	msgpack_pack_array(&draft.packer, values);
	msgpack_pack_double(&draft.packer, 1760000000.25);
	msgpack_pack_array(&draft.packer, events);
	while (events--)
		put_event(&draft);
	if (values > 2)
		put_number(&draft);
	if (roll(&draft, 8) == 0)
		msgpack_pack_nil(&draft.packer); /* behind it */
	count = buffer.size < capacity ? buffer.size : capacity;
	memcpy(ret_bytes, buffer.data, count);
	msgpack_sbuffer_destroy(&buffer);
	return count;
}
