/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producer's side of a segment: claimed, made, named, made again and let go.
 */
#include "shm/clear.h"
#include "shm/clear_file.h"
#include "shm/debris.h"
#include "shm/file.h"
#include "shm/lock.h"
#include "shm/namespace.h"
#include "shm/segment.h"
#include "shm/siblings.h"
#include "shm/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MODE      0640
#define TEMPORARY_MODE 0600
#define CLAIM_TRIES    100

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* Field 22 of /proc/self/stat, counted after the command's closing parenthesis. */
static uint64_t own_start_ticks(void)
{
	char text[1024];
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	char *at;

	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}

/* What is no file nobody has locked. -ENOENT: look again. */
static int open_lock(int dir_fd, const char *name)
{
	int fd = rdx_lock_open(dir_fd, name), r;

	if (!rdx_file_is_none(fd))
		return fd;
	r = rdx_debris_remove(dir_fd, name, -1);
	return r < 0 ? r : -ENOENT;
}

/* Lock the rank's lock file before anything else. A cleaner may remove the worker's directory until
 * there is one in it. */
static int lock_rank(int dir_fd, uint64_t worker_id, uint32_t dp_rank)
{
	char dir[RDX_NAME_BYTES], name[RDX_NAME_BYTES];
	int fd = -ENOENT, r;

	rdx_namespace_worker_dir(worker_id, dir);
	rdx_namespace_lock(worker_id, dp_rank, name);
	for (int i = 0; fd == -ENOENT && i < CLAIM_TRIES; i++) {
		if (mkdirat(dir_fd, dir, 0755) < 0 && errno != EEXIST)
			return -errno;
		r = rdx_namespace_check(dir_fd, dir, 1);
		if (r == 0)
			r = rdx_clear_file_check_user(dir_fd, worker_id);
		if (r < 0 && r != -ENOENT)
			return r;
		fd = open_lock(dir_fd, name);
	}
	return fd;
}

/* The lock file, locked. Where somebody removed that of a live producer, its segment tells. */
static int claim_rank(int dir_fd, uint64_t worker_id, uint32_t dp_rank)
{
	int fd = lock_rank(dir_fd, worker_id, dp_rank), held;

	if (fd < 0)
		return fd;
	held = rdx_segment_held(dir_fd, worker_id, dp_rank);
	/* no answer is no "free", but where there is no segment, or none that could be held */
	if (held == 1 || (held < 0 && held != -ENOENT && held != -EBADMSG && held != -EACCES)) {
		close(fd);
		return held == 1 ? -EBUSY : held;
	}
	RDX_HOOK(RDX_HOOK_CLAIM_LOCKED);
	return fd;
}

static void point_into(struct rdx_segment_owner *owner)
{
	uint8_t *base = owner->mapping.base;
	struct rdx_segment_header *header = (struct rdx_segment_header *)base;

	owner->header = header;
	owner->live = (struct rdx_segment_live *)(base + RDX_LIVE_OFFSET);
	owner->source = (struct rdx_segment_source *)(base + RDX_SOURCE_OFFSET);
	owner->ring.slots = (struct rdx_slot *)(base + header->ring_offset);
	owner->ring.mask = header->ring_slots - 1;
	owner->ledger = (struct rdx_ledger){
		.records = (struct rdx_ledger_record *)(base + header->ledger_offset),
		.count = header->ledger_records,
	};
}

/* Addresses for the ledger that it may become; where there are none, it cannot grow. */
static void make_addresses(struct rdx_segment_owner *owner, const struct rdx_segment_header *header)
{
	uint64_t most = rdx_segment_bytes(header, owner->records_max);

	if (owner->records_max <= header->ledger_records ||
	    rdx_mapping_resize(&owner->mapping, most, 1) < 0)
		owner->records_max = header->ledger_records;
}

int rdx_segment_extend(struct rdx_segment_owner *owner, uint64_t records)
{
	uint64_t bytes = rdx_segment_bytes(owner->header, owner->ledger.count);
	uint64_t wanted = rdx_segment_bytes(owner->header, records);
	int r;

	if (records > owner->records_max)
		return -ENOMEM;
	if (wanted > bytes) {
		r = rdx_file_allocate(owner->mapping.fd, bytes, wanted - bytes);
		if (r < 0)
			return r;
		RDX_HOOK(RDX_HOOK_LEDGER_ALLOCATED);
		rdx_mapping_touch_part(&owner->mapping, bytes, wanted - bytes, 1);
	}
	rdx_ledger_extend(&owner->ledger, records);
	return 0;
}

