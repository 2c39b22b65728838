/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/attackers.h"

#include "shm/segment_layout.h"
#include "tests/chaos/ground.h"
#include "tests/rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTACKERS    2
#define MEMBER       54321
#define STRANGER     54322
#define FIRST_WORKER 900 /* theirs */
#define WORKERS      4
#define JUNK         200
#define HELD_MAX     48
#define PAUSE_US     20000
#define SPARSE_BYTES (INT64_C(1) << 30)
#define COULD_DO     3 /* exit status */

extern char **environ;

static pid_t pids[ATTACKERS];

static void start(const struct crew *crew, uint32_t i, unsigned int user, unsigned int group)
{
	char role[] = ATTACKERS_ROLE, users[16], groups[16], seed[24];
	char *arguments[] = {role, role, (char *)crew->dir, users, groups, seed, NULL};

	snprintf(users, sizeof(users), "%u", user);
	snprintf(groups, sizeof(groups), "%u", group);
	snprintf(seed, sizeof(seed), "%" PRIu64, crew->seed + i);
	assert_int_equal(posix_spawn(&pids[i], "/proc/self/exe", NULL, NULL, arguments, environ),
			 0);
}

void attackers_start(struct crew *crew)
{
	if (!crew->is_group)
		return;
	start(crew, 0, MEMBER, GROUND_GROUP);
	start(crew, 1, STRANGER, STRANGER);
}

void attackers_look(const struct crew *crew)
{
	for (uint32_t i = 0; i < ATTACKERS; i++) {
		int status;

		if (pids[i] && waitpid(pids[i], &status, WNOHANG) == pids[i])
			crew_diverged(crew, "attacker %u ended: wait status %#x%s", i,
				      (unsigned int)status,
				      WIFEXITED(status) && WEXITSTATUS(status) == COULD_DO
					      ? ": it could change what is not its own"
					      : "");
	}
}

void attackers_end(struct crew *crew)
{
	attackers_look(crew);
	for (uint32_t i = 0; i < ATTACKERS; i++)
		if (pids[i]) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
}

/* The attacker's own side. */
static struct attacker {
	const char *dir;
	uid_t user;
	uint64_t random;
	int held[HELD_MAX];  /* descriptors with locks */
	uint32_t at;         /* the oldest of them */
	char good[PATH_MAX]; /* a worker's segment that it may read */
} self;

static uint64_t drawn(uint64_t below)
{
	return rig_random(&self.random) % below;
}

static void hold(int fd)
{
	if (self.held[self.at])
		close(self.held[self.at]);
	self.held[self.at] = fd;
	self.at = (self.at + 1) % HELD_MAX;
}

static void lock(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

	fcntl(fd, F_OFD_SETLK, &lock);
	hold(fd);
}

/* What is not ours must not let us do this. */
static void never(int r, const char *what, const char *path)
{
	if (r < 0)
		return;
	fprintf(stderr, "attacker %u: %s: %s\n", self.user, what, path);
	exit(COULD_DO);
}

/* Below a worker of ours: what others make there is ours to remove. */
static int is_in_own(const char *path)
{
	return strtoul(path + strlen(self.dir) + 1, NULL, 10) >= FIRST_WORKER;
}

/* Read locks on all, and all that is forbidden. */
static int try_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	char other[PATH_MAX];
	int fd;

	(void)at;
	if (st->st_uid == self.user || type != FTW_F || is_in_own(path))
		return 0;
	if (drawn(4) == 0) {
		never(open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC), "wrote", path);
		never(unlink(path), "removed", path);
		snprintf(other, sizeof(other), "%s/taken-%u", self.dir, self.user);
		never(rename(path, other), "moved", path);
		never(rename(other, path), "replaced", path);
		return 0;
	}
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (strstr(path, "/0.seg"))
		snprintf(self.good, sizeof(self.good), "%s", path);
	lock(fd, F_RDLCK);
	return 0;
}

static void try_all(void)
{
	nftw(self.dir, try_one, 16, FTW_PHYS);
}

static void path_of_worker(char ret_path[PATH_MAX], const char *file)
{
	snprintf(ret_path, PATH_MAX, "%s/%u%s", self.dir,
		 FIRST_WORKER + (unsigned int)drawn(WORKERS), file);
}

