/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: engines at random, and all that may go wrong on the way of their events: what the
 * translator's rank holds, compared after each event with what the engine really holds. EXACT: the
 * same. LACKING: nothing more. UNKNOWN may be anything, and does not last.
 */
#include "tests/engine_rig.h"
#include "tests/property/publisher_replay.h"
#include "tests/raw_stream.h"

#include <stdlib.h>

#define STEPS_OF_A_LIFE 400
#define STEPS           60000
#define STEPS_LONG      1000000

struct bench {
	struct rig rig;
	struct rdx_publisher *p;
	struct rdx_engine *engine;
	struct replay replay;
	struct raw_life life;
	uint64_t random;
	uint64_t sequence;
	int says_sequence;
	uint64_t steps[3]; /* in which the rank was worth 0, RDX_INEXACT_... */
};

static uint32_t roll(struct bench *bench, uint32_t sides)
{
	return (uint32_t)(rig_random(&bench->random) >> 32) % sides;
}

static void check(struct bench *bench)
{
	uint64_t held[RAW_NODES];

	bench->replay.unsure = 15;
	if (replay_run(&bench->replay) < 0)
		print_error("%s\n", bench->replay.broken);
	assert_null(bench->replay.broken);
	bench->steps[bench->replay.inexact]++;
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		uint32_t count = raw_held(&bench->life, tier, held);

		if (bench->replay.inexact == 0) {
			assert_true(replay_equals(&bench->replay, tier, held, count));
			assert_false(raw_holds_strange(&bench->life, tier));
		} else if (bench->replay.inexact == RDX_INEXACT_LACKING) {
			assert_true(replay_is_within(&bench->replay, tier, held, count));
		}
	}
}

/* What happens and is not heard. */
static void act_unheard(struct bench *bench, uint32_t times)
{
	struct rdx_engine_event event;

	while (times--)
		raw_act(&bench->life, &bench->random, &event);
}

static void announce(struct bench *bench)
{
	if (bench->says_sequence)
		assert_int_equal(rdx_engine_sequence(bench->engine, bench->sequence++, 0), 0);
}

static void publish(struct bench *bench, const struct rdx_engine_event *event)
{
	assert_int_equal(rdx_engine_publish(bench->engine, event), 0);
}

/* Another process of the engine, of whose beginning some batches may not be heard. */
static void restart(struct bench *bench)
{
	uint64_t late = roll(bench, 2) && bench->sequence > 3 ? 1 + roll(bench, 2) : 0;

	raw_restart(&bench->life);
	act_unheard(bench, (uint32_t)late);
	bench->sequence = late;
	announce(bench);
}

/* Something is said of others, of groups that count nothing, or in words that nobody knows, and it may
 * have been anything. */
static void say_something_else(struct bench *bench, struct rdx_engine_event *event)
{
	switch (roll(bench, 4)) {
	case 0:
		event->locality = "REMOTE";
		break;
	case 1:
		event->ownership = "pool";
		break;
	case 2:
		event->type = "BlockTouched";
		act_unheard(bench, roll(bench, 3));
		break;
	default:
		event->spec_kind = "hyper_attention";
		event->flags |= RDX_ENGINE_GROUP;
		event->group = 99;
	}
}

/* An event that is heard, but not as it was. */
static void publish_distorted(struct bench *bench, struct rdx_engine_event *event)
{
	int stores = strcmp(event->type, "BlockStored") == 0;

	switch (roll(bench, 5)) {
	case 0:
		assert_int_equal(rdx_engine_unreadable(bench->engine, 0), 0);
		return;
	case 1:
		event->unknown_fields = 1;
		if (!stores && event->group == bench->life.groups[0]) /* else it is left out */
			act_unheard(bench, roll(bench, 2));
		break;
	case 2:
		if (stores && event->token_count) {
			event->flags |= RDX_ENGINE_LORA_ID;
			event->lora_name = NULL;
		}
		break;
	case 3:
		if (stores && event->token_count)
			event->key_blocks++;
		break;
	default:
		if (stores && event->token_count)
			event->block_tokens = 2 * RAW_BLOCK_TOKENS;
	}
	publish(bench, event);
}

static void step(struct bench *bench)
{
	struct rdx_engine_event event, other;
	struct raw_life before;
	uint32_t dice = roll(bench, 1000);

	if (bench->says_sequence && dice < 4) {
		restart(bench);
		return;
	}
	if (bench->says_sequence && dice < 7) { /* lost batches */
		act_unheard(bench, 2);
		bench->sequence += 2;
	}
	announce(bench);
	if (dice >= 7 && dice < 20) {
		before = bench->life;
		if (!raw_act(&bench->life, &bench->random, &other))
			return;
		memcpy(bench->life.copies, before.copies, sizeof(before.copies));
		say_something_else(bench, &other);
		publish(bench, &other);
		return;
	}
	if (!raw_act(&bench->life, &bench->random, &event))
		return;
	if (dice >= 20 && dice < 30)
		publish_distorted(bench, &event);
	else
		publish(bench, &event);
}

static void begin_life(struct bench *bench)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};
	struct rdx_engine_options translation = {.size = sizeof(translation)};
	uint32_t unheard;

	raw_begin(&bench->life, &bench->rig.key, &bench->random);
	bench->says_sequence = roll(bench, 3) != 0;
	unheard = roll(bench, 3) ? 0 : 1 + roll(bench, 20);
	act_unheard(bench, unheard);
	bench->sequence = bench->says_sequence ? unheard : 0;
	options.dir = bench->rig.dir;
	options.instance = "i";
	options.model = "m";
	options.block_tokens = RAW_BLOCK_TOKENS;
	options.ring_slots = 4096;
	options.report_mode = bench->life.has_presence ? RDX_REPORT_PRESENCE : RDX_REPORT_COPIES;
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		options.tier_blocks[tier] = 2 * RAW_NODES;
	translation.counting_groups = bench->life.counting;
	translation.joined_late = unheard && !bench->says_sequence;
	translation.cleared_means = bench->life.clears_device;
	assert_int_equal(rdx_publisher_open(&bench->p, &options), 0);
	assert_int_equal(rdx_engine_open(&bench->engine, bench->p, &translation), 0);
	bench->replay = (struct replay){
		.key = &bench->rig.key,
		.ring = {bench->p->owner.ring.slots, bench->p->owner.ring.mask},
		.ring_slots = options.ring_slots,
	};
	announce(bench);
}

static void end_life(struct bench *bench)
{
	rdx_engine_close(bench->engine);
	rdx_publisher_close(bench->p);
	bench->engine = NULL;
	bench->p = NULL;
}

static void exact_is_what_the_engine_holds(void **state)
{
	struct bench *bench = *state;
	uint32_t steps = getenv("RDX_LONG") ? STEPS_LONG : STEPS;

	for (uint32_t i = 0; i < steps; i++) {
		if (i % STEPS_OF_A_LIFE == 0) {
			end_life(bench);
			begin_life(bench);
		}
		step(bench);
		check(bench);
	}
	print_message("EXACT %llu, LACKING %llu, UNKNOWN %llu of %u events\n",
		      (unsigned long long)bench->steps[0],
		      (unsigned long long)bench->steps[RDX_INEXACT_LACKING],
		      (unsigned long long)bench->steps[RDX_INEXACT_UNKNOWN], steps);
	for (int worth = 0; worth < 3; worth++)
		assert_true(bench->steps[worth] > steps / 10);
}

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	rig_make(&bench->rig);
	bench->random = rig_seed();
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	end_life(bench);
	rig_remove(&bench->rig);
	free(bench);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(exact_is_what_the_engine_holds, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
