/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system is full, while workers and indexers work or start.
 */
#include "tests/chaos/answers.h"
#include "tests/chaos/faults.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOM_BYTES 400000 /* that may be left, at most */

static void path_of_filler(const struct crew *crew, char ret_path[PATH_MAX])
{
	snprintf(ret_path, PATH_MAX, "%s/filler", crew->top);
}

static void fill(struct crew *crew)
{
	uint64_t room = crew_random(crew, 2) * crew_random(crew, ROOM_BYTES);
	char path[PATH_MAX];
	struct statvfs fs;
	uint64_t size = 0;
	int fd;

	crew->is_file_fault = 1;
	crew->indexer.may_end = 1;
	path_of_filler(crew, path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	while (fd >= 0 && statvfs(path, &fs) == 0 &&
	       fs.f_bavail * fs.f_bsize >= room + fs.f_bsize) {
		size += fs.f_bavail * fs.f_bsize - room;
		if (posix_fallocate(fd, 0, (off_t)size) != 0)
			break;
	}
	close(fd);
}

static void tell_all(struct crew *crew)
{
	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		if (!crew->feeds[i].member.is_stopped)
			crew_tell(&crew->feeds[i], 10, &crew->random);
}

static void empty(struct crew *crew)
{
	struct answers answers;
	char path[PATH_MAX];

	faults_pause(crew, 30000);
	answers_ask(crew, &answers);
	path_of_filler(crew, path);
	unlink(path);
}

static void full_at_work(struct crew *crew)
{
	fill(crew);
	tell_all(crew);
	empty(crew);
}

/* It cannot open, says so, and publishes nothing: its supervisor starts it again. */
static void full_for_worker(struct crew *crew)
{
	struct crew_feed *feed = faults_running_feed(crew);

	if (!feed)
		return;
	fill(crew);
	crew_restart(crew, &feed->member);
	tell_all(crew);
	empty(crew);
	crew_restart(crew, &feed->member);
	crew_tell(feed, 3, &crew->random);
}

static void full_for_indexer(struct crew *crew)
{
	fill(crew);
	crew_restart(crew, &crew->indexer);
	crew->indexer.may_end = 1;
	tell_all(crew);
	faults_pause(crew, 100000);
	empty(crew);
}

static const struct fault faults[] = {
	{"full-at-work", 2, full_at_work, NULL, 0},
	{"full-for-worker", 2, full_for_worker, NULL, 0},
	{"full-for-indexer", 2, full_for_indexer, NULL, 0},
};

const struct faults_list faults_space = {faults, sizeof(faults) / sizeof(*faults)};
