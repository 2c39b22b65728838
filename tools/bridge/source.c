/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/source.h"

#include "tools/bridge/endpoint.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#define TURN_MESSAGES 256
#define CHECK_NS      UINT64_C(1000000000) /* after a connection was made, and then once more */
#define CHECKS        2
#define LIVE_FRAMES   3
#define STALE_MAX     (2 * LINK_QUEUE_MAX) /* the queue of who connects meanwhile takes turns with it */

static int has_replay(const struct source *source)
{
	return source->replay_endpoint[0] != 0;
}

/* Nothing is known of the engine any more. */
static void begin(struct source *source)
{
	replay_close(&source->replay, source->epoll_fd);
	source->answer.is_there = 0;
	source->order = (struct order){.can_ask = (uint8_t)has_replay(source)};
}

int source_open(struct source *ret_source, const struct engine_options *options, uint32_t dp_rank,
		void *context, int epoll_fd)
{
	struct source *source = ret_source;

	*source = (struct source){
		.options = options,
		.dp_rank = dp_rank,
		.context = context,
		.epoll_fd = epoll_fd,
		.is_due = 1,
		.replay = {.wait_ns = options->replay_wait_ns},
	};
	source->rank = (struct rank){.options = &options->publisher,
				     .engine_options = &options->engine,
				     .input = source->endpoint,
				     .dp_rank = dp_rank,
				     .tally = &source->tally};
	message_init(&source->live.message);
	message_init(&source->answer.message);
	endpoint_of_rank(options->endpoint, dp_rank, source->endpoint);
	if (options->replay)
		endpoint_of_rank(options->replay, dp_rank, source->replay_endpoint);
	begin(source);
	return link_open(&source->link, context, source->endpoint, options->topic, options->binds,
			 epoll_fd, source);
}

void source_close(struct source *source)
{
	replay_close(&source->replay, source->epoll_fd);
	link_close(&source->link, source->epoll_fd);
	message_free(&source->live.message);
	message_free(&source->answer.message);
	rank_free(&source->rank);
}

/* -- the replay -- */

/* What the order found out and no message that follows at once will show. */
static void tell_rank(struct source *source)
{
	if (source->order.is_other) {
		source->tally.restarts++;
		rank_restart(&source->rank);
	}
	if (source->order.is_unsure) {
		source->tally.doubts++;
		rank_doubt(&source->rank);
	}
	source->order.is_other = source->order.is_unsure = 0;
}

/* The live message that waits for the replay: are there numbers between the last message and it? */
static void look_for_hole(struct source *source)
{
	const struct order *order = &source->order;

	source->live.shows_hole =
		order->has_last && source->live.message.sequence > order->last + 1;
}

/* The replay has ended, and no part of the hole was left out. */
static void settle_hole(struct source *source)
{
	const struct order *order = &source->order;
	struct pending *live = &source->live;

	source->tally.gaps_filled +=
		live->shows_hole && order->has_last && order->last + 1 >= live->message.sequence;
	live->shows_hole = 0;
}

static void ask(struct source *source)
{
	uint64_t first = order_ask(&source->order);

	source->tally.asks++;
	if (replay_ask(&source->replay, source->context, source->replay_endpoint, first,
		       source->epoll_fd, source) < 0) {
		source->tally.unanswered++;
		order_answered(&source->order, 0);
		source->live.was_asked = source->live.is_there;
		if (!source->live.is_there)
			tell_rank(source);
	}
}

static void end_replay(struct source *source, int is_complete)
{
	replay_close(&source->replay, source->epoll_fd);
	source->tally.unanswered += !is_complete;
	if (order_answered(&source->order, is_complete) == ORDER_ASK) {
		ask(source);
		return;
	}
	settle_hole(source);
	source->live.was_asked = source->live.is_there;
	if (!source->live.is_there)
		tell_rank(source);
}

/* -- messages -- */

