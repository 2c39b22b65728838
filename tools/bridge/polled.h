/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of libzmq in an epoll. ZMQ_FD tells that something may have changed, once: who is woken takes
 * all there is, until EAGAIN.
 */
#ifndef BRIDGE_POLLED_H
#define BRIDGE_POLLED_H

/* `who` is what the epoll then answers. -errno. */
int polled_add(int epoll_fd, void *socket, void *who);

/* Before the socket is closed. */
void polled_remove(int epoll_fd, void *socket);

#endif
