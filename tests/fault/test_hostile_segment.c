/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: segments that no producer wrote. Headers with wrong magic, version, features,
 * fingerprint, sizes, texts; files truncated, oversized or of random bytes: each with its errno.
 * Then good segments with words changed at random, everywhere: the reader never crashes, never
 * loops, and answers with an error or with an event of valid form.
 */
#include "consumer/reader/recovery.h"
#include "shm/file.h"
#include "tests/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define MUTANTS 1500
#else
#define MUTANTS 12000
#endif
#define WORKER 7
#define RING   64

/* A dead rank's file, mapped for changing. */
struct fixture {
	struct rig rig;
	struct rdx_segment_header *header;
	struct rdx_segment_live *live;
	struct rdx_slot *slots;
	uint8_t *bytes;
	uint64_t size;
	uint64_t tail;
	uint64_t events;
};

static void path_of(const struct fixture *f, char *ret_path)
{
	snprintf(ret_path, 128, "%s/%d/0.seg", f->rig.dir, WORKER);
}

static void write_rank(struct fixture *f, uint64_t events)
{
	struct rdx_segment_spec spec = stream_spec(WORKER, 0, RING);
	static struct stream_writer writer;
	static struct stream stream;
	struct rig_producer producer;
	struct stream_op op;

	assert_int_equal(rig_claim(&f->rig, &producer, &spec), 0);
	stream_writer_make(&writer, &producer);
	stream_make(&stream, &f->rig.key, 1, 100);
	while (stream.event_id < events) {
		stream_next(&stream, &op);
		stream_write(&writer, &stream, &op);
	}
	f->tail = producer.tail;
	f->events = events;
	f->size = producer.owner.header->file_bytes;
	rig_release(&producer);
}

static void open_fixture(struct fixture *f, uint64_t events)
{
	char path[128];
	int fd;

	rig_make(&f->rig);
	write_rank(f, events);
	path_of(f, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	f->bytes = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(f->bytes != MAP_FAILED);
	close(fd);
	f->header = (struct rdx_segment_header *)f->bytes;
	f->live = (struct rdx_segment_live *)(f->bytes + RDX_LIVE_OFFSET);
	f->slots = (struct rdx_slot *)(f->bytes + RDX_RING_OFFSET);
}

static void close_fixture(struct fixture *f)
{
	munmap(f->bytes, f->size);
	rig_remove(&f->rig);
}

static int try_open(struct fixture *f)
{
	struct rdx_reader *reader;
	int r = rdx_reader_open(&reader, f->rig.dir, WORKER, 0);

	if (r == 0)
		rdx_reader_close(reader);
	return r;
}

/* One header field is another value: open answers `expected`. */
#define assert_field(f, field, value, expected)                                                    \
	do {                                                                                       \
		struct rdx_segment_header saved_ = *(f)->header;                                   \
		(f)->header->field = (value);                                                      \
		assert_int_equal(try_open(f), (expected));                                         \
		*(f)->header = saved_;                                                             \
	} while (0)

static void test_wrong_header_fields(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, 100);
	assert_int_equal(try_open(&f), 0);
	assert_field(&f, magic, 0, -EBADMSG);
	assert_field(&f, magic, RDX_SEGMENT_MAGIC + (UINT64_C(1) << 56), -EBADMSG);
	assert_field(&f, format_version, RDX_SEGMENT_VERSION + 1, -EPROTONOSUPPORT);
	assert_field(&f, format_version, 0, -EPROTONOSUPPORT);
	assert_field(&f, features_incompat, 1, -EPROTONOSUPPORT);
	assert_field(&f, features_incompat, UINT64_C(1) << 63, -EPROTONOSUPPORT);
	assert_field(&f, features_compat, UINT64_MAX, 0); /* that is what they are for */
	assert_field(&f, layout_fingerprint, 0, -EBADMSG);
	assert_field(&f, header_bytes, 4096, -EBADMSG);
	assert_field(&f, epoch, 0, -EBADMSG);
	assert_field(&f, key_fingerprint, 1, -EKEYREJECTED);
	assert_field(&f, hash_scheme, RDX_HASH_SCHEME + 1, -EKEYREJECTED);
	assert_field(&f, block_tokens, 0, -EBADMSG);
	assert_field(&f, block_tokens, RDX_BLOCK_TOKENS_MAX + 1, -EBADMSG);
	assert_field(&f, worker_id, WORKER + 1, -EBADMSG); /* the header names another */
	assert_field(&f, dp_rank, 1, -EBADMSG);
	close_fixture(&f);
}

