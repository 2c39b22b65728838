/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a segment as a reader sees it. Every word of it may be changed, before the reader
 * opens it and between any two calls; the file may be cut. Every call answers what its contract
 * names, in bounds, and never more than the segment can hold.
 *
 * Of most inputs the files are served from memory; one in KERNEL_ONE_IN meets the kernel, and may cut
 * the file.
 */
#include "consumer/reader/recovery.h"
#include "tests/fuzz/hostile.h"
#include "tests/fuzz/served.h"

#include <errno.h>

#define OPS_MAX       64
#define HASHES_MAX    64
#define RESIDENT_MAX  256
#define KERNEL_ONE_IN 16

static struct fuzz_place place;
static struct hostile hostile;
static uint64_t sum; /* so that all that was answered is read */

/* A reader of each image, served and not, opened before any word was changed, and what it was then:
 * opening takes longer than most of a run. */
static struct kept {
	struct rdx_reader *reader;
	struct rdx_reader opened;
} kept[2][HOSTILE_IMAGES];

struct run {
	struct fuzz_input in;
	struct rdx_reader *reader;
	struct kept *kept; /* NULL: the reader is this run's */
	int is_served;
	struct rdx_cursor cursor; /* from before, or made up */
};

void fuzz_setup(void)
{
	fuzz_place_make(&place);
	hostile_make(&hostile, &place);
	hostile_hold(&hostile, 1);
	for (uint32_t i = 0; i < HOSTILE_FILES; i++)
		served_add(&hostile.files[i]);
	FUZZ_CHECK(rdx_guard_install() == 0);
}

void fuzz_fresh(void)
{
}

size_t fuzz_seed(uint64_t number, uint8_t *ret_bytes, size_t capacity)
{
	(void)capacity;
	return fuzz_seed_bytes(number, ret_bytes, 8, 400);
}

static void open_reader(struct run *run)
{
	int r = rdx_reader_open_at(&run->reader, place.dir_fd, &place.key, HOSTILE_WORKER, 0);

	FUZZ_ALLOWED(r, -EBADMSG, -EPROTONOSUPPORT, -EKEYREJECTED);
	if (r < 0)
		run->reader = NULL;
}

/* The same as a reader that is opened now, where nothing was changed yet. */
static void take_kept(struct run *run, struct kept *of)
{
	if (!of->reader) {
		open_reader(run);
		FUZZ_CHECK(run->reader);
		of->reader = run->reader;
		of->opened = *run->reader;
	}
	run->kept = of;
	run->reader = of->reader;
}

static void leave_kept(struct kept *of)
{
	if (rdx_reader_poisoned(of->reader)) {
		rdx_reader_close(of->reader);
		of->reader = NULL;
		return;
	}
	rdx_reader_free_log(&of->reader->log);
	*of->reader = of->opened;
}

static void read_events(struct run *run, uint32_t most)
{
	uint64_t room = rdx_event_hashes_max(RDX_EVENT_REMOVED, run->reader->slots_max);
	struct rdx_event event = {.size = sizeof(event)};
	int r = 1;

	while (r == 1 && most--) {
		r = rdx_reader_next(run->reader, &event);
		FUZZ_ALLOWED(r, -EOVERFLOW, -EBADMSG);
		if (r != 1)
			return;
		FUZZ_CHECK(event.kind >= RDX_EVENT_STORED && event.kind <= RDX_EVENT_INEXACT);
		FUZZ_CHECK(event.tier < RDX_TIER_COUNT ||
			   (event.kind == RDX_EVENT_CLEARED && event.tier == RDX_SCOPE_ALL));
		FUZZ_CHECK(event.inexact <= RDX_INEXACT_UNKNOWN && event.count <= room);
		FUZZ_CHECK((event.kind <= RDX_EVENT_REMOVED) == (event.count > 0));
		for (uint32_t i = 0; i < event.count; i++)
			sum += event.hashes[i];
	}
}

static void recover(struct run *run, uint8_t how)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	int r;

	switch (how % 5) {
	case 0:
		r = rdx_reader_recover(run->reader, NULL, &recovery);
		break;
	case 1:
		rdx_reader_cursor(run->reader, &run->cursor);
		r = rdx_reader_recover(run->reader, &run->cursor, &recovery);
		break;
	case 2:
		r = rdx_reader_recover(run->reader, &run->cursor, &recovery);
		break;
	case 3:
		r = rdx_recovery_rebuild(run->reader, &recovery);
		break;
	default:
		r = rdx_recovery_from_ledger(run->reader, &recovery);
	}
	FUZZ_ALLOWED(r, -ESTALE, -EAGAIN, -EBADMSG);
	FUZZ_CHECK(r < 0 || (recovery.way >= RDX_RECOVERED_CONTINUE &&
			     recovery.way <= RDX_RECOVERED_LEDGER));
}

static void snapshot(struct run *run, uint8_t how)
{
	uint64_t hashes[HASHES_MAX], exact, capacity = 1 + how % HASHES_MAX;
	uint8_t tier = UINT8_MAX;
	int64_t count;

	if (how & 64)
		count = rdx_reader_snapshot(run->reader, hashes, capacity, &tier, &exact);
	else
		count = rdx_recovery_scan(run->reader, hashes, capacity, &tier, &exact);
	FUZZ_ALLOWED(count, -EOVERFLOW, -EINVAL, -EBADMSG);
	FUZZ_CHECK(count <= (int64_t)capacity && (count <= 0 || tier < RDX_TIER_COUNT));
	for (int64_t i = 0; i < count; i++)
		sum += hashes[i];
}

