/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a request may come from a page of another site, which a browser of this host shows: such a page reaches
 * sockets that other hosts do not, also under a name of its own that it lets lead to 127.0.0.1 ("DNS rebinding").
 */
#ifndef RINGDEXD_ORIGIN_H
#define RINGDEXD_ORIGIN_H

#include <stddef.h>
#include <stdint.h>

#define ORIGIN_BYTES 272 /* of a name, with a port and the NUL */

/* What a request's head says of it. {0}: nothing. */
struct origin {
	char host[ORIGIN_BYTES]; /* whom it was sent to, with a port or without */
	char page[ORIGIN_BYTES]; /* likewise: where the page came from */
	uint8_t has_page;
	uint8_t is_odd; /* two that differ, or none that a page of ours has */
};

void origin_begin(struct origin *origin);

/* The value of a header "Host" or "Origin"; it need not end with a NUL. */
void origin_take_host(struct origin *origin, const char *value, size_t count);
void origin_take_page(struct origin *origin, const char *value, size_t count);

/* Did this connection come to an address of this host's own? */
int origin_is_loopback(int fd);

/*
 * Does it come from no page, or one of ours? Where `is_loopback` it must have been sent to an IP address, to localhost, by
 * the host's own name or by one of the names in `addresses` (listen.h; up to a NULL); by which others a socket can be reached that is open to other
 * hosts nobody here knows.
 */
int origin_is_ours(const struct origin *origin, int is_loopback, const char *const *addresses);

#endif
