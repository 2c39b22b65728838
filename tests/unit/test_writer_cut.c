/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: one of an index's files is cut under its writer: from the fault on whatever is called changes
 * no byte of any of them, gives none a name and takes none away, and no old table is freed under readers
 * who cannot be told.
 */
#include "tests/index_rig.h"

#include "consumer/writer/grow.h"
#include "consumer/writer/writer_state.h"
#include "shm/guard.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCKS     64
#define FILES_MAX  8
#define STEPS      200
#define FIRST_KEYS 20000
#define LATER_KEYS 40000

enum file { CTL, TABLE, NEXT };

/* The bytes and names of all files in index/. */
struct sight {
	uint64_t name[FILES_MAX]; /* hashes */
	uint64_t inode[FILES_MAX];
	uint64_t bytes[FILES_MAX];
	uint64_t content[FILES_MAX];
	uint32_t count;
};

static uint64_t hash_of(const void *bytes, size_t count, uint64_t hash)
{
	for (size_t i = 0; i < count; i++)
		hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* Holes as zeros: what a reader sees. */
static uint64_t content_of(int fd)
{
	static uint8_t bytes[1 << 16];
	uint64_t hash = 1;
	ssize_t got;
	off_t at = 0;

	while ((got = pread(fd, bytes, sizeof(bytes), at)) > 0) {
		hash = hash_of(bytes, (size_t)got, hash);
		at += got;
	}
	assert_int_equal(got, 0);
	return hash;
}

static void look(const struct rig *rig, struct sight *ret_sight)
{
	DIR *dir = fdopendir(openat(rig->dir_fd, "index", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;

	assert_non_null(dir);
	memset(ret_sight, 0, sizeof(*ret_sight));
	while ((entry = readdir(dir))) {
		uint32_t i = ret_sight->count;
		struct stat st;
		int fd;

		if (entry->d_name[0] == '.' && (!entry->d_name[1] || entry->d_name[1] == '.'))
			continue;
		assert_true(i < FILES_MAX);
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &st), 0);
		ret_sight->name[i] = hash_of(entry->d_name, strlen(entry->d_name), 1);
		ret_sight->inode[i] = st.st_ino;
		ret_sight->bytes[i] = (uint64_t)st.st_size;
		ret_sight->content[i] = content_of(fd);
		ret_sight->count++;
		close(fd);
	}
	closedir(dir);
}

static int add(struct rdx_index_writer *w, uint64_t worker_id)
{
	struct rdx_rank_info info = rig_info(worker_id, 0, 1);

	return rdx_writer_rank_add(w, &info);
}

static void show(struct rdx_index_writer *w, int seat, uint64_t key)
{
	uint64_t keys[BLOCKS];

	for (uint64_t i = 0; i < BLOCKS; i++)
		keys[i] = key + i;
	assert_int_equal(rig_begin(w, seat), 0);
	assert_int_equal(rig_blocks(w, seat, 0, keys, BLOCKS), 0);
	rdx_writer_rank_show(w, seat, 0, 0);
	rig_pulse(w, seat, RDX_STATE_EXACT, 1, 1);
}

static void publish(struct rdx_index_writer *w, int seat, uint8_t kind, uint64_t id, uint64_t key)
{
	struct rdx_event event = {.kind = kind,
				  .tier = kind == RDX_EVENT_CLEARED ? RDX_SCOPE_ALL : 0,
				  .event_id = id,
				  .hashes = &key,
				  .count = kind == RDX_EVENT_CLEARED ? 0 : 1};

	rdx_writer_flush(w);
	(void)rdx_writer_apply_event(w, seat, &event, &key);
	rdx_writer_flush(w);
}

/* Two ranks that are shown, one that is being built; the next table is so far. */
static void make_at(struct rig *rig, enum rdx_grow_stage stage,
		    struct rdx_index_writer **ret_writer, int *ret_seat)
{
	struct rdx_writer_options options = {.initial_blocks = FIRST_KEYS};
	uint64_t random = 5;
	struct rdx_index_writer *w;

	rig_make(rig);
	assert_int_equal(rig_writer(rig, &options, &w), 0);
	for (int i = 0; i < 3; i++)
		ret_seat[i] = add(w, (uint64_t)i + 1);
	show(w, ret_seat[0], 1000);
	show(w, ret_seat[1], 2000);
	rdx_writer_heartbeat(w, rdx_clock_ns());
	assert_int_equal(rdx_writer_ready(w), 0);
	while (w->stage != stage) {
		uint64_t key = rig_random(&random) | 1;

		assert_int_equal(rig_blocks(w, ret_seat[1], 0, &key, 1), 0);
	}
	assert_int_equal(rdx_writer_rank_begin(w, ret_seat[2], 0), 0);
	*ret_writer = w;
}

static void make(struct rig *rig, struct rdx_index_writer **ret_writer, int *ret_seat)
{
	make_at(rig, RDX_GROW_COPY, ret_writer, ret_seat);
}

static void cut(struct rdx_index_writer *w, enum file file)
{
	off_t entries =
		offsetof(struct rdx_index_ctl, live.entry) / RDX_INDEX_PAGE * RDX_INDEX_PAGE;

	if (file == CTL)
		assert_int_equal(ftruncate(w->ctl.fd, entries), 0);
	else
		assert_int_equal(
			ftruncate((file == TABLE ? rdx_writer_table(w) : rdx_writer_next(w))
					  ->mapping.fd,
				  0),
			0);
}

/* As an indexer calls it. */
static void do_all(struct rdx_index_writer *w, const int *seat)
{
	uint64_t key = 77;
	int other = add(w, 9);

	for (uint64_t i = 0; i < LATER_KEYS; i++) /* more than one table holds */
		publish(w, seat[0], RDX_EVENT_STORED, 1000 + i, 5000 + i);
	publish(w, seat[0], RDX_EVENT_REMOVED, 900000, 1000);
	(void)rig_blocks(w, seat[2], 0, &key, 1);
	rdx_writer_rank_show(w, seat[2], 0, 0);
	rig_pulse(w, seat[2], RDX_STATE_EXACT, 1, 1);
	if (rdx_writer_rank_begin(w, other, 1) == 0) {
		(void)rig_blocks(w, other, 0, &key, 1);
		rdx_writer_rank_show(w, other, 0, 0);
	}
	rdx_writer_rank_hide(w, seat[1]);
	publish(w, seat[0], RDX_EVENT_CLEARED, 900001, 0);
	for (int i = 0; i < 3; i++)
		rig_pulse(w, seat[i], RDX_STATE_EXACT, 2, 200);
	rdx_writer_heartbeat(w, rdx_clock_ns());
	for (int i = 0; i < STEPS; i++)
		(void)rdx_writer_step(w);
	assert_int_equal(rdx_writer_ready(w), -EBADMSG);
}

static void test_nothing_is_changed(void **state)
{
	(void)state;
	assert_int_equal(rdx_guard_install(), 0);
	for (enum file file = CTL; file <= NEXT; file++) {
		struct rdx_index_writer *w;
		struct sight before, after;
		struct rig rig;
		int seat[3];

		make(&rig, &w, seat);
		assert_int_equal(rdx_writer_poisoned(w), 0);
		cut(w, file);
		for (uint64_t i = 0; !rdx_writer_poisoned(w); i++)
			publish(w, seat[0], RDX_EVENT_STORED, 2 + i, 3000 + i);
		look(&rig, &before);
		do_all(w, seat);
		look(&rig, &after);
		assert_int_equal(before.count, 3);
		assert_memory_equal(&before, &after, sizeof(before));
		rdx_writer_close(w);
		rig_remove(&rig);
	}
}

/* Its next table has no name yet, and gets none; nobody waits for it. */
static void test_while_it_grows(void **state)
{
	struct rdx_index_writer *w;
	struct sight before, after;
	struct rig rig;
	int seat[3];

	(void)state;
	assert_int_equal(rdx_guard_install(), 0);
	make_at(&rig, RDX_GROW_ALLOCATE, &w, seat);
	cut(w, CTL);
	rig_pulse(w, seat[0], RDX_STATE_EXACT, 1, 3);
	assert_int_equal(rdx_writer_poisoned(w), 1);
	look(&rig, &before);
	assert_int_equal(rdx_grow_now(w), 0);
	do_all(w, seat);
	look(&rig, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	rdx_writer_close(w);
	rig_remove(&rig);
}

/* A temporary index that was cut does not get the name of the one before. */
static void test_not_ready(void **state)
{
	struct rdx_index_writer *w, *next;
	struct rdx_index *x;
	struct rig rig;
	uint64_t writer;

	(void)state;
	assert_int_equal(rdx_guard_install(), 0);
	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, NULL, &w), 0);
	assert_int_equal(rdx_writer_ready(w), 0);
	writer = w->writer_id;
	assert_int_equal(rig_writer(&rig, NULL, &next), 0);
	assert_int_equal(ftruncate(next->ctl.fd, 0), 0);
	rdx_writer_heartbeat(next, rdx_clock_ns());
	assert_int_equal(rdx_writer_ready(next), -EBADMSG);
	assert_int_equal(rig_index(&rig, &x), 0);
	assert_int_equal(x->writer_id, writer);
	rdx_index_close(x);
	rdx_writer_close(next);
	rdx_writer_close(w);
	rig_remove(&rig);
}

