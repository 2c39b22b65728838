/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the translator of engines' events, fed with events that no engine would write. After
 * each one the rank is consistent: every event in the ring keeps the rules of the format, ring,
 * ledger and statistics say the same, and what the rank is worth is what its last event says. After a
 * clear of all it holds nothing and nothing is wrong.
 */
#include "producer/publisher_state.h"
#include "shm/ledger.h"
#include "tests/fuzz/fuzz.h"
#include "tests/property/publisher_replay.h"

#include <ringdex/rdx_engine.h>
#include <ringdex/rdx_publisher.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OPS_MAX      48
#define NAMES_MAX    8 /* of an event */
#define NAMES_KNOWN  16
#define BLOCK_TOKENS 2
#define KEYS_MAX     4
#define RING_SLOTS   512

static struct fuzz_place place;

struct run {
	struct fuzz_input in;
	struct rdx_publisher *publisher;
	struct rdx_engine *engine;
};

/* One event, and what it refers to. */
struct draft {
	struct rdx_engine_event event;
	uint64_t names[NAMES_MAX * 4];
	uint64_t parent[4];
	uint64_t locals[NAMES_MAX];
	uint32_t tokens[2 * (NAMES_MAX + 1) * BLOCK_TOKENS];
	uint32_t remaining[NAMES_MAX];
	struct rdx_engine_key keys[KEYS_MAX];
};

static struct replay replay;

void fuzz_setup(void)
{
	fuzz_place_make(&place);
}

void fuzz_fresh(void)
{
}

size_t fuzz_seed(uint64_t number, uint8_t *ret_bytes, size_t capacity)
{
	(void)capacity;
	return fuzz_seed_bytes(number, ret_bytes, 16, 500);
}

