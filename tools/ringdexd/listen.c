/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/listen.h"

#include "tools/program/messages.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 1024

/* io_uring's sockets outlive a process that was killed by a moment: its successor waits for that. */
#define LEFT_TRIES   100
#define LEFT_WAIT_NS 10000000

/* Does surely nobody listen there? */
static int is_left(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int left = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
		   errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return left;
}

static int bind_to(int fd, const struct sockaddr_un *address)
{
	return bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
}

/* The time too: the number of a file that nobody has open is given to the next one. */
static int is_unchanged(const char *path, const struct stat *seen)
{
	struct stat now;

	return lstat(path, &now) == 0 && now.st_dev == seen->st_dev && now.st_ino == seen->st_ino &&
	       now.st_ctim.tv_sec == seen->st_ctim.tv_sec &&
	       now.st_ctim.tv_nsec == seen->st_ctim.tv_nsec;
}

/* Another one may replace it at the same time: what is removed is what nobody listened on. */
static int remove_left(const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat seen;

	return lstat(path, &seen) == 0 && S_ISSOCK(seen.st_mode) && is_left(address) &&
	       is_unchanged(path, &seen) && unlink(path) == 0;
}

/* Mode 0660, and less before: the file gets the descriptor's mode, less the umask. */
static int bind_unix(int fd, const struct sockaddr_un *address, struct listen_at *ret_at)
{
	const char *path = address->sun_path;
	struct stat file;
	int r = fchmod(fd, 0660) < 0 ? -errno : bind_to(fd, address);

	if (r == -EADDRINUSE && remove_left(address))
		r = bind_to(fd, address);
	if (r == 0 && (chmod(path, 0660) < 0 || lstat(path, &file) < 0))
		r = -errno;
	if (r < 0)
		return r;
	ret_at->device = file.st_dev;
	ret_at->inode = file.st_ino;
	return 0;
}

static int open_unix(const char *path, struct listen_at *ret_at)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int r;

	if (!path[0] || strlen(path) >= sizeof(address.sun_path))
		return path[0] ? -ENAMETOOLONG : -EINVAL;
	strcpy(address.sun_path, path);
	ret_at->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ret_at->fd < 0)
		return -errno;
	r = bind_unix(ret_at->fd, &address, ret_at);
	if (r == 0 && listen(ret_at->fd, BACKLOG) < 0)
		r = -errno;
	ret_at->is_unix = 1;
	ret_at->is_loopback = 1;
	snprintf(ret_at->text, sizeof(ret_at->text), LISTEN_UNIX "%s", path);
	return r;
}

/* "host:port" or "[host]:port" into its parts: 1, or 0. */
static int split(const char *address, char *ret_host, size_t bytes, const char **ret_port)
{
	const char *colon = strrchr(address, ':'), *end = colon;

	if (!colon || colon == address || !colon[1])
		return 0;
	if (*address == '[') {
		address++;
		end--;
		if (*end != ']')
			return 0;
	} else if (memchr(address, ':', (size_t)(colon - address))) {
		return 0; /* an IPv6 address without brackets */
	}
	if ((size_t)(end - address) >= bytes)
		return 0;
	memcpy(ret_host, address, (size_t)(end - address));
	ret_host[end - address] = 0;
	*ret_port = colon + 1;
	return 1;
}

static int is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
	return address->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static void name(struct listen_at *at)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof(address);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(at->fd, (struct sockaddr *)&address, &bytes) < 0 ||
	    getnameinfo((struct sockaddr *)&address, bytes, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	snprintf(at->text, sizeof(at->text),
		 address.ss_family == AF_INET6 ? "[%.250s]:%s" : "%.250s:%s", host, port);
}

static int bind_tcp(const struct addrinfo *info, struct listen_at *ret_at)
{
	const int one = 1;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

	if (fd < 0)
		return -errno;
	/* answers go out at once; inherited by what is accepted */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	ret_at->fd = fd;
	ret_at->is_loopback = is_loopback(info->ai_addr);
	name(ret_at);
	return 0;
}

/* getaddrinfo takes such a number, and leaves bits of it out. */
static int is_beyond_ports(const char *port)
{
	return !port[strspn(port, "0123456789")] && strtoul(port, NULL, 10) > UINT16_MAX;
}

/* To be freed with freeaddrinfo. Says why there is none, and returns -EINVAL. */
static int find_tcp(const char *address, const char *place, struct addrinfo **ret_found)
{
	struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	char host[NI_MAXHOST];
	const char *port;
	int r;

	if (!split(address, host, sizeof(host), &port)) {
		messages_say("%s%s is no address: write 127.0.0.1:8090, [::1]:8090 or unix:/PATH",
			     place, address);
		return -EINVAL;
	}
	if (is_beyond_ports(port)) {
		messages_say("%s%s: a port is a number from 0 to 65535", place, address);
		return -EINVAL;
	}
	r = getaddrinfo(host, port, &wanted, ret_found);
	if (r == 0)
		return 0;
	messages_say("%scannot find the address %s: %s", place, address, gai_strerror(r));
	return -EINVAL;
}

