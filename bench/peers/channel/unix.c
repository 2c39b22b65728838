/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Unix socket for each reader, a message in each packet.
 */
#include "bench/peers/channel/channel.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct pairs {
	uint32_t readers;
	int fd[][2]; /* written, read */
};

struct end {
	struct pairs *pairs;
	int fd;
};

static void *make(const char *dir, uint32_t readers)
{
	struct pairs *pairs = calloc(1, sizeof(*pairs) + readers * sizeof(pairs->fd[0]));

	(void)dir;
	if (!pairs)
		return NULL;
	pairs->readers = readers;
	for (uint32_t i = 0; i < readers; i++)
		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pairs->fd[i]) < 0)
			return NULL;
	return pairs;
}

static void *join(void *shared, int32_t reader)
{
	struct end *end = calloc(1, sizeof(*end));

	if (!end)
		return NULL;
	end->pairs = shared;
	if (reader != CHANNEL_WRITER)
		end->fd = end->pairs->fd[reader][1];
	return end;
}

static void send_all(void *of, const struct message *message)
{
	const struct pairs *pairs = ((struct end *)of)->pairs;

	for (uint32_t i = 0; i < pairs->readers; i++)
		if (write(pairs->fd[i][0], message, sizeof(*message)) != sizeof(*message))
			abort();
}

static void receive(void *of, struct message *ret_message)
{
	const struct end *end = of;

	if (read(end->fd, ret_message, sizeof(*ret_message)) != sizeof(*ret_message))
		abort();
}

const struct channel channel_peer = {
	.name = "unix",
	.what = "Unix sockets, a packet each",
	.make = make,
	.join = join,
	.send = send_all,
	.receive = receive,
};
