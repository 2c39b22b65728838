/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/segment.h"

#include "shm/file.h"
#include "shm/lock.h"
#include "shm/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMEMBERED_MIN 1024

static uint64_t align_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

static int copy_text(char *to, const char *from, int required)
{
	size_t length = from ? strlen(from) : 0;

	if (required && length == 0)
		return -EINVAL;
	if (length >= RDX_TEXT_BYTES)
		return -ENAMETOOLONG;
	memset(to, 0, RDX_TEXT_BYTES);
	if (length)
		memcpy(to, from, length);
	return 0;
}

uint64_t rdx_segment_remembered(uint64_t blocks)
{
	return blocks / 4 > REMEMBERED_MIN ? blocks / 4 : REMEMBERED_MIN;
}

int rdx_segment_records(const uint64_t *tier_blocks, uint64_t remembered, uint64_t *ret_records)
{
	uint64_t blocks = 0;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (tier_blocks[tier] > RDX_TIER_BLOCKS_MAX)
			return -EINVAL;
		blocks += tier_blocks[tier];
	}
	if (remembered == 0)
		remembered = rdx_segment_remembered(blocks);
	if (remembered > RDX_LEDGER_RECORDS_MAX - blocks)
		return -EINVAL;
	*ret_records = blocks + remembered;
	return 0;
}

uint64_t rdx_segment_bytes(const struct rdx_segment_header *header, uint64_t records)
{
	return align_up(header->ledger_offset + records * sizeof(struct rdx_ledger_record),
			RDX_PAGE_BYTES);
}

/* Offsets and file size from ring_slots and ledger_records. Their bounds keep every sum far
 * below 2^64. */
static int plan_geometry(struct rdx_segment_header *header)
{
	uint64_t slots = header->ring_slots;
	uint64_t at = RDX_RING_OFFSET, blocks = 0;

	if (slots < RDX_RING_SLOTS_MIN || slots > RDX_RING_SLOTS_MAX || slots & (slots - 1))
		return -EINVAL;
	header->ring_offset = at;
	at += slots * sizeof(struct rdx_slot);
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (header->tier_blocks[tier] > RDX_TIER_BLOCKS_MAX)
			return -EINVAL;
		blocks += header->tier_blocks[tier];
	}
	if (header->ledger_records < blocks || header->ledger_records > RDX_LEDGER_RECORDS_MAX)
		return -EINVAL;
	header->ledger_offset = at;
	header->file_bytes = rdx_segment_bytes(header, header->ledger_records);
	return blocks ? 0 : -EINVAL;
}

int rdx_segment_make_room(struct rdx_segment_header *header, const struct rdx_segment_room *room)
{
	header->ledger_records = room->ledger_records;
	memcpy(header->tier_blocks, room->tier_blocks, sizeof(header->tier_blocks));
	return plan_geometry(header);
}

int rdx_segment_plan(const struct rdx_segment_spec *spec, struct rdx_segment_header *ret_header)
{
	struct rdx_segment_header header = {
		.format_version = RDX_SEGMENT_VERSION,
		.header_bytes = sizeof(struct rdx_segment_header),
		.layout_fingerprint = RDX_SEGMENT_FINGERPRINT,
		.hash_scheme = RDX_HASH_SCHEME,
		.block_tokens = spec->block_tokens,
		.worker_id = spec->worker_id,
		.dp_rank = spec->dp_rank,
		.clear_scope = spec->clear_scope,
		.report_mode = spec->report_mode,
		.ring_slots = spec->ring_slots,
		.ledger_records = spec->ledger_records,
	};
	int r;

	if (spec->block_tokens == 0 || spec->block_tokens > RDX_BLOCK_TOKENS_MAX)
		return -EINVAL;
	/* a user who may write the file may truncate it under the engine */
	if (spec->file_mode & ~0777u || spec->file_mode & (S_IWGRP | S_IWOTH))
		return -EINVAL;
	memcpy(header.tier_blocks, spec->tier_blocks, sizeof(header.tier_blocks));
	r = spec->ledger_records
		    ? 0
		    : rdx_segment_records(spec->tier_blocks, 0, &header.ledger_records);
	if (r == 0)
		r = plan_geometry(&header);
	if (r == 0)
		r = copy_text(header.instance, spec->instance, 1);
	if (r == 0)
		r = copy_text(header.model, spec->model, 1);
	if (r == 0)
		r = copy_text(header.tenant, spec->tenant, 0);
	if (r == 0)
		*ret_header = header;
	return r;
}

static int text_is_terminated(const char *text)
{
	return memchr(text, 0, RDX_TEXT_BYTES) != NULL;
}

