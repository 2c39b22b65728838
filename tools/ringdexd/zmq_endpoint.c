/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/zmq_endpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define LENGTH_MAX 240 /* of what a bridge takes */
#define PORT_MAX   65535
#define DIGITS     "0123456789"
#define ALPHABET   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define IPC_MAX    (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

static int refuse(char *ret_fault, size_t bytes, const char *endpoint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(char *ret_fault, size_t bytes, const char *endpoint, const char *format, ...)
{
	int begun = snprintf(ret_fault, bytes, "invalid ZMQ endpoint `%s`: ", endpoint);
	va_list arguments;

	va_start(arguments, format);
	if (begun >= 0 && (size_t)begun < bytes)
		vsnprintf(ret_fault + begun, bytes - (size_t)begun, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* NULL: it is one. */
static const char *port_fault(const char *port, uint32_t *ret_port)
{
	size_t digits = strspn(port, DIGITS);
	unsigned long number = strtoul(port, NULL, 10);

	if (!*port)
		return "cannot parse integer from empty string";
	if (port[digits])
		return "invalid digit found in string";
	if (digits > 9 || number > PORT_MAX)
		return "number too large to fit in target type";
	*ret_port = (uint32_t)number;
	return number ? NULL : "nobody publishes at port 0";
}

/* As libzmq has it where it connects: else it would not even try. */
static int is_host(const char *host, size_t bytes)
{
	static const char first[] = ALPHABET DIGITS "[", all[] = ALPHABET DIGITS "[]:.-_%;";

	return strspn(host, first) > 0 && strspn(host, all) >= bytes;
}

static int check_ipc(const char *endpoint, const char *path, char *ret_fault, size_t bytes)
{
	if (strlen(path) > IPC_MAX)
		return refuse(ret_fault, bytes, endpoint, "the path is longer than %zu bytes",
			      IPC_MAX);
	if (strcmp(path, "@") == 0)
		return refuse(ret_fault, bytes, endpoint, "there is no name behind the `@`");
	return 0;
}

static int check_tcp(const char *endpoint, const char *address, uint32_t dp_rank, char *ret_fault,
		     size_t bytes)
{
	const char *colon = strrchr(address, ':'), *fault;
	uint32_t port;

	if (!colon)
		return refuse(ret_fault, bytes, endpoint, "missing TCP port");
	if (colon == address)
		return refuse(ret_fault, bytes, endpoint, "missing TCP host");
	if (*address == '[' && colon[-1] != ']')
		return refuse(ret_fault, bytes, endpoint, "missing closing `]`");
	if (*address != '[' && memchr(address, ':', (size_t)(colon - address)))
		return refuse(ret_fault, bytes, endpoint, "missing TCP port");
	if (*address == '*')
		return refuse(ret_fault, bytes, endpoint, "name the engine's host in place of `*`");
	if (!is_host(address, (size_t)(colon - address)))
		return refuse(ret_fault, bytes, endpoint, "invalid TCP host");
	fault = port_fault(colon + 1, &port);
	if (fault)
		return refuse(ret_fault, bytes, endpoint, "invalid TCP port: %s", fault);
	if (port <= dp_rank)
		return refuse(ret_fault, bytes, endpoint,
			      "the TCP port must be above the dp_rank, %" PRIu32, dp_rank);
	return 0;
}

int zmq_endpoint_check(const char *endpoint, uint32_t dp_rank, char *ret_fault, size_t bytes)
{
	const char *scheme_end = strstr(endpoint, "://"), *address;
	int scheme;

	if (!scheme_end)
		return refuse(ret_fault, bytes, endpoint, "missing scheme");
	scheme = (int)(scheme_end - endpoint);
	address = scheme_end + 3;
	if (!*address)
		return refuse(ret_fault, bytes, endpoint, "missing address");
	if (strlen(endpoint) > LENGTH_MAX)
		return refuse(ret_fault, bytes, endpoint, "longer than %d bytes", LENGTH_MAX);
	if (strncmp(endpoint, "tcp://", 6) == 0)
		return check_tcp(endpoint, address, dp_rank, ret_fault, bytes);
	if (strncmp(endpoint, "ipc://", 6) == 0)
		return check_ipc(endpoint, address, ret_fault, bytes);
	return refuse(ret_fault, bytes, endpoint, "unsupported scheme `%.*s`", scheme, endpoint);
}

void zmq_endpoint_of_rank_0(const char *endpoint, uint32_t dp_rank,
			    char ret_endpoint[RDX_TEXT_BYTES])
{
	const char *colon = strrchr(endpoint, ':');

	if (strncmp(endpoint, "tcp://", 6) != 0)
		snprintf(ret_endpoint, RDX_TEXT_BYTES, "%s", endpoint);
	else
		snprintf(ret_endpoint, RDX_TEXT_BYTES, "%.*s:%lu", (int)(colon - endpoint),
			 endpoint, strtoul(colon + 1, NULL, 10) - dp_rank);
}
