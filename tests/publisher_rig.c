/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/publisher_rig.h"

#include <stdlib.h>

int publisher_setup(void **state)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};
	struct publisher_rig *f = calloc(1, sizeof(*f));

	rig_make(&f->rig);
	options.dir = f->rig.dir;
	options.instance = "http://localhost";
	options.model = "m";
	options.worker_id = 7;
	options.dp_rank = 1;
	options.block_tokens = PUBLISHER_TOKENS;
	options.ring_slots = 64;
	options.tier_blocks[RDX_TIER_DEVICE] = PUBLISHER_BLOCKS;
	options.tier_blocks[RDX_TIER_HOST] = PUBLISHER_BLOCKS;
	options.names_max = 1; /* it does not grow */
	f->options = options;
	*state = f;
	return 0;
}

int publisher_teardown(void **state)
{
	struct publisher_rig *f = *state;

	rdx_publisher_close(f->p);
	rig_remove(&f->rig);
	free(f);
	return 0;
}

void publisher_open(struct publisher_rig *f)
{
	assert_int_equal(rdx_publisher_open(&f->p, &f->options), 0);
}

struct rdx_publisher_stats publisher_stats(struct rdx_publisher *p)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_publisher_get_stats(p, &stats), 0);
	return stats;
}

void publisher_expect_event(struct publisher_rig *f, uint8_t kind, uint8_t tier, uint32_t count)
{
	struct rdx_ring_view ring = {f->p->owner.ring.slots, f->p->owner.ring.mask};
	uint32_t slots = 0;

	assert_int_equal(rdx_event_read(&ring, f->position, rdx_ring_event_slots_max(64), &f->head,
					f->hashes, &slots),
			 RDX_RING_PUBLISHED);
	assert_true(slots > 0);
	assert_int_equal(f->head.kind, kind);
	assert_int_equal(f->head.tier, tier);
	assert_int_equal(f->head.count, count);
	f->position += slots;
}

void publisher_expect_nothing(const struct publisher_rig *f)
{
	assert_int_equal(f->position, f->p->position);
}

void publisher_expect_inexact(struct publisher_rig *f, uint8_t how, uint64_t counter,
			      uint64_t expected)
{
	assert_int_equal(counter, expected);
	publisher_expect_event(f, RDX_EVENT_INEXACT, 0, 0);
	assert_int_equal(f->head.inexact, how);
	assert_int_equal(publisher_stats(f->p).inexact, how);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	assert_int_equal(f->head.inexact, 0);
	assert_int_equal(publisher_stats(f->p).inexact, 0);
	publisher_expect_nothing(f);
}

struct rdx_stored publisher_run(uint64_t parent, uint64_t first, uint32_t count)
{
	static uint64_t names[1024], locals[1024], parents[1];

	parents[0] = parent;
	for (uint32_t i = 0; i < count; i++) {
		names[i] = first + i;
		locals[i] = (first + i) * 1000;
	}
	return (struct rdx_stored){
		.size = sizeof(struct rdx_stored),
		.names = names,
		.parent = parent ? parents : NULL,
		.local_hashes = locals,
		.count = count,
		.name_bytes = 8,
	};
}

void publisher_store(struct publisher_rig *f, uint64_t parent, uint64_t first, uint32_t count)
{
	struct rdx_stored stored = publisher_run(parent, first, count);

	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
}

void publisher_store_known(struct publisher_rig *f, uint8_t tier, uint64_t first, uint32_t count)
{
	struct rdx_stored stored = publisher_run(0, first, count);

	stored.local_hashes = NULL;
	stored.tier = tier;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
}

void publisher_remove(struct publisher_rig *f, uint8_t tier, const uint64_t *names, uint32_t count)
{
	struct rdx_removed removed = {.size = sizeof(removed),
				      .names = names,
				      .count = count,
				      .tier = tier,
				      .name_bytes = 8};

	assert_int_equal(rdx_publish_removed(f->p, &removed), 0);
}

void publisher_remove_one(struct publisher_rig *f, uint8_t tier, uint64_t name)
{
	publisher_remove(f, tier, &name, 1);
}
