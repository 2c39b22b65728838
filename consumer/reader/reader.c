/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/reader/reader.h"

#include "shm/clear.h"
#include "shm/clear_file.h"
#include "shm/file.h"
#include "shm/guard.h"
#include "shm/lock.h"
#include "shm/namespace.h"
#include "shm/shared_clock.h"
#include "shm/sized.h"
#include "shm/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fill_info(struct rdx_rank_info *info, const struct rdx_segment_view *view,
		      const struct rdx_hash_key *key)
{
	const struct rdx_segment_header *header = &view->header;

	info->size = sizeof(*info);
	info->worker_id = header->worker_id;
	info->epoch = header->epoch;
	info->clear_id = header->clear_id;
	info->ring_slots = header->ring_slots;
	memcpy(info->tier_blocks, header->tier_blocks, sizeof(info->tier_blocks));
	info->file_bytes = view->mapping.bytes;
	info->ledger_records = view->record_count;
	info->created_ns = header->created_ns;
	info->features_compat = header->features_compat;
	info->key = *key;
	info->dp_rank = header->dp_rank;
	info->block_tokens = header->block_tokens;
	info->hash_scheme = header->hash_scheme;
	info->format_version = header->format_version;
	info->creator_pid = header->creator_pid;
	info->report_mode = header->report_mode;
	memcpy(info->instance, header->instance, RDX_TEXT_BYTES);
	memcpy(info->model, header->model, RDX_TEXT_BYTES);
	memcpy(info->tenant, header->tenant, RDX_TEXT_BYTES);
}

/* Room for the longest event's hashes, and for the zeroes that fill its last slot. */
static int allocate_hashes(struct rdx_reader *reader)
{
	uint32_t most = rdx_event_hashes_max(RDX_EVENT_REMOVED, reader->slots_max);

	reader->hashes = malloc((most + RDX_PAYLOAD_WORDS) * sizeof(*reader->hashes));
	return reader->hashes ? 0 : -ENOMEM;
}

/* Is it the one that the rank has open? One that was put in its place, or that another rank made anew,
 * lacks what the rank was cleared of since. */
static int check_clear(const struct rdx_reader *reader)
{
	uint64_t said = reader->view.header.clear_inode, inode;
	int r = rdx_file_inode(reader->clear.fd, &inode);

	if (r < 0)
		return r;
	return rdx_reader_clear_is_sound(reader) && (!said || inode == said) ? 0 : -EBADMSG;
}

/* The clear file of a worker-wide scope. A worker without it is damaged. */
static int open_clear(struct rdx_reader *reader)
{
	int r;

	if (!reader->info.clear_id)
		return 0;
	r = rdx_clear_file_open(&reader->clear, reader->dir_fd, reader->info.worker_id, 0, 0);
	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	r = rdx_guard_add(&reader->clear);
	if (r < 0)
		return r;
	/* stamps wrap: they compare only where both are known */
	reader->ignore_before = reader->told = rdx_reader_clear_stamp(reader);
	r = check_clear(reader);
	return r == 0 && rdx_reader_poisoned(reader) ? -EBADMSG : r;
}

