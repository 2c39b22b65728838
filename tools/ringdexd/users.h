/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users whose processes may ask over a Unix socket. Root, and the user whose process this is, always may.
 */
#ifndef RINGDEXD_USERS_H
#define RINGDEXD_USERS_H

#include <stdint.h>
#include <sys/types.h>

#define USERS_MAX    64
#define USERS_NOBODY ((uid_t)-1) /* which is no user's number */

struct users {
	uint32_t count; /* 0: all users may */
	uid_t ids[USERS_MAX];
};

/* Read names and numbers with commas between them; NULL: all users. Says what is wrong, after `place`: -EINVAL */
int users_read(const char *list, const char *place, struct users *ret_users);

/* Whose process connected, as the kernel noted it then; USERS_NOBODY: of a socket that is no Unix socket. */
uid_t users_peer(int fd);

int users_have(const struct users *users, uid_t user);

#endif
