/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of bench-http: a server that reads as many bytes as a request has, and sends an answer that it
 * was given. Nothing is parsed. Prints its port.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 16
#define ANSWER_BYTES    (1 << 20)
#define BUFFER_BYTES    (16 * 1024) /* as ringdexd's */

static struct {
	size_t request_bytes;
	size_t answer_bytes;
	char answer[ANSWER_BYTES];
	struct pollfd ready[1 + CONNECTIONS_MAX]; /* the first one listens */
	size_t left[1 + CONNECTIONS_MAX];         /* of a request */
} server;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void begin(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, CONNECTIONS_MAX) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
		fail("listen");
	server.ready[0] = (struct pollfd){.fd = fd, .events = POLLIN};
	for (int i = 1; i <= CONNECTIONS_MAX; i++)
		server.ready[i].fd = -1;
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
}

static void accept_one(void)
{
	int fd = accept(server.ready[0].fd, NULL, NULL), i = 1;

	while (i <= CONNECTIONS_MAX && server.ready[i].fd >= 0)
		i++;
	if (fd < 0 || i > CONNECTIONS_MAX)
		fail("accept");
	server.ready[i] = (struct pollfd){.fd = fd, .events = POLLIN};
	server.left[i] = server.request_bytes;
}

static void serve(int i)
{
	char buffer[BUFFER_BYTES];
	ssize_t got = recv(server.ready[i].fd, buffer, sizeof(buffer), 0);

	if (got <= 0) {
		close(server.ready[i].fd);
		server.ready[i].fd = -1;
		return;
	}
	server.left[i] -= (size_t)got < server.left[i] ? (size_t)got : server.left[i];
	if (server.left[i])
		return;
	server.left[i] = server.request_bytes;
	if (send(server.ready[i].fd, server.answer, server.answer_bytes, MSG_NOSIGNAL) < 0)
		fail("send");
}

int main(int argc, char **argv)
{
	FILE *file;

	if (argc != 3) {
		fprintf(stderr, "usage: http-bare REQUEST-BYTES ANSWER-FILE\n");
		return 2;
	}
	server.request_bytes = strtoul(argv[1], NULL, 10);
	file = fopen(argv[2], "re");
	if (!file)
		fail(argv[2]);
	server.answer_bytes = fread(server.answer, 1, sizeof(server.answer), file);
	fclose(file);
	begin();
	while (poll(server.ready, 1 + CONNECTIONS_MAX, -1) > 0) {
		for (int i = 1; i <= CONNECTIONS_MAX; i++)
			if (server.ready[i].fd >= 0 && server.ready[i].revents)
				serve(i);
		if (server.ready[0].revents)
			accept_one();
	}
	return 1;
}