/* Build the segment under its temporary name, lock it, open it to others. */
static int build(struct rdx_segment_owner *owner, int dir_fd, struct rdx_segment_header *header,
		 uint32_t file_mode)
{
	char temporary[RDX_NAME_BYTES];
	int r;

	rdx_namespace_segment_temporary(header->worker_id, header->dp_rank, temporary);
	r = rdx_mapping_create(&owner->mapping, dir_fd, temporary, header->file_bytes,
			       TEMPORARY_MODE);
	if (r < 0)
		return r;
	make_addresses(owner, header);
	rdx_mapping_touch_part(&owner->mapping, 0, header->file_bytes, 1);
	memcpy(owner->mapping.base, header, sizeof(*header));
	point_into(owner);
	rdx_word_store(&owner->live->generations, RDX_LEDGER_GENERATIONS_FIRST);
	if (owner->clear.base)
		rdx_word_store(&owner->live->ledger_stamp, owner->stamp);
	RDX_HOOK(RDX_HOOK_SEGMENT_FILLED);
	r = rdx_lock_take(owner->mapping.fd);
	/* not before: who may read the file could read-lock it, and the rank would be "busy" */
	if (r == 0 && fchmod(owner->mapping.fd, file_mode) < 0)
		r = -errno;
	if (r == 0)
		r = rdx_file_in_memory(owner->mapping.fd);
	if (r < 0) {
		rdx_file_remove_own(owner->mapping.fd, dir_fd, temporary);
		rdx_mapping_close(&owner->mapping);
		return r;
	}
	owner->in_memory = (uint32_t)r;
	owner->header->magic = RDX_SEGMENT_MAGIC;
	RDX_HOOK(RDX_HOOK_SEGMENT_BUILT);
	return 0;
}

