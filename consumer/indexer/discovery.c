/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/indexer/discovery.h"

#include "shm/file.h"
#include "shm/namespace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdalign.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define RENEW_NS       UINT64_C(1000000000)
#define READS          16 /* of events, a poll */
#define WATCHED        (IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR)
#define WATCHED_INSIDE (WATCHED | IN_CLOSE_WRITE) /* of a worker */

static uint64_t birth_ns(int dir_fd, const char *name)
{
	struct statx stx;

	if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &stx) < 0 ||
	    !(stx.stx_mask & STATX_BTIME))
		return 0;
	return (uint64_t)stx.stx_btime.tv_sec * UINT64_C(1000000000) + stx.stx_btime.tv_nsec;
}

/* *ret_unseen: -errno where it may have more than was found. */
static int walk_worker(int dir_fd, uint64_t worker_id, rdx_found_function function, void *context,
		       int *ret_unseen)
{
	uint32_t entries = 0, segments = 0;
	char name[RDX_NAME_BYTES];
	struct dirent *entry;
	struct stat own;
	DIR *dir;
	int r = 0;

	rdx_namespace_worker_dir(worker_id, name);
	dir = rdx_file_open_dir(dir_fd, name);
	if (!dir && errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != EACCES)
		*ret_unseen = -errno;
	if (!dir)
		return 0; /* it is gone, or not readable */
	if (fstat(dirfd(dir), &own) < 0) {
		*ret_unseen = -errno;
		closedir(dir);
		return 0;
	}
	while (r >= 0 && entries++ < RDX_WORKER_ENTRIES_MAX && segments < RDX_WORKER_SEGMENTS_MAX) {
		struct rdx_found found = {.worker_id = worker_id, .owner = own.st_uid};
		struct stat st;
		int got = rdx_file_entry(dir, &entry);

		*ret_unseen = got < 0 ? got : *ret_unseen;
		if (got <= 0)
			break;
		if (!rdx_namespace_segment_name(entry->d_name, &found.dp_rank))
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			*ret_unseen = errno == ENOENT ? *ret_unseen : -errno;
			continue;
		}
		segments++;
		found.device = st.st_dev;
		found.inode = st.st_ino;
		found.born_ns = birth_ns(dirfd(dir), entry->d_name);
		r = function(context, &found);
	}
	closedir(dir);
	return r < 0 ? r : 0;
}

int rdx_discovery_walk(int dir_fd, rdx_found_function function, void *context)
{
	struct dirent *entry;
	uint64_t worker_id;
	struct stat st;
	DIR *dir;
	int r, unseen = 0;

	if (fstat(dir_fd, &st) < 0)
		return -errno;
	if (st.st_nlink == 0)
		return -ENOENT;
	dir = rdx_file_open_dir(dir_fd, ".");
	if (!dir)
		return -errno;
	while ((r = rdx_file_entry(dir, &entry)) > 0) {
		if (rdx_namespace_number(entry->d_name, UINT64_MAX, &worker_id))
			r = walk_worker(dir_fd, worker_id, function, context, &unseen);
		if (r < 0)
			break;
	}
	closedir(dir);
	return r < 0 ? r : unseen;
}

/* inotify takes paths only: the descriptor's own. What is gone again, or no directory, needs no watch. */
static int add_watch(struct rdx_discovery *discovery, const char *name, uint32_t watched)
{
	char path[NAME_MAX + 64];
	int watch;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", discovery->dir_fd, name);
	watch = inotify_add_watch(discovery->inotify_fd, path, watched);
	discovery->dropped += watch < 0 && errno != ENOENT && errno != ENOTDIR;
	return watch;
}

static void watch_all(struct rdx_discovery *discovery)
{
	DIR *dir = rdx_file_open_dir(discovery->dir_fd, ".");
	struct dirent *entry;
	uint64_t worker_id;

	discovery->root = add_watch(discovery, ".", WATCHED);
	while (dir && (entry = readdir(dir)))
		if (rdx_namespace_number(entry->d_name, UINT64_MAX, &worker_id))
			add_watch(discovery, entry->d_name, WATCHED_INSIDE);
	if (dir)
		closedir(dir);
}

