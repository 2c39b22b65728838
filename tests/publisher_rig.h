/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by tests of the publisher's calls: a publisher with two tiers, calls made of names, and the
 * events that come of them.
 */
#ifndef RDX_TESTS_PUBLISHER_RIG_H
#define RDX_TESTS_PUBLISHER_RIG_H

#include "producer/publisher_state.h"
#include "shm/event.h"
#include "tests/rig.h"

#define PUBLISHER_TOKENS 4 /* per block */
#define PUBLISHER_BLOCKS 100

struct publisher_rig {
	struct rig rig;
	struct rdx_publisher_options options;
	struct rdx_publisher *p;
	uint64_t position; /* of the next event to look at */
	struct rdx_event_head head;
	uint64_t hashes[512];
};

/* Setup and teardown of a test: *state is a struct publisher_rig, the publisher not yet open. */
int publisher_setup(void **state);
int publisher_teardown(void **state);

#define PUBLISHER_TEST(name)                                                                       \
	cmocka_unit_test_setup_teardown(name, publisher_setup, publisher_teardown)

void publisher_open(struct publisher_rig *f);
struct rdx_publisher_stats publisher_stats(struct rdx_publisher *p);

/* The next event must be of this kind, tier and count; its head and hashes are then in `f`. */
void publisher_expect_event(struct publisher_rig *f, uint8_t kind, uint8_t tier, uint32_t count);
void publisher_expect_nothing(const struct publisher_rig *f);

/* What is left out was counted so often, makes the rank inexact as `how` says, and an event says so;
 * cleared after. */
void publisher_expect_inexact(struct publisher_rig *f, uint8_t how, uint64_t counter,
			      uint64_t expected);

/* A call that stores names `first` .. under the name `parent` (0: the root); contents follow from
 * the names. Valid until the next one is made. */
struct rdx_stored publisher_run(uint64_t parent, uint64_t first, uint32_t count);

void publisher_store(struct publisher_rig *f, uint64_t parent, uint64_t first, uint32_t count);

/* By name alone. */
void publisher_store_known(struct publisher_rig *f, uint8_t tier, uint64_t first, uint32_t count);

void publisher_remove(struct publisher_rig *f, uint8_t tier, const uint64_t *names, uint32_t count);
void publisher_remove_one(struct publisher_rig *f, uint8_t tier, uint64_t name);

#endif
