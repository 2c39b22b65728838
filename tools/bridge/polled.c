/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/polled.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <zmq.h>

static int descriptor(void *socket)
{
	int fd = -1;
	size_t size = sizeof(fd);

	return zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}

int polled_add(int epoll_fd, void *socket, void *who)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = who};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, descriptor(socket), &event) < 0 ? -errno : 0;
}

void polled_remove(int epoll_fd, void *socket)
{
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, descriptor(socket), NULL);
}