void rdx_discovery_open(struct rdx_discovery *discovery, int dir_fd)
{
	*discovery = (struct rdx_discovery){.dir_fd = dir_fd, .root = -1};
	discovery->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (discovery->inotify_fd >= 0)
		watch_all(discovery);
}

void rdx_discovery_close(struct rdx_discovery *discovery)
{
	if (discovery->inotify_fd >= 0)
		close(discovery->inotify_fd);
	discovery->inotify_fd = -1;
}

/* Count a turn of a directory: 0, it had too many. */
static int count_turn(struct rdx_discovery *discovery, int watch)
{
	uint32_t i = 0;

	while (i < discovery->busy_count && discovery->busy[i].watch != watch)
		i++;
	if (i == RDX_BUSY_MAX)
		return 1;
	if (i == discovery->busy_count)
		discovery->busy[discovery->busy_count++].turns = 0;
	discovery->busy[i].watch = watch;
	return ++discovery->busy[i].turns <= RDX_TURNS_MAX;
}

/* What changed is not examined: a walk finds out. Only a directory may be new. */
static void take(struct rdx_discovery *discovery, const struct inotify_event *event, int *last)
{
	uint64_t worker_id;

	if (event->mask & IN_Q_OVERFLOW)
		watch_all(discovery);
	if (event->wd == discovery->root && event->len &&
	    rdx_namespace_number(event->name, UINT64_MAX, &worker_id))
		add_watch(discovery, event->name, WATCHED_INSIDE);
	/* many events in a row are one turn */
	if (event->wd < 0 || event->wd == *last || event->mask & IN_IGNORED)
		return;
	*last = event->wd;
	if (!count_turn(discovery, event->wd)) {
		inotify_rm_watch(discovery->inotify_fd, event->wd);
		discovery->dropped++;
	}
}

/* All are watched again, each second. What is news where one was not. */
static uint32_t renew(struct rdx_discovery *discovery, uint64_t now_ns)
{
	uint32_t dropped = discovery->dropped;

	if (now_ns < discovery->renew_ns)
		return 0;
	discovery->renew_ns = now_ns + RENEW_NS;
	discovery->busy_count = discovery->dropped = 0;
	if (dropped)
		watch_all(discovery);
	return dropped ? RDX_NEWS_NAMES | RDX_NEWS_CLOSED : 0;
}

static uint32_t news_of(const struct inotify_event *event)
{
	uint32_t rank;

	if (event->mask & IN_Q_OVERFLOW)
		return RDX_NEWS_NAMES | RDX_NEWS_CLOSED;
	if (event->mask & IN_IGNORED)
		return 0;
	if (!(event->mask & IN_CLOSE_WRITE))
		return RDX_NEWS_NAMES;
	return event->len && rdx_namespace_segment_name(event->name, &rank) ? RDX_NEWS_CLOSED : 0;
}

int rdx_discovery_is_whole(const struct rdx_discovery *discovery)
{
	return discovery->inotify_fd >= 0 && !discovery->dropped;
}

uint32_t rdx_discovery_news(struct rdx_discovery *discovery, uint64_t now_ns)
{
	alignas(struct inotify_event) char events[4096];
	uint32_t news;
	int last = -1;
	ssize_t got;

	if (discovery->inotify_fd < 0)
		return 0;
	news = renew(discovery, now_ns);
	/* the rest at the next poll: somebody may make news as fast as they are read */
	for (int i = 0;
	     i < READS && (got = read(discovery->inotify_fd, events, sizeof(events))) > 0; i++) {
		const struct inotify_event *event;

		for (ssize_t at = 0; at < got; at += (ssize_t)(sizeof(*event) + event->len)) {
			event = (const struct inotify_event *)(events + at);
			news |= news_of(event);
			take(discovery, event, &last);
		}
	}
	return news;
}
