/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the order of an engine's messages (tools/bridge/order.h): what is published, what is had
 * already, when the replay is asked and what its answers prove. An engine is numbers and digests here:
 * process P's message n has the digest of P and n.
 */
#include "tools/bridge/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct order order;
static uint64_t process; /* that speaks */

static uint64_t digest(uint64_t sequence)
{
	return process << 32 | sequence;
}

static void begin(int can_ask)
{
	order = (struct order){.can_ask = (uint8_t)can_ask};
	process = 1;
}

/* A live message must come to `step`; published where that is so. */
static void live(uint64_t sequence, enum order_step step)
{
	assert_int_equal(order_live(&order, sequence, digest(sequence), 0), step);
	if (step == ORDER_PUBLISH)
		order_published(&order, sequence, digest(sequence), 1);
}

static void live_again(uint64_t sequence, enum order_step step)
{
	assert_int_equal(order_live(&order, sequence, digest(sequence), 1), step);
	if (step == ORDER_PUBLISH)
		order_published(&order, sequence, digest(sequence), 1);
}

static void replayed(uint64_t sequence, enum order_step step)
{
	assert_int_equal(order_replayed(&order, sequence, digest(sequence)), step);
	if (step == ORDER_PUBLISH)
		order_published(&order, sequence, digest(sequence), 0);
}

static void asks_from(uint64_t sequence)
{
	assert_int_equal(order_ask(&order), sequence);
}

/* Another process is to be told of, or a doubt; the caller takes it back. */
static void told(int is_other, int is_unsure)
{
	assert_int_equal(order.is_other, is_other);
	assert_int_equal(order.is_unsure, is_unsure);
	order.is_other = order.is_unsure = 0;
}

static void in_order(void **state)
{
	(void)state;
	for (int can_ask = 0; can_ask < 2; can_ask++) {
		begin(can_ask);
		for (uint64_t i = 0; i < 3; i++)
			live(i, ORDER_PUBLISH);
		told(0, 0);
	}
}

/* Without a replay a hole is the translator's to see. */
static void holes_without_a_replay(void **state)
{
	(void)state;
	begin(0);
	live(5, ORDER_PUBLISH);
	live(8, ORDER_PUBLISH);
	told(0, 0);
}

/* The hole is asked for with the message before it; what came twice is dropped. */
static void a_hole_is_filled(void **state)
{
	(void)state;
	begin(1);
	live(0, ORDER_PUBLISH);
	live(1, ORDER_PUBLISH);
	live(4, ORDER_ASK);
	asks_from(1);
	replayed(1, ORDER_DROP);
	for (uint64_t i = 2; i < 7; i++)
		replayed(i, ORDER_PUBLISH);
	assert_int_equal(order_answered(&order, 1), ORDER_DROP);
	live_again(4, ORDER_DROP);
	live(5, ORDER_DROP);
	live(6, ORDER_DROP);
	live(7, ORDER_PUBLISH);
	told(0, 0);
}

/* What the replay does not have is published around. */
static void a_hole_stays(void **state)
{
	(void)state;
	begin(1);
	live(0, ORDER_PUBLISH);
	live(4, ORDER_ASK);
	asks_from(0);
	replayed(0, ORDER_DROP);
	assert_int_equal(order_answered(&order, 1), ORDER_DROP);
	live_again(4, ORDER_PUBLISH);
	told(0, 0);
	/* no answer at all */
	live(6, ORDER_ASK);
	asks_from(4);
	assert_int_equal(order_answered(&order, 0), ORDER_DROP);
	live_again(6, ORDER_PUBLISH);
	told(0, 0);
	/* and each hole is asked for anew */
	live(8, ORDER_ASK);
}

/* An engine's queue drops what an answer has beyond its size: in the middle, with the end mark, or the end but for
 * the mark. It is asked again as long as that brings something. */
static void a_queue_drops(void **state)
{
	(void)state;
	begin(1);
	live(0, ORDER_PUBLISH);
	live(9, ORDER_ASK);
	asks_from(0);
	replayed(0, ORDER_DROP);
	replayed(1, ORDER_PUBLISH);
	replayed(2, ORDER_PUBLISH);
	replayed(5, ORDER_ASK);
	asks_from(2);
	replayed(2, ORDER_DROP);
	replayed(3, ORDER_PUBLISH);
	assert_int_equal(order_answered(&order, 0), ORDER_ASK);
	asks_from(3);
	replayed(3, ORDER_DROP);
	replayed(4, ORDER_PUBLISH);
	assert_int_equal(order_answered(&order, 1), ORDER_DROP);
	live_again(9, ORDER_ASK);
	asks_from(4);
	replayed(4, ORDER_DROP);
	for (uint64_t i = 5; i < 10; i++)
		replayed(i, ORDER_PUBLISH);
	assert_int_equal(order_answered(&order, 1), ORDER_DROP);
	live_again(9, ORDER_DROP);
	live(12, ORDER_ASK);
	asks_from(9);
	replayed(9, ORDER_DROP);
	replayed(11, ORDER_PUBLISH); /* right behind what was asked for: it was not dropped */
	assert_int_equal(order_answered(&order, 1), ORDER_DROP);
	live_again(12, ORDER_PUBLISH);
	told(0, 0);
}

