/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publisher whose files lost their names notices it, and makes them again; one that will outgrow its
 * segment makes that longer.
 */
#include "producer/emit.h"
#include "producer/enlarge.h"

#include "shm/bell_file.h"
#include "shm/clear_file.h"
#include "shm/file.h"
#include "shm/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The directory's key: this handle's, made again, or that of somebody who was faster. */
static int find_key(const struct rdx_publisher *p, int dir_fd, uint8_t *ret_bytes)
{
	int r = rdx_namespace_key_bytes(dir_fd, 0, ret_bytes);

	if (r != -ENOENT)
		return r;
	r = rdx_namespace_restore_key(dir_fd, p->key_bytes);
	return r < 0 ? r : rdx_namespace_key_bytes(dir_fd, 0, ret_bytes);
}

static int bell_is_lost(const struct rdx_publisher *p)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" RDX_BELL_FILE_NAME, p->path);
	return p->bell && rdx_file_is_named(p->bell_mapping.fd, AT_FDCWD, path) == 0;
}

/* What was cleared in a file until it is found lost comes in time; a damaged one may have no bytes. */
static int follow_lost(struct rdx_publisher *p)
{
	int r = p->clear ? rdx_clear_file_check(p->owner.clear.fd, p->owner.header->clear_id) : 0;

	if (r == 0)
		rdx_publish_follow(p);
	return r == -EBADMSG ? 0 : r;
}

/* An rdx_check_result, or -errno. */
static int renew_lost(struct rdx_publisher *p, int dir_fd)
{
	struct rdx_segment_room room = rdx_enlarge_room(p);
	uint8_t key_bytes[RDX_KEY_BYTES];
	int r = follow_lost(p);

	if (r == 0)
		r = find_key(p, dir_fd, key_bytes);
	if (r == 0)
		r = rdx_publisher_renew(p, dir_fd, key_bytes, &room);
	if (r < 0)
		return r;
	return r == RDX_SEGMENT_WHOLE ? RDX_CHECK_RENEWED : RDX_CHECK_EMPTIED;
}

static int renew(struct rdx_publisher *p, int lost)
{
	int dir_fd = rdx_namespace_open(p->path, 1), r;

	if (dir_fd < 0)
		return dir_fd;
	r = lost ? renew_lost(p, dir_fd) : RDX_CHECK_SOUND;
	if (bell_is_lost(p))
		rdx_publisher_join_bell(p, dir_fd);
	close(dir_fd);
	return r;
}

int rdx_publisher_check(struct rdx_publisher *p)
{
	int named, r;

	if (p->dead)
		return p->dead;
	named = rdx_segment_is_named(&p->owner, p->path);
	if (named < 0)
		return named;
	if (named)
		rdx_publish_follow(p);
	r = named && !bell_is_lost(p) ? RDX_CHECK_SOUND : renew(p, !named);
	if (r == -EBUSY) {
		rdx_publisher_forfeit(p);
		return r;
	}
	p->name_lost = !named && r < 0;
	if (r >= 0)
		rdx_emit_counters(p); /* of the bell */
	return r == RDX_CHECK_SOUND ? rdx_enlarge_ahead(p) : r;
}
