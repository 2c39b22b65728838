/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: whatever has the name of one of its files, a publisher that starts puts it right, also
 * beside other ranks of the worker that have it open; and so does one that looks after its own.
 */
#include "shm/clear.h"
#include "shm/hook.h"
#include "tests/held.h"
#include "tests/publisher_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <ringdex/rdx_reader.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define WORKER 1
#define PATH   160

/* A file of noise. */
static void write_noise(const char *path, size_t bytes)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0640);
	uint64_t seed = bytes;

	assert_true(fd >= 0);
	for (; bytes; bytes--) {
		uint8_t byte = (uint8_t)rig_random(&seed);

		assert_int_equal(write(fd, &byte, 1), 1);
	}
	close(fd);
}

static void make_nothing(const char *path)
{
	write_noise(path, 0);
}

static void make_short(const char *path)
{
	write_noise(path, 24);
}

static void make_noise(const char *path)
{
	write_noise(path, sizeof(struct rdx_clear));
}

static void make_long(const char *path)
{
	write_noise(path, 10000);
}

static void make_fifo(const char *path)
{
	assert_int_equal(mkfifo(path, 0640), 0);
}

static void make_directory(const char *path)
{
	assert_int_equal(mkdir(path, 0755), 0);
}

static void make_socket(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void make_dangling(const char *path)
{
	assert_int_equal(symlink("nowhere", path), 0);
}

/* To what must stay as it is. */
static void make_link(const char *path)
{
	assert_int_equal(symlink("../precious", path), 0);
}

static void make_open_to_all(const char *path)
{
	static const uint64_t words[8] = {RDX_CLEAR_MAGIC, 5};
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0640);

	assert_int_equal(write(fd, words, sizeof(words)), sizeof(words));
	assert_int_equal(fchmod(fd, 0666), 0);
	close(fd);
}

static void (*const debris[])(const char *path) = {
	make_nothing,   make_short,  make_noise,    make_long, make_fifo,
	make_directory, make_socket, make_dangling, make_link, make_open_to_all,
};

#define DEBRIS (sizeof(debris) / sizeof(*debris))

static void path_of(const struct publisher_rig *f, const char *name, char ret_path[PATH])
{
	snprintf(ret_path, PATH, "%s/%s", f->rig.dir, name);
}

static void expect_read(const struct publisher_rig *f, uint32_t dp_rank)
{
	struct rdx_reader *reader;

	assert_int_equal(rdx_reader_open(&reader, f->rig.dir, WORKER, dp_rank), 0);
	assert_int_equal(rdx_reader_alive(reader), 1);
	rdx_reader_close(reader);
}

static void open_first(struct publisher_rig *f)
{
	f->options.worker_id = WORKER;
	f->options.dp_rank = 0;
	f->options.clear_scope = RDX_CLEAR_WORKER;
	publisher_open(f);
}

static void test_debris(void **state)
{
	static const char *const names[] = {"1/0.seg", "1/.tmp-0.seg", "1/0.lock", "1/clear"};
	struct publisher_rig *f = *state;
	char path[PATH], precious[PATH];
	struct stat st;

	path_of(f, "precious", precious);
	write_noise(precious, 77);
	open_first(f);
	for (size_t i = 0; i < DEBRIS * 4; i++) {
		rdx_publisher_close(f->p);
		f->p = NULL;
		path_of(f, names[i % 4], path);
		unlink(path);
		debris[i / 4](path);
		publisher_open(f);
		publisher_store(f, 0, 1, 2);
		expect_read(f, 0);
	}
	assert_int_equal(stat(precious, &st), 0);
	assert_int_equal(st.st_size, 77);
}

/* It may be somebody's. */
static void test_a_full_directory(void **state)
{
	static const char *const names[] = {"1/0.seg", "1/.tmp-0.seg", "1/0.lock", "1/clear"};
	struct publisher_rig *f = *state;

	open_first(f);
	for (int i = 0; i < 4; i++) {
		char path[PATH], inner[PATH + 8];

		rdx_publisher_close(f->p);
		f->p = NULL;
		path_of(f, names[i], path);
		unlink(path);
		make_directory(path);
		snprintf(inner, sizeof(inner), "%s/own", path);
		make_nothing(inner);
		assert_int_equal(rdx_publisher_open(&f->p, &f->options), -ENOTEMPTY);
		assert_int_equal(unlink(inner), 0);
		publisher_open(f);
	}
}