static void drop(struct pending *pending)
{
	pending->is_there = 0;
	pending->was_asked = 0;
	pending->shows_hole = 0;
}

/* Publish it. -EAGAIN: the rank cannot be opened now; the message stays, and others with it. */
static int publish(struct source *source, struct pending *pending, uint64_t now)
{
	struct message *message = &pending->message;
	int is_live = pending == &source->live;
	uint32_t dp_rank = rank_of(&source->rank, message_bytes(message), message_count(message),
				   source->dp_rank);
	uint64_t gaps = source->tally.gaps;

	if (source->options->ranks > 1) /* the others have streams of their own */
		dp_rank = source->dp_rank;
	if (rank_open(&source->rank, dp_rank, now) < 0) {
		source->retry_ns = source->rank.again_ns;
		return -EAGAIN;
	}
	if (source->order.is_unsure) {
		source->tally.doubts++;
		rank_doubt(&source->rank);
	}
	source->tally.restarts += source->order.is_other;
	source->tally.replayed += !is_live;
	rank_publish(&source->rank, message->sequence, source->order.is_other);
	if (source->order.is_other || source->tally.gaps != gaps)
		source->live.shows_hole = 0; /* of another process, or a part of it is lost */
	source->order.is_other = source->order.is_unsure = 0;
	order_published(&source->order, message->sequence, pending->digest, is_live);
	drop(pending);
	return 0;
}

static int act(struct source *source, struct pending *pending, enum order_step step, uint64_t now)
{
	switch (step) {
	case ORDER_PUBLISH:
		return publish(source, pending, now) == 0;
	case ORDER_ASK:
		if (pending == &source->answer) {
			drop(pending);
			replay_close(&source->replay, source->epoll_fd);
		} else {
			look_for_hole(source);
		}
		ask(source);
		return 1;
	default:
		source->tally.repeats += pending == &source->live;
		drop(pending);
		return 1;
	}
}

/* One answer. 1: there may be more to do. */
static int take_answer(struct source *source, uint64_t now)
{
	struct pending *answer = &source->answer;

	if (!answer->is_there) {
		switch (replay_next(&source->replay, &answer->message)) {
		case REPLAY_NOTHING:
			if (now < source->replay.until_ns)
				return 0;
			end_replay(source, 0);
			return 1;
		case REPLAY_END:
			end_replay(source, 1);
			return 1;
		case REPLAY_BAD:
			rank_refuse(&source->rank, FAULT_FRAMES);
			return 1;
		default:
			answer->is_there = 1;
			source->heard_ns = now;
		}
		answer->digest = XXH3_64bits(message_bytes(&answer->message),
					     message_count(&answer->message));
	}
	return act(source, answer,
		   order_replayed(&source->order, answer->message.sequence, answer->digest), now);
}

/* What it brought and is not published, and what a replay was asked because of it, may be another process's than
 * all that comes now: only the next connection tells. */
static void break_off(struct source *source, uint64_t now)
{
	source->state = SOURCE_BROKEN;
	source->lost_ns = now + source->options->lost_after_ns;
	source->check_ns = 0;
	source->retry_ns = 0; /* take what is still queued now, to drop it */
	source->stale = STALE_MAX;
	drop(&source->live);
	drop(&source->answer);
	replay_close(&source->replay, source->epoll_fd);
	order_broke(&source->order);
	tell_rank(source);
}

static void connected(struct source *source, uint64_t now)
{
	source->state = SOURCE_CONNECTED;
	source->tally.connections++;
	source->lost_ns = 0;
	order_connected(&source->order);
	tell_rank(source);
	source->checks = has_replay(source) ? CHECKS : 0;
	source->check_ns = source->checks ? now : 0;
}

/* The next connection is not looked at before what the last one left is dropped: from then on all is of it. */
static void look_at_link(struct source *source, uint64_t now)
{
	while (!source->stale) {
		switch (link_next(&source->link)) {
		case LINK_NOTHING:
			return;
		case LINK_CONNECTED:
			connected(source, now);
			break;
		case LINK_BROKE:
			break_off(source, now);
		}
	}
}

