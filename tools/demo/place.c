/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/place.h"

#include "tools/demo/narrate.h"
#include "tools/program/figures.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN_FOLDER      "/dev/shm/ringdex-demo-XXXXXX"
#define REMOVE_OPEN_MAX 16
#define REMOVE_TRIES    200
#define REMOVE_PAUSE_US 10000

/* Sizes of docs/operations.md. */
#define SEGMENT_BYTES 16384 /* header, and what is lost by padding */
#define SLOT_BYTES    64
#define LEDGER_BYTES  24  /* for a block */
#define INDEX_BYTES   128 /* for a block: 4 slots of 16 bytes, in two tables while it grows */
#define SMALL_FILES   (UINT64_C(1) << 20)

static char own[PATH_MAX]; /* the folder to remove, or "" */
static pid_t remover;
static int remover_pipe;

uint64_t place_needs(const struct settings *settings)
{
	uint64_t blocks = (uint64_t)settings->blocks + settings->host_blocks;
	uint64_t segment =
		SEGMENT_BYTES + (uint64_t)settings->ring_slots * SLOT_BYTES + blocks * LEDGER_BYTES;

	/* a worker that comes back makes its new segment beside the old one */
	return SMALL_FILES + settings->workers * blocks * INDEX_BYTES +
	       (settings->workers + UINT64_C(1)) * segment;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	remove(path);
	return 0;
}

static int remove_tree(const char *path)
{
	return nftw(path, remove_one, REMOVE_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
}

/* The process that outlives the demo: waits for the end of the pipe, which comes when the
 * demo has closed it or is gone. The workers may die a little later than the demo. */
static _Noreturn void wait_and_remove(int pipe_end)
{
	char byte;

	setsid();
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd);
	while (read(pipe_end, &byte, 1) < 0 && errno == EINTR)
		;
	for (int i = 0; i < REMOVE_TRIES && remove_tree(own) == 0; i++)
		usleep(REMOVE_PAUSE_US);
	_exit(0);
}

/* At exit: the folder goes now. */
static void remove_now(void)
{
	close(remover_pipe);
	while (waitpid(remover, NULL, 0) < 0 && errno == EINTR)
		;
}

static void make_own(void)
{
	int ends[2];

	strcpy(own, OWN_FOLDER);
	if (pipe2(ends, O_CLOEXEC) < 0 || !mkdtemp(own) || (remover = fork()) < 0)
		narrate_failure("cannot make %s: %s: name a writable folder in memory with --dir",
				own, strerror(errno));
	if (remover == 0) {
		close(ends[1]);
		wait_and_remove(ends[0]);
	}
	close(ends[0]);
	remover_pipe = ends[1];
	atexit(remove_now);
}

static void check_room(const struct settings *settings, const char *dir)
{
	char needed[FIGURES_BYTES], left[FIGURES_BYTES];
	uint64_t needs = place_needs(settings), free_bytes;
	struct statvfs room = {0};

	statvfs(dir, &room);
	free_bytes = (uint64_t)room.f_bavail * room.f_frsize;
	if (free_bytes < needs)
		narrate_failure("%s has %s left, up to %s are needed: give fewer --workers or "
				"--blocks, name a larger tmpfs with --dir, or enlarge this one "
				"(docker run --shm-size)",
				dir, figures_size(free_bytes, left), figures_size(needs, needed));
}

const char *place_open(const struct settings *settings)
{
	const char *dir = settings->dir ? settings->dir : own;

	if (!settings->dir)
		make_own();
	else if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		narrate_failure("cannot make %s: %s", dir, strerror(errno));
	check_room(settings, dir);
	return dir;
}

void place_drop(const char *dir)
{
	if (remover)
		remove_tree(dir);
}
