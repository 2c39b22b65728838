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

#define WORKER  1
#define ANOTHER 65534 /* user */
#define PATH    160

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
	static const uint64_t words[8] = {RDX_CLEAR_MAGIC, 5, [7] = 5};
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

/* A clear of `of` is one of `other`. */
static void expect_cleared(struct publisher_rig *f, struct rdx_publisher *of,
			   struct rdx_publisher *other)
{
	struct rdx_publisher *own = f->p;

	f->p = other;
	publisher_store(f, 0, 1, 2);
	assert_int_equal(rdx_publish_cleared(of, RDX_SCOPE_ALL, 0), 0);
	publisher_store(f, 0, 3, 1);
	assert_int_equal(held(other), 1);
	assert_int_equal(publisher_stats(other).inexact, 0);
	f->p = own;
	assert_int_equal(of->stamp, other->stamp);
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

static void expect_one_clear_file(struct publisher_rig *f, struct rdx_publisher *second)
{
	assert_true(f->p->owner.header->clear_id == second->owner.header->clear_id);
	expect_cleared(f, f->p, second);
	expect_cleared(f, second, f->p);
	expect_read(f, 0);
	expect_read(f, 1);
}

/* What the file said is not known: maybe that all of it was cleared. */
static void expect_emptied(struct rdx_publisher *p)
{
	assert_int_equal(rdx_publisher_check(p), RDX_CHECK_EMPTIED);
	assert_int_equal(held(p), 0);
	assert_int_equal(publisher_stats(p).inexact, RDX_INEXACT_LACKING);
}

/* A rank starts beside one that lives. */
static void test_damaged_under_a_sibling(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_publisher_options options;
	struct rdx_publisher *second;

	second = open_both(f, &options);
	expect_one_clear_file(f, second);
	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
		rdx_publisher_close(second);
		damage(f, &damages[i]);
		assert_int_equal(rdx_publisher_open(&second, &options), 0);
		expect_emptied(f->p);
		expect_one_clear_file(f, second);
		assert_int_equal(rdx_publisher_check(f->p), RDX_CHECK_SOUND);
	}
	rdx_publisher_close(second);
}

/* Who comes first makes it as the other knows it, and that one joins it. */
static void test_lost_under_a_sibling(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_publisher_options options;
	struct rdx_publisher *second;

	second = open_both(f, &options);
	expect_one_clear_file(f, second);
	for (size_t i = 0; i < DEBRIS; i++) {
		char path[PATH];

		rdx_publisher_close(second);
		path_of(f, "1/clear", path);
		assert_int_equal(unlink(path), 0);
		if (i)
			debris[i - 1](path);
		assert_int_equal(rdx_publisher_open(&second, &options), 0);
		assert_int_equal(rdx_publisher_check(f->p), RDX_CHECK_RENEWED);
		assert_int_equal(held(f->p), 1);
		assert_int_equal(rdx_publisher_check(second), RDX_CHECK_SOUND);
		expect_one_clear_file(f, second);
	}
	rdx_publisher_close(second);
}

/* Nobody starts: a rank that looks makes it anew, for those who come later. */
static void test_damaged_and_looked_at(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_publisher_options options;
	struct rdx_publisher *second;

	second = open_both(f, &options);
	expect_one_clear_file(f, second);
	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
		damage(f, &damages[i]);
		expect_emptied(i % 2 ? f->p : second);
		expect_emptied(i % 2 ? second : f->p);
		expect_one_clear_file(f, second);
	}
	rdx_publisher_close(second);
}

/* Who looks first, or begins, knows nothing of a clear in a damaged file: who comes from there says that
 * there may have been one. */
static void test_a_clear_in_a_damaged_file(void **state)
{
	static const struct damage noise = {0, 16};
	struct publisher_rig *f = *state;
	struct rdx_publisher_options options;
	struct rdx_publisher *second, *own;

	second = open_both(f, &options);
	damage(f, &noise);
	rdx_publisher_close(second);
	assert_int_equal(rdx_publisher_open(&second, &options), 0);
	own = f->p;
	f->p = second;
	publisher_store(f, 0, 1, 2);
	f->p = own;
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	expect_emptied(f->p);
	assert_int_equal(rdx_publisher_check(second), RDX_CHECK_SOUND);
	assert_int_equal(held(second), 0);
	assert_int_equal(publisher_stats(second).inexact, RDX_INEXACT_LACKING);
	rdx_publisher_close(second);
}

static void write_clear_file(const struct publisher_rig *f, const void *content)
{
	char path[PATH];
	int fd;

	path_of(f, "1/clear", path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, content, sizeof(struct rdx_clear), 0),
			 sizeof(struct rdx_clear));
	close(fd);
}

/* Its stamp too, which was no clear, or was one: no rank is EXACT and empty, nor what read it. */
static void test_noise_over_all_of_it(void **state)
{
	static const uint8_t bytes[] = {0x00, 0x2a, 0x7f, 0x80, 0xff};
	struct publisher_rig *f = *state;
	struct rdx_event event = {.size = sizeof(event)};
	struct rdx_reader *reader;

	open_first(f);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		uint8_t noise[sizeof(struct rdx_clear)];

		publisher_store(f, 0, 1, 2);
		assert_int_equal(rdx_reader_open(&reader, f->rig.dir, WORKER, 0), 0);
		memset(noise, bytes[i], sizeof(noise));
		write_clear_file(f, noise);
		assert_int_equal(rdx_reader_next(reader, &event), -EBADMSG);
		publisher_store(f, 2, 3, 1);
		assert_int_equal(publisher_stats(f->p).inexact, RDX_INEXACT_LACKING);
		expect_emptied(f->p);
		publisher_store(f, 0, 4, 1);
		assert_int_equal(rdx_publisher_check(f->p), RDX_CHECK_SOUND);
		assert_int_equal(held(f->p), 1);
		assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
		assert_int_equal(publisher_stats(f->p).inexact, 0);
		rdx_reader_close(reader);
	}
}

