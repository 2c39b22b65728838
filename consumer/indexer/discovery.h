/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds segments: a walk through the namespace, and a watch that says when to walk again.
 */
#ifndef RDX_DISCOVERY_H
#define RDX_DISCOVERY_H

#include <stdint.h>

/* A segment by name, and the file that has it now. File systems on disks reuse inodes: another
 * birth time means another file. */
struct rdx_found {
	uint64_t worker_id;
	uint64_t device;
	uint64_t inode;
	uint64_t born_ns; /* 0: the file system does not say */
	uint32_t dp_rank;
	uint32_t owner; /* of the worker's directory */
};

/* Negative: stop, and rdx_discovery_walk returns it. */
typedef int (*rdx_found_function)(void *context, const struct rdx_found *found);

/* A walk reads no more entries and segments of one worker's directory, whatever the worker puts
 * there. Four times the ranks that an index knows. */
#define RDX_WORKER_SEGMENTS_MAX 1024
#define RDX_WORKER_ENTRIES_MAX  8192

/* Call `function` for every segment. 0, what it returned, -ENOENT where the directory was
 * removed; another -errno: there may be more than were found. */
int rdx_discovery_walk(int dir_fd, rdx_found_function function, void *context);

/* A directory that changes more often in a second is not watched until that is over: a worker that
 * makes and removes files without end causes no walk for each. */
#define RDX_TURNS_MAX 16
#define RDX_BUSY_MAX  64 /* directories that are counted: who is beyond is not */

struct rdx_discovery {
	int inotify_fd; /* readable when something changed; -1: cannot be watched */
	int dir_fd;     /* not owned */
	int root;       /* the watch of the namespace itself */
	uint32_t busy_count;
	struct {
		int watch;
		uint32_t turns;
	} busy[RDX_BUSY_MAX]; /* what changed since the last renewal */
	uint32_t dropped;     /* watches that were removed or could not be had, since then */
	uint64_t renew_ns;
};

/* Never fails: without inotify the caller walks at intervals, and asks who lives. */
void rdx_discovery_open(struct rdx_discovery *discovery, int dir_fd);
void rdx_discovery_close(struct rdx_discovery *discovery);

/*
 * News since the last call, or what may be news where a directory was not watched:
 *   NAMES   something was made, moved or removed
 *   CLOSED  a segment was closed for good by who could write it: its lock is free in a moment, if it is not yet
 */
#define RDX_NEWS_NAMES  UINT32_C(1)
#define RDX_NEWS_CLOSED UINT32_C(2)

/* RDX_NEWS_... Watches directories that are new. */
uint32_t rdx_discovery_news(struct rdx_discovery *discovery, uint64_t now_ns);

/* Is every directory watched, so that no such news are missed? */
int rdx_discovery_is_whole(const struct rdx_discovery *discovery);

#endif
