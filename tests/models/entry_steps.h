/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer's script of steps on one rank's entry, by the functions of shm/, in the order of
 * consumer/writer: events, of which some are told by a pulse, and a rebuilt rank of another epoch.
 * A walk, in the order of consumer/index, shows the blocks that its mark says; a reader of the
 * entry finds the counters of one pulse.
 *
 * The blocks are two words, stored relaxed.
 */
#ifndef RDX_TESTS_MODELS_ENTRY_STEPS_H
#define RDX_TESTS_MODELS_ENTRY_STEPS_H

#include "tests/models/model.h"

#include "shm/entry.h"
#include "shm/pulse.h"
#include "shm/version.h"

#define BLOCKS     2
#define EPOCHS_MAX 8
#define EVENTS_MAX 8

enum kind {
	EVENT, /* changes both blocks, or one */
	PULSE, /* says of the events so far */
	EPOCH, /* the rank is rebuilt: other blocks, and event ids begin again; then its pulse */
	KINDS
};

static struct rdx_index_live live;
static _Atomic uint64_t block[BLOCKS];

/* What the rank holds after each event */
static uint64_t truth[EPOCHS_MAX][EVENTS_MAX][BLOCKS];

/* What each pulse said; the entry's sequence counts them */
static struct told {
	uint64_t epoch, event_id;
} told[EVENTS_MAX];

/* The writer's */
static struct {
	uint64_t epoch, event_id, changes, pulses;
	uint64_t block[BLOCKS];
	int is_new; /* the epoch is not told of yet */
} mine;

static void change(int which)
{
	mine.block[which] = ++mine.changes;
	rdx_word_store(&block[which], mine.block[which]);
}

static void note_truth(void)
{
	for (int i = 0; i < BLOCKS; i++)
		truth[mine.epoch][mine.event_id][i] = mine.block[i];
}

static void event(void)
{
	mine.event_id++;
	rdx_entry_begin(&live.entry[0], mine.event_id);
	change(0);
	if (mine.event_id & 1)
		change(1);
	note_truth();
}

static void pulse(void)
{
	struct rdx_index_entry *entry = &live.entry[0];

	told[++mine.pulses] = (struct told){mine.epoch, mine.event_id};
	rdx_entry_open(entry);
	rdx_word_store(&entry->counter[RDX_ENTRY_EPOCH], mine.epoch);
	rdx_word_store(&entry->counter[RDX_ENTRY_EVENT_ID], mine.event_id);
	rdx_entry_close(entry);
	if (mine.is_new) {
		rdx_version_open(&live);
		rdx_word_store(&live.identity[0].epoch, mine.epoch);
	}
	rdx_pulse_publish(&live, 0, mine.event_id, 0, 0);
	if (mine.is_new)
		rdx_version_close(&live);
	mine.is_new = 0;
	rdx_entry_settle(entry, mine.event_id);
}

static void rebuild(void)
{
	mine.epoch++;
	mine.event_id = 0;
	mine.is_new = 1;
	rdx_entry_begin(&live.entry[0], UINT64_MAX);
	rdx_version_open(&live);
	change(0);
	change(1);
	rdx_version_close(&live);
	note_truth();
	pulse();
}

static void take_step(enum kind kind)
{
	if (kind == EVENT)
		event();
	else if (kind == PULSE)
		pulse();
	else
		rebuild();
}

/* A rank of one event. */
static void entry_begin(void)
{
	event();
	pulse();
}

/* As rdx_index_each and rdx_lookup_attempt. */
static void walk(void)
{
	uint64_t version = rdx_version_load(&live);
	uint64_t epoch = rdx_word_load(&live.identity[0].epoch), event_id, seen[BLOCKS];

	if (!rdx_version_same(&live, version))
		return;
	rdx_pulse_copy(&live, 1, &event_id);
	for (int i = 0; i < BLOCKS; i++)
		seen[i] = rdx_word_load(&block[i]);
	if (rdx_entry_begun(&live.entry[0]) > event_id || !rdx_version_same(&live, version))
		return;
	for (int i = 0; i < BLOCKS; i++)
		MODEL_PROMISE(seen[i] == truth[epoch][event_id][i]);
}

static void read_entry(void)
{
	struct rdx_index_entry *entry = &live.entry[0];
	uint64_t sequence = rdx_entry_sequence(entry);
	uint64_t epoch = rdx_word_load(&entry->counter[RDX_ENTRY_EPOCH]);
	uint64_t event_id = rdx_word_load(&entry->counter[RDX_ENTRY_EVENT_ID]);

	if (rdx_entry_same(entry, sequence))
		MODEL_PROMISE(epoch == told[sequence / 2].epoch &&
			      event_id == told[sequence / 2].event_id);
}

#endif
