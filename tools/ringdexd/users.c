/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/users.h"

#include "tools/program/messages.h"
#include "tools/program/options_value.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEPARATORS ", \t"
#define NAME_BYTES 256

/* Of a user by name or number, which need not be anybody's here. USERS_NOBODY: there is none of that name. */
static uid_t find(const char *name)
{
	const struct passwd *found;
	uint64_t number;

	if (!name[strspn(name, "0123456789")])
		return options_value_number(name, 0, USERS_NOBODY - 1, &number) ? (uid_t)number
										: USERS_NOBODY;
	found = getpwnam(name);
	return found ? found->pw_uid : USERS_NOBODY;
}

/* -EINVAL, which is said */
static int add(struct users *users, const char *name, int count, const char *place)
{
	char text[NAME_BYTES];
	uid_t user = USERS_NOBODY;

	if (snprintf(text, sizeof(text), "%.*s", count, name) < (int)sizeof(text))
		user = find(text);
	if (user == USERS_NOBODY) {
		messages_say("%sallow-users: '%s' is no user of this host: write names or numbers, "
			     "as in alice,1001",
			     place, text);
		return -EINVAL;
	}
	if (users->count == USERS_MAX) {
		messages_say("%sallow-users: at most %d users can be named", place, USERS_MAX);
		return -EINVAL;
	}
	users->ids[users->count++] = user;
	return 0;
}

int users_read(const char *list, const char *place, struct users *ret_users)
{
	struct users users = {0};
	const char *at = list;

	while (at && *(at += strspn(at, SEPARATORS))) {
		size_t count = strcspn(at, SEPARATORS);
		int r = add(&users, at, (int)count, place);

		if (r < 0)
			return r;
		at += count;
	}
	if (list && !users.count) { /* none is not all */
		messages_say("%sallow-users: nobody is named in '%s'", place, list);
		return -EINVAL;
	}
	*ret_users = users;
	return 0;
}

uid_t users_peer(int fd)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	/* of other sockets it is nobody, too */
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0 ? USERS_NOBODY : peer.uid;
}

int users_have(const struct users *users, uid_t user)
{
	if (!users->count || user == 0 || user == geteuid())
		return 1;
	for (uint32_t i = 0; i < users->count; i++)
		if (users->ids[i] == user)
			return 1;
	return 0;
}