/* A handle has the table before the current one open. */
static void test_no_hole_untold(void **state)
{
	struct rdx_index_writer *w;
	uint64_t content;
	struct rig rig;
	int seat[3], fd;

	(void)state;
	assert_int_equal(rdx_guard_install(), 0);
	make(&rig, &w, seat);
	fd = dup(rdx_writer_table(w)->mapping.fd);
	while (w->retired.stage != RDX_RETIRE_WAIT)
		(void)rdx_writer_step(w);
	content = content_of(fd);
	cut(w, CTL);
	rig_pulse(w, seat[0], RDX_STATE_EXACT, 1, 3);
	assert_int_equal(rdx_writer_poisoned(w), 1);
	rdx_writer_close(w);
	assert_int_equal(content_of(fd), content);
	close(fd);
	rig_remove(&rig);
}

/* The guard has no entry left for one of an index's files, and so for none: it would fall alone. */
static void test_without_room_in_the_guard(void **state)
{
	static struct rdx_mapping others[RDX_GUARDED_MAX];
	const struct rdx_writer_options options = {.initial_blocks = FIRST_KEYS};
	uint64_t random = 7, generations = 0;
	struct rdx_index_writer *w;
	struct sight sight;
	struct rig rig;
	uint32_t count = 0;
	int seat;

	(void)state;
	rig_make(&rig);
	while (rdx_guard_add(&others[count]) == 0)
		count++;
	for (int room = 0; room < 2; room++) {
		assert_int_equal(rig_writer(&rig, NULL, &w), -ENOSPC);
		look(&rig, &sight);
		assert_int_equal(sight.count, 0);
		rdx_guard_remove(&others[--count]);
	}
	assert_int_equal(rig_writer(&rig, &options, &w), 0);
	/* the next table would be one more: as without memory for it */
	seat = add(w, 1);
	show(w, seat, 1000);
	while (w->failures == 0) {
		uint64_t key = rig_random(&random) | 1;

		assert_int_equal(w->generations, generations);
		assert_int_equal(rig_blocks(w, seat, 0, &key, 1), 0);
	}
	assert_int_equal(w->stage, RDX_GROW_IDLE);
	look(&rig, &sight);
	assert_int_equal(sight.count, 2);
	while (count)
		rdx_guard_remove(&others[--count]);
	rdx_writer_close(w);
	rig_remove(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_changed),
		cmocka_unit_test(test_while_it_grows),
		cmocka_unit_test(test_not_ready),
		cmocka_unit_test(test_no_hole_untold),
		cmocka_unit_test(test_without_room_in_the_guard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
