/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a stream of the bridge (tools/bridge/source.h), beside engines that end and begin again, whose
 * messages are lost, whose connections break, and whose replays answer all, some or nothing of what was asked, at
 * any time, while another process has the rank now and then. What is EXACT is always of one process, from its first
 * message or a clear on, without a hole; and when nothing goes wrong any more, the rank is EXACT again by the
 * engine's next clear. The sockets and the rank are played here, and the clock; all between is the bridge's own.
 */
#include "tests/rig.h"

#include "tools/bridge/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RUNS           20000
#define STEPS_MAX      120
#define PROCESSES_MAX  (2 * STEPS_MAX)
#define QUEUE_MAX      (4 * STEPS_MAX)
#define TURNS_MAX      100
#define SETTLED_TURNS  12 /* of more than a second: all questions and pauses are over */
#define FRAMES         3
#define NS_PER_MS      UINT64_C(1000000)
#define SETTLING_NS    (1100 * NS_PER_MS)
#define REPLAY_WAIT_NS (1000 * NS_PER_MS)
#define AGAIN_NS       (20 * NS_PER_MS)

/* A message: number `sequence` of a process. Its bytes are these. */
struct said_by {
	uint64_t process;
	uint64_t sequence;
	uint64_t clears;
};

/* Messages of processes, in a socket. */
struct messages {
	struct said_by of[QUEUE_MAX];
	uint32_t count;
	uint32_t taken;
};

struct process {
	uint64_t sent;
	uint64_t kept; /* by its replay: so many of the last ones */
	uint8_t clears[QUEUE_MAX];
};

/* What the rank shows, as the translator would have it of what it was given. */
struct shown {
	uint64_t last; /* number, where has_last */
	struct said_by first;
	struct said_by newest; /* that it holds; where `holds` */
	int is_open;
	int has_last;
	int is_lacking;
	int is_unknown;
	int holds;
	int is_mixed; /* what it holds is no row of one process's messages */
};

struct world {
	uint64_t random;
	uint64_t now;
	uint32_t steps; /* of it that are left */
	struct process processes[PROCESSES_MAX];
	uint64_t process; /* that runs */
	int connected;
	int is_held; /* the rank, by another process */
	int is_kind; /* nothing goes wrong any more */
	enum link_event events[4 * STEPS_MAX];
	uint32_t event_count;
	uint32_t events_taken;
	struct messages stream;
	/* of the replay's socket */
	struct messages answers;
	uint64_t asked; /* process that was asked */
	uint64_t first;
	int is_answered;
	int has_end;
	struct said_by read; /* the message that rank_of was given last */
	struct shown shown;
};

static struct world world;

static void world_step(void);

static uint64_t dice(uint64_t sides)
{
	return rig_random(&world.random) % sides;
}

static void put(struct messages *messages, uint64_t process, uint64_t sequence)
{
	assert_true(messages->count < QUEUE_MAX);
	messages->of[messages->count++] =
		(struct said_by){process, sequence, world.processes[process].clears[sequence]};
}

/* -- in place of tools/bridge/message.c -- */

void message_init(struct message *message)
{
	zmq_msg_init(&message->topic);
	zmq_msg_init(&message->number);
	zmq_msg_init(&message->batch);
}

void message_free(struct message *message)
{
	zmq_msg_close(&message->topic);
	zmq_msg_close(&message->number);
	zmq_msg_close(&message->batch);
}

int message_receive(struct message *message, void *socket)
{
	struct messages *messages = socket;

	/* it goes on while the bridge is in the middle of a turn */
	if (messages == &world.stream && dice(8) == 0)
		for (; world.steps && dice(4); world.steps--)
			world_step();
	message_free(message);
	message_init(message);
	if (messages->taken == messages->count)
		return 0;
	zmq_msg_init_size(&message->batch, sizeof(struct said_by));
	memcpy(zmq_msg_data(&message->batch), &messages->of[messages->taken++],
	       sizeof(struct said_by));
	return 1;
}

int message_check(struct message *message, uint32_t least, uint32_t most)
{
	struct said_by said;

	assert_in_range(FRAMES, least, most);
	memcpy(&said, message_bytes(message), sizeof(said));
	message->sequence = said.sequence;
	return 1;
}

/* -- of link.c -- */

int link_open(struct link *ret_link, void *context, const char *endpoint, const char *topic,
	      int binds, int epoll_fd, void *who)
{
	(void)context, (void)endpoint, (void)topic, (void)binds, (void)epoll_fd, (void)who;
	*ret_link = (struct link){.stream = &world.stream};
	return 0;
}

