/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a client that asks the same again and again: HTTP/1.1, kept alive, answers with a
 * Content-Length. What fails ends the program with a message.
 */
#ifndef RDX_BENCH_HTTP_CLIENT_H
#define RDX_BENCH_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct client {
	int fd;
	char *bytes; /* of the answer, as far as it has come */
	size_t count, capacity;
	const char *body; /* of a whole answer, with a NUL behind it */
	size_t body_bytes;
	int status;
};

/* To "127.0.0.1:PORT" or "unix:PATH". */
void client_open(struct client *ret_client, const char *address);
void client_close(struct client *client);

/* Send a request; the answer to the one before has been read. */
void client_send(struct client *client, const char *request, size_t bytes);

/* Take what has come, without waiting: 1, the answer is whole. */
int client_receive(struct client *client);

/* Send it and wait for the answer. */
void client_ask(struct client *client, const char *request, size_t bytes);

#endif
