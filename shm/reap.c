/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/reap.h"

#include "shm/debris.h"
#include "shm/file.h"
#include "shm/hook.h"
#include "shm/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

/* A temporary file that takes so long has no writer; one that has, all the same, makes it again. */
#define TEMPORARY_NS (10 * NS_PER_S)

#define STAT_BLOCK_BYTES 512

#define ENTRIES_MAX 2048 /* of a worker's directory that are looked at: the others another time */

static uint64_t time_ns(const struct timespec *t)
{
	return t->tv_sec < 0 ? 0 : (uint64_t)t->tv_sec * NS_PER_S + (uint64_t)t->tv_nsec;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return time_ns(&t);
}

uint64_t rdx_reap_look(int dir_fd, const char *name, uint64_t *bytes)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : UINT64_MAX;
	*bytes += (uint64_t)st.st_blocks * STAT_BLOCK_BYTES;
	return time_ns(&st.st_ctim);
}

uint64_t rdx_reap_dead_ns(int lock_fd, uint64_t born_ns, int dry_run)
{
	uint64_t now = now_ns(), marked;
	struct stat st;

	if (fstat(lock_fd, &st) < 0)
		return 0;
	marked = time_ns(&st.st_mtim);
	/* the clock may have been set back */
	if (marked > born_ns && marked <= now)
		return now - marked;
	if (!dry_run)
		futimens(lock_fd, NULL);
	return 0;
}

static void tell(const struct rdx_reap *reap, const struct rdx_reaped *what)
{
	if (reap->tell)
		reap->tell(reap->context, what);
}

/* What of a worker is looked at is below the directory that was opened: its name may be a link to another
 * worker's by now, and the cleaner may be root. */
static const char *below_worker(const char *name)
{
	return strchr(name, '/') + 1;
}