void link_close(struct link *link, int epoll_fd)
{
	(void)epoll_fd;
	link->stream = NULL;
}

enum link_event link_next(struct link *link)
{
	(void)link;
	return world.events_taken < world.event_count ? world.events[world.events_taken++]
						      : LINK_NOTHING;
}

int link_is_topic(const struct link *link, struct message *message)
{
	(void)link, (void)message;
	return 1;
}

/* -- of replay.c -- */

int replay_ask(struct replay *replay, void *context, const char *endpoint, uint64_t first,
	       int epoll_fd, void *who)
{
	(void)context, (void)endpoint, (void)epoll_fd, (void)who;
	world.answers.count = world.answers.taken = 0;
	world.asked = world.process;
	world.first = first;
	world.is_answered = world.has_end = 0;
	replay->socket = &world.answers;
	replay->until_ns = world.now + replay->wait_ns;
	return 0;
}

void replay_close(struct replay *replay, int epoll_fd)
{
	(void)epoll_fd;
	replay->socket = NULL;
}

/* Who was asked answers, though it may be about to end: all, or a part of it, with its end mark or not. */
static void answer(void)
{
	const struct process *process = &world.processes[world.asked];
	uint64_t sequence = process->sent > process->kept ? process->sent - process->kept : 0;
	int is_whole = world.is_kind || dice(3);

	world.is_answered = 1;
	world.has_end = world.is_kind || dice(6) != 0;
	for (sequence = sequence < world.first ? world.first : sequence; sequence < process->sent;
	     sequence++)
		if (is_whole || dice(4))
			put(&world.answers, world.asked, sequence);
}

enum replay_result replay_next(struct replay *replay, struct message *message)
{
	if (!world.is_answered && (world.is_kind || dice(4) == 0))
		answer();
	if (!world.is_answered)
		return REPLAY_NOTHING;
	if (!message_receive(message, &world.answers))
		return world.has_end ? REPLAY_END : REPLAY_NOTHING;
	replay->until_ns = world.now + replay->wait_ns;
	return message_check(message, FRAMES, FRAMES) ? REPLAY_MESSAGE : REPLAY_BAD;
}

/* -- of rank.c -- */

static void forget(struct shown *shown)
{
	shown->holds = shown->is_mixed = shown->is_lacking = shown->is_unknown = 0;
}

/* A number: another process shows by one that is not above the last, a hole by one above the next. */
static void number(struct shown *shown, uint64_t sequence)
{
	if (!shown->has_last || sequence <= shown->last) {
		if (shown->has_last)
			forget(shown);
		shown->is_lacking |= sequence != 0;
	} else if (sequence != shown->last + 1) {
		shown->is_unknown = 1;
	}
	shown->last = sequence;
	shown->has_last = 1;
}

int rank_open(struct rank *rank, uint32_t dp_rank, uint64_t now)
{
	(void)dp_rank;
	if (world.shown.is_open)
		return 0;
	rank->again_ns = now + AGAIN_NS;
	if (world.is_held)
		return -EAGAIN;
	world.shown = (struct shown){.is_open = 1};
	return 0;
}

void rank_close(struct rank *rank)
{
	(void)rank;
	world.shown.is_open = 0;
}

void rank_free(struct rank *rank)
{
	rank_close(rank);
}

uint32_t rank_of(struct rank *rank, const void *bytes, size_t count, uint32_t otherwise)
{
	(void)rank;
	assert_int_equal(count, sizeof(world.read));
	memcpy(&world.read, bytes, count);
	return otherwise;
}

void rank_publish(struct rank *rank, uint64_t sequence, int is_other)
{
	struct shown *shown = &world.shown;

	assert_true(shown->is_open);
	if (is_other && sequence > shown->last)
		rank_restart(rank);
	number(shown, sequence);
	if (world.read.clears)
		forget(shown);
	if (!shown->holds)
		shown->first = world.read;
	else if (shown->newest.process != world.read.process ||
		 shown->newest.sequence + 1 != sequence)
		shown->is_mixed = 1;
	shown->newest = world.read;
	shown->holds = 1;
}

void rank_refuse(struct rank *rank, enum fault fault)
{
	(void)rank, (void)fault;
	fail();
}

void rank_doubt(struct rank *rank)
{
	(void)rank;
	world.shown.is_unknown |= world.shown.is_open;
}

void rank_restart(struct rank *rank)
{
	(void)rank;
	if (!world.shown.is_open || !world.shown.has_last)
		return;
	forget(&world.shown);
	world.shown.is_lacking = 1;
}

