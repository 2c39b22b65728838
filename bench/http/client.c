/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/http/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define UNIX_PREFIX "unix:"
#define FIRST_BYTES 65536
#define HEAD_END    "\r\n\r\n"

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		fail(path);
	}
	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		fail(path);
	return fd;
}

static int connect_tcp(const char *text)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const char *colon = strrchr(text, ':');
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((uint16_t)(colon ? atoi(colon + 1) : 0));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		fail(text);
	return fd;
}

void client_open(struct client *ret_client, const char *address)
{
	int is_unix = strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;

	*ret_client = (struct client){.capacity = FIRST_BYTES, .bytes = malloc(FIRST_BYTES)};
	if (!ret_client->bytes)
		fail("client");
	ret_client->fd =
		is_unix ? connect_unix(address + strlen(UNIX_PREFIX)) : connect_tcp(address);
}

void client_close(struct client *client)
{
	close(client->fd);
	free(client->bytes);
}

void client_send(struct client *client, const char *request, size_t bytes)
{
	client->count = 0;
	while (bytes) {
		ssize_t sent = send(client->fd, request, bytes, MSG_NOSIGNAL);

		if (sent < 0)
			fail("send");
		request += sent;
		bytes -= (size_t)sent;
	}
}

/* Is the answer whole? Its status and body are found then. */
static int is_whole(struct client *client)
{
	char *end, *length;

	client->bytes[client->count] = 0;
	end = strstr(client->bytes, HEAD_END);
	if (!end)
		return 0;
	*end = 0; /* of the head alone */
	length = strcasestr(client->bytes, "\r\ncontent-length:");
	client->status = atoi(client->bytes + strlen("HTTP/1.1 "));
	client->body_bytes = length ? strtoul(strchr(length, ':') + 1, NULL, 10) : 0;
	*end = HEAD_END[0];
	client->body = end + strlen(HEAD_END);
	return client->count >= (size_t)(client->body - client->bytes) + client->body_bytes;
}

int client_receive(struct client *client)
{
	ssize_t got;

	if (client->count + 1 >= client->capacity) {
		client->capacity *= 2;
		client->bytes = realloc(client->bytes, client->capacity);
		if (!client->bytes)
			fail("client");
	}
	got = recv(client->fd, client->bytes + client->count, client->capacity - client->count - 1,
		   MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0) {
		fprintf(stderr, "the server has ended the connection: %s\n",
			got ? strerror(errno) : "no error");
		exit(1);
	}
	client->count += (size_t)got;
	return is_whole(client);
}

void client_ask(struct client *client, const char *request, size_t bytes)
{
	struct pollfd ready = {.fd = client->fd, .events = POLLIN};

	client_send(client, request, bytes);
	do
		poll(&ready, 1, -1);
	while (!client_receive(client));
}