/* 0 also where it is gone. */
static int remove_file(const struct rdx_reap *reap, int dir_fd, const char *name)
{
	if (reap->dry_run || unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	return -errno;
}

/* The lock file goes last: until then it keeps producers out. */
static int remove_rank(const struct rdx_reap *reap, int worker_fd, struct rdx_reaped *what)
{
	char name[RDX_NAME_BYTES];
	int r;

	rdx_namespace_segment_temporary(what->worker_id, what->dp_rank, name);
	rdx_reap_look(worker_fd, below_worker(name), &what->bytes);
	r = remove_file(reap, worker_fd, below_worker(name));
	if (r == 0)
		r = remove_file(reap, worker_fd, below_worker(what->name));
	RDX_HOOK(RDX_HOOK_REAP_SEGMENT);
	if (r < 0)
		return r;
	rdx_namespace_lock(what->worker_id, what->dp_rank, name);
	return remove_file(reap, worker_fd, below_worker(name));
}

static int is_own(int worker_fd, const char *name)
{
	struct stat st;

	return fstatat(worker_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == geteuid();
}

/* With the rank's lock; a segment without it is held where somebody removed the lock file. 1: it
 * lives, and so nothing is told. */
static int reap_locked(const struct rdx_reap *reap, int worker_fd, int lock_fd,
		       struct rdx_reaped *what)
{
	int held = rdx_lock_file_held(worker_fd, below_worker(what->name));
	uint64_t born_ns;

	RDX_HOOK(RDX_HOOK_REAP_LOCKED);
	born_ns = rdx_reap_look(worker_fd, below_worker(what->name), &what->bytes);
	if (held == 1)
		return 1;
	if (held < 0 && held != -ENOENT && held != -EBADMSG)
		return held;
	if (lock_fd >= 0)
		what->dead_ns = rdx_reap_dead_ns(lock_fd, born_ns, reap->dry_run);
	if (what->dead_ns < reap->dead_for_ns)
		return -EAGAIN;
	return remove_rank(reap, worker_fd, what);
}

/* The lock file cannot be opened, mostly another user's. As above. */
static int refuse(int worker_fd, int error, struct rdx_reaped *what)
{
	rdx_reap_look(worker_fd, below_worker(what->name), &what->bytes);
	return rdx_lock_file_held(worker_fd, below_worker(what->name)) == 1 ? 1 : error;
}

/* 1: it is gone, or would be. */
static int reap_rank(const struct rdx_reap *reap, int worker_fd, uint64_t worker_id,
		     uint32_t dp_rank)
{
	struct rdx_reaped what = {
		.kind = RDX_CLEANED_RANK, .worker_id = worker_id, .dp_rank = dp_rank};
	char lock[RDX_NAME_BYTES];
	int fd;

	rdx_namespace_segment(worker_id, dp_rank, what.name);
	rdx_namespace_lock(worker_id, dp_rank, lock);
	if (reap->own_only && !is_own(worker_fd, below_worker(what.name)))
		return 0;
	fd = rdx_lock_open_to_clean(worker_fd, below_worker(lock), !reap->dry_run);
	if (fd == -EBUSY)
		return 0;
	if (fd == -ENOENT && !reap->dry_run)
		return 1; /* gone with its directory: what is there by now was made meanwhile */
	if (fd >= 0 || fd == -ENOENT)
		what.cause = reap_locked(reap, worker_fd, fd, &what);
	else
		what.cause = refuse(worker_fd, fd, &what);
	if (fd >= 0)
		rdx_lock_drop(fd);
	if (what.cause <= 0)
		tell(reap, &what);
	return what.cause == 0;
}

/* 1, 0, -errno. */
static int exists(int dir_fd, const char *name)
{
	if (faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

/* Of up to three files of a rank only the first that is there speaks for it; where one cannot be looked
 * at, rather two than none. */
static int speaks_for_rank(int worker_fd, const char *file, uint32_t dp_rank)
{
	char segment[RDX_NAME_BYTES], lock[RDX_NAME_BYTES];

	snprintf(segment, sizeof(segment), "%u.seg", dp_rank);
	snprintf(lock, sizeof(lock), "%u.lock", dp_rank);
	if (exists(worker_fd, file) == 0)
		return 0;
	if (strcmp(file, segment) == 0)
		return 1;
	return exists(worker_fd, segment) <= 0 &&
	       (strcmp(file, lock) == 0 || exists(worker_fd, lock) <= 0);
}

/* No lock keeps it, and none is needed: such a name is drawn at random and given once. */
static void reap_temporary(const struct rdx_reap *reap, int dir_fd, const char *prefix,
			   const char *file)
{
	uint64_t least = reap->dead_for_ns > TEMPORARY_NS ? reap->dead_for_ns : TEMPORARY_NS;
	struct rdx_reaped what = {.kind = RDX_CLEANED_TEMPORARY};
	uint64_t written, now = now_ns();
	struct stat st;

	snprintf(what.name, sizeof(what.name), "%.24s%.32s", prefix, file);
	if (fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		what.cause = -errno;
		if (what.cause != -ENOENT)
			tell(reap, &what);
		return;
	}
	written = time_ns(&st.st_mtim);
	if (written > now || now - written < least)
		return;
	what.bytes = (uint64_t)st.st_blocks * STAT_BLOCK_BYTES;
	what.dead_ns = now - written;
	what.cause = remove_file(reap, dir_fd, file);
	tell(reap, &what);
}

/* What keeps the rest of a worker's directory from being looked at; other things may have its name. */
static void tell_worker(const struct rdx_reap *reap, uint64_t worker_id, int cause)
{
	struct rdx_reaped what = {
		.kind = RDX_CLEANED_WORKER, .worker_id = worker_id, .cause = cause};

	rdx_namespace_worker_dir(worker_id, what.name);
	if (cause < 0 && cause != -ENOENT && cause != -ENOTDIR && cause != -ELOOP &&
	    !reap->own_only)
		tell(reap, &what);
}

/* The clear file of a worker without ranks: producers that use it share its lock. 0, -errno. */
static int reap_clear(const struct rdx_reap *reap, int worker_fd, struct rdx_reaped *what)
{
	int fd = rdx_lock_open_to_clean(worker_fd, "clear", 0), r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	RDX_HOOK(RDX_HOOK_REAP_LOCKED);
	rdx_reap_look(worker_fd, "clear", &what->bytes);
	r = reap->dry_run ? 0 : rdx_debris_remove(worker_fd, "clear", fd);
	rdx_lock_drop(fd);
	return r;
}

/* Files of a worker's directory that are nothing of ours. */
static uint32_t count_others(DIR *dir)
{
	struct dirent *entry;
	uint32_t dp_rank, others = 0;

	rewinddir(dir);
	while ((entry = readdir(dir)))
		others += !rdx_namespace_rank_name(entry->d_name, &dp_rank) &&
			  strcmp(entry->d_name, "clear") != 0 &&
			  strcmp(entry->d_name, RDX_DEBRIS_LOCK_NAME) != 0 &&
			  strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	return others;
}

/* A worker of which no rank is left: its clear file and its directory. */
static void reap_worker(const struct rdx_reap *reap, uint64_t worker_id, DIR *dir)
{
	struct rdx_reaped what = {.kind = RDX_CLEANED_WORKER, .worker_id = worker_id};
	uint32_t others = count_others(dir);

	rdx_namespace_worker_dir(worker_id, what.name);
	what.cause = reap_clear(reap, dirfd(dir), &what);
	if (!reap->dry_run)
		rdx_debris_remove_lock(dirfd(dir));
	if (what.cause == -EBUSY || (reap->keep_directories && what.cause == 0 && what.bytes == 0))
		return;
	if (what.cause == 0 && others == 0 && !reap->dry_run && !reap->keep_directories &&
	    /* a producer that has just made it, or its lock file in it, makes it again, or has it */
	    unlinkat(reap->dir_fd, what.name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		what.cause = -errno;
	/* files that are not ours, or a rank that came meanwhile */
	if (what.cause != -ENOTEMPTY && (what.cause < 0 || what.bytes || others == 0))
		tell(reap, &what);
}

static void reap_directory(const struct rdx_reap *reap, uint64_t worker_id)
{
	char prefix[RDX_NAME_BYTES];
	struct dirent *entry;
	uint32_t dp_rank, entries = 0, left = 0;
	DIR *dir;
	int r = 0;

	rdx_namespace_worker_dir(worker_id, prefix);
	dir = rdx_file_open_dir(reap->dir_fd, prefix);
	if (!dir) {
		tell_worker(reap, worker_id, -errno);
		return;
	}
	strcat(prefix, "/");
	while (entries++ < ENTRIES_MAX && (r = rdx_file_entry(dir, &entry)) > 0) {
		if (rdx_namespace_rank_name(entry->d_name, &dp_rank)) {
			if (speaks_for_rank(dirfd(dir), entry->d_name, dp_rank))
				left += !reap_rank(reap, dirfd(dir), worker_id, dp_rank);
		} else if (!reap->own_only && rdx_namespace_is_temporary(entry->d_name)) {
			reap_temporary(reap, dirfd(dir), prefix, entry->d_name);
		}
	}
	tell_worker(reap, worker_id, r);
	if (!reap->own_only && left == 0 && r == 0)
		reap_worker(reap, worker_id, dir);
	closedir(dir);
}

int rdx_reap_workers(const struct rdx_reap *reap)
{
	DIR *dir = rdx_file_open_dir(reap->dir_fd, ".");
	struct dirent *entry;
	uint64_t worker_id;
	int r;

	if (!dir)
		return -errno;
	while ((r = rdx_file_entry(dir, &entry)) > 0) {
		if (rdx_namespace_number(entry->d_name, UINT64_MAX, &worker_id))
			reap_directory(reap, worker_id);
		else if (!reap->own_only && rdx_namespace_is_temporary(entry->d_name))
			reap_temporary(reap, reap->dir_fd, "", entry->d_name);
	}
	closedir(dir);
	return r;
}