int rdx_segment_check(const struct rdx_segment_header *header, uint64_t file_bytes,
		      const struct rdx_hash_key *key)
{
	struct rdx_segment_header plan = *header;

	if (header->magic != RDX_SEGMENT_MAGIC)
		return -EBADMSG;
	if (header->format_version != RDX_SEGMENT_VERSION ||
	    header->features_incompat & ~RDX_SEGMENT_INCOMPAT_KNOWN)
		return -EPROTONOSUPPORT;
	if (header->layout_fingerprint != RDX_SEGMENT_FINGERPRINT ||
	    header->header_bytes != sizeof(*header) || header->epoch == 0)
		return -EBADMSG;
	if (header->hash_scheme != RDX_HASH_SCHEME ||
	    (key && header->key_fingerprint != key->fingerprint))
		return -EKEYREJECTED;
	if (header->block_tokens == 0 || header->block_tokens > RDX_BLOCK_TOKENS_MAX)
		return -EBADMSG;
	if (!text_is_terminated(header->instance) || !text_is_terminated(header->model) ||
	    !text_is_terminated(header->tenant))
		return -EBADMSG;
	/* there is only one valid geometry: compute it, do not follow the header's */
	if (plan_geometry(&plan) < 0 || memcmp(&plan, header, sizeof(plan)) != 0)
		return -EBADMSG;
	if (file_bytes < header->file_bytes)
		return -EBADMSG;
	return 0;
}

static uint64_t records_in(const struct rdx_segment_header *header, uint64_t bytes)
{
	return (bytes - header->ledger_offset) / sizeof(struct rdx_ledger_record);
}

static void view_into(struct rdx_segment_view *view)
{
	const uint8_t *base = view->mapping.base;
	const struct rdx_segment_header *header = &view->header;

	view->live = (const struct rdx_segment_live *)(base + RDX_LIVE_OFFSET);
	view->source = (const struct rdx_segment_source *)(base + RDX_SOURCE_OFFSET);
	view->ring.slots = (const struct rdx_slot *)(base + header->ring_offset);
	view->ring.mask = header->ring_slots - 1;
	view->records = (const struct rdx_ledger_record *)(base + header->ledger_offset);
	view->record_count = records_in(header, view->mapping.bytes);
}

/* The ledger is the last in the file, and may be longer than it was when that was made: as long as the file
 * is. A file of holes costs its maker nothing and who scans it everything. */
static int find_room(int fd, const struct rdx_segment_header *header, uint64_t *ret_bytes)
{
	uint64_t most =
		header->ledger_offset + RDX_LEDGER_RECORDS_MAX * sizeof(struct rdx_ledger_record);
	uint64_t bytes;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	bytes = (uint64_t)st.st_size;
	if (bytes < header->file_bytes || bytes > most)
		return -EBADMSG;
	*ret_bytes = bytes;
	return rdx_file_check_allocated(fd, bytes);
}

int rdx_segment_join(struct rdx_segment_view *ret_view, int dir_fd, uint64_t worker_id,
		     uint32_t dp_rank, const struct rdx_hash_key *key)
{
	struct rdx_segment_view view = {.mapping.fd = -1};
	struct rdx_segment_header *header = &view.header;
	char name[RDX_NAME_BYTES];
	uint64_t bytes = 0;
	int fd, r;

	rdx_namespace_worker_dir(worker_id, name);
	r = rdx_namespace_check(dir_fd, name, 0);
	if (r < 0)
		return r;
	rdx_namespace_segment(worker_id, dp_rank, name);
	fd = rdx_file_open_foreign(dir_fd, name, O_RDONLY, &bytes); /* N1 */
	if (fd < 0)
		return fd;
	r = rdx_file_read(fd, header, sizeof(*header));
	if (r == 0)
		r = rdx_segment_check(header, bytes, key);
	if (r == 0 && (header->worker_id != worker_id || header->dp_rank != dp_rank))
		r = -EBADMSG;
	if (r == 0)
		r = find_room(fd, header, &bytes);
	if (r == 0)
		r = rdx_mapping_attach(&view.mapping, fd, bytes, 0);
	if (r < 0) {
		close(fd);
		return r;
	}
	view_into(&view);
	*ret_view = view;
	return 0;
}

void rdx_segment_leave(struct rdx_segment_view *view)
{
	rdx_mapping_close(&view->mapping);
}

int rdx_segment_room_now(const struct rdx_segment_view *view, uint64_t *ret_records)
{
	uint64_t bytes = 0;
	int r = find_room(view->mapping.fd, &view->header, &bytes);

	if (r < 0)
		return r;
	*ret_records = records_in(&view->header, bytes);
	return *ret_records < view->record_count ? -EBADMSG : 0;
}

int rdx_segment_map_records(struct rdx_segment_view *view, uint64_t records)
{
	int r = rdx_mapping_resize(
		&view->mapping, view->header.ledger_offset + records * sizeof(*view->records), 0);

	if (r == 0)
		view_into(view);
	return r;
}

int rdx_segment_held(int dir_fd, uint64_t worker_id, uint32_t dp_rank)
{
	char name[RDX_NAME_BYTES];

	rdx_namespace_segment(worker_id, dp_rank, name);
	return rdx_lock_file_held(dir_fd, name);
}