static void test_contradicting_geometry(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, 100);
	assert_field(&f, ring_slots, 0, -EBADMSG);
	assert_field(&f, ring_slots, 32, -EBADMSG);
	assert_field(&f, ring_slots, 65, -EBADMSG);
	assert_field(&f, ring_slots, 2 * RING, -EBADMSG);
	assert_field(&f, ring_slots, UINT64_C(1) << 33, -EBADMSG);
	assert_field(&f, ring_slots, UINT64_C(1) << 63, -EBADMSG);
	assert_field(&f, ring_offset, 0, -EBADMSG);
	assert_field(&f, ring_offset, UINT64_MAX - 63, -EBADMSG);
	assert_field(&f, file_bytes, f.size - 4096, -EBADMSG);
	assert_field(&f, file_bytes, f.size + 4096, -EBADMSG);
	assert_field(&f, file_bytes, 0, -EBADMSG);
	assert_field(&f, file_bytes, UINT64_MAX, -EBADMSG);
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		assert_field(&f, tier_blocks[tier], UINT64_MAX, -EBADMSG);
		assert_field(&f, tier_blocks[tier], UINT64_C(1) << 61, -EBADMSG);
		assert_field(&f, tier_blocks[tier], f.header->ledger_records + 1, -EBADMSG);
	}
	assert_field(&f, ledger_offset, 0, -EBADMSG);
	assert_field(&f, ledger_offset, UINT64_MAX - 31, -EBADMSG);
	assert_field(&f, ledger_records, 0, -EBADMSG);
	assert_field(&f, ledger_records, f.header->ledger_records + 64, -EBADMSG);
	assert_field(&f, ledger_records, UINT64_C(1) << 59, -EBADMSG);
	close_fixture(&f);
}

static void test_unterminated_texts(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, 1);
	for (int i = 0; i < 3; i++) {
		struct rdx_segment_header saved = *f.header;
		char *text = i == 0   ? f.header->instance
			     : i == 1 ? f.header->model
				      : f.header->tenant;

		memset(text, 'x', RDX_TEXT_BYTES);
		assert_int_equal(try_open(&f), -EBADMSG);
		text[RDX_TEXT_BYTES - 1] = '\0';
		assert_int_equal(try_open(&f), 0);
		*f.header = saved;
	}
	close_fixture(&f);
}

/* A whole header that says more than the file has; nothing of the size is believed. */
static void test_oversized_claims(void **state)
{
	struct rdx_segment_spec spec = stream_spec(WORKER, 0, UINT64_C(1) << 32);
	struct rdx_segment_header header, saved;
	struct fixture f;

	(void)state;
	open_fixture(&f, 1);
	saved = *f.header;
	spec.tier_blocks[0] = spec.tier_blocks[3] = RDX_TIER_BLOCKS_MAX;
	assert_int_equal(rdx_segment_plan(&spec, &header), 0);
	header.magic = saved.magic;
	header.epoch = saved.epoch;
	header.key_fingerprint = saved.key_fingerprint;
	*f.header = header;
	assert_int_equal(try_open(&f), -EBADMSG);
	*f.header = saved;
	close_fixture(&f);
}

static uint64_t blocks_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks;
}

/* Holes cost a maker nothing; a reader of memory would allocate what it reads of them. A file that is
 * not allocated is refused, at its opening and before a scan, and nothing of it is read. */