/* One of some texts, often none. */
static const char *draw_text(struct fuzz_input *in, const char *const *texts, uint32_t count)
{
	uint32_t drawn = fuzz_byte(in);

	return drawn < 128 ? NULL : texts[drawn % count];
}
#define DRAW_TEXT(in, ...)                                                                         \
	draw_text(in, (const char *const[]){__VA_ARGS__},                                          \
		  sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static const char *draw_type(struct fuzz_input *in)
{
	static const char *const types[] = {"BlockStored", "BlockRemoved", "stored",  "removed",
					    "BlockStored", "BlockRemoved", "cleared", "inexact",
					    "BlockStored", "BlockRemoved", "mine",    "strange",
					    "BlockStored", "BlockRemoved", "nothing", ""};

	return types[fuzz_byte(in) % 16];
}

static void draw_names(struct draft *draft, struct fuzz_input *in)
{
	struct rdx_engine_event *event = &draft->event;
	uint8_t form = fuzz_byte(in), first = fuzz_byte(in);
	uint32_t words = form & 64 ? 4 : 1;

	event->name_bytes = (uint8_t)(8 * words);
	event->count = form % (NAMES_MAX + 1);
	for (uint32_t i = 0; i < event->count; i++)
		draft->names[i * words] = 1 + (first + i) % NAMES_KNOWN;
	if (form & 128 && event->count)
		draft->names[(event->count - 1) * words] = 1 + fuzz_byte(in) % NAMES_KNOWN;
	event->names = form & 32 && first == 255 ? NULL : draft->names;
	draft->parent[0] = first >> 4 ? 1 + (first + NAMES_KNOWN - 1) % NAMES_KNOWN : 0;
	if (form & 16)
		event->parent = draft->parent;
}

static void draw_content(struct draft *draft, struct fuzz_input *in)
{
	struct rdx_engine_event *event = &draft->event;
	uint8_t form = fuzz_byte(in), salt = fuzz_byte(in);
	uint32_t pairs = form >> 7, ids;

	event->block_tokens = form & 1 ? BLOCK_TOKENS : form & 2 ? salt : 0;
	event->token_count = (uint64_t)event->count * BLOCK_TOKENS;
	if ((form & 0x70) == 0x70 && event->token_count)
		event->token_count--;
	event->flags |= pairs ? RDX_ENGINE_PAIRS : 0;
	ids = (uint32_t)event->token_count << pairs;
	for (uint32_t i = 0; i < ids; i++) {
		uint64_t block = (i >> pairs) / BLOCK_TOKENS;
		uint64_t name = draft->names[block * event->name_bytes / 8];

		/* mostly what the name says, so that a name means the same again */
		draft->tokens[i] = (uint32_t)(name + (form & 12 ? 0 : salt));
	}
	if (form & 4 || !(form & 8))
		event->tokens = draft->tokens;
	else
		event->token_count = 0;
	for (uint32_t i = 0; i < event->count; i++)
		draft->locals[i] = draft->names[i * event->name_bytes / 8];
	if ((form & 0x38) == 0x18)
		event->local_hashes = draft->locals;
}

static void draw_keys(struct draft *draft, struct fuzz_input *in)
{
	static const char *const texts[] = {"image", "adapter", "salt", "dynamo-cache-salt:salt"};
	struct rdx_engine_event *event = &draft->event;
	uint8_t form = fuzz_byte(in);

	if (form < 128)
		return;
	event->key_count = form & 3;
	event->key_blocks = form & 4 ? event->count : form & 15;
	event->flags |= form & 8 ? RDX_ENGINE_KEYS : 0;
	for (uint32_t i = 0; i < event->key_count; i++) {
		uint8_t key = fuzz_byte(in);

		draft->keys[i].bytes = texts[key & 3];
		draft->keys[i].byte_count = (uint32_t)strlen(texts[key & 3]);
		draft->keys[i].kind = key >> 2 & 7;
		draft->keys[i].at = i + (key >> 5);
	}
	event->keys = draft->keys;
}

static void draw_words(struct draft *draft, struct fuzz_input *in)
{
	struct rdx_engine_event *event = &draft->event;
	uint8_t form = fuzz_byte(in);

	event->medium =
		DRAW_TEXT(in, "GPU", "cpu", "DISK", "external", "all", "mine", "nowhere", "");
	if (form & 1)
		event->lora_name = DRAW_TEXT(in, "adapter", "other", "");
	if (form & 2)
		event->cache_salt = DRAW_TEXT(in, "salt", "pepper", "");
	if (form & 4) {
		event->spec_kind = DRAW_TEXT(in, "full_attention", "mla_attention",
					     "sliding_window", "mamba", "unheard_of");
		event->flags |= RDX_ENGINE_GROUP;
		event->group = fuzz_byte(in) % 4;
	}
	if ((form & 0x18) == 0x18)
		event->locality = DRAW_TEXT(in, "LOCAL", "REMOTE");
	if ((form & 0x28) == 0x28)
		event->ownership = DRAW_TEXT(in, "pool", "");
	if ((form & 0x48) == 0x48)
		event->flags |= RDX_ENGINE_LORA_ID;
	if ((form & 0x88) == 0x88)
		event->unknown_fields = 1;
}

static void publish_event(struct run *run)
{
	struct draft draft = {.event = {.size = sizeof(struct rdx_engine_event)}};
	uint8_t more;

	draft.event.type = draw_type(&run->in);
	draw_names(&draft, &run->in);
	draw_words(&draft, &run->in);
	more = fuzz_byte(&run->in);
	if (more & 3)
		draw_content(&draft, &run->in);
	if ((more & 12) == 12)
		draw_keys(&draft, &run->in);
	if ((more & 48) == 48) {
		for (uint32_t i = 0; i < draft.event.count; i++)
			draft.remaining[i] = more >> 6;
		draft.event.remaining = draft.remaining;
	}
	FUZZ_ALLOWED(rdx_engine_publish(run->engine, &draft.event), -EINVAL);
}

/* Everything is cleared, in the words of the translator that no option changes. */
static void clear_all(struct run *run)
{
	struct rdx_engine_event event = {.size = sizeof(event),
					 .type = "AllBlocksCleared",
					 .medium = "all",
					 .name_bytes = 8};
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	FUZZ_CHECK(rdx_engine_publish(run->engine, &event) == 0);
	FUZZ_CHECK(rdx_publisher_get_stats(run->publisher, &stats) == 0);
	FUZZ_CHECK(stats.inexact == 0 && stats.lacking == 0);
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		FUZZ_CHECK(stats.held[tier] == 0 && stats.orphans[tier] == 0);
}

/* How many blocks the ledger says that a tier holds; all of them must be in the replay. */
static uint64_t count_ledger(const struct rdx_publisher *publisher, uint8_t tier)
{
	const struct rdx_segment_owner *owner = &publisher->owner;
	uint32_t generations = rdx_ledger_generations(owner->live);
	uint64_t used = rdx_ledger_used(owner->live), count = 0;

	for (uint64_t i = 0; i < used; i++) {
		uint32_t at = 0;
		uint64_t prefix;
		uint32_t bytes = rdx_ledger_get(&owner->ledger.records[i], &prefix);

		if (!rdx_ledger_holds(bytes, tier, generations))
			continue;
		while (at < replay.counts[tier] && replay.blocks[tier][at].prefix != prefix)
			at++;
		FUZZ_CHECK(at < replay.counts[tier]);
		count++;
	}
	return count;
}

static void check(const struct run *run)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	int events = replay_run(&replay);
	uint64_t beyond = 0;

	if (events < 0)
		fprintf(stderr, "%s\n", replay.broken);
	FUZZ_CHECK(events >= 0);
	FUZZ_CHECK(rdx_publisher_get_stats(run->publisher, &stats) == 0);
	FUZZ_CHECK(stats.events == replay.event_id && stats.slots == replay.position);
	FUZZ_CHECK(stats.inexact == replay.inexact);
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		FUZZ_CHECK(stats.held[tier] == replay.counts[tier]);
		FUZZ_CHECK(stats.held[tier] == count_ledger(run->publisher, tier));
		if (stats.held[tier] <= run->publisher->tier_blocks[tier])
			continue;
		FUZZ_CHECK(run->publisher->tier_blocks[tier] != 0);
		beyond += stats.held[tier] - run->publisher->tier_blocks[tier];
	}
	FUZZ_CHECK(beyond <= run->publisher->spare);
}

