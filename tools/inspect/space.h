/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A namespace as the programs of the router's side open it.
 */
#ifndef INSPECT_SPACE_H
#define INSPECT_SPACE_H

#include <ringdex/rdx_hash.h>

struct space {
	const char *dir;
	struct rdx_hash_key key;
	int dir_fd;
	int key_error; /* 0, or why the key could not be read */
};

/* Survive files that are truncated while they are read. space_open does it too. */
void space_guard(void);

/* Open the directory; says why it cannot be opened and returns -errno. */
int space_open(struct space *ret_space, const char *dir);

/* Go over to the directory that has the name now: 1 if that is another one than before, 0, -errno; the old
 * one stays open then. A key that could not be read before is tried again. */
int space_renew(struct space *space);

void space_close(struct space *space);

/* Does a running process maintain the indexes? */
int space_has_indexer(const struct space *space);

#endif
