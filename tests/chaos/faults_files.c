/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files lose their names, are cut, and are replaced.
 */
#include "shm/namespace_layout.h"
#include "tests/chaos/debris.h"
#include "tests/chaos/faults.h"
#include "tests/chaos/ground.h"
#include "tests/rig.h"

#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum target {
	SEGMENT,
	RANK_LOCK,
	CLEAR_FILE,
	OF_WORKERS, /* those above */
	BELL = OF_WORKERS,
	INDEXER_LOCK,
	CONTROL_FILE,
	TABLE,
	TARGETS,
};

static const char *const names[TARGETS] = {
	"%s/%s/0.seg",       "%s/%s/0.lock",     "%s/%s/clear",      "%s%s/bell",
	"%s%s/indexer.lock", "%s%s/index/*.ctl", "%s%s/index/*.gen*"};

/* One of these, and whose it is. 0: there is none. */
static int find(struct crew *crew, int target, char ret_path[PATH_MAX], struct member **ret_owner)
{
	struct crew_feed *feed = &crew->feeds[crew_random(crew, CREW_FEEDS)];
	char pattern[PATH_MAX], worker[24];
	glob_t found;
	int r;

	snprintf(worker, sizeof(worker), "%" PRIu64, feed->worker);
	snprintf(pattern, sizeof(pattern), names[target], crew->dir,
		 target < OF_WORKERS ? worker : "");
	*ret_owner = target < OF_WORKERS ? &feed->member : &crew->indexer;
	r = glob(pattern, 0, NULL, &found) == 0;
	if (r)
		snprintf(ret_path, PATH_MAX, "%s", found.gl_pathv[0]);
	globfree(&found);
	crew->is_file_fault = 1;
	return r;
}

/* The indexer may end where it cannot go on, and say why. */
static void excuse_indexer(struct crew *crew)
{
	crew->indexer.may_end = 1;
}

static void excuse_all(struct crew *crew)
{
	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		crew->feeds[i].member.may_end = 1;
	excuse_indexer(crew);
}

/* A producer has no guard: what it maps and was cut is SIGBUS when it comes to it, maybe long after the
 * crew was at rest. */
static void excuse_producers(struct crew *crew, int target, struct member *owner)
{
	for (uint32_t i = 0; i < CREW_FEEDS; i++) {
		struct member *feed = &crew->feeds[i].member;

		if (target == BELL ||
		    ((target == SEGMENT || target == CLEAR_FILE) && feed == owner))
			feed->maps_cut_file = 1;
	}
}

static void lose(struct crew *crew, int target)
{
	struct member *owner;
	char path[PATH_MAX];

	if (find(crew, target, path, &owner))
		unlink(path);
}

static void cut(struct crew *crew, int target)
{
	struct member *owner;
	char path[PATH_MAX];
	struct stat st;

	if (!find(crew, target, path, &owner) || lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	if (truncate(path, (off_t)crew_random(crew, 2) *
				   (off_t)crew_random(crew, (uint64_t)st.st_size + 1)) < 0)
		return;
	excuse_all(crew);
	excuse_producers(crew, target, owner);
	debris_add(path, owner);
}

/* A file of that size under another name: of noise, or a copy of `from`. -1 on failure. */
static int write_other(struct crew *crew, const char *path, const char *from, off_t size,
		       mode_t mode)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
	int from_fd = from ? open(from, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
	uint64_t words[512];

	for (off_t at = 0; fd >= 0 && at < size; at += (off_t)sizeof(words)) {
		size_t length =
			size - at < (off_t)sizeof(words) ? (size_t)(size - at) : sizeof(words);

		for (uint32_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			words[i] = from ? 0 : rig_random(&crew->random);
		if ((from && read(from_fd, words, length) < 0) || write(fd, words, length) < 0)
			break;
	}
	if (from_fd >= 0)
		close(from_fd);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

/* By noise, a copy, nothing, a FIFO, or a link: in one step, as rename does. */
static void replace(struct crew *crew, int target)
{
	uint64_t kind = crew_random(crew, 5);
	char path[PATH_MAX], other[PATH_MAX + 8];
	struct member *owner;
	struct stat st;
	int r;

	if (!find(crew, target, path, &owner) || lstat(path, &st) < 0)
		return;
	snprintf(other, sizeof(other), "%s.other", path);
	if (kind == 3)
		r = mkfifo(other, st.st_mode & 0777);
	else if (kind == 4)
		r = symlink("/dev/zero", other);
	else
		r = write_other(crew, other, kind == 1 ? path : NULL, kind == 2 ? 0 : st.st_size,
				st.st_mode & 0777);
	crew_note(crew, "(%s)",
		  (const char *const[]){"noise", "copy", "nothing", "fifo", "link"}[kind]);
	if (r == 0 && rename(other, path) == 0) {
		excuse_all(crew);
		debris_add(path, owner);
	}
	unlink(other);
}

/* Written over, in place, under those who have it open. */
static void spoil(struct crew *crew, int target)
{
	uint64_t noise[sizeof(struct rdx_clear) / sizeof(uint64_t)];
	struct member *owner;
	char path[PATH_MAX];
	int fd;

	if (!find(crew, target, path, &owner))
		return;
	for (size_t i = 0; i < sizeof(noise) / sizeof(*noise); i++)
		noise[i] = rig_random(&crew->random);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, noise, sizeof(noise)) == sizeof(noise)) {
		excuse_all(crew);
		debris_add(path, owner);
	}
	close(fd);
}

static void path_of_worker(struct crew *crew, char ret_path[PATH_MAX])
{
	uint64_t feed = crew_random(crew, CREW_FEEDS);

	snprintf(ret_path, PATH_MAX, "%s/%" PRIu64, crew->dir, crew->feeds[feed].worker);
	crew->is_file_fault = 1;
}

static void lose_worker(struct crew *crew)
{
	char path[PATH_MAX];

	path_of_worker(crew, path);
	ground_remove(path);
}

/* It is there, under a name that is no worker's. */
static void rename_worker(struct crew *crew)
{
	char path[PATH_MAX], other[PATH_MAX + 8];

	path_of_worker(crew, path);
	snprintf(other, sizeof(other), "%s.away", path);
	ground_remove(other);
	rename(path, other);
}

static void lose_index(struct crew *crew)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/index", crew->dir);
	crew->is_file_fault = 1;
	excuse_indexer(crew);
	ground_remove(path);
}

