/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: waiting where io_uring is not available: forbidden by a seccomp filter, as in
 * containers, or without futexes, as before Linux 6.7. Each case is a child process, which reports
 * by its exit status.
 */
#include "consumer/wait/wait.h"
#include "tests/patience.h"
#include "tests/rig.h"

#include <errno.h>
#include <liburing.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <ringdex/rdx_indexer.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OP_FUTEX_WAIT 51
#define OP_NONE       200 /* no kernel has so many yet */
#define LONG_NS       ((int64_t)patience_ns())

/* What a case is about, and what RDX_WAIT_URING must say in it. */
struct refusal {
	int answer; /* errno of the system calls below, 0: no filter */
	int call[2];
	int old_kernel;
	int expected;
};

/* As the linker is told: liburing's own, and ours before it. */
int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned int count);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned int count);

static int old_kernel;

/* An old kernel answers to a futex request what this one answers to one it does not know. */
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned int count)
{
	for (unsigned int i = ring->sq.sqe_head; old_kernel && i != ring->sq.sqe_tail; i++) {
		struct io_uring_sqe *sqe = &ring->sq.sqes[i & *ring->sq.kring_mask];

		if (sqe->opcode == OP_FUTEX_WAIT)
			sqe->opcode = OP_NONE;
	}
	return __real_io_uring_submit_and_wait(ring, count);
}

static int forbid(const struct refusal *refusal)
{
	uint32_t deny = SECCOMP_RET_ERRNO | (uint32_t)refusal->answer;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refusal->call[0], 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refusal->call[1], 0, 1),
		BPF_STMT(BPF_RET | BPF_K, deny),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

static void *ring_later(void *argument)
{
	_Atomic uint32_t *word = argument;
	struct timespec t = {0, 20000000};

	nanosleep(&t, NULL);
	atomic_fetch_add(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	return NULL;
}

/* A sleep that is woken and one that is not: 0, or the number of the step that failed. */
static int sleeps_well(struct rdx_wait *wait)
{
	_Atomic uint32_t *word =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;
	uint32_t woke = 0;

	if (word == MAP_FAILED || pthread_create(&thread, NULL, ring_later, word))
		return 10;
	if (rdx_wait_sleep(wait, word, 0, LONG_NS, &woke) || woke != RDX_WOKE_WORD)
		return 11;
	pthread_join(thread, NULL);
	if (rdx_wait_sleep(wait, word, 1, 2500000, &woke) || woke != RDX_WOKE_TIMEOUT)
		return 12;
	return 0;
}

static int child(const struct refusal *refusal)
{
	struct rdx_wait *wait = NULL;
	int r;

	old_kernel = refusal->old_kernel;
	if (refusal->answer && forbid(refusal) < 0)
		return 1;
	if (rdx_wait_open(&wait, RDX_WAIT_URING) != refusal->expected || wait)
		return 2;
	if (rdx_wait_open(&wait, RDX_WAIT_AUTO) < 0 || rdx_wait_mode(wait) != RDX_WAIT_EPOLL)
		return 3;
	r = sleeps_well(wait);
	rdx_wait_close(wait);
	return r;
}

static void run(const struct refusal *refusal)
{
	int status;
	pid_t pid;

	if (refusal->answer && prctl(PR_GET_SECCOMP) < 0) {
		print_message("no seccomp filters here, as under qemu: nothing can be refused\n");
		skip();
	}
	pid = fork();
	if (pid == 0)
		_exit(child(refusal));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_forbidden(void **state)
{
	(void)state;
	run(&(struct refusal){.answer = EPERM,
			      .expected = -EPERM,
			      .call = {SYS_io_uring_setup, SYS_io_uring_setup}});
}

static void test_no_io_uring(void **state)
{
	(void)state;
	run(&(struct refusal){.answer = ENOSYS,
			      .expected = -ENOSYS,
			      .call = {SYS_io_uring_setup, SYS_epoll_pwait2}});
}

static void test_no_futexes(void **state)
{
	struct rdx_wait *wait;

	(void)state;
	if (rdx_wait_open(&wait, RDX_WAIT_URING) < 0) {
		print_message("the kernel refuses io_uring futexes: no older one to be played\n");
		skip();
	}
	rdx_wait_close(wait);
	run(&(struct refusal){.old_kernel = 1, .expected = -ENOSYS});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_no_io_uring),
		cmocka_unit_test(test_no_futexes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
