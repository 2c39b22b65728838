/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: debris has the name of a lock file, or of a clear file. A producer that starts is stopped
 * between its look at that and the removal, and another one starts: neither takes the name from a file of the
 * other's. Nor does who finds a file there that was debris before. Nobody else keeps the two from it.
 */
#include "consumer/reader/reader.h"
#include "shm/debris.h"
#include "shm/file.h"
#include "shm/hook.h"
#include "shm/reap.h"
#include "tests/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER 1
#define LOCK   "1/" RDX_DEBRIS_LOCK_NAME

static int claim(struct rig *rig, struct rig_producer *ret_producer, uint32_t rank)
{
	struct rdx_segment_spec spec = rig_spec(WORKER, rank, 64, 16);

	spec.clear_scope = 1;
	return rig_claim(rig, ret_producer, &spec);
}

static void put_link(const struct rig *rig, const char *name)
{
	assert_true(mkdirat(rig->dir_fd, "1", 0755) == 0 || errno == EEXIST);
	assert_int_equal(symlinkat("nowhere", rig->dir_fd, name), 0);
}

/* What the names lead to is what the rank has open. */
static void expect_its_files(const struct rig *rig, uint32_t rank)
{
	struct rdx_reader *reader;

	assert_int_equal(rdx_reader_open_at(&reader, rig->dir_fd, &rig->key, WORKER, rank), 0);
	assert_int_equal(rdx_reader_alive(reader), 1);
	rdx_reader_close(reader);
}

