/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/emit.h"

#include "shm/bell.h"
#include "shm/publish.h"
#include "shm/shared_clock.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct rdx_event_head begin_event(struct rdx_publisher *p, uint8_t kind, uint8_t tier)
{
	struct rdx_event_head head = {
		.event_id = ++p->counters[RDX_COUNTER_EVENTS],
		.time_ns = rdx_shared_clock_from(p->time_ns),
		.stamp = p->clear ? p->stamp : 0,
		.kind = kind,
		.tier = tier,
		.orphans = rdx_lineage_orphan_bits(&p->lineage),
		.inexact = p->inexact,
	};

	return head;
}

static void publish(struct rdx_publisher *p, const struct rdx_publish *event)
{
	p->position = rdx_publish_event(p->owner.live, &p->owner.ring, &p->owner.ledger,
					p->position, event);
	p->reported = event->head.inexact;
}

void rdx_emit_flush(struct rdx_publisher *p)
{
	struct rdx_pending *pending = &p->pending;
	struct rdx_publish event = {
		.hashes = pending->hashes,
		.words = pending->words,
		.records = pending->records,
	};

	if (pending->count == 0)
		return;
	event.head = begin_event(p, pending->kind, pending->tier);
	event.head.count = pending->count;
	if (pending->kind == RDX_EVENT_STORED) {
		event.head.parent = pending->parent;
		event.head.first_block = pending->first_block;
		p->counters[RDX_COUNTER_BLOCKS_STORED] += pending->count;
	} else {
		p->counters[RDX_COUNTER_BLOCKS_REMOVED] += pending->count;
	}
	publish(p, &event);
	pending->count = 0;
}

void rdx_emit_cleared(struct rdx_publisher *p, uint8_t scope)
{
	struct rdx_publish event = {.head = begin_event(p, RDX_EVENT_CLEARED, scope),
				    .generations = p->lineage.generations};

	publish(p, &event);
	if (scope == RDX_SCOPE_ALL)
		rdx_publisher_count(p, RDX_COUNTER_CLEARS, 1);
}

static void emit_inexact(struct rdx_publisher *p)
{
	struct rdx_publish event = {.head = begin_event(p, RDX_EVENT_INEXACT, 0)};

	publish(p, &event);
}

/* relaxed: each counter stands alone, nothing is concluded from two */
static void store_counter(struct rdx_publisher *p, int counter, uint64_t value)
{
	p->counters[counter] = value;
	atomic_store_explicit(&p->owner.live->counters[counter], value, memory_order_relaxed);
}

static void store_worth(struct rdx_publisher *p)
{
	static const uint64_t how[] = {0, RDX_LIVE_LACKING, RDX_LIVE_UNKNOWN};
	uint64_t flags = p->counters[RDX_COUNTER_FLAGS] & ~(RDX_LIVE_LACKING | RDX_LIVE_UNKNOWN);

	store_counter(p, RDX_COUNTER_LACKING, p->lacking.count);
	store_counter(p, RDX_COUNTER_FLAGS, flags | how[p->inexact]);
	store_counter(p, RDX_COUNTER_BELL, p->counters[RDX_COUNTER_BELL]);
}

void rdx_emit_counters(struct rdx_publisher *p)
{
	uint64_t *counters = p->counters;

	store_counter(p, RDX_COUNTER_EVENTS, counters[RDX_COUNTER_EVENTS]);
	store_counter(p, RDX_COUNTER_SLOTS, p->position);
	store_counter(p, RDX_COUNTER_BLOCKS_STORED, counters[RDX_COUNTER_BLOCKS_STORED]);
	store_counter(p, RDX_COUNTER_BLOCKS_REMOVED, counters[RDX_COUNTER_BLOCKS_REMOVED]);
	for (int i = 0; i < RDX_TIER_COUNT; i++) {
		store_counter(p, RDX_COUNTER_HELD + i, rdx_lineage_held(&p->lineage, i));
		store_counter(p, RDX_COUNTER_ORPHANS + i, p->lineage.orphans[i]);
	}
	store_counter(p, RDX_COUNTER_NAMES, p->names.count);
	if (!p->counted)
		return;
	p->counted = 0;
	store_worth(p);
	for (int i = RDX_COUNTER_CLEARS; i < RDX_COUNTER_HELD; i++)
		store_counter(p, i, counters[i]);
}

void rdx_emit_ring(struct rdx_publisher *p)
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
	if (p->inexact != p->reported)
		emit_inexact(p);
	rdx_emit_counters(p);
	if (!p->bell || p->position == tail)
		return;
	if (p->in_batch)
		p->bell_due = 1;
	else
		rdx_emit_ring(p);
}