/* A good worker's segment, some words changed. Its descriptor. */
static int copy(const char *path)
{
	/* not what a fault has made a link to /dev/zero: that would fill the file system */
	int from = open(self.good, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, 0640);
	uint64_t few = 512 << drawn(8), words[512];
	ssize_t got = 0;

	while (from >= 0 && fd >= 0 && got >= 0 && (got = read(from, words, sizeof(words))) > 0) {
		for (ssize_t i = 0; i < got / 8; i++) {
			uint64_t word = rig_random(&self.random);

			words[i] = word % few ? words[i] : word;
		}
		got = write(fd, words, (size_t)got);
	}
	if (from >= 0)
		close(from);
	return fd;
}

static void put(int fd, uint64_t word, off_t at)
{
	if (pwrite(fd, &word, sizeof(word), at) < 0)
		return; /* a FIFO, or there is no room */
}

/* A segment that looks alive, and as ours, and changes, or is cut, while it is read. */
static void publish_lies(void)
{
	unsigned int worker = FIRST_WORKER + (unsigned int)drawn(WORKERS);
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%u", self.dir, worker);
	mkdir(path, 0755);
	strcat(path, "/0.seg");
	fd = copy(path);
	if (fd < 0)
		return;
	put(fd, worker, offsetof(struct rdx_segment_header, worker_id));
	lock(fd, F_WRLCK);
	usleep((useconds_t)drawn(PAUSE_US));
	for (uint64_t i = drawn(64); i; i--)
		put(fd, rig_random(&self.random) >> drawn(64), (off_t)(drawn(8192) * 8));
	if (drawn(4) == 0 && ftruncate(fd, (off_t)drawn(90000)) < 0)
		return;
}

static void make_no_segment(void)
{
	char path[PATH_MAX];
	int fd;

	path_of_worker(path, "");
	mkdir(path, 0755);
	strcat(path, "/0.seg");
	unlink(path);
	rmdir(path);
	switch (drawn(5)) {
	case 0:
		mkdir(path, 0755);
		break;
	case 1:
		mkfifo(path, 0644);
		break;
	case 2:
		if (symlink(self.good, path) < 0)
			return;
		break;
	case 3: /* a file where a directory should be, and the other way */
		*strrchr(path, '/') = 0;
		rmdir(path);
		close(open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
		break;
	default:
		fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
		if (fd >= 0 && ftruncate(fd, SPARSE_BYTES) == 0)
			lock(fd, F_WRLCK);
	}
}

/* Whoever follows one of these names does to another worker what it means to do to ours. */
static void mislead(void)
{
	static const char *const files[] = {"/0.lock", "/0.seg", "/clear", "/.tmp-0", ""};
	static const char *const targets[] = {"../1/0.lock", "../1/0.seg", "../4/clear", "../key",
					      "1"};
	uint64_t i = drawn(sizeof(files) / sizeof(*files));
	char path[PATH_MAX];

	path_of_worker(path, "");
	if (*files[i])
		mkdir(path, 0755);
	else
		rmdir(path);
	strcat(path, files[i]);
	unlink(path);
	if (symlink(targets[i], path) < 0)
		return;
}

static void litter(void)
{
	for (int i = 0; i < 20; i++) {
		char path[PATH_MAX];
		unsigned int number = (unsigned int)drawn(JUNK);

		snprintf(path, sizeof(path), "%s/%s-%u", self.dir, i % 2 ? "junk" : ".tmp", number);
		if (drawn(2))
			close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
		else
			unlink(path);
	}
}

static int remove_own(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)type;
	(void)at;
	if (st->st_uid == self.user)
		remove(path);
	return 0;
}

static void vanish(void)
{
	char path[PATH_MAX];

	path_of_worker(path, "");
	nftw(path, remove_own, 16, FTW_DEPTH | FTW_PHYS);
}

int attackers_attack(int argc, char **argv)
{
	static void (*const acts[])(void) = {try_all, publish_lies, publish_lies, make_no_segment,
					     mislead, litter,       vanish};
	gid_t group;

	if (argc != 6)
		return 2;
	self.dir = argv[2];
	self.user = (uid_t)atoi(argv[3]);
	group = (gid_t)atoi(argv[4]);
	self.random = strtoull(argv[5], NULL, 0);
	if (setgroups(0, NULL) < 0 || setgid(group) < 0 || setuid(self.user) < 0)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	umask(0);
	for (;;) {
		acts[drawn(sizeof(acts) / sizeof(*acts))]();
		usleep((useconds_t)drawn(PAUSE_US));
	}
}
