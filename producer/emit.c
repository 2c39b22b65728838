/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/publisher.h"

#include "shm/barrier.h"
#include "shm/bell.h"
#include "shm/event.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct rdx_event_head begin_event(struct rdx_publisher *p, uint8_t kind, uint8_t tier)
{
	struct rdx_event_head head = {
		.event_id = ++p->counters[RDX_COUNTER_EVENTS],
		.time_ns = p->time_ns,
		.stamp = p->clear ? p->stamp : 0,
		.kind = kind,
		.tier = tier,
		.orphans = rdx_lineage_orphan_bits(&p->lineage),
		.inexact = p->inexact,
	};

	return head;
}

/* The event's slots, then tail. Its ledger words are written. */
static void put_event(struct rdx_publisher *p, const struct rdx_event_head *head,
		      const uint64_t *hashes)
{
	p->position = rdx_event_append(&p->owner.ring, p->position, head, hashes);
	/* R4, with readers that load tail; L3, with rdx_ledger_tail */
	atomic_store_explicit(&p->owner.live->tail, p->position, memory_order_release);
	RDX_HOOK(RDX_HOOK_TAIL_MOVED);
	if (head->inexact)
		p->inexact_told = 1;
}

static void intend(struct rdx_publisher *p, uint8_t kind, uint32_t count)
{
	rdx_ledger_intend(p->owner.live, p->position + rdx_event_slots(kind, count));
}

static void write_ledger(struct rdx_publisher *p, const struct rdx_pending *pending)
{
	struct rdx_ledger *ledger = &p->owner.ledger[pending->tier];
	uint64_t parent = pending->parent;

	if (pending->kind == RDX_EVENT_REMOVED) {
		for (uint32_t i = 0; i < pending->count; i++)
			rdx_ledger_free(ledger, pending->words[i]);
		return;
	}
	for (uint32_t i = 0; i < pending->count; i++) {
		rdx_ledger_set(p->owner.live, ledger, pending->tier, pending->words[i],
			       pending->prefixes[i], pending->hashes[i], parent);
		parent = pending->prefixes[i];
	}
}

void rdx_emit_flush(struct rdx_publisher *p)
{
	struct rdx_pending *pending = &p->pending;
	struct rdx_event_head head;

	if (pending->count == 0)
		return;
	head = begin_event(p, pending->kind, pending->tier);
	head.count = pending->count;
	if (pending->kind == RDX_EVENT_STORED) {
		head.parent = pending->parent;
		head.first_block = pending->first_block;
		p->counters[RDX_COUNTER_BLOCKS_STORED] += pending->count;
	} else {
		p->counters[RDX_COUNTER_BLOCKS_REMOVED] += pending->count;
	}
	intend(p, pending->kind, pending->count);
	write_ledger(p, pending);
	RDX_HOOK(RDX_HOOK_LEDGER_WRITTEN);
	put_event(p, &head, pending->hashes);
	pending->count = 0;
}

void rdx_emit_cleared(struct rdx_publisher *p, uint8_t scope)
{
	struct rdx_event_head head = begin_event(p, RDX_EVENT_CLEARED, scope);
	struct rdx_segment_live *live = p->owner.live;
	uint64_t position = p->position;

	intend(p, RDX_EVENT_CLEARED, 0);
	if (p->clear)
		rdx_word_store(&live->ledger_stamp, p->stamp);
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (scope == RDX_SCOPE_ALL || scope == tier)
			rdx_ledger_clear(live, &p->owner.ledger[tier], tier);
	}
	RDX_HOOK(RDX_HOOK_LEDGER_WRITTEN);
	put_event(p, &head, NULL);
	if (scope == RDX_SCOPE_ALL) {
		rdx_barrier_name(live, position);
		rdx_count(p, RDX_COUNTER_CLEARS, 1);
	}
}

static void emit_inexact(struct rdx_publisher *p)
{
	struct rdx_event_head head = begin_event(p, RDX_EVENT_INEXACT, 0);

	intend(p, RDX_EVENT_INEXACT, 0);
	RDX_HOOK(RDX_HOOK_LEDGER_WRITTEN);
	put_event(p, &head, NULL);
}

/* relaxed: each counter is a figure of its own, nothing is concluded from two */
static void store_counter(struct rdx_publisher *p, int counter, uint64_t value)
{
	p->counters[counter] = value;
	atomic_store_explicit(&p->owner.live->counters[counter], value, memory_order_relaxed);
}

void rdx_emit_counters(struct rdx_publisher *p)
{
	uint64_t *counters = p->counters;
	uint64_t flags = counters[RDX_COUNTER_FLAGS] & ~RDX_LIVE_INEXACT;

	store_counter(p, RDX_COUNTER_EVENTS, counters[RDX_COUNTER_EVENTS]);
	store_counter(p, RDX_COUNTER_SLOTS, p->position);
	store_counter(p, RDX_COUNTER_BLOCKS_STORED, counters[RDX_COUNTER_BLOCKS_STORED]);
	store_counter(p, RDX_COUNTER_BLOCKS_REMOVED, counters[RDX_COUNTER_BLOCKS_REMOVED]);
	for (int i = 0; i < RDX_TIER_COUNT; i++) {
		store_counter(p, RDX_COUNTER_HELD + i, p->lineage.held[i]);
		store_counter(p, RDX_COUNTER_ORPHANS + i, p->lineage.orphans[i]);
	}
	store_counter(p, RDX_COUNTER_NAMES, p->names.count);
	store_counter(p, RDX_COUNTER_FLAGS, flags | (p->inexact ? RDX_LIVE_INEXACT : 0));
	if (!p->counted)
		return;
	p->counted = 0;
	for (int i = RDX_COUNTER_CLEARS; i < RDX_COUNTER_HELD; i++)
		store_counter(p, i, counters[i]);
}

static void ring_bell(struct rdx_publisher *p)
{
	if (!rdx_bell_ring(p->bell))
		return;
	/* not private: the sleepers are other processes. Nothing to do if it fails */
	syscall(SYS_futex, &p->bell->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	store_counter(p, RDX_COUNTER_BELLS, p->counters[RDX_COUNTER_BELLS] + 1);
}

void rdx_emit_finish(struct rdx_publisher *p, uint64_t tail)
{
	rdx_emit_flush(p);
	if (p->inexact && !p->inexact_told)
		emit_inexact(p);
	rdx_emit_counters(p);
	if (p->bell && p->position != tail)
		ring_bell(p);
}
