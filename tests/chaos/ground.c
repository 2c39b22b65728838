/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/ground.h"

#include "tests/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTIONS "size=48m,mode=755"
#define TRIES   100

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		r = -errno;
	if (fd >= 0)
		close(fd);
	return r;
}

/* Mounts of our own: as root, else as root of users of our own. */
static int separate(void)
{
	unsigned int user = getuid(), group = getgid();
	char text[64];
	int r = 0;

	if (user == 0)
		return unshare(CLONE_NEWNS) < 0 ? -errno : 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -errno;
	snprintf(text, sizeof(text), "0 %u 1", user);
	r = write_text("/proc/self/uid_map", text);
	if (r == 0)
		r = write_text("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "0 %u 1", group);
	return r == 0 ? write_text("/proc/self/gid_map", text) : r;
}

static int mount_own(const char *path)
{
	int r = separate();

	if (r == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		r = -errno;
	if (r == 0 && mount("tmpfs", path, "tmpfs", 0, OPTIONS) < 0)
		r = -errno;
	return r;
}

void ground_make(struct crew *crew)
{
	int is_root = getuid() == 0, r;
	char above[PATH_MAX];

	assert_int_equal(held_make(HELD_IN_MEMORY, crew->top), 0);
	snprintf(crew->dir, sizeof(crew->dir), "%s/ringdex", crew->top);
	snprintf(above, sizeof(above), "%s", crew->top);
	*strrchr(above, '/') = 0;
	assert_int_equal(chmod(above, 0711), 0);
	assert_int_equal(chmod(crew->top, 0755), 0);
	r = mount_own(crew->top);
	crew->is_own = r == 0;
	if (r < 0)
		print_message("skipped: a full file system: no mounts of one's own: %s\n",
			      strerror(-r));
	crew->is_group = is_root;
	if (!is_root)
		print_message("skipped: attackers: only root can become another user\n");
	ground_make_dir(crew);
}

void ground_make_dir(const struct crew *crew)
{
	mkdir(crew->dir, 0755);
	if (!crew->is_group)
		return;
	assert_int_equal(chown(crew->dir, 0, GROUND_GROUP), 0);
	assert_int_equal(chmod(crew->dir, 03775), 0);
}

void ground_remove(const char *path)
{
	struct stat st;

	for (int i = 0; i < TRIES && lstat(path, &st) == 0; i++)
		held_remove(path);
}