void rank_say_source(const struct rank *rank, int is_away, uint64_t heard_ns)
{
	(void)rank, (void)is_away, (void)heard_ns;
}

int rank_check(struct rank *rank)
{
	(void)rank;
	return 0;
}

/* -- what happens -- */

static int is_exact(const struct shown *shown)
{
	return shown->is_open && !shown->is_lacking && !shown->is_unknown;
}

static int is_right(const struct shown *shown)
{
	return !is_exact(shown) || !shown->holds ||
	       (!shown->is_mixed && (!shown->first.sequence || shown->first.clears));
}

static void happens(enum link_event event)
{
	assert_true(world.event_count < sizeof(world.events) / sizeof(*world.events));
	world.events[world.event_count++] = event;
	world.connected = event == LINK_CONNECTED;
}

static void begin_process(void)
{
	static const uint64_t kept[] = {1, 2, 3, 1000};
	struct process *process = &world.processes[++world.process];

	process->kept = kept[dice(4)];
	process->sent = dice(3); /* before anybody hears it */
}

static void send_one(int clears)
{
	struct process *process = &world.processes[world.process];

	process->clears[process->sent] = (uint8_t)clears;
	if (world.connected && (world.is_kind || dice(7)))
		put(&world.stream, world.process, process->sent);
	process->sent++;
}

/* Engine, connection and the rank's other process, not the bridge. */
static void world_step(void)
{
	uint64_t what = dice(60);

	if (what < 35) {
		send_one(dice(14) == 0);
	} else if (what < 42) {
		if (world.connected)
			happens(LINK_BROKE);
		if (dice(10) < 7)
			begin_process();
	} else if (what < 55) {
		if (!world.connected)
			happens(LINK_CONNECTED);
	} else {
		world.is_held ^= 1;
	}
}

static void turn(struct source *source, uint64_t after_ns)
{
	int left = TURNS_MAX, goes_on;

	world.now += after_ns;
	do {
		goes_on = source_turn(source, world.now);
		assert_true(left-- > 0);
	} while (goes_on && (world.is_kind || dice(2)));
	/* what a connection left does not wait for the rank, nor for the next one what is known of its process */
	assert_true(goes_on || !source->stale);
	assert_true(source->state == SOURCE_CONNECTED ||
		    (!source->order.is_other && !source->order.is_unsure));
}

static void step(struct source *source)
{
	if (dice(2))
		world_step();
	else
		turn(source, dice(dice(4) ? 50 : 800) * NS_PER_MS);
}

static void turns(struct source *source)
{
	for (int i = 0; i < SETTLED_TURNS; i++)
		turn(source, SETTLING_NS);
}

/* From here on all goes well. */
static void settle(struct source *source)
{
	const struct shown *shown = &world.shown;

	world.is_kind = 1;
	world.steps = 0;
	world.is_held = 0;
	if (!world.connected)
		happens(LINK_CONNECTED);
	turns(source);
	send_one(1);
	turns(source);
	send_one(0);
	turns(source);
	assert_true(is_right(shown));
	assert_true(is_exact(shown));
	assert_true(shown->newest.process == world.process);
	assert_true(shown->newest.sequence + 1 == world.processes[world.process].sent);
}

static int run(uint64_t seed)
{
	struct engine_options options = {.endpoint = "ipc://engine",
					 .topic = "",
					 .ranks = 1,
					 .replay_wait_ns = REPLAY_WAIT_NS};
	struct source source;
	int right = 1;

	memset(&world, 0, sizeof(world));
	world.random = seed | 1;
	begin_process();
	options.replay = dice(5) ? "ipc://replay" : NULL;
	options.lost_after_ns = dice(2) ? SETTLING_NS : UINT64_MAX / 2;
	assert_int_equal(source_open(&source, &options, 0, NULL, -1), 0);
	world.steps = 10 + (uint32_t)dice(STEPS_MAX - 10);
	while (world.steps && right) {
		world.steps--;
		step(&source);
		right = is_right(&world.shown);
	}
	if (right)
		settle(&source);
	source_close(&source);
	return right;
}

static void what_is_exact_is_so(void **state)
{
	uint64_t seed = rig_seed();

	(void)state;
	for (uint64_t i = 0; i < RUNS; i++) {
		if (!run(seed + i)) {
			print_error("RDX_SEED=%llu is EXACT and wrong\n",
				    (unsigned long long)(seed + i));
			fail();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_exact_is_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
