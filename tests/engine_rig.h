/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by tests of the translator: a publisher with one on top, and events made in a line.
 */
#ifndef RDX_TESTS_ENGINE_RIG_H
#define RDX_TESTS_ENGINE_RIG_H

#include "producer/engine/engine_state.h"
#include "tests/publisher_rig.h"
#include <ringdex/rdx_engine.h>

#define ENGINE_NAMES_MAX 64

struct engine_rig {
	struct publisher_rig *f;
	struct rdx_engine_options options;
	struct rdx_engine *engine;
	uint64_t names[ENGINE_NAMES_MAX];
	uint64_t parent;
	uint32_t tokens[2 * ENGINE_NAMES_MAX * PUBLISHER_TOKENS];
};

/* Setup and teardown of a test: *state is a struct engine_rig, neither is open yet. */
int engine_setup(void **state);
int engine_teardown(void **state);

#define ENGINE_TEST(name) cmocka_unit_test_setup_teardown(name, engine_setup, engine_teardown)

/* Open both, with the options. */
void engine_open(struct engine_rig *rig);

/* Another life: a new publisher and translator, with the options. */
void engine_reopen(struct engine_rig *rig);

/* A store of the names `first` .. under `parent` (0: none), whose tokens are name * 10 + 0, 1, ..;
 * a removal of them; any other event. Valid until the next one is made. */
struct rdx_engine_event engine_store(struct engine_rig *rig, uint64_t parent, uint64_t first,
				     uint32_t count);
struct rdx_engine_event engine_remove(struct engine_rig *rig, uint64_t first, uint32_t count);
struct rdx_engine_event engine_event(const char *type);

/* Publish it. */
void engine_publish(struct engine_rig *rig, const struct rdx_engine_event *event);

struct rdx_engine_stats engine_stats(const struct engine_rig *rig);

/* What the publisher says of the rank: blocks held in the tier, and 0 or RDX_INEXACT_... */
void engine_expect(const struct engine_rig *rig, uint8_t tier, uint64_t held, uint32_t inexact);

/* Clear all: whatever was wrong is over. */
void engine_clear(struct engine_rig *rig);

#endif
