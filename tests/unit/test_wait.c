/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: one sleep over a word, descriptors and a timeout, through io_uring and
 * through epoll: changes before and during a sleep from threads and processes, read-only
 * mappings, stale requests, rapid bells, closing while armed, truncated bells.
 */
#include "consumer/wait/wait.h"
#include "shm/bell.h"
#include "shm/guard.h"
#include "shm/mapping.h"
#include "tests/patience.h"
#include "tests/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_reader.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define SHORT_NS  (20 * NS_PER_MS)
#define LONG_NS   ((int64_t)patience_ns()) /* a sleep this long was not woken */
#define TAG_A     UINT32_C(0x100)
#define TAG_B     UINT32_C(0x200)

/* A file of one bell, mapped twice: as its writer and as a consumer with read access. */
struct fixture {
	struct rig rig;
	struct rdx_wait *wait;
	struct rdx_bell *bell;
	struct rdx_mapping seen; /* read-only */
	const _Atomic uint32_t *word;
};

static void wake_all(const _Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void open_bell(struct fixture *f)
{
	int fd;

	rig_make(&f->rig);
	fd = openat(f->rig.dir_fd, "bell", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(struct rdx_bell)), 0);
	f->bell = mmap(NULL, sizeof(*f->bell), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(f->bell != MAP_FAILED);
	assert_int_equal(rdx_mapping_attach(&f->seen, fd, sizeof(*f->bell), 0), 0);
	f->word = &((const struct rdx_bell *)f->seen.base)->word;
}

static void close_bell(struct fixture *f)
{
	rdx_mapping_close(&f->seen);
	munmap(f->bell, sizeof(*f->bell));
	rig_remove(&f->rig);
}

/* Skips the test where the kernel refuses the mode, which only io_uring may be. */
static void open_fixture(struct fixture *f, void **state)
{
	uint32_t mode = *(const uint32_t *)*state;
	int r = rdx_wait_open(&f->wait, mode);

	if (mode == RDX_WAIT_URING && (r == -EPERM || r == -ENOSYS)) {
		print_message("the kernel refuses io_uring futexes: %d\n", r);
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(rdx_wait_mode(f->wait), mode);
	open_bell(f);
}

static void close_fixture(struct fixture *f)
{
	rdx_wait_close(f->wait);
	close_bell(f);
}

static uint32_t woken_by(struct fixture *f, uint32_t expected, int64_t timeout_ns)
{
	uint32_t woke = 0;

	assert_int_equal(rdx_wait_sleep(f->wait, f->word, expected, timeout_ns, &woke), 0);
	return woke;
}

/* A thread that waits, changes the word, if asked, and wakes. */
struct ringer {
	pthread_t thread;
	struct rdx_bell *bell;
	int64_t after_ns;
	uint32_t add;
};

static void *ring_later(void *argument)
{
	struct ringer *r = argument;
	struct timespec t = {0, r->after_ns};

	nanosleep(&t, NULL);
	atomic_fetch_add_explicit(&r->bell->word, r->add, memory_order_release);
	wake_all(&r->bell->word);
	return NULL;
}

static void start_ringer(struct ringer *r, struct fixture *f, uint32_t add)
{
	*r = (struct ringer){.bell = f->bell, .after_ns = SHORT_NS, .add = add};
	assert_int_equal(pthread_create(&r->thread, NULL, ring_later, r), 0);
}

static void test_timeout(void **state)
{
	struct fixture f;
	uint32_t woke = 77;
	uint64_t start;

	open_fixture(&f, state);
	start = rdx_clock_ns();
	assert_int_equal(rdx_wait_sleep(f.wait, NULL, 0, SHORT_NS, &woke), 0);
	assert_int_equal(woke, RDX_WOKE_TIMEOUT);
	assert_true(rdx_clock_ns() - start >= SHORT_NS);
	start = rdx_clock_ns();
	assert_int_equal(woken_by(&f, 0, SHORT_NS), RDX_WOKE_TIMEOUT);
	assert_true(rdx_clock_ns() - start >= SHORT_NS);
	assert_int_equal(woken_by(&f, 0, 0), RDX_WOKE_TIMEOUT);
	woke = 77;
	assert_int_equal(rdx_wait_sleep(f.wait, f.word, 0, -1, &woke), -EINVAL);
	assert_int_equal(woke, 77);
	close_fixture(&f);
}

static void test_changed_before(void **state)
{
	struct fixture f;

	open_fixture(&f, state);
	atomic_store(&f.bell->word, 5);
	assert_int_equal(woken_by(&f, 4, LONG_NS), RDX_WOKE_WORD);
	assert_int_equal(woken_by(&f, UINT32_MAX, LONG_NS), RDX_WOKE_WORD);
	assert_int_equal(woken_by(&f, 5, 0), RDX_WOKE_TIMEOUT);
	close_fixture(&f);
}

static void test_changed_by_thread(void **state)
{
	struct fixture f;
	struct ringer r;

	open_fixture(&f, state);
	for (uint32_t i = 0; i < 5; i++) {
		start_ringer(&r, &f, 1);
		assert_int_equal(woken_by(&f, i, LONG_NS), RDX_WOKE_WORD);
		pthread_join(r.thread, NULL);
	}
	/* a wake without a change ends no sleep */
	start_ringer(&r, &f, 0);
	assert_int_equal(woken_by(&f, 5, 3 * SHORT_NS), RDX_WOKE_TIMEOUT);
	pthread_join(r.thread, NULL);
	start_ringer(&r, &f, 1);
	assert_int_equal(woken_by(&f, 5, LONG_NS), RDX_WOKE_WORD);
	pthread_join(r.thread, NULL);
	close_fixture(&f);
}

static void test_changed_by_process(void **state)
{
	struct fixture f;
	int status;

	open_fixture(&f, state);
	for (uint32_t i = 0; i < 5; i++) {
		pid_t child = fork();

		if (child == 0) {
			struct ringer r = {.bell = f.bell, .after_ns = SHORT_NS, .add = 1};

			ring_later(&r);
			_exit(0);
		}
		assert_true(child > 0);
		assert_int_equal(woken_by(&f, i, LONG_NS), RDX_WOKE_WORD);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	close_fixture(&f);
}

static void test_descriptors(void **state)
{
	struct fixture f;
	uint32_t woke = 77;
	int a[2], b[2];
	char byte;

	open_fixture(&f, state);
	assert_int_equal(pipe2(a, O_CLOEXEC), 0);
	assert_int_equal(pipe2(b, O_CLOEXEC), 0);
	assert_int_equal(rdx_wait_watch_fd(f.wait, a[0], 0), -EINVAL);
	assert_int_equal(rdx_wait_watch_fd(f.wait, a[0], TAG_A | RDX_WOKE_WORD), -EINVAL);
	assert_int_equal(rdx_wait_watch_fd(f.wait, a[0], TAG_A), 0);
	assert_int_equal(rdx_wait_watch_fd(f.wait, b[0], TAG_B), 0);
	assert_int_equal(woken_by(&f, 0, SHORT_NS), RDX_WOKE_TIMEOUT);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write(b[1], "x", 1), 1);
		/* level-triggered: as long as it is readable */
		assert_int_equal(woken_by(&f, 0, LONG_NS), TAG_B);
		assert_int_equal(woken_by(&f, 0, LONG_NS), TAG_B);
		assert_int_equal(read(b[0], &byte, 1), 1);
		woke = woken_by(&f, 0, SHORT_NS);
		assert_int_equal(woke, RDX_WOKE_TIMEOUT);
	}
	assert_int_equal(write(a[1], "x", 1), 1);
	assert_int_equal(write(b[1], "x", 1), 1);
	assert_int_equal(woken_by(&f, 1, LONG_NS), RDX_WOKE_WORD | TAG_A | TAG_B);
	assert_int_equal(rdx_wait_sleep(f.wait, NULL, 0, LONG_NS, &woke), 0);
	assert_int_equal(woke, TAG_A | TAG_B);
	for (uint32_t i = 2; i < RDX_WAIT_FDS_MAX; i++) {
		int more = dup(a[0]);

		assert_int_equal(rdx_wait_watch_fd(f.wait, more, TAG_A), 0);
	}
	assert_int_equal(rdx_wait_watch_fd(f.wait, a[1], TAG_A), -ENOSPC);
	assert_int_equal(woken_by(&f, 0, LONG_NS), TAG_A | TAG_B);
	close_fixture(&f);
	close_range((unsigned int)a[0], (unsigned int)a[0] + 32, 0);
}

/* What an earlier sleep asked for does not stand in the way of the next. */
static void test_stale_requests(void **state)
{
	struct fixture f, other;
	struct ringer r;

	open_fixture(&f, state);
	open_bell(&other);
	for (uint32_t value = 0; value < 40; value += 2) {
		assert_int_equal(woken_by(&f, value, NS_PER_MS), RDX_WOKE_TIMEOUT);
		/* a producer died before it woke anybody */
		atomic_store(&f.bell->word, value + 1);
		assert_int_equal(woken_by(&f, value + 1, NS_PER_MS), RDX_WOKE_TIMEOUT);
		r = (struct ringer){.bell = f.bell, .after_ns = NS_PER_MS, .add = 1};
		assert_int_equal(pthread_create(&r.thread, NULL, ring_later, &r), 0);
		assert_int_equal(woken_by(&f, value + 1, LONG_NS), RDX_WOKE_WORD);
		pthread_join(r.thread, NULL);
	}
	/* another word; then the first mapping may go */
	other.wait = f.wait;
	assert_int_equal(woken_by(&f, 40, NS_PER_MS), RDX_WOKE_TIMEOUT);
	assert_int_equal(woken_by(&other, 0, NS_PER_MS), RDX_WOKE_TIMEOUT);
	close_bell(&f);
	start_ringer(&r, &other, 1);
	assert_int_equal(woken_by(&other, 0, LONG_NS), RDX_WOKE_WORD);
	pthread_join(r.thread, NULL);
	close_fixture(&other);
}

#define BELLS       10000
#define BELLS_LEAST 200
#define BELLS_S     2

/* Publishes, rings, and waits until the consumer has seen it. */
struct producer {
	pthread_t thread;
	struct rdx_bell *bell;
	_Atomic uint32_t published, seen, give_up;
	_Atomic uint32_t wakes;
};

static void *produce(void *argument)
{
	struct producer *p = argument;
	uint64_t random = 1;

	for (uint32_t i = 1; !atomic_load(&p->give_up); i++) {
		for (uint64_t spin = rig_random(&random) % 4096; spin; spin--)
			atomic_load_explicit(&p->seen, memory_order_relaxed);
		atomic_store_explicit(&p->published, i, memory_order_release);
		if (rdx_bell_ring(p->bell)) {
			wake_all(&p->bell->word);
			p->wakes++;
		}
		for (int tries = 0; atomic_load(&p->seen) != i && !atomic_load(&p->give_up);
		     tries++)
			patience_nap(tries);
	}
	return NULL;
}

static void test_rapid_bells(void **state)
{
	struct fixture f;
	struct producer p = {0};
	struct effort effort = effort_begin(BELLS_LEAST, BELLS, BELLS_S);
	uint32_t lost = 0, sleeps = 0, i = 0;

	open_fixture(&f, state);
	p.bell = f.bell;
	assert_int_equal(pthread_create(&p.thread, NULL, produce, &p), 0);
	while (!lost && effort_goes_on_until(&effort, sleeps && p.wakes)) {
		i++;
		while (!lost && atomic_load(&p.published) != i) {
			uint32_t word = rdx_bell_arm(f.bell);

			if (atomic_load_explicit(&p.published, memory_order_relaxed) == i)
				break;
			lost = woken_by(&f, word, LONG_NS) != RDX_WOKE_WORD;
			sleeps++;
		}
		atomic_store(&p.seen, i);
	}
	atomic_store(&p.give_up, 1);
	pthread_join(p.thread, NULL);
	assert_int_equal(lost, 0);
	assert_true(sleeps > 0 && p.wakes > 0);
	print_message("%u of %u bells rang for a sleeper\n", p.wakes, i);
	close_fixture(&f);
}

static void test_close_while_armed(void **state)
{
	for (int i = 0; i < 50; i++) {
		struct fixture f;
		struct ringer r;

		open_fixture(&f, state);
		assert_int_equal(woken_by(&f, 0, i % 2 ? 0 : NS_PER_MS), RDX_WOKE_TIMEOUT);
		r = (struct ringer){.bell = f.bell, .after_ns = i * 10000, .add = 1};
		assert_int_equal(pthread_create(&r.thread, NULL, ring_later, &r), 0);
		rdx_wait_close(f.wait);
		pthread_join(r.thread, NULL);
		close_bell(&f);
	}
	rdx_wait_close(NULL);
}

struct mover {
	struct fixture *f;
	int result;
	uint32_t woke;
};

static void *sleep_there(void *argument)
{
	struct mover *m = argument;

	m->result = rdx_wait_sleep(m->f->wait, m->f->word, 0, SHORT_NS, &m->woke);
	return NULL;
}

/* The handle may be used by one thread after the other. */
static void test_moves_between_threads(void **state)
{
	struct fixture f;
	struct mover m = {&f, -1, 0};
	int ends[2];

	open_fixture(&f, state);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(rdx_wait_watch_fd(f.wait, ends[0], TAG_A), 0);
	for (int i = 0; i < 3; i++) {
		pthread_t thread;
		struct ringer r;

		assert_int_equal(woken_by(&f, (uint32_t)i, NS_PER_MS), RDX_WOKE_TIMEOUT);
		atomic_store(&f.bell->word, 0);
		assert_int_equal(pthread_create(&thread, NULL, sleep_there, &m), 0);
		pthread_join(thread, NULL);
		assert_int_equal(m.result, 0);
		assert_int_equal(m.woke, RDX_WOKE_TIMEOUT);
		start_ringer(&r, &f, (uint32_t)i + 1);
		assert_int_equal(woken_by(&f, 0, LONG_NS), RDX_WOKE_WORD);
		pthread_join(r.thread, NULL);
		assert_int_equal(write(ends[1], "x", 1), 1);
		assert_int_equal(woken_by(&f, (uint32_t)i + 1, LONG_NS), TAG_A);
		assert_int_equal(read(ends[0], &(char){0}, 1), 1);
	}
	close_fixture(&f);
	close(ends[0]);
	close(ends[1]);
}

static void *truncate_later(void *argument)
{
	struct fixture *f = argument;
	struct timespec t = {0, SHORT_NS};

	nanosleep(&t, NULL);
	return ftruncate(openat(f->rig.dir_fd, "bell", O_RDWR | O_CLOEXEC), 0) < 0 ? f : NULL;
}

/* A bell that is truncated under a sleeper neither kills nor hangs it. */
static void test_truncated(void **state)
{
	struct fixture f;
	pthread_t thread;
	void *failed;
	int r;

	open_fixture(&f, state);
	assert_int_equal(rdx_guard_install(), 0); /* here, for cmocka installs its own */
	assert_int_equal(rdx_guard_add(&f.seen), 0);
	assert_int_equal(pthread_create(&thread, NULL, truncate_later, &f), 0);
	UNTIL (rdx_mapping_poisoned(&f.seen)) {
		uint32_t woke = 0;

		r = rdx_wait_sleep(f.wait, f.word, 0, SHORT_NS, &woke);
		assert_true(r == -EFAULT || (r == 0 && woke == RDX_WOKE_TIMEOUT));
	}
	pthread_join(thread, &failed);
	assert_null(failed);
	rdx_wait_close(f.wait);
	rdx_guard_remove(&f.seen);
	close_bell(&f);
}

static void test_modes(void **state)
{
	struct rdx_wait *untouched = (struct rdx_wait *)state, *wait = untouched;

	assert_int_equal(rdx_wait_open(&wait, RDX_WAIT_EPOLL + 1), -EINVAL);
	assert_ptr_equal(wait, untouched);
	assert_int_equal(rdx_wait_open(&wait, RDX_WAIT_AUTO), 0);
	print_message("the kernel's way is %s\n",
		      rdx_wait_mode(wait) == RDX_WAIT_URING ? "io_uring" : "epoll");
	rdx_wait_close(wait);
}

static uint32_t uring = RDX_WAIT_URING, epoll = RDX_WAIT_EPOLL;

#define BOTH(test)                                                                                 \
	{#test " (io_uring)", test, NULL, NULL, &uring},                                           \
	{                                                                                          \
#test " (epoll)", test, NULL, NULL, &epoll                                         \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),  BOTH(test_timeout),
		BOTH(test_changed_before),     BOTH(test_changed_by_thread),
		BOTH(test_changed_by_process), BOTH(test_descriptors),
		BOTH(test_stale_requests),     BOTH(test_rapid_bells),
		BOTH(test_close_while_armed),  BOTH(test_moves_between_threads),
		BOTH(test_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
