/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses to listen on: "127.0.0.1:8090", "[::1]:8090", "localhost:0", "unix:/run/ringdexd.sock".
 */
#ifndef RINGDEXD_LISTEN_H
#define RINGDEXD_LISTEN_H

#include <sys/types.h>

#define LISTEN_TEXT_BYTES 300
#define LISTEN_UNIX       "unix:" /* before a path; all other addresses are of TCP */

/* Messages begin with `place`, which is where the address was read ("FILE:LINE: "), or "". */

struct listen_at {
	int fd;
	int is_unix;     /* who may connect is said by the file's mode */
	int is_loopback; /* this host only */
	int is_passed;   /* another process has made it, and removes its file */
	int is_abstract; /* a Unix socket without a file: no mode keeps anybody out */
	dev_t device;    /* its own file, whatever has the name later */
	ino_t inode;
	char text[LISTEN_TEXT_BYTES]; /* as a client writes it, with the port that was chosen */
};

/*
 * Make a listening socket. One in the file system replaces a socket of that name on which nobody listens,
 * and nothing else; its mode is 0660. Waits up to a second for an address that is in use. Says why it
 * cannot, and returns -errno.
 */
int listen_open(const char *address, const char *place, struct listen_at *ret_at);

/* Is it an address, and of this host only? Nothing is opened. Says why it is none, and returns -errno. */
int listen_check(const char *address, const char *place, int *ret_is_loopback);

/* Say that other hosts reach it, and what may be done: -EPERM. */
int listen_refuse(const char *address, const char *place);

/* Likewise that all users of this host reach it, as no file's mode says who may: -EPERM. */
int listen_refuse_abstract(const char *address);

/*
 * Take over a socket that another process has made and listens on. -ENOTSOCK, -EINVAL: it is none that
 * listens, -EAFNOSUPPORT: of another family; -errno
 */
int listen_take(int fd, struct listen_at *ret_at);

/* Before it is closed: remove its file, unless it was passed, or another one has the name by now. */
void listen_remove(const struct listen_at *at);

#endif
