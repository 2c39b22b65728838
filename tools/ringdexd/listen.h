/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses to listen on: "127.0.0.1:8090", "[::1]:8090", "localhost:0", "unix:/run/ringdexd.sock".
 */
#ifndef RINGDEXD_LISTEN_H
#define RINGDEXD_LISTEN_H

#define LISTEN_TEXT_BYTES 300

struct listen_at {
	int fd;
	int is_unix;                  /* who may connect is said by the file's mode */
	int is_loopback;              /* this host only */
	char text[LISTEN_TEXT_BYTES]; /* as a client writes it, with the port that was chosen */
};

/*
 * Make a listening socket. One in the file system replaces a socket of that name on which nobody listens,
 * and nothing else; its mode is 0660. Waits up to a second for an address that is in use. Says why it
 * cannot, and returns -errno.
 */
int listen_open(const char *address, struct listen_at *ret_at);

/* Close it, unless the server has it, and remove its file. */
void listen_remove(const struct listen_at *at);

#endif
