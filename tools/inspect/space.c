/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/inspect/space.h"

#include "shm/namespace.h"
#include "shm/shared_clock.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <ringdex/rdx_reader.h>
#include <unistd.h>

void space_guard(void)
{
	int r = rdx_guard_install();

	if (r < 0)
		messages_say_error(r, "cannot handle truncated files");
}

int space_open(struct space *ret_space, const char *dir)
{
	int dir_fd = rdx_namespace_open(dir, 0);

	if (dir_fd < 0) {
		messages_say("cannot open %s: %s%s", dir, messages_explain(dir_fd),
			     dir_fd == -ENOENT || dir_fd == -ENOTDIR
				     ? ": start a worker or name the directory with --dir"
				     : "");
		return dir_fd;
	}
	space_guard();
	(void)rdx_shared_clock_learn(); /* without, ages may be off */
	*ret_space = (struct space){.dir = dir, .dir_fd = dir_fd};
	ret_space->key_error = rdx_namespace_key(dir_fd, 0, &ret_space->key);
	return 0;
}

int space_renew(struct space *space)
{
	int dir_fd;

	if (rdx_namespace_lost(space->dir_fd, space->dir) == 0) {
		if (space->key_error)
			space->key_error = rdx_namespace_key(space->dir_fd, 0, &space->key);
		return 0;
	}
	dir_fd = rdx_namespace_open(space->dir, 0);
	if (dir_fd < 0)
		return dir_fd;
	close(space->dir_fd);
	space->dir_fd = dir_fd;
	space->key_error = rdx_namespace_key(dir_fd, 0, &space->key);
	return 1;
}

void space_close(struct space *space)
{
	close(space->dir_fd);
}

int space_has_indexer(const struct space *space)
{
	return rdx_namespace_is_indexed(space->dir_fd);
}