/* Another key: publishers begin empty, and would be LACKING until all is cleared (docs/failure-model.md). */
static void start_again(struct crew *crew)
{
	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		if (member_runs(&crew->feeds[i].member)) {
			crew_restart(crew, &crew->feeds[i].member);
			crew_tell(&crew->feeds[i], 3, &crew->random);
		}
}

static void lose_all(struct crew *crew)
{
	crew->is_file_fault = 1;
	excuse_indexer(crew);
	ground_remove(crew->dir);
	start_again(crew);
}

/* Another one has its name, as a volume that was made anew. */
static void replace_all(struct crew *crew)
{
	char other[PATH_MAX];

	snprintf(other, sizeof(other), "%s.away", crew->dir);
	crew->is_file_fault = 1;
	excuse_indexer(crew);
	ground_remove(other);
	if (rename(crew->dir, other) == 0)
		ground_make_dir(crew);
	ground_remove(other);
	start_again(crew);
}

static const struct fault faults[] = {
	{"lose-segment", 1, NULL, lose, SEGMENT},
	{"lose-rank-lock", 2, NULL, lose, RANK_LOCK},
	{"lose-clear-file", 1, NULL, lose, CLEAR_FILE},
	{"lose-bell", 2, NULL, lose, BELL},
	{"lose-indexer-lock", 2, NULL, lose, INDEXER_LOCK},
	{"lose-control-file", 2, NULL, lose, CONTROL_FILE},
	{"lose-table", 2, NULL, lose, TABLE},
	{"lose-worker", 1, lose_worker, NULL, 0},
	{"rename-worker", 1, rename_worker, NULL, 0},
	{"lose-index", 2, lose_index, NULL, 0},
	{"lose-all", 1, lose_all, NULL, 0},
	{"replace-all", 1, replace_all, NULL, 0},
	{"cut-segment", 2, NULL, cut, SEGMENT},
	{"cut-rank-lock", 1, NULL, cut, RANK_LOCK},
	{"cut-clear-file", 1, NULL, cut, CLEAR_FILE},
	{"cut-bell", 1, NULL, cut, BELL},
	{"cut-indexer-lock", 1, NULL, cut, INDEXER_LOCK},
	{"cut-control-file", 1, NULL, cut, CONTROL_FILE},
	{"cut-table", 1, NULL, cut, TABLE},
	{"replace-segment", 1, NULL, replace, SEGMENT},
	{"replace-rank-lock", 1, NULL, replace, RANK_LOCK},
	{"replace-clear-file", 1, NULL, replace, CLEAR_FILE},
	{"spoil-clear-file", 1, NULL, spoil, CLEAR_FILE},
	{"replace-bell", 1, NULL, replace, BELL},
	{"replace-indexer-lock", 1, NULL, replace, INDEXER_LOCK},
	{"replace-control-file", 1, NULL, replace, CONTROL_FILE},
	{"replace-table", 2, NULL, replace, TABLE},
};

const struct faults_list faults_files = {faults, sizeof(faults) / sizeof(*faults)};
