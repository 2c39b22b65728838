/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/debris.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEBRIS_MAX 64

static struct debris {
	char path[PATH_MAX];
	ino_t inode;
	struct member *owner;
} list[DEBRIS_MAX];
static uint32_t count;

void debris_add(const char *path, struct member *owner)
{
	struct debris *debris = &list[count];
	struct stat st;

	if (count == DEBRIS_MAX || lstat(path, &st) < 0)
		return;
	snprintf(debris->path, sizeof(debris->path), "%s", path);
	debris->inode = st.st_ino;
	debris->owner = owner;
	count++;
}

/* Remove those that still have their names, or only what is no file. */
static void remove_all(int regular_too)
{
	for (uint32_t i = 0; i < count; i++) {
		struct stat st;

		if (lstat(list[i].path, &st) == 0 && st.st_ino == list[i].inode &&
		    (regular_too || !S_ISREG(st.st_mode)))
			unlink(list[i].path);
	}
}

uint32_t debris_clear(struct crew *crew)
{
	uint32_t restarted = 0;

	remove_all(1);
	for (uint32_t i = 0; i < count; i++)
		if (member_runs(list[i].owner)) {
			crew_restart(crew, list[i].owner);
			restarted++;
		}
	count = 0;
	return restarted;
}

void debris_forget(void)
{
	remove_all(0);
	count = 0;
}
