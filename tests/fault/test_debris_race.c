/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: debris has the name of a lock file, or of a clear file. A producer that starts is stopped
 * between its look at that and the removal, and another one starts: neither takes the name from a file of the
 * other's. Nor does who finds a file there that was debris before.
 */
#include "consumer/reader/reader.h"
#include "shm/file.h"
#include "shm/hook.h"
#include "tests/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER 1

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
	assert_int_equal(rdx_file_remove_debris(rig->dir_fd, "1/0.lock", -1), 0);
	assert_int_equal(rdx_file_remove_debris(rig->dir_fd, "1/clear", -1), 0);
	damaged = openat(rig->dir_fd, "1/other", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(damaged >= 0);
	assert_int_equal(rdx_file_remove_debris(rig->dir_fd, "1/clear", damaged), 0);
	rdx_file_remove_own(damaged, rig->dir_fd, "1/clear");
	expect_its_files(rig, 0);
	assert_int_equal(rdx_file_is_named(producer.owner.lock_fd, rig->dir_fd, "1/0.lock"), 1);
	assert_int_equal(rdx_file_remove_debris(rig->dir_fd, "1/other", damaged), 0);
	assert_int_equal(rdx_file_is_named(damaged, rig->dir_fd, "1/other"), 0);
	assert_int_equal(rdx_file_remove_debris(rig->dir_fd, "2/0.lock", -1), 0);
	close(damaged);
	rig_release(&producer);
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
#endif

#define TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_file_meanwhile),
#ifdef RDX_HOOKS
		TEST(test_a_lock_file),
		TEST(test_a_clear_file),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
