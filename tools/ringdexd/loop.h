/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets of one thread: what arrives is handed over, what is sent is reported when it is gone.
 * Through io_uring where the kernel allows it, else through epoll: the same to those who use it.
 *
 * A socket is part of what it serves, and stays where it is until `closed` was called. All calls come from
 * the loop's thread, all handlers from within loop_turn.
 */
#ifndef RINGDEXD_LOOP_H
#define RINGDEXD_LOOP_H

#include <stddef.h>
#include <stdint.h>

struct loop;
struct loop_socket;

struct loop_handler {
	/* A listening socket has a new connection, which is the handler's to close. */
	void (*accepted)(struct loop_socket *socket, int fd);
	/* Bytes came, valid during the call; count 0: the peer has sent its last. After a loop_pause more may
	 * still come. Of a watched descriptor: it is readable. */
	void (*received)(struct loop_socket *socket, const char *bytes, size_t count);
	/* All of what loop_send was given is with the kernel. */
	void (*sent)(struct loop_socket *socket);
	/* It failed, -errno: nothing but loop_close is of use now. */
	void (*failed)(struct loop_socket *socket, int error);
	/* The last call after loop_close: its memory may go. */
	void (*closed)(struct loop_socket *socket);
};

struct loop_socket {
	int fd;
	const struct loop_handler *handler;

	/* of the loop */
	const char *send_at;
	size_t send_left;
	struct loop_socket *next; /* in the list of those that have something to be told */
	struct loop_socket *next_deaf;
	uint32_t in_flight; /* operations that the kernel has */
	uint32_t events;    /* that epoll is asked for */
	uint8_t kind;       /* LOOP_... */
	uint8_t wanted;     /* bytes are welcome */
	uint8_t receiving;  /* the kernel is asked for them */
	uint8_t listed;
	uint8_t is_deaf;   /* a listener that was refused, for a while */
	uint8_t told_sent; /* `sent` is due */
	uint8_t closing;
};

/* RDX_WAIT_... -ENOSYS, -EPERM: io_uring alone was wanted and is not to be had. -errno */
int loop_open(struct loop **ret_loop, uint32_t mode);
/* Every socket is closed before. */
void loop_free(struct loop *loop);
/* Sockets that were begun and of which `closed` was not called. */
uint32_t loop_sockets(const struct loop *loop);
/* RDX_WAIT_URING or _EPOLL: what is in use. */
uint32_t loop_mode(const struct loop *loop);

/* How long the last turn took, without its wait. */
uint64_t loop_busy_ns(const struct loop *loop);

/* Begin: accept connections; hand over what is received; tell when a descriptor is readable. -errno */
int loop_listen(struct loop *loop, struct loop_socket *socket);
int loop_receive(struct loop *loop, struct loop_socket *socket);
int loop_watch(struct loop *loop, struct loop_socket *socket);

/* Take no more for now, so that the peer has to wait; go on. */
void loop_pause(struct loop *loop, struct loop_socket *socket);
void loop_resume(struct loop *loop, struct loop_socket *socket);

/* Send `count` > 0 bytes, which stay as they are until `sent` or `closed`. One at a time. */
void loop_send(struct loop *loop, struct loop_socket *socket, const char *bytes, size_t count);

/* End: closes the descriptor. `closed` comes later, from loop_turn. */
void loop_close(struct loop *loop, struct loop_socket *socket);

/* Wait until something happens, at most `timeout_ns`, and call the handlers. -errno */
int loop_turn(struct loop *loop, uint64_t timeout_ns);

#endif