/* The buffer begins behind what was asked for: nobody can say whose messages these are. */
static void the_buffer_begins_later(void **state)
{
	(void)state;
	begin(1);
	live(0, ORDER_PUBLISH);
	live(9, ORDER_ASK);
	asks_from(0);
	replayed(5, ORDER_PUBLISH);
	replayed(6, ORDER_PUBLISH);
	assert_int_equal(order_answered(&order, 1), ORDER_DROP);
	told(0, 1);
}

/* The beginning is asked for, too. */
static void a_late_join(void **state)
{
	(void)state;
	begin(1);
	live(3, ORDER_ASK);
	asks_from(0);
	for (uint64_t i = 0; i < 5; i++)
		replayed(i, ORDER_PUBLISH);
	assert_int_equal(order_answered(&order, 1), ORDER_DROP);
	live_again(3, ORDER_DROP);
	live(4, ORDER_DROP);
	live(5, ORDER_PUBLISH);
	told(0, 0);
}

/* A connection that goes on with lower numbers, or with other messages of the same. */
static void a_restart_shows(void **state)
{
	(void)state;
	for (int can_ask = 0; can_ask < 2; can_ask++) {
		begin(can_ask);
		for (uint64_t i = 0; i < 4; i++)
			live(i, ORDER_PUBLISH);
		process = 2;
		live(0, ORDER_PUBLISH);
		told(1, 0);
		live(1, ORDER_PUBLISH);
		told(0, 0);
	}
	begin(1);
	live(0, ORDER_PUBLISH);
	live(2, ORDER_ASK);
	asks_from(0);
	for (uint64_t i = 0; i < 4; i++)
		replayed(i, i ? ORDER_PUBLISH : ORDER_DROP);
	order_answered(&order, 1);
	process = 2;
	live_again(3, ORDER_ASK); /* it is not the 3 that was replayed */
	told(1, 0);
	asks_from(0);
}

/* The connection broke and is there again, with the same process. */
static void a_break_is_verified(void **state)
{
	(void)state;
	begin(1);
	live(0, ORDER_PUBLISH);
	live(1, ORDER_PUBLISH);
	order_broke(&order);
	order_connected(&order);
	live(2, ORDER_ASK); /* though it is the next one */
	asks_from(1);
	replayed(1, ORDER_DROP);
	replayed(2, ORDER_PUBLISH);
	assert_int_equal(order_answered(&order, 1), ORDER_DROP);
	live_again(2, ORDER_DROP);
	live(3, ORDER_PUBLISH);
	told(0, 0);
}

/* With another one that has overtaken it: its message of the same number is another. */
static void a_break_hides_a_restart(void **state)
{
	(void)state;
	begin(1);
	live(0, ORDER_PUBLISH);
	live(1, ORDER_PUBLISH);
	order_broke(&order);
	order_connected(&order);
	process = 2;
	live(2, ORDER_ASK);
	asks_from(1);
	replayed(1, ORDER_ASK);
	told(1, 0);
	asks_from(0);
	for (uint64_t i = 0; i < 3; i++)
		replayed(i, ORDER_PUBLISH);
	assert_int_equal(order_answered(&order, 1), ORDER_DROP);
	live_again(2, ORDER_DROP);
	told(0, 0);
	/* that has not, and so has nothing to answer */
	order_broke(&order);
	process = 3;
	asks_from(2);
	assert_int_equal(order_answered(&order, 1), ORDER_ASK);
	told(1, 0);
	asks_from(0);
	replayed(0, ORDER_PUBLISH);
	assert_int_equal(order_answered(&order, 1), ORDER_DROP);
	live(1, ORDER_PUBLISH);
}

/* Nobody answers, or there is nobody to ask: it may have been another one. */
static void a_break_stays_in_doubt(void **state)
{
	(void)state;
	begin(1);
	live(0, ORDER_PUBLISH);
	order_broke(&order);
	live(1, ORDER_ASK);
	asks_from(0);
	assert_int_equal(order_answered(&order, 0), ORDER_DROP);
	live_again(1, ORDER_PUBLISH);
	told(0, 1);
	/* then what is not above the last one is another one's for certain, the first message, too */
	order_broke(&order);
	order_connected(&order);
	process = 2;
	live(0, ORDER_ASK);
	asks_from(1);
	assert_int_equal(order_answered(&order, 0), ORDER_DROP);
	live_again(0, ORDER_PUBLISH);
	told(1, 1);

	begin(0);
	live(0, ORDER_PUBLISH);
	order_broke(&order);
	live(1, ORDER_PUBLISH); /* that was on its way */
	told(0, 0);
	order_connected(&order);
	told(0, 1);
	live(2, ORDER_PUBLISH);
	told(0, 0);
	order_broke(&order);
	order_connected(&order);
	told(0, 1);
	live(2, ORDER_PUBLISH); /* lower than that is another one's for certain */
	told(1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(holes_without_a_replay),
		cmocka_unit_test(a_hole_is_filled),
		cmocka_unit_test(a_hole_stays),
		cmocka_unit_test(a_queue_drops),
		cmocka_unit_test(the_buffer_begins_later),
		cmocka_unit_test(a_late_join),
		cmocka_unit_test(a_restart_shows),
		cmocka_unit_test(a_break_is_verified),
		cmocka_unit_test(a_break_hides_a_restart),
		cmocka_unit_test(a_break_stays_in_doubt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
