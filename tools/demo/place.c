/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/place.h"

#include "tools/demo/narrate.h"
#include "tools/program/figures.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Sizes of docs/operations.md. */
#define SLOT_BYTES   64
#define LEDGER_BYTES 32                  /* for a block */
#define INDEX_BYTES  128                 /* for a block, in two tables while it grows */
#define OTHER_BYTES  (UINT64_C(2) << 20) /* headers and small files */

/* A shell in a session of its own waits for the end of its input, which comes when the demo has
 * closed it or is gone. The workers may die a little later than the demo. */
#define REMOVE                                                                                     \
	"exec setsid sh -c 'read -r end; i=0; until rm -rf %s || test $i = 200; do "               \
	"i=$((i + 1)); sleep .01; done' >/dev/null 2>&1"

static char own[] = "/dev/shm/ringdex-demo-XXXXXX"; /* the folder to remove */
static FILE *remover;

uint64_t place_needs(const struct settings *settings)
{
	uint64_t blocks = (uint64_t)settings->blocks + settings->host_blocks;
	uint64_t segment = (uint64_t)settings->ring_slots * SLOT_BYTES + blocks * LEDGER_BYTES;

	/* a worker that comes back makes its new segment beside the old one */
	return OTHER_BYTES + settings->workers * blocks * INDEX_BYTES +
	       (settings->workers + UINT64_C(1)) * segment;
}

/* At exit: the folder goes now. */
static void remove_now(void)
{
	pclose(remover);
}

static void make_own(void)
{
	char command[sizeof(REMOVE) + sizeof(own)];

	if (mkdtemp(own)) {
		snprintf(command, sizeof(command), REMOVE, own);
		remover = popen(command, "we");
	}
	if (!remover)
		narrate_failure("cannot make %s: %s: name a writable folder in memory with --dir",
				own, strerror(errno));
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