static void count(struct tally *tally, const struct message *message)
{
	tally->messages++;
	tally->bytes += message_count(message);
}

/* Drop the next message that a connection left, and look at the next connection behind the last one. */
static void drop_stale(struct source *source, uint64_t now)
{
	struct message *message = &source->live.message;

	if (message_receive(message, source->link.stream)) {
		count(&source->tally, message);
		source->stale--;
	} else {
		source->stale = 0;
	}
	look_at_link(source, now);
}

/* Take the next live message: 1, 0 there is none, -1 it was left out. */
static int receive(struct source *source, uint64_t now)
{
	struct message *message = &source->live.message;

	if (source->stale) {
		drop_stale(source, now);
		return -1;
	}
	if (!message_receive(message, source->link.stream))
		return 0;
	/* a message of a new connection is behind what was told of the old one */
	look_at_link(source, now);
	count(&source->tally, message);
	if (source->state != SOURCE_CONNECTED) /* it was on its way when the connection broke */
		return -1;
	source->heard_ns = now;
	if (!link_is_topic(&source->link, message)) {
		source->tally.other_topics++;
		return -1;
	}
	if (!message_check(message, LIVE_FRAMES, LIVE_FRAMES)) {
		rank_refuse(&source->rank, FAULT_FRAMES);
		return -1;
	}
	source->live.is_there = 1;
	source->live.was_asked = 0;
	source->live.digest = XXH3_64bits(message_bytes(message), message_count(message));
	return 1;
}

/* One live message. 1: there may be more to do. */
static int take_live(struct source *source, uint64_t now)
{
	struct pending *live = &source->live;
	int r = live->is_there ? 1 : receive(source, now);

	if (r <= 0)
		return r < 0;
	return act(
		source, live,
		order_live(&source->order, live->message.sequence, live->digest, live->was_asked),
		now);
}

/* -- time -- */

/* The engine is taken for dead: its blocks leave every index, and who comes back begins. */
static void lose(struct source *source)
{
	source->state = SOURCE_LOST;
	source->lost_ns = 0;
	source->tally.losses++;
	rank_close(&source->rank);
	begin(source);
}

/* Messages before the subscription took effect are missing, and nothing that follows need show it. */
static void check_replay(struct source *source, uint64_t now)
{
	source->check_ns = now + CHECK_NS;
	if (source->replay.socket)
		return;
	if (--source->checks == 0)
		source->check_ns = 0;
	ask(source);
}

static int has_come(uint64_t *when, uint64_t now)
{
	if (!*when || now < *when)
		return 0;
	*when = 0;
	return 1;
}

int source_turn(struct source *source, uint64_t now)
{
	int left = TURN_MESSAGES, goes_on = 1;

	source->is_due = 0;
	look_at_link(source, now);
	if (has_come(&source->lost_ns, now))
		lose(source);
	if (has_come(&source->check_ns, now))
		check_replay(source, now);
	has_come(&source->retry_ns, now);
	while (goes_on && !source->retry_ns && left-- > 0)
		goes_on = source->replay.socket ? take_answer(source, now) : take_live(source, now);
	rank_say_source(&source->rank, source->state != SOURCE_CONNECTED, source->heard_ns);
	return goes_on && !source->retry_ns;
}

uint64_t source_due(const struct source *source)
{
	int waits = source->replay.socket && !source->retry_ns;
	const uint64_t times[] = {source->retry_ns, source->lost_ns, source->check_ns,
				  waits ? source->replay.until_ns : 0};
	uint64_t due = UINT64_MAX;

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
		if (times[i] && times[i] < due)
			due = times[i];
	return due;
}

void source_check(struct source *source)
{
	if (rank_check(&source->rank))
		begin(source);
}
