/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/scratch.h"

#include "shm/clock.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The directory that the others are in, whose it is, and who removes it then. */
static char base[SCRATCH_BYTES - 16];
static pid_t owner, guardian;

static int remove_path(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void scratch_remove(const char *dir)
{
	nftw(dir, remove_path, 16, FTW_DEPTH | FTW_PHYS);
	rmdir(base); /* with the last of them */
}

/* The guardian's life, until `process` ends. No signal reaches it that is meant for the benchmark. */
static void guard(int process)
{
	struct pollfd over = {.fd = 0, .events = POLLIN};
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	/* whoever waits for the end of the benchmark's output does not wait for this */
	dup2(process, 0);
	close_range(1, UINT_MAX, 0);
	while (poll(&over, 1, -1) < 0)
		;
	scratch_remove(base);
	_exit(0);
}

/* Of a process that ends by itself: nothing goes on after it. */
static void end(void)
{
	if (owner != getpid())
		return;
	kill(guardian, SIGKILL);
	while (waitpid(guardian, NULL, 0) < 0 && errno == EINTR)
		;
	scratch_remove(base);
}

void scratch_begin(const char *parent)
{
	int process = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int length = snprintf(base, sizeof(base), "%s/rdx-bench-%d-%06llx", parent, (int)getpid(),
			      (unsigned long long)rdx_clock_ns() & 0xffffff);

	if (length < 0 || length >= (int)sizeof(base)) {
		fprintf(stderr, "%s: too long a name\n", parent);
		exit(2);
	}
	guardian = process < 0 ? -1 : fork();
	if (guardian == 0)
		guard(process);
	if (guardian < 0) {
		perror("guardian");
		exit(1);
	}
	close(process);
	owner = getpid();
	atexit(end);
}

int scratch_make(char ret_dir[SCRATCH_BYTES])
{
	static unsigned int made;

	if (mkdir(base, 0700) < 0 && errno != EEXIST)
		return -errno;
	snprintf(ret_dir, SCRATCH_BYTES, "%s/%u", base, made++);
	return mkdir(ret_dir, 0700) < 0 ? -errno : 0;
}
