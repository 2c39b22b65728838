/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two kinds of loop have in common. Included by loop.c, loop_uring.c and loop_epoll.c only.
 */
#ifndef RINGDEXD_LOOP_KINDS_H
#define RINGDEXD_LOOP_KINDS_H

#include "tools/ringdexd/loop.h"

enum loop_kind { LOOP_LISTENER = 1, LOOP_CONNECTION, LOOP_WATCHED };

#define LOOP_ACCEPT_AGAIN_NS UINT64_C(100000000) /* after a refusal, as where descriptors ran out */

struct loop_calls {
	int (*begin)(struct loop *loop, struct loop_socket *socket);
	void (*want)(struct loop *loop, struct loop_socket *socket); /* `wanted` changed */
	void (*send)(struct loop *loop, struct loop_socket *socket);
	void (*close)(struct loop *loop, struct loop_socket *socket);
	int (*turn)(struct loop *loop, uint64_t timeout_ns);
	void (*free)(struct loop *loop);
};

struct loop {
	const struct loop_calls *calls;
	struct loop_socket *listed; /* to be told something at the end of the turn */
	struct loop_socket *deaf;   /* listeners that were refused, until hear_ns */
	uint64_t hear_ns;
	uint64_t woken_ns; /* when the wait of the last turn ended */
	uint64_t busy_ns;
	uint32_t mode;
	uint32_t sockets; /* begun and not closed */
};

/* Tell it at the end of this turn, or of the next: what is due stands in the socket. */
void loop_list(struct loop *loop, struct loop_socket *socket);

/* A listener could not accept: it begins again after a while. Others of this turn wait as long. */
void loop_deafen(struct loop *loop, struct loop_socket *socket);

int loop_uring_open(struct loop **ret_loop);
int loop_epoll_open(struct loop **ret_loop);

#endif
