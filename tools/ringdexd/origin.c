/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/origin.h"

#include "tools/ringdexd/listen.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define DIGITS "0123456789"

void origin_begin(struct origin *origin)
{
	origin->host[0] = origin->page[0] = 0;
	origin->has_page = origin->is_odd = 0;
}

/* Keep it, without blanks behind it: one that is too long, or another than before, is odd. */
static void take(struct origin *origin, char to[ORIGIN_BYTES], const char *value, size_t count)
{
	while (count && (value[count - 1] == ' ' || value[count - 1] == '\t'))
		count--;
	if (count >= ORIGIN_BYTES ||
	    (to[0] && (strlen(to) != count || strncasecmp(to, value, count) != 0))) {
		origin->is_odd = 1;
		return;
	}
	memcpy(to, value, count);
	to[count] = 0;
}

void origin_take_host(struct origin *origin, const char *value, size_t count)
{
	take(origin, origin->host, value, count);
}

void origin_take_page(struct origin *origin, const char *value, size_t count)
{
	static const char end[] = "://";
	const char *scheme_end = memmem(value, count, end, sizeof(end) - 1);
	size_t scheme;

	origin->has_page = 1;
	if (!scheme_end) { /* "null", as of a file or a frame that may nothing */
		origin->is_odd = 1;
		return;
	}
	scheme = (size_t)(scheme_end - value) + sizeof(end) - 1;
	take(origin, origin->page, value + scheme, count - scheme);
}

int origin_is_loopback(int fd)
{
	struct sockaddr_storage address = {0};
	const struct sockaddr_in *of_4 = (const struct sockaddr_in *)&address;
	const struct in6_addr *of_6 = &((const struct sockaddr_in6 *)&address)->sin6_addr;
	socklen_t bytes = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
		return 1; /* it has gone */
	if (address.ss_family == AF_INET)
		return ntohl(of_4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(of_6) ||
	       (IN6_IS_ADDR_V4MAPPED(of_6) && of_6->s6_addr[12] == IN_LOOPBACKNET);
}

/* Bytes of the host, which is not in brackets, in "HOST:PORT" or "HOST". */
static size_t host_bytes(const char *text)
{
	return strcspn(text, ":");
}

static int is_port(const char *text)
{
	return !*text || (*text == ':' && !text[1 + strspn(text + 1, DIGITS)]);
}

/* "[IPv6]" or "[IPv6]:PORT" */
static int is_ipv6(const char *host)
{
	const char *end = strchr(host, ']');
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t count;

	if (*host != '[' || !end || !is_port(end + 1))
		return 0;
	count = (size_t)(end - host) - 1;
	if (count >= sizeof(text))
		return 0;
	memcpy(text, host + 1, count);
	text[count] = 0;
	return inet_pton(AF_INET6, text, &address) == 1;
}

static int is_listened(const char *name, size_t bytes, const char *const *addresses)
{
	for (; addresses && *addresses; addresses++)
		if (host_bytes(*addresses) == bytes && strncasecmp(*addresses, name, bytes) == 0 &&
		    strncmp(*addresses, LISTEN_UNIX, strlen(LISTEN_UNIX)) != 0)
			return 1;
	return 0;
}

/* Under which it may have 127.0.1.1, and which no page of another site has. */
static int is_this_host(const char *name)
{
	char own[HOST_NAME_MAX + 1] = "";

	return gethostname(own, sizeof(own) - 1) == 0 && own[0] && strcasecmp(name, own) == 0;
}

static int is_known(const char *host, const char *const *addresses)
{
	static const char local[] = "localhost";
	size_t bytes = host_bytes(host);
	char name[ORIGIN_BYTES];
	struct in_addr address;

	if (is_ipv6(host))
		return 1;
	if (!is_port(host + bytes))
		return 0;
	memcpy(name, host, bytes);
	name[bytes] = 0;
	return strcasecmp(name, local) == 0 || inet_pton(AF_INET, name, &address) == 1 ||
	       is_listened(name, bytes, addresses) || is_this_host(name);
}

int origin_is_ours(const struct origin *origin, int is_loopback, const char *const *addresses)
{
	if (origin->is_odd || (origin->has_page && strcasecmp(origin->page, origin->host) != 0))
		return 0;
	/* no browser leaves out whom it asks */
	return !is_loopback || !origin->host[0] || is_known(origin->host, addresses);
}
