/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/order.h"

/* Another process speaks: nothing is known of it. */
static void begin_again(struct order *order)
{
	order->has_last = 0;
	order->has_live = 0;
	order->is_suspect = 0;
	order->is_other = 1;
}

/* Nobody can say whether it is the same process. */
static void doubt(struct order *order)
{
	order->is_suspect = 0;
	order->is_unsure = 1;
}

/* Nobody can be asked, either: what is not above the last one is another process's. */
static void doubt_without_replay(struct order *order)
{
	doubt(order);
	order->live = UINT64_MAX;
	order->has_live = 1;
}

/* Is a message that is not above the last one in the replay, too, which was ahead of it? A process
 * that begins again sends numbers that this connection has had, or another message of this number. */
static int is_repeat(const struct order *order, uint64_t sequence, uint64_t digest)
{
	if (order->has_live && sequence <= order->live)
		return 0;
	return sequence != order->last || digest == order->digest;
}

static int is_next(const struct order *order, uint64_t sequence)
{
	return order->has_last ? sequence == order->last + 1 : sequence == 0;
}

enum order_step order_live(struct order *order, uint64_t sequence, uint64_t digest, int was_asked)
{
	if (order->is_suspect && order->can_ask)
		return ORDER_ASK;
	if (order->has_last && sequence <= order->last) {
		if (is_repeat(order, sequence, digest)) {
			order->live = sequence;
			order->has_live = 1;
			return ORDER_DROP;
		}
		begin_again(order);
		was_asked = 0; /* of the one before it */
	}
	if (is_next(order, sequence) || !order->can_ask || (was_asked && !order->is_nearer))
		return ORDER_PUBLISH;
	return ORDER_ASK;
}

uint64_t order_ask(struct order *order)
{
	order->is_verified = !order->has_last;
	order->is_nearer = 0;
	return order->has_last ? order->last : 0;
}

/* The first messages of an answer: is it the same process? 1, 0: it is another one. */
static int verify(struct order *order, uint64_t sequence, uint64_t digest)
{
	if (sequence < order->last) /* before what was asked for: it says nothing */
		return 1;
	if (sequence == order->last && digest != order->digest)
		return 0;
	if (sequence > order->last) /* it is no longer there */
		doubt(order);
	order->is_suspect = 0;
	order->is_verified = 1;
	return 1;
}

enum order_step order_replayed(struct order *order, uint64_t sequence, uint64_t digest)
{
	if (!order->is_verified && !verify(order, sequence, digest)) {
		begin_again(order);
		return ORDER_ASK;
	}
	if (order->has_last && sequence <= order->last)
		return ORDER_DROP;
	return order->is_nearer && !is_next(order, sequence) ? ORDER_ASK : ORDER_PUBLISH;
}

enum order_step order_answered(struct order *order, int is_complete)
{
	if (order->is_verified) /* without an end it may go on */
		return order->is_nearer && !is_complete ? ORDER_ASK : ORDER_DROP;
	if (is_complete) { /* it would have the last message, or later ones */
		begin_again(order);
		return ORDER_ASK;
	}
	if (order->is_suspect)
		doubt_without_replay(order);
	return ORDER_DROP;
}

void order_published(struct order *order, uint64_t sequence, uint64_t digest, int is_live)
{
	order->last = sequence;
	order->digest = digest;
	order->has_last = 1;
	if (!is_live) {
		order->is_nearer = 1;
		return;
	}
	order->live = sequence;
	order->has_live = 1;
}

void order_broke(struct order *order)
{
	order->is_suspect = order->has_last;
	order->has_live = 0;
}

void order_connected(struct order *order)
{
	if (!order->is_suspect || order->can_ask)
		return;
	doubt_without_replay(order);
}