static void test_holes(void **state)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_reader *reader;
	uint64_t whole, blocks;
	struct fixture f;
	char path[128];
	int fd;

	(void)state;
	open_fixture(&f, 100);
	path_of(&f, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	if (!rdx_file_in_memory(fd)) {
		close(fd);
		close_fixture(&f);
		print_message("skipped: no file system in memory has room\n");
		skip();
	}
	assert_int_equal(rdx_reader_open(&reader, f.rig.dir, WORKER, 0), 0);
	assert_int_equal(rdx_recovery_from_ledger(reader, &recovery), 0);
	whole = blocks_of(fd);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   (off_t)f.size - 4096, 4096),
			 0);
	blocks = blocks_of(fd);
	assert_true(blocks < whole);
	assert_int_equal(try_open(&f), -EBADMSG);
	assert_int_equal(rdx_recovery_from_ledger(reader, &recovery), -EBADMSG);
	assert_int_equal(rdx_reader_recover(reader, NULL, &recovery), -EBADMSG);
	assert_int_equal(blocks_of(fd), blocks);
	assert_int_equal(posix_fallocate(fd, 0, (off_t)f.size), 0);
	assert_int_equal(try_open(&f), 0);
	assert_int_equal(rdx_recovery_from_ledger(reader, &recovery), 0);
	/* a ledger that has grown by nothing but holes */
	assert_int_equal(ftruncate(fd, (off_t)f.size + 8192), 0);
	assert_int_equal(try_open(&f), -EBADMSG);
	assert_int_equal(rdx_recovery_from_ledger(reader, &recovery), -EBADMSG);
	rdx_reader_close(reader);
	close(fd);
	close_fixture(&f);
}

static void test_truncated_files(void **state)
{
	char path[128];
	struct fixture f;
	int fd;

	(void)state;
	open_fixture(&f, 1);
	path_of(&f, path);
	/* longer than its header says: the ledger has grown */
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(posix_fallocate(fd, (off_t)f.size, 123456), 0);
	close(fd);
	assert_int_equal(try_open(&f), 0);
	for (uint64_t size = f.size; size-- > 0; size = size / 4 * 3) {
		assert_int_equal(truncate(path, (off_t)size), 0);
		assert_int_equal(try_open(&f), -EBADMSG);
	}
	close_fixture(&f);
}

static void test_random_bytes(void **state)
{
	uint64_t random = rig_seed();
	uint64_t words[512];
	struct fixture f;

	(void)state;
	open_fixture(&f, 1);
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 512; i++)
			words[i] = rig_random(&random);
		if (round & 1)
			words[0] = RDX_SEGMENT_MAGIC;
		memcpy(f.bytes, words, sizeof(words));
		assert_true(try_open(&f) < 0);
	}
	close_fixture(&f);
}

/* Of all that is asked of readers, no answer may be another than these. */
static void assert_answer(int64_t r)
{
	if (r != 0 && r != -EBADMSG && r != -EAGAIN && r != -EOVERFLOW && r != -EOWNERDEAD)
		assert_int_equal(r, -EBADMSG);
}

static void assert_valid(const struct rdx_event *event)
{
	uint64_t sum = 0;

	assert_in_range(event->kind, RDX_EVENT_STORED, RDX_EVENT_INEXACT);
	assert_true(event->event_id != 0);
	assert_true(event->inexact <= RDX_INEXACT_UNKNOWN);
	assert_true(event->tier < RDX_TIER_COUNT ||
		    (event->kind == RDX_EVENT_CLEARED && event->tier == RDX_SCOPE_ALL));
	assert_true(event->count <= 4 + 7 * 7);
	for (uint32_t i = 0; i < event->count; i++)
		sum += event->hashes[i];
	__asm__ __volatile__("" ::"r"(sum)); /* all of them are read */
}

static void read_on(struct rdx_reader *reader)
{
	struct rdx_event event = {.size = sizeof(event)};
	int r, events = 0;

	while ((r = rdx_reader_next(reader, &event)) == 1) {
		assert_valid(&event);
		assert_true(++events <= 2 * RING);
	}
	assert_answer(r);
}

static void read_snapshot(struct rdx_reader *reader)
{
	uint64_t hashes[100], exact, count = 0;
	uint8_t tier;
	int64_t n;

	while ((n = rdx_reader_snapshot(reader, hashes, 100, &tier, &exact)) > 0) {
		assert_true(tier < STREAM_TIERS);
		count += (uint64_t)n;
		assert_true(count <= STREAM_TIERS * STREAM_BLOCKS);
	}
	assert_answer(n);
}

