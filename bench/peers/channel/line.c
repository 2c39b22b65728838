/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/peers/channel/channel.h"

#include "bench/measure.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

#define READERS_MOST 8

/* A reader says how far it is every so often: the writer asks only when it has gone around. */
#define TELL_EACH (CHANNEL_MESSAGES / 8)

/* Word 0 of a line is the message's number and one more, stored last; the others are its words
 * 1 to 7. */
struct lines {
	uint32_t readers;
	alignas(128) _Atomic uint64_t line[CHANNEL_MESSAGES][MESSAGE_WORDS];
	struct {
		alignas(128) _Atomic uint64_t read;
	} reader[READERS_MOST];
};

struct end {
	struct lines *lines;
	uint64_t next;  /* the message after the last one */
	uint64_t limit; /* the writer may go so far without asking */
	_Atomic uint64_t *read;
};

static void *make(const char *dir, uint32_t readers)
{
	struct lines *lines =
		readers > READERS_MOST ? NULL : measure_memory(sizeof(*lines), MEASURE_SHARED);

	(void)dir;
	if (lines)
		lines->readers = readers;
	return lines;
}

static void *join(void *shared, int32_t reader)
{
	struct end *end = calloc(1, sizeof(*end));

	if (!end)
		return NULL;
	end->lines = shared;
	end->limit = CHANNEL_MESSAGES;
	if (reader != CHANNEL_WRITER)
		end->read = &end->lines->reader[reader].read;
	return end;
}

/* Wait until the slowest reader leaves room. */
static void wait_for_room(struct end *end)
{
	uint32_t spins = 0;

	for (;;) {
		uint64_t least = UINT64_MAX;

		for (uint32_t i = 0; i < end->lines->readers; i++) {
			uint64_t read = atomic_load_explicit(&end->lines->reader[i].read,
							     memory_order_acquire);

			least = read < least ? read : least;
		}
		end->limit = least + CHANNEL_MESSAGES;
		if (end->next < end->limit)
			return;
		channel_spin(&spins);
	}
}

static void send(void *of, const struct message *message)
{
	struct end *end = of;
	_Atomic uint64_t *line = end->lines->line[end->next % CHANNEL_MESSAGES];

	if (end->next == end->limit)
		wait_for_room(end);
	for (int i = 1; i < MESSAGE_WORDS; i++)
		atomic_store_explicit(&line[i], message->word[i], memory_order_relaxed);
	atomic_store_explicit(&line[0], ++end->next, memory_order_release);
}

static void receive(void *of, struct message *ret_message)
{
	struct end *end = of;
	_Atomic uint64_t *line = end->lines->line[end->next % CHANNEL_MESSAGES];
	uint32_t spins = 0;

	end->next++;
	while (atomic_load_explicit(&line[0], memory_order_acquire) != end->next)
		channel_spin(&spins);
	ret_message->word[0] = end->next - 1;
	for (int i = 1; i < MESSAGE_WORDS; i++)
		ret_message->word[i] = atomic_load_explicit(&line[i], memory_order_relaxed);
	if (end->next % TELL_EACH == 0)
		atomic_store_explicit(end->read, end->next, memory_order_release);
}

const struct channel channel_line = {
	.name = "floor",
	.what = "lines of 8 words",
	.make = make,
	.join = join,
	.send = send,
	.receive = receive,
};