static int open_tcp(const char *address, const char *place, struct listen_at *ret_at)
{
	struct addrinfo *found;
	int r = find_tcp(address, place, &found);

	if (r < 0)
		return r;
	r = bind_tcp(found, ret_at);
	freeaddrinfo(found);
	return r;
}

int listen_check(const char *address, const char *place, int *ret_is_loopback)
{
	const char *path = address + strlen(LISTEN_UNIX);
	struct addrinfo *found;
	int r;

	if (strncmp(address, LISTEN_UNIX, strlen(LISTEN_UNIX)) == 0) {
		*ret_is_loopback = 1;
		if (*path && strlen(path) < sizeof(((struct sockaddr_un *)0)->sun_path))
			return 0;
		messages_say("%s%s is no address: a socket's path has 1 to %zu bytes", place,
			     address, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
		return -EINVAL;
	}
	r = find_tcp(address, place, &found);
	if (r < 0)
		return r;
	*ret_is_loopback = is_loopback(found->ai_addr);
	freeaddrinfo(found);
	return 0;
}

int listen_refuse(const char *address, const char *place)
{
	messages_say("%s%s can be reached from other hosts: give --token-file, or --open-to-all",
		     place, address);
	return -EPERM;
}

int listen_refuse_abstract(const char *address)
{
	messages_say("%s has no file whose mode says who may connect: give --allow-users, or a "
		     "path in ListenStream=",
		     address);
	return -EPERM;
}

static int open_at(const char *address, const char *place, int is_unix, struct listen_at *ret_at)
{
	int r;

	*ret_at = (struct listen_at){.fd = -1};
	if (is_unix)
		r = open_unix(address + strlen(LISTEN_UNIX), ret_at);
	else
		r = open_tcp(address, place, ret_at);
	if (r < 0 && ret_at->fd >= 0)
		close(ret_at->fd);
	return r;
}

int listen_open(const char *address, const char *place, struct listen_at *ret_at)
{
	const struct timespec moment = {.tv_nsec = LEFT_WAIT_NS};
	int is_unix = strncmp(address, LISTEN_UNIX, strlen(LISTEN_UNIX)) == 0;
	int r = open_at(address, place, is_unix, ret_at);

	for (int i = 0; r == -EADDRINUSE && i < LEFT_TRIES; i++) {
		nanosleep(&moment, NULL);
		r = open_at(address, place, is_unix, ret_at);
	}
	if (r < 0 && (is_unix || r != -EINVAL))
		messages_say("%scannot listen on %s: %s", place, address, strerror(-r));
	return r;
}

/* Of what family it is, and whether it listens for streams. -errno */
static int look_at(int fd, struct sockaddr_storage *ret_address)
{
	socklen_t bytes = sizeof(int), address_bytes = sizeof(*ret_address) - 1;
	int listens = 0, type = 0;

	memset(ret_address, 0, sizeof(*ret_address));
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) < 0 ||
	    getsockname(fd, (struct sockaddr *)ret_address, &address_bytes) < 0)
		return -errno;
	return listens && type == SOCK_STREAM ? ret_address->ss_family : -EINVAL;
}

/* An abstract one as "unix:@name". */
static void name_unix(struct listen_at *at, const struct sockaddr_un *address)
{
	int is_abstract = !address->sun_path[0];

	snprintf(at->text, sizeof(at->text), LISTEN_UNIX "%s%.*s", is_abstract ? "@" : "",
		 (int)sizeof(address->sun_path) - 1, address->sun_path + is_abstract);
}

int listen_take(int fd, struct listen_at *ret_at)
{
	struct sockaddr_storage address;
	const int one = 1;
	int family = look_at(fd, &address);

	*ret_at = (struct listen_at){.fd = fd, .is_passed = 1};
	switch (family) {
	case AF_UNIX:
		ret_at->is_unix = 1;
		ret_at->is_loopback = 1;
		ret_at->is_abstract = !((const struct sockaddr_un *)&address)->sun_path[0];
		name_unix(ret_at, (const struct sockaddr_un *)&address);
		return 0;
	case AF_INET:
	case AF_INET6:
		if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
			return -errno;
		ret_at->is_loopback = is_loopback((const struct sockaddr *)&address);
		name(ret_at);
		return 0;
	default:
		return family < 0 ? family : -EAFNOSUPPORT;
	}
}

void listen_remove(const struct listen_at *at)
{
	const char *path = at->text + strlen(LISTEN_UNIX);
	struct stat file;

	if (at->is_unix && !at->is_passed && lstat(path, &file) == 0 && file.st_dev == at->device &&
	    file.st_ino == at->inode)
		unlink(path);
}