static void ask_everything(struct fixture *f)
{
	static const uint64_t ids[] = {0, 1, 5, 50, 95, 100, 101, 1 << 20, UINT64_MAX};
	static uint64_t hashes[STREAM_BLOCKS];
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_reader *reader;
	struct rdx_cursor cursor;
	struct rdx_range range = {.size = sizeof(range)};
	uint64_t count;
	int r = rdx_reader_open(&reader, f->rig.dir, WORKER, 0);

	if (r < 0) {
		assert_true(r == -EBADMSG || r == -EKEYREJECTED || r == -EPROTONOSUPPORT);
		return;
	}
	for (int i = 0; i < 3; i++) {
		rdx_reader_cursor(reader, &cursor);
		r = rdx_reader_recover(reader, i ? &cursor : NULL, &recovery);
		assert_answer(r);
		if (r == 0 && recovery.way == RDX_RECOVERED_LEDGER)
			read_snapshot(reader);
		read_on(reader);
	}
	r = rdx_recovery_from_ledger(reader, &recovery);
	assert_answer(r);
	if (r == 0)
		read_snapshot(reader);
	read_on(reader);
	r = rdx_recovery_rebuild(reader, &recovery);
	assert_answer(r);
	r = rdx_recovery_jump(reader);
	assert_answer(r == 1 ? 0 : r);
	read_on(reader);
	for (uint32_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		r = rdx_reader_range(reader, reader->info.epoch, ids[i], UINT64_MAX, &range);
		assert_answer(r);
		if (r == 0 && range.outcome == RDX_RANGE_EVENTS) {
			assert_int_equal(rdx_reader_seek(reader, &range.start), 0);
			read_on(reader);
		}
	}
	for (uint8_t tier = 0; tier < STREAM_TIERS; tier++) {
		r = rdx_reader_resident(reader, tier, hashes, STREAM_BLOCKS, &count, &cursor);
		assert_answer(r == -ENOSPC ? 0 : r);
	}
	rdx_reader_close(reader);
}

static void test_live_words_out_of_bounds(void **state)
{
	static const uint64_t values[] = {
		0,
		1,
		63,
		64,
		65,
		1 << 20,
		RDX_POSITION_END - 1,
		RDX_POSITION_END,
		RDX_POSITION_END + 1,
		UINT64_C(1) << 63,
		UINT64_MAX - 1,
		UINT64_MAX,
	};
	struct fixture f;

	(void)state;
	open_fixture(&f, 100);
	for (uint32_t i = 0; i < 2 * sizeof(values) / sizeof(*values); i++) {
		/* the values, and near where the ring is */
		uint64_t value = i & 1 ? values[i / 2] : f.tail + values[i / 2];
		struct rdx_segment_live saved;
		_Atomic uint64_t *words[] = {
			&f.live->tail, &f.live->barrier,     &f.live->intent,
			&f.live->used, &f.live->generations, &f.live->ledger_stamp,
		};

		memcpy(&saved, f.live, sizeof(saved));
		for (uint32_t w = 0; w < sizeof(words) / sizeof(*words); w++) {
			atomic_store(words[w], value);
			ask_everything(&f);
			memcpy(f.live, &saved, sizeof(saved));
		}
	}
	close_fixture(&f);
}

static void test_used_beyond_the_ledger_is_ebadmsg(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, 100);
	for (int i = 0; i < 2; i++) {
		uint64_t hashes[8], exact, saved = atomic_load(&f.live->used);
		struct rdx_recovery recovery = {.size = sizeof(recovery)};
		struct rdx_reader *reader;
		uint8_t got;
		int64_t n;

		assert_int_equal(rdx_reader_open(&reader, f.rig.dir, WORKER, 0), 0);
		atomic_store(&f.live->used, i ? UINT64_MAX : f.header->ledger_records + 128);
		assert_int_equal(rdx_recovery_from_ledger(reader, &recovery), 0);
		while ((n = rdx_reader_snapshot(reader, hashes, 8, &got, &exact)) > 0)
			;
		assert_int_equal(n, -EBADMSG);
		atomic_store(&f.live->used, saved);
		rdx_reader_close(reader);
	}
	close_fixture(&f);
}