/* What may become of a clear file that is open: its content, from `from` on, is noise or gone. */
struct damage {
	off_t from;
	size_t noise; /* 0: cut there */
};

static const struct damage damages[] = {{0, 0}, {4, 0}, {24, 0}, {0, 8}, {0, 16}, {64, 9}};

static void damage(const struct publisher_rig *f, const struct damage *damage)
{
	char path[PATH];
	int fd;

	path_of(f, "1/clear", path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (!damage->noise)
		assert_int_equal(ftruncate(fd, damage->from), 0);
	for (size_t i = 0; i < damage->noise; i++)
		assert_int_equal(pwrite(fd, "#", 1, damage->from + (off_t)i), 1);
	close(fd);
}

static uint64_t held(struct rdx_publisher *p)
{
	return publisher_stats(p).held[RDX_TIER_DEVICE];
}

/* A clear of `of` is one of `other`, and both stamps are above what they were. */
static void expect_cleared(struct publisher_rig *f, struct rdx_publisher *of,
			   struct rdx_publisher *other, uint32_t *stamp)
{
	struct rdx_publisher *own = f->p;

	f->p = other;
	publisher_store(f, 0, 1, 2);
	assert_int_equal(rdx_publish_cleared(of, RDX_SCOPE_ALL, 0), 0);
	publisher_store(f, 0, 3, 1);
	assert_int_equal(held(other), 1);
	f->p = own;
	assert_true(rdx_clear_before(*stamp, of->stamp));
	assert_int_equal(of->stamp, other->stamp);
	*stamp = of->stamp;
}

/* The worker's ranks 0 and 1; `ret_options` to open the second one again. */
static struct rdx_publisher *open_both(struct publisher_rig *f,
				       struct rdx_publisher_options *ret_options)
{
	struct rdx_publisher *second;

	open_first(f);
	*ret_options = f->options;
	ret_options->dp_rank = 1;
	assert_int_equal(rdx_publisher_open(&second, ret_options), 0);
	return second;
}

static void expect_one_clear_file(struct publisher_rig *f, struct rdx_publisher *second,
				  uint32_t *stamp)
{
	assert_true(f->p->owner.header->clear_id == second->owner.header->clear_id);
	expect_cleared(f, f->p, second, stamp);
	expect_cleared(f, second, f->p, stamp);
	expect_read(f, 0);
	expect_read(f, 1);
}

/* A rank starts beside one that lives. */
static void test_damaged_under_a_sibling(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_publisher_options options;
	struct rdx_publisher *second;
	uint32_t stamp = 0;

	second = open_both(f, &options);
	expect_one_clear_file(f, second, &stamp);
	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
		rdx_publisher_close(second);
		damage(f, &damages[i]);
		assert_int_equal(rdx_publisher_open(&second, &options), 0);
		expect_one_clear_file(f, second, &stamp);
		assert_int_equal(rdx_publisher_check(f->p), 0);
	}
	rdx_publisher_close(second);
}

/* Who comes first makes it as the other knows it, and that one joins it. */
static void test_lost_under_a_sibling(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_publisher_options options;
	struct rdx_publisher *second;
	uint32_t stamp = 0;

	second = open_both(f, &options);
	expect_one_clear_file(f, second, &stamp);
	for (size_t i = 0; i < DEBRIS; i++) {
		char path[PATH];

		rdx_publisher_close(second);
		path_of(f, "1/clear", path);
		assert_int_equal(unlink(path), 0);
		if (i)
			debris[i - 1](path);
		assert_int_equal(rdx_publisher_open(&second, &options), 0);
		assert_int_equal(rdx_publisher_check(f->p), 1);
		assert_int_equal(rdx_publisher_check(second), 0);
		expect_one_clear_file(f, second, &stamp);
	}
	rdx_publisher_close(second);
}

/* Nobody starts: a rank that looks mends it, for those who come later. */
static void test_damaged_and_looked_at(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_publisher_options options;
	struct rdx_publisher *second;
	uint32_t stamp = 0;

	second = open_both(f, &options);
	expect_one_clear_file(f, second, &stamp);
	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
		damage(f, &damages[i]);
		assert_int_equal(rdx_publisher_check(i % 2 ? f->p : second), 1);
		assert_int_equal(rdx_publisher_check(i % 2 ? second : f->p), 0);
		expect_one_clear_file(f, second, &stamp);
	}
	rdx_publisher_close(second);
}

