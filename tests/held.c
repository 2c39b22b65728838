/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/held.h"

#include "shm/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_US    20000
#define TERM_PAUSES 100 /* for programs that clean up after themselves, as the demo does */
#define KILL_PAUSES 500
#define ENVIRONMENT (1 << 20)

/* The directories in one place: numbered ones in one with the process's number. */
static struct hold {
	const char *where;
	const char *variable; /* that children find in their environment */
	pid_t owner;
	uint32_t made;
	char path[HELD_PATH_BYTES - 16];
} holds[HELD_PLACES] = {
	{.where = "/dev/shm", .variable = "RDX_TEST_MEMORY"},
	{.where = "/tmp", .variable = "RDX_TEST_DISK"},
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	if (remove(path) < 0 && errno == EBUSY && umount2(path, MNT_DETACH) == 0)
		remove(path);
	return 0;
}

void held_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Is `text` below `path`, or it itself? */
static int is_below(const char *text, const char *path)
{
	size_t length = strlen(path);

	return strncmp(text, path, length) == 0 && (text[length] == '/' || text[length] == 0);
}

static int has_file_below(int process_fd, const char *path)
{
	int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && !found && (entry = readdir(dir))) {
		char target[PATH_MAX];
		ssize_t length = readlinkat(fd, entry->d_name, target, sizeof(target) - 1);

		if (length < 0)
			continue;
		target[length] = 0;
		found = is_below(target, path);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Is `path` the value of one of our variables in its environment? */
static int was_started_with(int process_fd, const char *path)
{
	static char text[ENVIRONMENT];
	int fd = openat(process_fd, "environ", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;

	if (fd < 0)
		return 0;
	while ((got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	close(fd);
	text[length] = 0;
	for (const char *at = text; at < text + length; at += strlen(at) + 1) {
		const char *value = strchr(at, '=');

		if (strncmp(at, "RDX_TEST_", 9) == 0 && value && is_below(path, value + 1))
			return 1;
	}
	return 0;
}

int held_processes(const char *path, int signal)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir))) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		int fd;

		if (pid <= 0 || pid == getpid())
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (has_file_below(fd, path) || was_started_with(fd, path)) {
			count++;
			if (signal)
				kill(pid, signal);
		}
		close(fd);
	}
	if (dir)
		closedir(dir);
	return count;
}

/* A chance to clean up, then none. */
static void end_processes(const char *path)
{
	if (held_processes(path, SIGTERM))
		held_processes(path, SIGCONT);
	for (int i = 0; i < TERM_PAUSES && held_processes(path, 0); i++)
		usleep(PAUSE_US);
	for (int i = 0; i < KILL_PAUSES && held_processes(path, SIGKILL); i++)
		usleep(PAUSE_US);
}

/* The guardian's life, with the process to outlive as its only descriptor. */
static void guard(const char *path)
{
	struct pollfd process = {.fd = 0, .events = POLLIN};

	while (poll(&process, 1, -1) < 0)
		;
	end_processes(path);
	for (int i = 0; i < KILL_PAUSES && access(path, F_OK) == 0; i++) {
		held_remove(path);
		usleep(PAUSE_US);
	}
}

/* A grandchild, so that nobody waits for it or kills it as a child. */
static int start_guardian(const char *path)
{
	int process_fd = (int)syscall(SYS_pidfd_open, getpid(), 0), status;
	sigset_t all;
	pid_t pid;

	if (process_fd < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		setsid();
		if (dup2(process_fd, 0) < 0 || close_range(1, UINT_MAX, 0) < 0 || chdir("/") < 0)
			_exit(1);
		/* files that its parent had open are closed before the parent goes on */
		if (fork() == 0)
			guard(path);
		_exit(0);
	}
	close(process_fd);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

static void let_go(void)
{
	for (int i = 0; i < HELD_PLACES; i++)
		if (holds[i].owner == getpid())
			held_remove(holds[i].path);
}

/* First the guardian, then what it removes: there is no moment between the two. */
static int take_hold(struct hold *hold)
{
	int r;

	snprintf(hold->path, sizeof(hold->path), "%s/rdx-test-%d-%06llx", hold->where,
		 (int)getpid(), (unsigned long long)rdx_clock_ns() & 0xffffff);
	r = start_guardian(hold->path);
	if (r < 0)
		fprintf(stderr, "no guardian: %s; killed, this test leaves %s\n", strerror(-r),
			hold->path);
	if (mkdir(hold->path, 0700) < 0)
		return -errno;
	hold->owner = getpid();
	hold->made = 0;
	setenv(hold->variable, hold->path, 1);
	atexit(let_go);
	return 0;
}

int held_make(enum held_place place, char ret_path[HELD_PATH_BYTES])
{
	struct hold *hold = &holds[place];
	int r = hold->owner == getpid() ? 0 : take_hold(hold);

	if (r < 0)
		return r;
	snprintf(ret_path, HELD_PATH_BYTES, "%s/%u", hold->path, ++hold->made);
	return mkdir(ret_path, 0700) < 0 ? -errno : 0;
}