int rdx_reader_open_at(struct rdx_reader **ret_reader, int dir_fd, const struct rdx_hash_key *key,
		       uint64_t worker_id, uint32_t dp_rank)
{
	struct rdx_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (!reader)
		return -ENOMEM;
	reader->clear.fd = reader->view.mapping.fd = -1;
	reader->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	r = reader->dir_fd < 0 ? -errno : 0;
	if (r == 0)
		r = rdx_segment_join(&reader->view, dir_fd, worker_id, dp_rank, key);
	if (r == 0)
		r = rdx_guard_add(&reader->view.mapping);
	if (r == 0) {
		reader->guarded = &reader->view.mapping;
		reader->guarded_clear = &reader->clear;
		fill_info(&reader->info, &reader->view, key);
		reader->slots_max = rdx_ring_event_slots_max(reader->info.ring_slots);
		reader->cursor.epoch = reader->info.epoch;
		r = allocate_hashes(reader);
	}
	if (r == 0)
		r = open_clear(reader);
	if (r < 0) {
		rdx_reader_close(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

int rdx_reader_learn_room(struct rdx_reader *reader)
{
	uint64_t records;
	int r = rdx_segment_room_now(&reader->view, &records);

	if (r < 0)
		return r;
	reader->info.ledger_records = records;
	reader->info.file_bytes = rdx_segment_bytes(&reader->view.header, records);
	return 0;
}

int rdx_reader_map_used(struct rdx_reader *reader, uint64_t used)
{
	int r;

	if (used <= reader->view.record_count)
		return 0;
	r = rdx_reader_learn_room(reader);
	if (r < 0)
		return r;
	if (used > reader->info.ledger_records)
		return -EBADMSG;
	if (reader->guarded != &reader->view.mapping)
		return -EAGAIN;
	rdx_guard_remove(&reader->view.mapping);
	r = rdx_segment_map_records(&reader->view, reader->info.ledger_records);
	return rdx_guard_add(&reader->view.mapping) < 0 ? -ENOSPC : r;
}

int rdx_reader_open(struct rdx_reader **ret_reader, const char *dir, uint64_t worker_id,
		    uint32_t dp_rank)
{
	struct rdx_hash_key key;
	int dir_fd = rdx_namespace_open(dir, 0);
	int r;

	if (dir_fd < 0)
		return dir_fd;
	r = rdx_namespace_key(dir_fd, 0, &key);
	if (r == 0)
		r = rdx_shared_clock_learn();
	if (r == 0)
		r = rdx_reader_open_at(ret_reader, dir_fd, &key, worker_id, dp_rank);
	close(dir_fd);
	return r;
}

void rdx_reader_close(struct rdx_reader *reader)
{
	if (!reader)
		return;
	rdx_guard_remove(&reader->view.mapping);
	rdx_guard_remove(&reader->clear);
	rdx_segment_leave(&reader->view);
	rdx_mapping_close(&reader->clear);
	if (reader->dir_fd >= 0)
		close(reader->dir_fd);
	rdx_reader_close_side(reader);
}

int rdx_reader_open_side(const struct rdx_reader *reader, struct rdx_reader **ret_aside)
{
	struct rdx_reader *aside = malloc(sizeof(*aside));

	if (!aside)
		return -ENOMEM;
	memcpy(aside, reader, sizeof(*aside));
	memset(&aside->log, 0, sizeof(aside->log));
	memset(&aside->scan, 0, sizeof(aside->scan));
	memset(&aside->stats, 0, sizeof(aside->stats));
	if (allocate_hashes(aside) < 0) {
		free(aside);
		return -ENOMEM;
	}
	*ret_aside = aside;
	return 0;
}

void rdx_reader_close_side(struct rdx_reader *aside)
{
	free(aside->log.slots);
	free(aside->hashes);
	free(aside);
}

const struct rdx_rank_info *rdx_reader_info(const struct rdx_reader *reader)
{
	return &reader->info;
}

int rdx_reader_get_source(const struct rdx_reader *reader, struct rdx_source *ret_source)
{
	struct rdx_source source;
	int r = rdx_sized_check(ret_source);

	if (r < 0)
		return r;
	rdx_source_load(reader->view.source, &source);
	if (rdx_reader_poisoned(reader))
		return -EBADMSG;
	source.heard_ns = rdx_shared_clock_to(source.heard_ns);
	source.said_ns = rdx_shared_clock_to(source.said_ns);
	rdx_sized_give(ret_source, &source, sizeof(source));
	return 0;
}

int rdx_reader_alive(const struct rdx_reader *reader)
{
	return rdx_lock_held(reader->view.mapping.fd);
}

int rdx_reader_cursor(const struct rdx_reader *reader, struct rdx_cursor *ret_cursor)
{
	*ret_cursor = reader->cursor;
	return 0;
}

void rdx_reader_go_to(struct rdx_reader *reader, const struct rdx_cursor *cursor)
{
	reader->cursor = *cursor;
	reader->scan.active = 0;
	rdx_reader_free_log(&reader->log);
}

int rdx_reader_seek(struct rdx_reader *reader, const struct rdx_cursor *cursor)
{
	if (cursor->epoch != reader->info.epoch)
		return -ESTALE;
	rdx_reader_go_to(reader, cursor);
	reader->half = 0;
	return 0;
}

uint32_t rdx_reader_clear_stamp(const struct rdx_reader *reader)
{
	return reader->clear.base ? rdx_clear_stamp(reader->clear.base) : 0;
}

uint8_t rdx_reader_clear_worth(const struct rdx_reader *reader)
{
	const struct rdx_clear *clear = reader->clear.base;

	return clear && rdx_clear_load(clear) & RDX_CLEAR_LATE ? RDX_INEXACT_LACKING : 0;
}

int rdx_reader_clear_is_sound(const struct rdx_reader *reader)
{
	return !reader->clear.base || rdx_clear_is_sound(reader->clear.base, reader->info.clear_id);
}

void rdx_reader_ignore_before(struct rdx_reader *reader, uint32_t stamp)
{
	reader->ignore_before = stamp;
}

int rdx_reader_get_stats(const struct rdx_reader *reader, struct rdx_reader_stats *ret_stats)
{
	int r = rdx_sized_check(ret_stats);

	if (r == 0)
		rdx_sized_give(ret_stats, &reader->stats, sizeof(reader->stats));
	return r;
}

/* The log has been read, or is dead: megabytes that recoveries rarely need. */
void rdx_reader_free_log(struct rdx_slot_log *log)
{
	free(log->slots);
	memset(log, 0, sizeof(*log));
}

static void deliver(struct rdx_reader *reader, const struct rdx_event_head *head,
		    struct rdx_event *ret_event)
{
	*ret_event = (struct rdx_event){
		.size = sizeof(*ret_event),
		.event_id = head->event_id,
		.time_ns = rdx_shared_clock_to(head->time_ns),
		.position = reader->cursor.position,
		.parent = head->parent,
		.hashes = reader->hashes,
		.count = head->count,
		.first_block = head->first_block,
		.stamp = head->stamp,
		.kind = head->kind,
		.tier = head->tier,
		.orphans = head->orphans,
		.inexact = head->inexact,
	};
}

int rdx_reader_read(struct rdx_reader *reader, struct rdx_event *ret_event)
{
	struct rdx_event_head head = {.event_id = 0};
	struct rdx_slot_log *log = &reader->log;
	struct rdx_ring_view logged = {log->slots, log->capacity - 1};
	int in_log = rdx_reader_logged(reader);
	struct rdx_cursor *cursor = &reader->cursor;
	uint32_t slots = 0;
	enum rdx_ring_found found;

	/* the snapshot before these events was lost */
	if (reader->half && !reader->scan.active)
		return rdx_reader_poisoned(reader) ? -EBADMSG : -EOVERFLOW;
	found = rdx_event_read(in_log ? &logged : &reader->view.ring, cursor->position,
			       reader->slots_max, &head, reader->hashes, &slots);
	if (rdx_reader_poisoned(reader))
		return -EBADMSG;
	if (found == RDX_RING_PENDING)
		return in_log ? -EBADMSG : 0;
	if (found == RDX_RING_LAPPED)
		return -EOVERFLOW;
	/* ids are consecutive; 0: the last event is not known */
	if (slots == 0 || (cursor->event_id && head.event_id != cursor->event_id + 1))
		return -EBADMSG;

	deliver(reader, &head, ret_event);
	cursor->position += slots;
	cursor->event_id = head.event_id;
	reader->stats.events_read++;
	reader->stats.slots_read += slots;
	if (in_log && cursor->position == log->end)
		rdx_reader_free_log(log);
	return 1;
}

/* The worker was cleared: what the caller holds of the rank is dead, whether the rank has said so or
 * not. */
static int tell_clear(struct rdx_reader *reader, uint32_t stamp, struct rdx_event *ret_event)
{
	struct rdx_event event = {
		.size = sizeof(event),
		.event_id = reader->cursor.event_id,
		.position = reader->cursor.position,
		.stamp = stamp,
		.kind = RDX_EVENT_CLEARED,
		.tier = RDX_SCOPE_ALL,
		.inexact = rdx_reader_clear_worth(reader),
	};

	if (rdx_reader_poisoned(reader) || !rdx_reader_clear_is_sound(reader))
		return -EBADMSG;
	reader->told = stamp;
	if (rdx_clear_before(reader->ignore_before, stamp))
		reader->ignore_before = stamp;
	rdx_sized_give(ret_event, &event, sizeof(event));
	return 1;
}

int rdx_reader_next(struct rdx_reader *reader, struct rdx_event *ret_event)
{
	uint32_t stamp = rdx_reader_clear_stamp(reader);
	struct rdx_event event;
	int r = rdx_sized_check(ret_event);

	if (r < 0)
		return r;
	if (reader->info.clear_id && reader->told != stamp)
		return tell_clear(reader, stamp, ret_event);
	for (;;) {
		r = rdx_reader_read(reader, &event);
		if (r <= 0)
			return r;
		if (!reader->info.clear_id ||
		    !rdx_clear_before(event.stamp, reader->ignore_before)) {
			rdx_sized_give(ret_event, &event, sizeof(event));
			return 1;
		}
		reader->stats.events_ignored++;
	}
}
