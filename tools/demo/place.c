/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/place.h"

#include "tools/program/messages.h"
#include "tools/program/figures.h"
#include "shm/index_layout.h"
#include "shm/segment.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MEMORY_DIR      "/dev/shm"
#define INDEX_SLOTS     4  /* of 16 bytes for every block that may be held: it grows by itself */
#define INDEX_TABLES    2  /* the one in use and the next */
#define SMALL_FILES     (UINT64_C(1) << 20) /* key, bell, locks, control file, directories */
#define REMOVE_OPEN_MAX 16

static char own[PATH_MAX]; /* the folder to remove, or "" */

uint64_t place_needs(const struct settings *settings)
{
	struct rdx_segment_spec spec = {
		.block_tokens = settings->block_tokens,
		.ring_slots = settings->ring_slots,
		.tier_blocks = {settings->blocks, settings->host_blocks},
		.instance = "demo",
		.model = DEMO_MODEL,
		.tenant = "",
	};
	uint64_t blocks = (uint64_t)settings->workers * (settings->blocks + settings->host_blocks);
	struct rdx_segment_header header;
	uint64_t bytes = SMALL_FILES + blocks * INDEX_SLOTS * INDEX_TABLES * 2 * sizeof(uint64_t);

	/* a worker that comes back makes its new segment beside the old one */
	if (rdx_segment_plan(&spec, &header) == 0)
		bytes += (settings->workers + UINT64_C(1)) * header.file_bytes;
	return bytes;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	remove(path);
	return 0;
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, REMOVE_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
}

static void remove_own(void)
{
	if (own[0])
		remove_tree(own);
	own[0] = 0;
}

static int has_room(const struct settings *settings, const char *dir)
{
	char needed[FIGURES_BYTES], left[FIGURES_BYTES];
	uint64_t needs = place_needs(settings), free_bytes;
	struct statvfs room;

	if (statvfs(dir, &room) < 0) {
		messages_say("%s: %s", dir, strerror(errno));
		return 0;
	}
	free_bytes = (uint64_t)room.f_bavail * room.f_frsize;
	if (free_bytes >= needs)
		return 1;
	messages_say("%s has %s left, up to %s are needed: give fewer --workers or --blocks, name a "
		 "larger tmpfs with --dir, or enlarge this one (docker run --shm-size)",
		 dir, figures_size(free_bytes, left), figures_size(needs, needed));
	return 0;
}

const char *place_open(const struct settings *settings)
{
	if (settings->dir) {
		if (mkdir(settings->dir, 0755) < 0 && errno != EEXIST) {
			messages_say("cannot make %s: %s", settings->dir, strerror(errno));
			return NULL;
		}
		return has_room(settings, settings->dir) ? settings->dir : NULL;
	}
	snprintf(own, sizeof(own), "%s", MEMORY_DIR "/ringdex-demo-XXXXXX");
	if (!mkdtemp(own)) {
		messages_say("cannot make %s: %s: name a writable folder in memory with --dir", own,
			 strerror(errno));
		own[0] = 0;
		return NULL;
	}
	atexit(remove_own);
	return has_room(settings, own) ? own : NULL;
}

void place_drop(const char *dir)
{
	if (own[0])
		remove_tree(dir);
}