static void act(struct run *run)
{
	uint8_t op = fuzz_byte(&run->in);

	if (op < 200)
		publish_event(run);
	else if (op < 216)
		clear_all(run);
	else if (op < 232)
		FUZZ_CHECK(rdx_engine_sequence(run->engine, fuzz_byte(&run->in) % 8, 0) == 0);
	else if (op < 240)
		FUZZ_CHECK(rdx_engine_unreadable(run->engine, 0) == 0);
	else if (op < 248)
		FUZZ_CHECK(rdx_publish_inexact(run->publisher, 1 + (op & 1), 0) == 0);
}

static void open_all(struct run *run)
{
	static const struct rdx_engine_word media[] = {
		{"mine", RDX_TIER_HOST}, {"nowhere", RDX_ENGINE_LEFT_OUT}, {0}};
	static const struct rdx_engine_word types[] = {
		{"mine", RDX_ENGINE_CLEARS + RDX_TIER_HOST}, {"nothing", RDX_ENGINE_LEFT_OUT}, {0}};
	uint8_t form = fuzz_byte(&run->in);
	struct rdx_publisher_options options = {
		.size = sizeof(options),
		.dir = place.dir,
		.instance = "i",
		.model = "m",
		.worker_id = 1,
		.block_tokens = BLOCK_TOKENS,
		.ring_slots = RING_SLOTS,
		.tier_blocks = {form & 1 ? 12 : 4, form & 2 ? 8 : 0, 0, form & 4 ? 3 : 0},
		.remembered_names = form & 8 ? 16 : 4,
		.report_mode = (form >> 4) % 3,
		.clear_scope = form >> 6 == 3 ? RDX_CLEAR_WORKER : RDX_CLEAR_RANK,
	};
	uint8_t how = fuzz_byte(&run->in);
	struct rdx_engine_options engine = {
		.size = sizeof(engine),
		.media = media,
		.types = types,
		.counting_groups = options.clear_scope ? 0 : how & 3,
		.cleared_means = how >> 2 & 1,
		.on_unknown = how >> 3 & 1,
		.joined_late = how >> 4 & 1,
		.zero_is_root = how >> 5 & 1,
	};

	FUZZ_CHECK(rdx_publisher_open(&run->publisher, &options) == 0);
	FUZZ_CHECK(rdx_engine_open(&run->engine, run->publisher, &engine) == 0);
	replay.key = &run->publisher->key;
	replay.ring = (struct rdx_ring_view){run->publisher->owner.ring.slots,
					     run->publisher->owner.ring.mask};
	replay.ring_slots = RING_SLOTS;
	replay.unsure = 15;
	replay.position = replay.event_id = replay.clears = replay.barrier = 0;
	replay.stamp = replay.inexact = 0;
	memset(replay.counts, 0, sizeof(replay.counts));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct run run = {.in = {bytes, count}};

	open_all(&run);
	check(&run);
	for (uint32_t i = 0; i < OPS_MAX && run.in.left; i++) {
		act(&run);
		check(&run);
	}
	rdx_engine_close(run.engine);
	rdx_publisher_close(run.publisher);
	return 0;
}