/* Hold the lock file that has the name: a second claim of the same file, or another file. */
static int claim_again(const struct rdx_segment_owner *lost, int dir_fd)
{
	const struct rdx_segment_header *header = lost->header;
	char name[RDX_NAME_BYTES];
	int fd, r;

	rdx_namespace_lock(header->worker_id, header->dp_rank, name);
	r = rdx_file_is_named(lost->lock_fd, dir_fd, name);
	if (r < 0)
		return r;
	rdx_namespace_segment(header->worker_id, header->dp_rank, name);
	if (r == 0 && rdx_file_is_named(lost->mapping.fd, dir_fd, name) == 1) {
		fd = lock_rank(dir_fd, header->worker_id, header->dp_rank);
		/* who has that lock will see that this segment is held, and let it go */
		return fd == -EBUSY ? -EAGAIN : fd;
	}
	if (r == 0)
		return claim_rank(dir_fd, header->worker_id, header->dp_rank);
	fd = fcntl(lost->lock_fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* Its clear file, if that is sound; what is written in a damaged one says nothing. 0, -errno. */
static int find_lost(const struct rdx_segment_owner *owner, const struct rdx_clear **ret_clear)
{
	int r = rdx_clear_file_check(owner->clear.fd, owner->header->clear_id);

	*ret_clear = r == 0 ? owner->clear.base : NULL;
	return r == -EBADMSG ? 0 : r;
}

/* The clear file that has the name: the rank's own, one that another rank has made, or made now. 1: there
 * may have been clears that the rank has not followed; 0, -errno. */
static int renew_clear(struct rdx_segment_owner *owner, const struct rdx_segment_owner *lost,
		       int dir_fd, const struct rdx_segment_again *again, uint32_t file_mode)
{
	struct rdx_clear_known known = {0};
	const struct rdx_clear *clear;
	uint64_t inode;
	int r = find_lost(lost, &clear);

	if (r < 0)
		return r;
	if (clear)
		rdx_clear_know(&known, clear->id, rdx_clear_stamp(clear));
	r = rdx_clear_file_open(&owner->clear, dir_fd, lost->header->worker_id, &known, file_mode);
	if (r == 0)
		r = rdx_file_inode(owner->clear.fd, &inode);
	if (r < 0)
		return r;
	owner->stamp = again->stamp;
	if (inode == lost->header->clear_inode)
		return 0;
	return rdx_clear_go_over(owner->clear.base, clear, again->stamp, &owner->stamp);
}

/* All but the header, which is another epoch's. */
static void copy_content(struct rdx_segment_owner *owner, const struct rdx_segment_owner *lost)
{
	memcpy(owner->live, lost->live,
	       rdx_segment_bytes(lost->header, lost->ledger.count) - RDX_LIVE_OFFSET);
	owner->ledger.used = lost->ledger.used;
}

/* With the lock, and the clear file where `r` is 0: the rest. On failure both are let go. */
static int finish_claim(struct rdx_segment_owner *owner, int r, int dir_fd,
			struct rdx_segment_header *header, uint32_t file_mode)
{
	if (r == 0 && owner->clear.base) {
		header->clear_id = ((struct rdx_clear *)owner->clear.base)->id;
		r = rdx_file_inode(owner->clear.fd, &header->clear_inode);
	}
	if (r == 0)
		r = build(owner, dir_fd, header, file_mode);
	if (r < 0) {
		rdx_mapping_close(&owner->clear);
		close(owner->lock_fd);
	}
	return r;
}

/* As `lost`, but for its epoch and what is asked for. */
static int plan_again(const struct rdx_segment_owner *lost, const struct rdx_segment_again *again,
		      struct rdx_segment_header *ret_header)
{
	int r;

	*ret_header = *lost->header;
	ret_header->magic = 0;
	ret_header->created_ns = clock_ns(CLOCK_REALTIME);
	ret_header->key_fingerprint = again->key->fingerprint;
	r = rdx_segment_make_room(ret_header, &again->room);
	return r < 0 ? r : rdx_namespace_random_id(&ret_header->epoch);
}

int rdx_segment_renew(struct rdx_segment_owner *ret_owner, const struct rdx_segment_owner *lost,
		      int dir_fd, const struct rdx_segment_again *again)
{
	struct rdx_segment_owner owner = {
		.mapping.fd = -1, .clear.fd = -1, .lock_fd = -1, .records_max = lost->records_max};
	uint32_t file_mode = again->file_mode ? again->file_mode : FILE_MODE;
	struct rdx_segment_header header;
	int r = plan_again(lost, again, &header), missed;

	if (r < 0)
		return r;
	owner.lock_fd = claim_again(lost, dir_fd);
	if (owner.lock_fd < 0)
		return owner.lock_fd;
	missed = lost->clear.base ? renew_clear(&owner, lost, dir_fd, again, file_mode) : 0;
	r = finish_claim(&owner, missed < 0 ? missed : 0, dir_fd, &header, file_mode);
	if (r < 0)
		return r;
	*ret_owner = owner;
	/* its messages go on, whatever is left of the blocks */
	rdx_source_copy(owner.source, lost->source);
	if (header.key_fingerprint != lost->header->key_fingerprint || (missed && again->is_full))
		return RDX_SEGMENT_EMPTY;
	copy_content(ret_owner, lost);
	return missed ? RDX_SEGMENT_MISSED : RDX_SEGMENT_WHOLE;
}

static int is_named_below(int fd, const char *path, const char *name)
{
	char whole[PATH_MAX];

	snprintf(whole, sizeof(whole), "%s/%s", path, name);
	return rdx_file_is_named(fd, AT_FDCWD, whole);
}

/* A damaged clear file is no better than none: who comes later cannot use it. */
static int is_sound(const struct rdx_segment_owner *owner)
{
	int r = rdx_clear_file_check(owner->clear.fd, owner->header->clear_id);

	if (r == 0)
		return 1;
	return r == -EBADMSG ? 0 : r;
}

int rdx_segment_is_named(const struct rdx_segment_owner *owner, const char *path)
{
	const struct rdx_segment_header *header = owner->header;
	char name[RDX_NAME_BYTES];
	int r;

	rdx_namespace_segment(header->worker_id, header->dp_rank, name);
	r = is_named_below(owner->mapping.fd, path, name);
	if (r == 1) {
		rdx_namespace_lock(header->worker_id, header->dp_rank, name);
		r = is_named_below(owner->lock_fd, path, name);
	}
	if (r == 1 && owner->clear.base) {
		rdx_namespace_clear(header->worker_id, name);
		r = is_named_below(owner->clear.fd, path, name);
	}
	return r == 1 && owner->clear.base ? is_sound(owner) : r;
}

/* A cleaner makes no rank miss its start. */
static int claim_after_cleaner(int dir_fd, uint64_t worker_id, uint32_t dp_rank)
{
	uint32_t pauses = 0;
	int fd;

	do
		fd = claim_rank(dir_fd, worker_id, dp_rank);
	while (fd == -EAGAIN && rdx_lock_pause(&pauses));
	return fd;
}

/* Likewise. Siblings are asked when the rank is ours: one that waited for its predecessor has to know of
 * what they cleared meanwhile, should the file be lost or damaged. */
static int open_clear(struct rdx_segment_owner *owner, int dir_fd,
		      const struct rdx_segment_spec *spec, uint32_t file_mode)
{
	struct rdx_clear_known known;
	uint32_t pauses = 0;
	int r;

	do {
		r = rdx_siblings_ask(dir_fd, spec->worker_id, spec->dp_rank, &known);
		if (r == 0)
			r = rdx_clear_file_open(&owner->clear, dir_fd, spec->worker_id, &known,
						file_mode);
	} while (r == -EAGAIN && rdx_lock_pause(&pauses));
	return r;
}

int rdx_segment_claim(struct rdx_segment_owner *ret_owner, int dir_fd,
		      const struct rdx_hash_key *key, const struct rdx_segment_spec *spec)
{
	struct rdx_segment_owner owner = {
		.mapping.fd = -1, .clear.fd = -1, .lock_fd = -1, .records_max = spec->records_max};
	uint32_t file_mode = spec->file_mode ? spec->file_mode : FILE_MODE;
	struct rdx_segment_header header;
	int r;

	r = rdx_segment_plan(spec, &header);
	if (r < 0)
		return r;
	header.key_fingerprint = key->fingerprint;
	header.created_ns = clock_ns(CLOCK_REALTIME);
	header.creator_pid = (uint32_t)getpid();
	header.creator_start_ticks = own_start_ticks();
	r = rdx_namespace_random_id(&header.epoch);
	if (r < 0)
		return r;

	owner.lock_fd = claim_after_cleaner(dir_fd, spec->worker_id, spec->dp_rank);
	if (owner.lock_fd < 0)
		return owner.lock_fd;
	if (spec->clear_scope) {
		r = open_clear(&owner, dir_fd, spec, file_mode);
		if (r == 0)
			owner.stamp = rdx_clear_stamp(owner.clear.base);
	}
	r = finish_claim(&owner, r, dir_fd, &header, file_mode);
	if (r == 0)
		*ret_owner = owner;
	return r;
}

/* Whatever has the name. */
static int rename_over(int dir_fd, const char *from, const char *name)
{
	int r;

	if (renameat(dir_fd, from, dir_fd, name) == 0)
		return 0;
	if (errno != EISDIR)
		return -errno;
	r = rdx_file_remove(dir_fd, name);
	if (r < 0)
		return r;
	return renameat(dir_fd, from, dir_fd, name) < 0 ? -errno : 0;
}

int rdx_segment_name(const struct rdx_segment_owner *owner, int dir_fd)
{
	const struct rdx_segment_header *header = owner->header;
	char temporary[RDX_NAME_BYTES], name[RDX_NAME_BYTES];
	int r;

	rdx_namespace_segment_temporary(header->worker_id, header->dp_rank, temporary);
	rdx_namespace_segment(header->worker_id, header->dp_rank, name);
	r = rename_over(dir_fd, temporary, name); /* N1, with rdx_segment_join */
	if (r < 0)
		return r;
	RDX_HOOK(RDX_HOOK_SEGMENT_RENAMED);
	return 0;
}

void rdx_segment_discard(struct rdx_segment_owner *owner, int dir_fd)
{
	char temporary[RDX_NAME_BYTES];

	rdx_namespace_segment_temporary(owner->header->worker_id, owner->header->dp_rank,
					temporary);
	rdx_file_remove_own(owner->mapping.fd, dir_fd, temporary);
	rdx_segment_release(owner);
}

void rdx_segment_release(struct rdx_segment_owner *owner)
{
	rdx_mapping_close(&owner->mapping);
	rdx_mapping_close(&owner->clear);
	if (owner->lock_fd >= 0)
		close(owner->lock_fd);
	owner->lock_fd = -1;
}

void rdx_segment_disown(struct rdx_segment_owner *owner)
{
	int32_t *const fds[] = {&owner->mapping.fd, &owner->clear.fd, &owner->lock_fd};

	for (int i = 0; i < 3; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	owner->mapping.base = NULL;
	owner->clear.base = NULL;
}
