/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A producer's script of events on a small ring and ledger, by rdx_publish_event, and a reader that
 * rebuilds the rank from the ledger as recovery does. It must end with what the producer held after
 * the event at which it says it is exact.
 */
#ifndef RDX_TESTS_MODELS_LEDGER_STEPS_H
#define RDX_TESTS_MODELS_LEDGER_STEPS_H

#include "tests/models/model.h"

#include "shm/publish.h"

#define BLOCKS_MAX  3
#define RECORDS_MAX 3
#define TIERS       2 /* that scripts use */
#define STEPS_MAX   8
#define RING_SLOTS  16

/* A step, of block `block` in tier `tier`. */
enum kind {
	TURN,      /* it is stored, or removed */
	CLEAR,     /* the tier is cleared */
	CLEAR_ALL, /* all tiers are */
	WIPE,      /* outside of an event: bytes of void generations go from record `block` */
	DESCRIBE,  /* likewise: a record that no tier holds is described as the block */
	KINDS
};

struct step {
	enum kind kind;
	int block;
	uint8_t tier;
	int record; /* that a block without one takes */
};

struct script {
	const char *name;
	int blocks;
	int records;
	int tiers;
	uint8_t there[TIERS]; /* blocks, a bit each, held before */
	unsigned kinds;       /* of steps, a bit each */
	int steps;
	int steps_long;
	uint32_t generations; /* before, 0: the first ones */
	int room;             /* records that the file has room for at first, 0: all */
};

static const struct script *script;
static struct rdx_slot slots[RING_SLOTS];
static struct rdx_segment_live live;
static struct rdx_ledger_record records[RECORDS_MAX];
static _Atomic uint64_t length; /* of the file, in records: stands for what the kernel says */

/* After so many events: tiers that hold each block */
static uint8_t truth[STEPS_MAX + BLOCKS_MAX * TIERS + 1][BLOCKS_MAX];
static uint64_t touched[STEPS_MAX + BLOCKS_MAX * TIERS]; /* bits 8 tier + block, by each event */
static uint64_t events;

/* The producer's */
static struct {
	struct rdx_ledger ledger;
	uint32_t generations;
	uint8_t held[BLOCKS_MAX];
	uint8_t stored[TIERS]; /* since the tier's last clear */
	int record_of[BLOCKS_MAX];
	int block_of[RECORDS_MAX];
	uint64_t position;
} mine;

/* High halves differ, as they do but for one pair in four billion. */
static uint64_t prefix_of(int block)
{
	return (uint64_t)(block + 1) << 32 | (uint64_t)(block + 1);
}

static int block_of(uint64_t prefix)
{
	int block = (int)(prefix >> 32) - 1;

	return prefix == prefix_of(block) && block < script->blocks ? block : -1;
}

static uint64_t local_of(uint64_t prefix)
{
	return prefix + 0x100;
}

static uint64_t parent_of(uint64_t prefix)
{
	return prefix + 0x200;
}

static uint64_t word_of(int block)
{
	return rdx_ledger_word(prefix_of(block), mine.held[block], mine.generations);
}

static int is_free(int record)
{
	return mine.block_of[record] < 0 || !mine.held[mine.block_of[record]];
}

/* A record that no tier holds is about the block from now on. */
static void describe(int block, int record)
{
	uint64_t prefix = prefix_of(block);

	if (mine.block_of[record] >= 0)
		mine.record_of[mine.block_of[record]] = -1;
	mine.block_of[record] = block;
	mine.record_of[block] = record;
	if ((uint64_t)record >= mine.ledger.count) {
		rdx_word_store(&length, (uint64_t)record + 1);
		rdx_ledger_extend(&mine.ledger, (uint64_t)record + 1);
	}
	rdx_ledger_describe(&records[record], prefix, local_of(prefix), parent_of(prefix));
}

static void publish(struct rdx_publish *event)
{
	struct rdx_ring ring = {slots, RING_SLOTS - 1};

	event->head.event_id = mine.position + 1; /* each event has one slot */
	mine.position = rdx_publish_event(&live, &ring, &mine.ledger, mine.position, event);
}

static void turn(int block, uint8_t tier)
{
	uint64_t prefix = prefix_of(block), local = local_of(prefix), word;
	uint32_t record = (uint32_t)mine.record_of[block];
	struct rdx_publish event = {
		.head = {.tier = tier, .count = 1}, .records = &record, .words = &word};

	mine.held[block] ^= (uint8_t)(1 << tier);
	word = word_of(block);
	event.head.kind = RDX_EVENT_REMOVED;
	event.hashes = &prefix;
	if (mine.held[block] >> tier & 1) {
		mine.stored[tier] = 1;
		event.head.kind = RDX_EVENT_STORED;
		event.head.parent = parent_of(prefix);
		event.hashes = &local;
	}
	publish(&event);
}

static void clear(uint8_t scope)
{
	struct rdx_publish event = {.head = {.kind = RDX_EVENT_CLEARED, .tier = scope}};

	for (uint8_t tier = 0; tier < TIERS; tier++) {
		if (scope != RDX_SCOPE_ALL && scope != tier)
			continue;
		if (mine.stored[tier])
			mine.generations = rdx_ledger_next(mine.generations, tier);
		mine.stored[tier] = 0;
		for (int block = 0; block < script->blocks; block++)
			mine.held[block] &= (uint8_t) ~(1 << tier);
	}
	event.generations = mine.generations;
	publish(&event);
}

