/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: cache groups of hybrid models in the translator: those that decide a prefix hit
 * count, the others are left out, whatever their events look like; kinds are learned for removals.
 */
#include "tests/engine_rig.h"

static struct rdx_engine_event of_group(struct rdx_engine_event event, uint64_t group,
					const char *kind)
{
	event.flags |= RDX_ENGINE_GROUP;
	event.group = group;
	event.spec_kind = kind;
	return event;
}

static void publish_of(struct engine_rig *rig, struct rdx_engine_event event, uint64_t group,
		       const char *kind)
{
	event = of_group(event, group, kind);
	engine_publish(rig, &event);
}

/* The groups that are left out have fewer names than tokens, or none, parents that nobody knows,
 * and the names of those that count. */
static void other_groups_are_left_out(void **state)
{
	static const char *const kinds[] = {"sliding_window",          "sliding_window_mla",
					    "chunked_local_attention", "mamba",
					    "cross_attention",         "encoder_only_attention"};
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	for (uint64_t i = 0; i < 6; i++) {
		event = engine_store(rig, 77, 5, 5);
		event.count = i % 2;
		publish_of(rig, event, i, kinds[i]);
	}
	publish_of(rig, engine_store(rig, 0, 1, 5), 6, "mla_attention");
	engine_expect(rig, RDX_TIER_DEVICE, 5, 0);
	publish_of(rig, engine_remove(rig, 1, 5), 3, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 5, 0);
	assert_int_equal(engine_stats(rig).other_groups, 7);
	publish_of(rig, engine_remove(rig, 2, 4), 6, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 1, 0);
	assert_int_equal(engine_stats(rig).late, 0);
}

static void counting_kinds(void **state)
{
	static const char *const kinds[] = {"full_attention", "mla_attention",
					    "sink_full_attention"};
	static const char *const mine[] = {"sliding_window", NULL};
	struct engine_rig *rig = *state;

	for (size_t i = 0; i < 3; i++) {
		if (i)
			engine_reopen(rig);
		else
			engine_open(rig);
		publish_of(rig, engine_store(rig, 0, 1, 2), 4, kinds[i]);
		engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	}
	rig->options.counting_kinds = mine;
	engine_reopen(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0, "full_attention");
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	publish_of(rig, engine_store(rig, 0, 1, 2), 1, "sliding_window");
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
}

/* Without a kind the first group counts, and what has no group. */
static void groups_without_a_kind(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	publish_of(rig, engine_store(rig, 0, 11, 2), 2, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	event = engine_store(rig, 2, 3, 1);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 3, 0);
	publish_of(rig, engine_remove(rig, 3, 1), 0, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	assert_int_equal(engine_stats(rig).other_groups, 1);
}

static void strange_kinds(void **state)
{
	struct engine_rig *rig = *state;

	engine_open(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0, "unknown");
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);
	engine_clear(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0, "hyper_attention");
	publish_of(rig, engine_remove(rig, 1, 2), 0, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);
	assert_int_equal(engine_stats(rig).unknown_kinds, 3);
	rig->options.on_unknown = RDX_ENGINE_UNKNOWN_SKIP;
	engine_reopen(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0, "hyper_attention");
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	assert_int_equal(engine_stats(rig).unknown_kinds, 1);
}

/* One that was not reckoned with: a block is not held by what holds it any more. */
static void further_groups(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0, "full_attention");
	publish_of(rig, engine_store(rig, 0, 1, 2), 1, "full_attention");
	engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_UNKNOWN);
	publish_of(rig, engine_remove(rig, 1, 2), 1, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_UNKNOWN);
	assert_int_equal(engine_stats(rig).further_groups, 2);
	engine_clear(rig);
	/* another life, in which it is the only one; what has no group is of it */
	publish_of(rig, engine_store(rig, 0, 1, 2), 1, "full_attention");
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	event = engine_remove(rig, 2, 1);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 1, 0);
}

static void contradictions(void **state)
{
	struct engine_rig *rig = *state;

	engine_open(rig);
	/* taken for one that counts, and it does not */
	publish_of(rig, engine_store(rig, 0, 1, 2), 0, NULL);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0, "mamba");
	engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_UNKNOWN);
	engine_clear(rig);
	/* a clear lets it be another, until then it is what it was */
	publish_of(rig, engine_store(rig, 0, 1, 2), 0, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0, "full_attention");
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0, "mamba");
	engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_UNKNOWN);
	engine_clear(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 256, "full_attention");
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);
	engine_clear(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 256, "mamba");
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	assert_int_equal(engine_stats(rig).contradictions, 3);
}

/* What a group is for stays known over a clear, and is not over a restart. */
static void kinds_outlive_a_clear(void **state)
{
	struct engine_rig *rig = *state;

	engine_open(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 3, "full_attention");
	engine_clear(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 3, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	assert_int_equal(rdx_engine_sequence(rig->engine, 0, 0), 0);
	assert_int_equal(rdx_engine_sequence(rig->engine, 0, 0), 0);
	publish_of(rig, engine_store(rig, 0, 1, 2), 3, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
}

/* Several groups count, and one of which no store said the kind may be one of them. */
static void a_group_that_may_count(void **state)
{
	struct engine_rig *rig = *state;

	rig->options.counting_groups = 2;
	engine_open(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 1, "mamba");
	publish_of(rig, engine_store(rig, 0, 1, 2), 1, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	publish_of(rig, engine_store(rig, 0, 1, 2), 2, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	engine_clear(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 2, NULL);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	assert_int_equal(engine_stats(rig).late, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENGINE_TEST(other_groups_are_left_out),
		ENGINE_TEST(counting_kinds),
		ENGINE_TEST(groups_without_a_kind),
		ENGINE_TEST(strange_kinds),
		ENGINE_TEST(further_groups),
		ENGINE_TEST(contradictions),
		ENGINE_TEST(kinds_outlive_a_clear),
		ENGINE_TEST(a_group_that_may_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
