/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories that are removed when the process that made them ends, however it ends. The first one
 * forks a guardian, in a session of its own, which waits for the end of this process, kills what it
 * left running, and removes the directories.
 */
#ifndef RDX_TESTS_HELD_H
#define RDX_TESTS_HELD_H

enum held_place {
	HELD_IN_MEMORY, /* /dev/shm */
	HELD_ON_DISK,   /* /tmp */
	HELD_PLACES,
};

#define HELD_PATH_BYTES 64

/* Make a directory of the place, mode 0700. 0 or -errno. */
int held_make(enum held_place place, char ret_path[HELD_PATH_BYTES]);

/* Remove a directory and everything below it, mounts too. */
void held_remove(const char *path);

/* How many processes belong to `path`, a directory of held_make's or the one it is in: they have a
 * file open below it, or were started with its name in the environment. Each is sent `signal`,
 * unless that is 0. The caller does not count. */
int held_processes(const char *path, int signal);

#endif