/* So that its stamp is another one, and what stands before it is not. */
static void test_cut_at_its_stamp(void **state)
{
	static const off_t lengths[] = {8, 16, 24, 32, 36};
	struct publisher_rig *f = *state;
	struct rdx_event event = {.size = sizeof(event)};
	struct rdx_reader *reader;
	char path[PATH];

	open_first(f);
	path_of(f, "1/clear", path);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
		publisher_store(f, 0, 1, 2);
		assert_int_equal(rdx_reader_open(&reader, f->rig.dir, WORKER, 0), 0);
		assert_int_equal(truncate(path, lengths[i]), 0);
		assert_int_equal(rdx_reader_next(reader, &event), -EBADMSG);
		publisher_store(f, 2, 3, 1);
		assert_int_equal(publisher_stats(f->p).inexact, RDX_INEXACT_LACKING);
		expect_emptied(f->p);
		assert_int_equal(rdx_publisher_check(f->p), RDX_CHECK_SOUND);
		rdx_reader_close(reader);
	}
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

/* To the other end of its directory's list. */
static void rename_and_back(const char *path)
{
	char other[PATH + 8];

	snprintf(other, sizeof(other), "%s.other", path);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(rename(other, path), 0);
}

/* Whatever siblings it meets first: only what the living know of the clear file goes on. */
static void test_dead_siblings_of_another_file(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_publisher *living;
	char clear[PATH], segment[PATH];

	f->options.worker_id = WORKER;
	f->options.clear_scope = RDX_CLEAR_WORKER;
	path_of(f, "1/clear", clear);
	path_of(f, "1/2.seg", segment);
	for (uint32_t rank = 1; rank <= 2; rank++) {
		f->options.dp_rank = rank;
		publisher_open(f);
		rdx_publisher_close(f->p);
		f->p = NULL;
	}
	assert_int_equal(unlink(clear), 0);
	f->options.dp_rank = 3;
	publisher_open(f);
	living = f->p;
	publisher_store(f, 0, 1, 2);
	/* directories list first what is new, or old: now there is a dead one on both sides of the living */
	rename_and_back(segment);
	assert_int_equal(unlink(clear), 0);
	f->options.dp_rank = 0;
	publisher_open(f);
	assert_int_equal(rdx_publisher_check(living), RDX_CHECK_RENEWED);
	assert_int_equal(held(living), 2);
	rdx_publisher_close(living);
}

/* As another user, who is no longer that when a test fails. */
static int open_as_another(struct rdx_publisher **ret_publisher,
			   const struct rdx_publisher_options *options)
{
	int r;

	assert_int_equal(seteuid(ANOTHER), 0);
	r = rdx_publisher_open(ret_publisher, options);
	assert_int_equal(seteuid(0), 0);
	return r;
}

static int check_as_another(struct rdx_publisher *p)
{
	int r;

	assert_int_equal(seteuid(ANOTHER), 0);
	r = rdx_publisher_check(p);
	assert_int_equal(seteuid(0), 0);
	return r;
}

/* In a directory of root's, where others work. */
static void test_root_by_mistake(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_publisher *theirs;
	char path[PATH];

	if (geteuid() != 0) {
		print_message("only root can change users\n");
		skip();
	}
	path_of(f, "..", path);
	assert_int_equal(chmod(path, 0711), 0);
	assert_int_equal(chmod(f->rig.dir, 01777), 0);
	path_of(f, "1", path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(chmod(path, 01777), 0);
	path_of(f, "key", path);
	assert_int_equal(chmod(path, 0644), 0);
	f->options.worker_id = WORKER;
	f->options.worker_id = WORKER;
	f->options.dp_rank = 0;
	f->options.clear_scope = RDX_CLEAR_WORKER;
	assert_int_equal(open_as_another(&theirs, &f->options), 0);
	f->options.dp_rank = 1;
	assert_int_equal(rdx_publisher_open(&f->p, &f->options), -EPERM);
	f->p = NULL;
	/* damaged, too */
	damage(f, &damages[0]);
	assert_int_equal(rdx_publisher_open(&f->p, &f->options), -EPERM);
	f->p = NULL;
	path_of(f, "1/1.lock", path);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(check_as_another(theirs), RDX_CHECK_EMPTIED);
	assert_int_equal(open_as_another(&f->p, &f->options), 0);
	rdx_publisher_close(theirs);
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
		PUBLISHER_TEST(test_a_clear_in_a_damaged_file),
		PUBLISHER_TEST(test_noise_over_all_of_it),
		PUBLISHER_TEST(test_cut_at_its_stamp),
		PUBLISHER_TEST(test_a_reader_has_locked_it),
		PUBLISHER_TEST(test_a_dead_sibling),
		PUBLISHER_TEST(test_dead_siblings_of_another_file),
		PUBLISHER_TEST(test_root_by_mistake),
#ifdef RDX_HOOKS
		PUBLISHER_TEST(test_removed_meanwhile),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