/* Who looks first mends it without a clear that it has not followed yet; who cleared says it again. */
static void test_damaged_after_a_clear(void **state)
{
	static const struct damage cut = {4, 0};
	struct publisher_rig *f = *state;
	struct rdx_publisher_options options;
	struct rdx_publisher *second;

	second = open_both(f, &options);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	damage(f, &cut);
	assert_int_equal(rdx_publisher_check(second), 1);
	assert_int_equal(rdx_publisher_check(f->p), 0);
	assert_true(rdx_clear_stamp(second->clear) == f->p->stamp);
	rdx_publisher_close(second);
}

/* A clear goes on from the stamp that the rank knows, not from that which is left in the file. */
static void test_a_lost_stamp(void **state)
{
	static const struct damage cut = {4, 0};
	struct publisher_rig *f = *state;
	uint32_t stamp;

	open_first(f);
	for (int i = 0; i < 5; i++)
		assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	stamp = f->p->stamp;
	damage(f, &cut);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	assert_true(rdx_clear_before(stamp, f->p->stamp));
}

/* Who may only read the file can share its lock, and keeps nobody out by it. */
static void test_a_reader_has_locked_it(void **state)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct publisher_rig *f = *state;
	char path[PATH];
	int fd;

	open_first(f);
	damage(f, &damages[0]);
	rdx_publisher_close(f->p);
	f->p = NULL;
	path_of(f, "1/clear", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	publisher_open(f);
	expect_read(f, 0);
	close(fd);
}

/* What the ranks of a dead worker had says nothing. */
static void test_a_dead_sibling(void **state)
{
	struct publisher_rig *f = *state;
	char path[PATH];
	uint64_t id;

	open_first(f);
	id = f->p->owner.header->clear_id;
	rdx_publisher_close(f->p);
	path_of(f, "1/clear", path);
	assert_int_equal(unlink(path), 0);
	f->options.dp_rank = 1;
	publisher_open(f);
	assert_true(f->p->owner.header->clear_id != id);
}

#ifdef RDX_HOOKS
static const char *removed;
static enum rdx_hook_step removed_at;

static void remove_it(enum rdx_hook_step step)
{
	if (step != removed_at)
		return;
	rdx_hook_function = NULL;
	held_remove(removed);
}

/* The worker's directory, or all of it, goes while the rank starts. */
static void test_removed_meanwhile(void **state)
{
	static const enum rdx_hook_step steps[] = {RDX_HOOK_CLAIM_LOCKED, RDX_HOOK_SEGMENT_FILLED,
						   RDX_HOOK_SEGMENT_BUILT};
	struct publisher_rig *f = *state;
	static char dir[PATH], worker[PATH + 8];

	path_of(f, "ns", dir);
	snprintf(worker, sizeof(worker), "%s/1", dir);
	f->options.dir = dir;
	for (int i = 0; i < 6; i++) {
		struct rdx_reader *reader;

		removed = i % 2 ? dir : worker;
		removed_at = steps[i / 2];
		rdx_hook_function = remove_it;
		open_first(f);
		assert_null(rdx_hook_function);
		publisher_store(f, 0, 1, 2);
		assert_int_equal(rdx_reader_open(&reader, dir, WORKER, 0), 0);
		rdx_reader_close(reader);
		rdx_publisher_close(f->p);
		f->p = NULL;
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUBLISHER_TEST(test_debris),
		PUBLISHER_TEST(test_a_full_directory),
		PUBLISHER_TEST(test_damaged_under_a_sibling),
		PUBLISHER_TEST(test_lost_under_a_sibling),
		PUBLISHER_TEST(test_damaged_and_looked_at),
		PUBLISHER_TEST(test_damaged_after_a_clear),
		PUBLISHER_TEST(test_a_lost_stamp),
		PUBLISHER_TEST(test_a_reader_has_locked_it),
		PUBLISHER_TEST(test_a_dead_sibling),
#ifdef RDX_HOOKS
		PUBLISHER_TEST(test_removed_meanwhile),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
