/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to an engine's replay, on a connection of its own, so that no late answer to an earlier one
 * is taken for one to this.
 */
#ifndef BRIDGE_REPLAY_H
#define BRIDGE_REPLAY_H

#include "tools/bridge/message.h"

enum replay_result {
	REPLAY_NOTHING, /* nothing yet */
	REPLAY_MESSAGE,
	REPLAY_BAD, /* something that is none */
	REPLAY_END, /* the end mark */
};

/* {0} asks nothing. */
struct replay {
	void *socket;
	uint64_t until_ns; /* when to give up; each answer puts it off */
	uint64_t wait_ns;
};

/* Ask for all messages from `first` on. -errno; then nothing is asked. */
int replay_ask(struct replay *replay, void *context, const char *endpoint, uint64_t first,
	       int epoll_fd, void *who);

/* Ask no longer. */
void replay_close(struct replay *replay, int epoll_fd);

/* The next answer, if there is one. */
enum replay_result replay_next(struct replay *replay, struct message *message);

#endif