/* The truth after the next event, if the step is one. */
static void plan(struct step step)
{
	uint8_t *now = truth[events + 1];

	if (step.kind == WIPE || step.kind == DESCRIBE)
		return;
	touched[events] = 0;
	for (int block = 0; block < BLOCKS_MAX; block++)
		now[block] = truth[events][block];
	for (int block = 0; block < script->blocks; block++) {
		for (uint8_t tier = 0; tier < TIERS; tier++) {
			uint8_t bit = (uint8_t)(1 << tier);

			if (step.kind == TURN && step.block == block && step.tier == tier)
				now[block] ^= bit;
			else if (step.kind == CLEAR_ALL ||
				 (step.kind == CLEAR && step.tier == tier))
				now[block] &= (uint8_t)~bit;
			else
				continue;
			touched[events] |= UINT64_C(1) << (8 * tier + block);
		}
	}
	events++;
}

/* 0: there can be no such step. */
static int take_step(struct step step)
{
	if (step.kind == WIPE) {
		int block = mine.block_of[step.block];

		if (block < 0)
			return 0;
		rdx_ledger_mark(&records[step.block], word_of(block));
		return 1;
	}
	if ((step.kind == TURN && mine.record_of[step.block] < 0) || step.kind == DESCRIBE) {
		if (!is_free(step.record) || mine.record_of[step.block] >= 0)
			return 0;
		describe(step.block, step.record);
	} else if (step.record) {
		return 0; /* no choice: once is enough */
	}
	if (step.kind == TURN)
		turn(step.block, step.tier);
	else if (step.kind != DESCRIBE)
		clear(step.kind == CLEAR ? step.tier : RDX_SCOPE_ALL);
	return 1;
}

/* On zeroed memory. */
static void ledger_begin(void)
{
	mine.generations = script->generations ? script->generations : RDX_LEDGER_GENERATIONS_FIRST;
	rdx_word_store(&live.generations, mine.generations);
	mine.ledger.records = records;
	mine.ledger.count = (uint64_t)(script->room ? script->room : script->records);
	rdx_word_store(&length, mine.ledger.count);
	for (int i = 0; i < BLOCKS_MAX; i++)
		mine.record_of[i] = -1;
	for (int i = 0; i < RECORDS_MAX; i++)
		mine.block_of[i] = -1;
	for (int block = 0; block < script->blocks; block++) {
		for (uint8_t tier = 0; tier < TIERS; tier++) {
			int record = mine.record_of[block] < 0 ? block : 0;
			struct step step = {TURN, block, tier, record};

			if (!(script->there[tier] >> block & 1))
				continue;
			plan(step);
			take_step(step);
		}
	}
}

/* ---- The reader */

struct rebuilt {
	uint8_t held[BLOCKS_MAX];
	uint64_t wrong; /* bits as `touched`: held with details of another block */
};

static void scan(struct rebuilt *state)
{
	uint32_t generations = rdx_ledger_generations(&live);
	uint64_t used = rdx_ledger_used(&live), prefix;

	MODEL_PROMISE(used <= (uint64_t)script->records);
	MODEL_PROMISE(used <= rdx_word_load(&length) && "records that the file has");
	for (uint64_t i = 0; i < used; i++) {
		uint32_t bytes = rdx_ledger_get(&records[i], &prefix);
		int block = block_of(prefix);

		for (uint8_t tier = 0; tier < TIERS; tier++) {
			if (!rdx_ledger_holds(bytes, tier, generations))
				continue;
			MODEL_PROMISE(block >= 0 && "a block that there is");
			state->held[block] |= (uint8_t)(1 << tier);
			if (rdx_word_load(&records[i].local) != local_of(prefix) ||
			    rdx_word_load(&records[i].parent) != parent_of(prefix))
				state->wrong |= UINT64_C(1) << (8 * tier + block);
		}
	}
}

/* Read one event and do what it says. 0: it is not there yet. */
static int replay(struct rebuilt *state, uint64_t position)
{
	struct rdx_ring_view ring = {slots, RING_SLOTS - 1};
	struct rdx_event_head head = {.kind = 0};
	uint64_t hashes[8] = {0};
	uint32_t count = 0;
	uint8_t tiers;

	if (rdx_event_read(&ring, position, 1, &head, hashes, &count) == RDX_RING_PENDING)
		return 0;
	MODEL_PROMISE(count == 1 && head.event_id == position + 1);
	tiers = head.tier == RDX_SCOPE_ALL ? 0xff : (uint8_t)(1 << head.tier);
	for (int block = 0; block < script->blocks; block++) {
		if (head.kind == RDX_EVENT_CLEARED)
			state->held[block] &= (uint8_t)~tiers;
		else if (head.kind == RDX_EVENT_REMOVED && hashes[0] == prefix_of(block))
			state->held[block] &= (uint8_t)~tiers;
		else if (head.kind == RDX_EVENT_STORED && hashes[0] == local_of(prefix_of(block)))
			state->held[block] |= tiers;
	}
	state->wrong &= ~touched[position];
	return 1;
}

static void ledger_read(void)
{
	struct rebuilt state = {{0}, 0};
	uint64_t at = rdx_publish_tail(&live), intent;

	scan(&state);
	intent = rdx_ledger_intended(&live);
	for (; at < intent; at++)
		if (!replay(&state, at))
			return; /* not yet, or never: the producer is dead */
	for (int block = 0; block < script->blocks; block++)
		MODEL_PROMISE(state.held[block] == truth[at][block] && "what is held");
	MODEL_PROMISE(!state.wrong && "details of what is held");
}

#endif
