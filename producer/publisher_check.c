/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publisher whose files lost their names notices it, and makes them again; one that has outgrown its
 * segment makes that larger.
 */
#include "producer/emit.h"
#include "producer/enlarge.h"

#include "shm/bell_file.h"
#include "shm/clear.h"
#include "shm/clock.h"
#include "shm/file.h"
#include "shm/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The same key, or what the rank holds has other hashes. */
static int check_key(const struct rdx_publisher *p, int dir_fd)
{
	uint8_t found[RDX_KEY_BYTES];
	int r = rdx_namespace_key_bytes(dir_fd, 0, found);

	if (r == -ENOENT) {
		r = rdx_namespace_restore_key(dir_fd, p->key_bytes);
		if (r == 0)
			r = rdx_namespace_key_bytes(dir_fd, 0, found);
	}
	return r == 0 && memcmp(found, p->key_bytes, sizeof(found)) != 0 ? -EKEYREJECTED : r;
}

static int bell_is_lost(const struct rdx_publisher *p)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" RDX_BELL_FILE_NAME, p->path);
	return p->bell && rdx_file_is_named(p->bell_mapping.fd, AT_FDCWD, path) == 0;
}

/* The segment has lost its name, is too small, or neither. */
static int renew_segment(struct rdx_publisher *p, int dir_fd, int lost, int outgrown)
{
	struct rdx_segment_room room = rdx_enlarge_room(p);
	int r;

	if (!lost)
		return outgrown ? rdx_enlarge(p, dir_fd) : 0;
	r = check_key(p, dir_fd);
	return r == 0 ? rdx_publisher_renew(p, dir_fd, &room) : r;
}

static int renew(struct rdx_publisher *p, int lost, int outgrown)
{
	int dir_fd = rdx_namespace_open(p->path, 1), r;

	if (dir_fd < 0)
		return dir_fd;
	r = renew_segment(p, dir_fd, lost, outgrown);
	if (bell_is_lost(p))
		rdx_publisher_join_bell(p, dir_fd);
	close(dir_fd);
	return r;
}

int rdx_publisher_check(struct rdx_publisher *p)
{
	int named, outgrown, r;

	if (p->dead)
		return p->dead;
	named = rdx_segment_is_named(&p->owner, p->path);
	if (named < 0)
		return named;
	outgrown = rdx_enlarge_due(p) && rdx_clock_ns() >= p->enlarge_ns;
	r = named && !outgrown && !bell_is_lost(p) ? 0 : renew(p, !named, outgrown);
	if (r == -EBUSY) {
		rdx_publisher_forfeit(p);
		return r;
	}
	p->name_lost = !named && r < 0;
	if (r < 0)
		return r;
	if (p->clear) /* who mended it may not have known of our clear */
		rdx_clear_raise(p->clear, p->stamp);
	rdx_emit_counters(p); /* of the bell */
	return !named ? 1 : 2 * outgrown;
}