static void test_a_file_meanwhile(void **state)
{
	struct rig_producer producer;
	struct rig *rig = *state;
	int damaged;

	assert_int_equal(claim(rig, &producer, 0), 0);
	assert_int_equal(rdx_debris_remove(rig->dir_fd, "1/0.lock", -1), 0);
	assert_int_equal(rdx_debris_remove(rig->dir_fd, "1/clear", -1), 0);
	damaged = openat(rig->dir_fd, "1/other", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(damaged >= 0);
	assert_int_equal(rdx_debris_remove(rig->dir_fd, "1/clear", damaged), 0);
	rdx_file_remove_own(damaged, rig->dir_fd, "1/clear");
	expect_its_files(rig, 0);
	assert_int_equal(rdx_file_is_named(producer.owner.lock_fd, rig->dir_fd, "1/0.lock"), 1);
	assert_int_equal(rdx_debris_remove(rig->dir_fd, "1/other", damaged), 0);
	assert_int_equal(rdx_file_is_named(damaged, rig->dir_fd, "1/other"), 0);
	assert_int_equal(rdx_debris_remove(rig->dir_fd, "2/0.lock", -1), 0);
	close(damaged);
	rig_release(&producer);
}

/* Locks that anybody may have who may open the directories. */
static void test_locked_directories(void **state)
{
	struct rig_producer producer;
	struct rig *rig = *state;
	int fd;

	put_link(rig, "1/0.lock");
	put_link(rig, "1/clear");
	fd = openat(rig->dir_fd, "1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(rdx_debris_remove(rig->dir_fd, "1/clear", -1), 0);
	assert_int_equal(claim(rig, &producer, 0), 0);
	expect_its_files(rig, 0);
	rig_release(&producer);
	close(fd);
}

static void put_file(const struct rig *rig, const char *name)
{
	int fd = openat(rig->dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* Of who died while it removed debris; debris in place of it. */
static void test_what_has_the_lock_s_name(void **state)
{
	struct rdx_reap reap = {.dir_fd = -1};
	struct rig *rig = *state;

	reap.dir_fd = rig->dir_fd;
	put_link(rig, "1/clear");
	put_file(rig, LOCK);
	assert_int_equal(rdx_debris_remove(rig->dir_fd, "1/clear", -1), 0);
	put_link(rig, "1/clear");
	put_link(rig, LOCK);
	assert_int_equal(rdx_debris_remove(rig->dir_fd, "1/clear", -1), 0);
	assert_int_equal(faccessat(rig->dir_fd, "1/clear", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	put_file(rig, LOCK);
	assert_int_equal(rdx_reap_workers(&reap), 0);
	assert_int_equal(faccessat(rig->dir_fd, "1", F_OK, 0), -1);
}

#ifdef RDX_HOOKS
static void stop_at(enum rdx_hook_step step)
{
	if (step != RDX_HOOK_DEBRIS_SEEN)
		return;
	rdx_hook_function = NULL;
	raise(SIGSTOP);
}

struct other {
	pid_t pid;
	int fd; /* of what its claim said */
};

/* A process that is stopped before it removes debris. */
static void start_other(struct rig *rig, struct other *ret_other)
{
	struct rig_producer producer;
	int ends[2], status, r;

	assert_int_equal(pipe(ends), 0);
	ret_other->pid = fork();
	assert_true(ret_other->pid >= 0);
	if (ret_other->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rdx_hook_function = stop_at;
		r = claim(rig, &producer, 0);
		if (write(ends[1], &r, sizeof(r)) == sizeof(r))
			for (;;)
				pause();
		_exit(1);
	}
	close(ends[1]);
	ret_other->fd = ends[0];
	assert_int_equal(waitpid(ret_other->pid, &status, WUNTRACED), ret_other->pid);
	assert_true(WIFSTOPPED(status));
}

static int let_other_go_on(const struct other *other)
{
	int r = 1;

	assert_int_equal(kill(other->pid, SIGCONT), 0);
	assert_int_equal(read(other->fd, &r, sizeof(r)), sizeof(r));
	return r;
}

static void end_other(const struct other *other)
{
	kill(other->pid, SIGKILL);
	waitpid(other->pid, NULL, 0);
	close(other->fd);
}

static void test_a_lock_file(void **state)
{
	struct rig_producer producer;
	struct rig *rig = *state;
	struct other other;
	int r, others;

	put_link(rig, "1/0.lock");
	start_other(rig, &other);
	r = claim(rig, &producer, 0);
	assert_true(r == 0 || r == -EAGAIN);
	others = let_other_go_on(&other);
	if (r == 0) {
		assert_int_equal(rdx_file_is_named(producer.owner.lock_fd, rig->dir_fd, "1/0.lock"),
				 1);
		assert_int_equal(others, -EBUSY);
		rig_release(&producer);
	} else {
		assert_int_equal(others, 0);
		assert_int_equal(claim(rig, &producer, 0), -EBUSY);
	}
	end_other(&other);
}

static void test_a_clear_file(void **state)
{
	struct rig_producer producer;
	struct rig *rig = *state;
	struct other other;
	int r;

	put_link(rig, "1/clear");
	start_other(rig, &other);
	r = claim(rig, &producer, 1);
	assert_true(r == 0 || r == -EAGAIN);
	assert_int_equal(let_other_go_on(&other), 0);
	if (r < 0)
		assert_int_equal(claim(rig, &producer, 1), 0);
	expect_its_files(rig, 0);
	expect_its_files(rig, 1);
	rig_release(&producer);
	end_other(&other);
}

/* While debris is removed: what anybody could do who may read the directory, or what a child does. */
static struct meanwhile {
	struct rig *rig;
	void (*act)(struct meanwhile *);
	pid_t child;
	int acted;
} meanwhile;

static void act_once(enum rdx_hook_step step)
{
	if (step != RDX_HOOK_DEBRIS_SEEN || meanwhile.acted++)
		return;
	meanwhile.act(&meanwhile);
}

static void act_while_debris_goes(struct rig *rig, void (*act)(struct meanwhile *))
{
	meanwhile = (struct meanwhile){.rig = rig, .act = act};
	rdx_hook_function = act_once;
}

/* Its lock is there, and nobody but its owner may open it. */
static void look_at_the_lock(struct meanwhile *m)
{
	struct stat st;

	assert_int_equal(fstatat(m->rig->dir_fd, LOCK, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & (S_IRWXG | S_IRWXO), 0);
}

static void test_a_lock_of_its_own(void **state)
{
	struct rig_producer producer;
	struct rig *rig = *state;

	put_link(rig, "1/clear");
	act_while_debris_goes(rig, look_at_the_lock);
	assert_int_equal(claim(rig, &producer, 0), 0);
	rdx_hook_function = NULL;
	assert_int_equal(meanwhile.acted, 1);
	assert_int_equal(faccessat(rig->dir_fd, LOCK, F_OK, 0), -1); /* it goes with the debris */
	rig_release(&producer);
}

static void fork_a_child(struct meanwhile *m)
{
	m->child = fork();
	assert_true(m->child >= 0);
	if (m->child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

/* What it inherits keeps nobody out, while it lives. */
static void test_a_child_meanwhile(void **state)
{
	struct rig *rig = *state;

	put_link(rig, "1/clear");
	act_while_debris_goes(rig, fork_a_child);
	assert_int_equal(rdx_debris_remove(rig->dir_fd, "1/clear", -1), 0);
	rdx_hook_function = NULL;
	assert_true(meanwhile.child > 0);
	put_link(rig, "1/clear");
	assert_int_equal(rdx_debris_remove(rig->dir_fd, "1/clear", -1), 0);
	assert_int_equal(faccessat(rig->dir_fd, "1/clear", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	kill(meanwhile.child, SIGKILL);
	waitpid(meanwhile.child, NULL, 0);
}

static void replace_the_directory(struct meanwhile *m)
{
	assert_int_equal(renameat(m->rig->dir_fd, "1", m->rig->dir_fd, "2"), 0);
	put_link(m->rig, "1/clear");
}

/* What is removed is in the directory that is locked. */
static void test_another_directory(void **state)
{
	struct rig *rig = *state;

	put_link(rig, "1/clear");
	act_while_debris_goes(rig, replace_the_directory);
	assert_int_equal(rdx_debris_remove(rig->dir_fd, "1/clear", -1), 0);
	rdx_hook_function = NULL;
	assert_int_equal(faccessat(rig->dir_fd, "1/clear", F_OK, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(faccessat(rig->dir_fd, "2/clear", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(unlinkat(rig->dir_fd, "1/clear", 0), 0);
	assert_int_equal(unlinkat(rig->dir_fd, "1", AT_REMOVEDIR), 0);
}
#endif

#define TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_file_meanwhile),
		TEST(test_locked_directories),
		TEST(test_what_has_the_lock_s_name),
#ifdef RDX_HOOKS
		TEST(test_a_lock_file),
		TEST(test_a_clear_file),
		TEST(test_a_lock_of_its_own),
		TEST(test_a_child_meanwhile),
		TEST(test_another_directory),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