static void resident(struct run *run, uint8_t how)
{
	uint64_t hashes[RESIDENT_MAX], count = 0;
	struct rdx_cursor at;
	int r = rdx_reader_resident(run->reader, how & 3, hashes, RESIDENT_MAX, &count, &at);

	FUZZ_ALLOWED(r, -ENOSPC, -EAGAIN, -EOWNERDEAD, -EBADMSG);
	FUZZ_CHECK(r < 0 || count <= RESIDENT_MAX);
	for (uint64_t i = 0; r == 0 && i < count; i++)
		sum += hashes[i];
}

static int add_to_sum(void *context, const struct rdx_block *block)
{
	uint64_t *told = context;

	FUZZ_CHECK(block->tiers && block->parent_turn <= *told);
	FUZZ_CHECK(block->described || (!block->local && !block->parent && !block->parent_turn));
	++*told;
	sum += block->prefix + block->local + block->parent;
	return 0;
}

static void each(struct run *run)
{
	struct rdx_cursor at;
	uint64_t told = 0;

	FUZZ_ALLOWED(rdx_reader_each(run->reader, add_to_sum, &told, &at), -EAGAIN, -EOWNERDEAD,
		     -EBADMSG);
}

static void ask_range(struct run *run, uint8_t how)
{
	struct rdx_range range = {.size = sizeof(range)};
	uint64_t epoch = how & 1 ? 5 : rdx_reader_info(run->reader)->epoch;
	uint64_t first = fuzz_value(&run->in, run->cursor.event_id, 0);
	uint64_t last = how & 2 ? UINT64_MAX : fuzz_byte(&run->in);
	int r = rdx_reader_range(run->reader, epoch, first, last, &range);

	FUZZ_ALLOWED(r, -EAGAIN, -EBADMSG);
	if (r < 0)
		return;
	FUZZ_CHECK(range.outcome >= RDX_RANGE_EVENTS && range.outcome <= RDX_RANGE_INVALID);
	if (range.outcome == RDX_RANGE_EVENTS && how & 4)
		FUZZ_CHECK(rdx_reader_seek(run->reader, &range.start) == 0);
}

static void seek(struct run *run, uint8_t how)
{
	run->cursor.epoch = how & 1 ? run->cursor.epoch : rdx_reader_info(run->reader)->epoch;
	run->cursor.position = fuzz_value(&run->in, run->cursor.position, 0);
	run->cursor.event_id = fuzz_value(&run->in, run->cursor.event_id, 0);
	if (how & 2)
		FUZZ_ALLOWED(rdx_reader_seek(run->reader, &run->cursor), -ESTALE);
}

static void ask_the_rest(struct run *run, uint8_t how)
{
	struct rdx_reader_stats stats = {.size = sizeof(stats)};
	struct rdx_source source = {.size = sizeof(source)};
	uint64_t id, end;

	switch (how % 7) {
	case 0:
		FUZZ_ALLOWED(rdx_recovery_jump(run->reader), -EBADMSG);
		break;
	case 1:
		FUZZ_ALLOWED(rdx_recovery_drain(run->reader), -EOVERFLOW, -EBADMSG);
		break;
	case 2:
		FUZZ_ALLOWED(rdx_recovery_newest(run->reader, &id, &end), -EAGAIN, -EBADMSG);
		break;
	case 3:
		rdx_reader_ignore_before(run->reader, fuzz_byte(&run->in));
		break;
	case 4:
		FUZZ_CHECK(rdx_reader_alive(run->reader) == 1);
		break;
	case 5:
		FUZZ_ALLOWED(rdx_reader_get_source(run->reader, &source), -EBADMSG);
		sum += source.next_sequence;
		break;
	default:
		FUZZ_CHECK(rdx_reader_get_stats(run->reader, &stats) == 0);
	}
}

static void act(struct run *run)
{
	uint8_t op = fuzz_byte(&run->in), how = fuzz_byte(&run->in);

	switch (op % 16) {
	case 0:
	case 1:
	case 2:
		hostile_patch(&hostile, &run->in);
		break;
	case 3:
	case 4:
		hostile_lie(&hostile, &run->in);
		break;
	case 5:
	case 6:
	case 7:
		read_events(run, 1 + how % 64);
		break;
	case 8:
	case 9:
		recover(run, how);
		break;
	case 10:
		snapshot(run, how);
		break;
	case 11:
		if (how & 128)
			each(run);
		else
			resident(run, how);
		break;
	case 12:
		ask_range(run, how);
		break;
	case 13:
		seek(run, how);
		break;
	case 14:
		ask_the_rest(run, how);
		break;
	default:
		if (op >= 240 && how >= 240 && !run->is_served)
			hostile_truncate(&hostile, &run->in);
	}
}

static void begin(struct run *run)
{
	uint8_t form = fuzz_byte(&run->in);

	hostile_place(&hostile, form);
	if (run->is_served)
		served_begin();
	if (form & 0xc0) {
		take_kept(run, &kept[run->is_served][form % HOSTILE_IMAGES]);
		return;
	}
	for (uint8_t patches = form >> 4; patches; patches--)
		hostile_patch(&hostile, &run->in);
	open_reader(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct run run = {.in = {bytes, count}};

	run.is_served = fuzz_touch(bytes, count) % KERNEL_ONE_IN != 0;
	begin(&run);
	fuzz_changing_begin();
	for (uint32_t i = 0; i < OPS_MAX && run.reader && run.in.left; i++)
		act(&run);
	fuzz_changing_end();
	if (run.kept)
		leave_kept(run.kept);
	else
		rdx_reader_close(run.reader);
	served_end();
	fuzz_forget();
	return 0;
}
