/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may ask. Token and --open-to-all say whether sockets may be open that other hosts reach: they are judged
 * against these sockets, and change together.
 */
#ifndef RINGDEXD_ACCESS_H
#define RINGDEXD_ACCESS_H

#include "tools/ringdexd/listen.h"
#include "tools/ringdexd/settings.h"
#include "tools/ringdexd/users.h"

#include <stdint.h>

#define ACCESS_TOKEN_BYTES 512

struct access {
	char token[ACCESS_TOKEN_BYTES]; /* "": none is asked for */
	int open_to_all;
	struct users users;
};

/*
 * What the settings say of it. The token file is read, users are looked up, and addresses to listen on; nothing is
 * opened.
 * How many faults there are: each is said, with its place in `texts`. With any `*ret_access` is of no use.
 */
int access_read(const struct settings *settings, const struct configuration_texts *texts,
		struct access *ret_access);

/*
 * Of so many sockets the first that must not be open, as nothing keeps those out who reach it: other hosts where
 * there is no token, all users of this one where a Unix socket without a file asks for none; or NULL.
 */
const struct listen_at *access_find_unguarded(const struct access *access,
					      const struct listen_at *at, uint32_t count);

/* Why nobody may register; NULL: whoever may ask may, but not the whole world: a bridge is a process, and connects
 * where it is told. */
const char *access_why_no_register(const struct access *access);

#endif