/* A word near what could be there, or anything. */
static uint64_t strange_word(struct fixture *f, uint64_t old, uint64_t *random)
{
	uint64_t drawn = rig_random(random);
	uint64_t position = f->tail - RING + (drawn >> 16) % (2 * RING);

	switch (drawn % 8) {
	case 0:
		return rig_random(random);
	case 1:
		return rdx_slot_word(position, (uint32_t)(drawn >> 32) % 12);
	case 2:
		return rdx_slot_busy_word(position);
	case 3:
		return rdx_slot_word(position, (uint32_t)(drawn >> 32) % RDX_SLOT_BACK_MASK);
	case 4:
		return old + (drawn >> 8) % 5 - 2;
	case 5:
		return drawn >> 8 & 1 ? 0 : UINT64_MAX;
	default:
		return old ^ UINT64_C(1) << (drawn >> 8) % 64;
	}
}

static void change_a_word(struct fixture *f, uint64_t *random)
{
	uint64_t drawn = rig_random(random), at;
	uint64_t *words = (uint64_t *)f->bytes;

	switch (drawn % 8) {
	case 0: /* live */
		at = (RDX_LIVE_OFFSET / 8) + (drawn >> 8) % 48;
		break;
	case 1: /* ledger */
		at = f->header->ledger_offset / 8 + (drawn >> 8) % (4 * STREAM_BLOCKS);
		break;
	case 2:
	case 3: /* word 0 of a slot */
		at = RDX_RING_OFFSET / 8 + (drawn >> 8) % RING * RDX_SLOT_WORDS;
		break;
	case 4: /* kind, tier, count */
		at = RDX_RING_OFFSET / 8 + (drawn >> 8) % RING * RDX_SLOT_WORDS + 3;
		break;
	default:
		at = RDX_RING_OFFSET / 8 + (drawn >> 8) % (RING * RDX_SLOT_WORDS);
		break;
	}
	words[at] = strange_word(f, words[at], random);
}

/* Whole events, but of a worth that there is not: no reader looks it up. */
static void test_no_such_worth(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, 100);
	for (uint32_t i = 0; i < RING; i++) {
		uint64_t word = rdx_word_load(&f.slots[i].word[0]);

		if (!(word & RDX_SLOT_FIRST))
			continue;
		word = rdx_word_load(&f.slots[i].word[3]);
		rdx_word_store(&f.slots[i].word[3], word | UINT64_C(3) << 12);
	}
	ask_everything(&f);
	close_fixture(&f);
}

/* 1 to 8 words changed, then everything is asked. */
static void test_words_changed_at_random(void **state)
{
	uint64_t random = rig_seed();
	uint8_t *saved;
	struct fixture f;

	(void)state;
	open_fixture(&f, 100);
	saved = malloc(f.size);
	assert_non_null(saved);
	memcpy(saved, f.bytes, f.size);
	for (int mutant = 0; mutant < MUTANTS; mutant++) {
		uint64_t changes = 1 + rig_random(&random) % 8;

		for (uint64_t i = 0; i < changes; i++)
			change_a_word(&f, &random);
		ask_everything(&f);
		memcpy(f.bytes + RDX_LIVE_OFFSET, saved + RDX_LIVE_OFFSET,
		       f.size - RDX_LIVE_OFFSET);
	}
	free(saved);
	close_fixture(&f);
}

/* All of the ring random, and all of it one event over and over. */
static void test_whole_ring_changed(void **state)
{
	uint64_t random = rig_seed();
	struct fixture f;

	(void)state;
	open_fixture(&f, 100);
	for (int round = 0; round < 300; round++) {
		uint64_t base = f.tail - RING + (round % 3 ? 0 : rig_random(&random) % 128);

		for (uint64_t i = 0; i < RING; i++) {
			_Atomic uint64_t *word = f.slots[(base + i) % RING].word;

			for (uint32_t w = 0; w < RDX_SLOT_WORDS; w++)
				atomic_store(&word[w], rig_random(&random));
			if (round & 1)
				atomic_store(&word[0], rdx_slot_word(base + i, 0));
			if (round & 2)
				atomic_store(&word[3], RDX_EVENT_STORED | 2 << 16);
		}
		ask_everything(&f);
	}
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_header_fields),
		cmocka_unit_test(test_contradicting_geometry),
		cmocka_unit_test(test_unterminated_texts),
		cmocka_unit_test(test_oversized_claims),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_truncated_files),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_live_words_out_of_bounds),
		cmocka_unit_test(test_used_beyond_the_ledger_is_ebadmsg),
		cmocka_unit_test(test_no_such_worth),
		cmocka_unit_test(test_words_changed_at_random),
		cmocka_unit_test(test_whole_ring_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
