/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the bell: armed and rung in every order, two sleepers, no wakeup lost; its
 * file.
 */
#include "shm/bell.h"
#include "shm/bell_file.h"
#include "shm/namespace.h"
#include "tests/patience.h"
#include "tests/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SLEEPERS = 2, EVENTS = 20000, EVENTS_LEAST = 500, EVENTS_S = 2 };

static void test_no_ring_while_nobody_is_armed(void **state)
{
	struct rdx_bell bell = {.magic = RDX_BELL_MAGIC};

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(rdx_bell_ring(&bell), 0);
	assert_int_equal(atomic_load(&bell.word), 0);
}

static void test_one_ring_for_one_arming(void **state)
{
	struct rdx_bell bell = {.magic = RDX_BELL_MAGIC};
	uint32_t word = rdx_bell_arm(&bell);

	(void)state;
	assert_int_equal(word, atomic_load(&bell.word)); /* it may be slept on */
	assert_int_equal(rdx_bell_ring(&bell), 1);
	assert_int_not_equal(word, atomic_load(&bell.word));
	assert_int_equal(rdx_bell_ring(&bell), 0);
	assert_int_equal(rdx_bell_arm(&bell), atomic_load(&bell.word));
	assert_int_equal(rdx_bell_ring(&bell), 1);
}

#ifdef RDX_HOOKS
/* What one side does while the other stands at a step. */
static struct rdx_bell *meant;
static enum rdx_hook_step meanwhile_at;
static int meanwhile_arms;
static uint32_t meanwhile_word;

static void meanwhile(enum rdx_hook_step step)
{
	if (step != meanwhile_at)
		return;
	rdx_hook_function = NULL;
	if (meanwhile_arms)
		meanwhile_word = rdx_bell_arm(meant);
	else
		rdx_bell_ring(meant);
}

static void at_step(struct rdx_bell *bell, enum rdx_hook_step step, int arms)
{
	meant = bell;
	meanwhile_at = step;
	meanwhile_arms = arms;
	rdx_hook_function = meanwhile;
}

/* Who would sleep on this word is rung for by the next event. */
static void assert_not_lost(const struct rdx_bell *bell, uint32_t word)
{
	assert_null(rdx_hook_function); /* the step was met */
	assert_true(atomic_load(&bell->word) != word || atomic_load(&bell->flag));
}

/* At every step of a ring another consumer arms: S2, flag := 0 before the word moves. */
static void test_armed_during_a_ring(void **state)
{
	static const enum rdx_hook_step steps[] = {
		RDX_HOOK_BELL_CHECK,
		RDX_HOOK_BELL_CLEARED,
		RDX_HOOK_BELL_RUNG,
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct rdx_bell bell = {.magic = RDX_BELL_MAGIC};
		uint32_t first = rdx_bell_arm(&bell);

		at_step(&bell, steps[i], 1);
		assert_int_equal(rdx_bell_ring(&bell), 1);
		assert_not_lost(&bell, meanwhile_word);
		assert_not_lost(&bell, first);
	}
}

/* A ring comes while one arms: the word is read before the flag is up. */
static void test_rung_during_an_arming(void **state)
{
	struct rdx_bell bell = {.magic = RDX_BELL_MAGIC};
	uint32_t word;

	(void)state;
	for (int i = 0; i < 3; i++) {
		if (i)
			rdx_bell_arm(&bell);
		at_step(&bell, RDX_HOOK_BELL_ARMING, 0);
		word = rdx_bell_arm(&bell);
		assert_not_lost(&bell, word);
	}
}
#endif

/* Both are armed, one ring is for both. */
static void test_two_sleepers_one_ring(void **state)
{
	struct rdx_bell bell = {.magic = RDX_BELL_MAGIC};
	uint32_t first = rdx_bell_arm(&bell), second = rdx_bell_arm(&bell);

	(void)state;
	assert_int_equal(rdx_bell_ring(&bell), 1);
	assert_int_not_equal(first, atomic_load(&bell.word));
	assert_int_not_equal(second, atomic_load(&bell.word));
}

/* One goes on without sleeping: it must not take the other's flag away. */
static void test_one_leaves_the_other_is_rung(void **state)
{
	struct rdx_bell bell = {.magic = RDX_BELL_MAGIC};
	uint32_t stays = rdx_bell_arm(&bell);

	(void)state;
	rdx_bell_arm(&bell); /* found work in its second look: it does nothing more */
	assert_int_equal(rdx_bell_ring(&bell), 1);
	assert_int_not_equal(stays, atomic_load(&bell.word));
}

/* The second arms after the ring for the first: it has a ring of its own. */
static void test_armed_after_a_ring(void **state)
{
	struct rdx_bell bell = {.magic = RDX_BELL_MAGIC};
	uint32_t first = rdx_bell_arm(&bell), second;

	(void)state;
	assert_int_equal(rdx_bell_ring(&bell), 1);
	second = rdx_bell_arm(&bell);
	assert_int_not_equal(first, second);
	assert_int_equal(second, atomic_load(&bell.word));
	assert_int_equal(rdx_bell_ring(&bell), 1);
	assert_int_not_equal(second, atomic_load(&bell.word));
}

static void test_the_word_wraps(void **state)
{
	struct rdx_bell bell = {.magic = RDX_BELL_MAGIC, .word = UINT32_MAX};
	uint32_t word = rdx_bell_arm(&bell);

	(void)state;
	assert_int_equal(word, UINT32_MAX);
	assert_int_equal(rdx_bell_ring(&bell), 1);
	assert_int_equal(atomic_load(&bell.word), 0);
}

/* Sleepers that look at one counter, and a producer that counts and rings. */
struct hall {
	struct rdx_bell bell;
	_Atomic uint64_t published;
	_Atomic uint64_t seen[SLEEPERS];
	_Atomic uint64_t sleeps;
	_Atomic uint64_t lost;
	_Atomic uint64_t end; /* the last event; UINT64_MAX: not known yet */
};

struct sleeper {
	struct hall *hall;
	int which;
};

static void *sleep_on(void *argument)
{
	struct sleeper *sleeper = argument;
	struct hall *hall = sleeper->hall;
	const struct timespec timeout = {.tv_sec = (time_t)(patience_ns() / 1000000000)};
	uint64_t seen = 0;

	while (seen < atomic_load(&hall->end)) {
		uint32_t word = rdx_bell_arm(&hall->bell);
		uint64_t published = atomic_load_explicit(&hall->published, memory_order_acquire);
		int r;

		if (published > seen) {
			seen = published;
			atomic_store(&hall->seen[sleeper->which], seen);
			continue;
		}
		atomic_fetch_add(&hall->sleeps, 1);
		r = (int)syscall(SYS_futex, &hall->bell.word, FUTEX_WAIT, word, &timeout, NULL, 0);
		/* nobody else would have come: the ring was lost */
		if (r < 0 && errno == ETIMEDOUT && atomic_load(&hall->published) > seen)
			atomic_fetch_add(&hall->lost, 1);
	}
	return NULL;
}

static void test_no_wakeup_is_lost(void **state)
{
	static struct hall hall;
	struct sleeper sleepers[SLEEPERS];
	pthread_t threads[SLEEPERS];
	struct effort effort = effort_begin(EVENTS_LEAST, EVENTS, EVENTS_S);
	uint64_t random = rig_seed(), rings = 0, event = 0;
	int last = 0;

	(void)state;
	memset(&hall, 0, sizeof(hall));
	atomic_store(&hall.end, UINT64_MAX);
	for (int i = 0; i < SLEEPERS; i++) {
		sleepers[i] = (struct sleeper){&hall, i};
		assert_int_equal(pthread_create(&threads[i], NULL, sleep_on, &sleepers[i]), 0);
	}
	while (!last) {
		uint64_t drawn = rig_random(&random);

		event++;
		last = !effort_goes_on_until(&effort, rings && atomic_load(&hall.sleeps));
		if (last)
			atomic_store(&hall.end, event);
		atomic_store_explicit(&hall.published, event, memory_order_release);
		if (rdx_bell_ring(&hall.bell)) {
			syscall(SYS_futex, &hall.bell.word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
			rings++;
		}
		/* mostly wait until all have seen it: a ring lost now is not made up by the next */
		for (int i = 0; drawn % 4 && i < SLEEPERS; i++)
			for (int tries = 0;
			     atomic_load(&hall.seen[i]) < event && !atomic_load(&hall.lost);
			     tries++)
				patience_nap(tries);
	}
	for (int i = 0; i < SLEEPERS; i++)
		pthread_join(threads[i], NULL);
	print_message("%llu events, %llu rings, %llu sleeps\n", (unsigned long long)event,
		      (unsigned long long)rings, (unsigned long long)atomic_load(&hall.sleeps));
	assert_int_equal(atomic_load(&hall.lost), 0);
	assert_true(rings > 0 && atomic_load(&hall.sleeps) > 0);
}

static void path_of(const struct rig *rig, char *ret_path)
{
	snprintf(ret_path, 128, "%s/bell", rig->dir);
}

static void test_the_file(void **state)
{
	struct rdx_mapping mapping = {.fd = -1}, again = {.fd = -1};
	char path[128];
	struct stat st;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	path_of(&rig, path);
	assert_int_equal(rdx_bell_file_open(&mapping, rig.dir_fd, 0), -ENOENT);
	assert_int_equal(rdx_bell_file_open(&mapping, rig.dir_fd, 1), 0);
	assert_int_equal(rdx_bell_file_open(&again, rig.dir_fd, 1), 0); /* one and the same */
	rdx_bell_arm(mapping.base);
	assert_int_equal(rdx_bell_ring(again.base), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	rdx_mapping_close(&again);
	rdx_mapping_close(&mapping);
	/* whoever may write it may truncate it under us */
	assert_int_equal(chmod(path, 0620), 0);
	assert_int_equal(rdx_bell_file_open(&mapping, rig.dir_fd, 1), -EPERM);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 63), 0);
	assert_int_equal(rdx_bell_file_open(&mapping, rig.dir_fd, 1), -EBADMSG);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(truncate(path, 64), 0); /* no magic */
	assert_int_equal(rdx_bell_file_open(&mapping, rig.dir_fd, 1), -EBADMSG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("key", path), 0);
	assert_int_equal(rdx_bell_file_open(&mapping, rig.dir_fd, 1), -EBADMSG);
	rig_remove(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_ring_while_nobody_is_armed),
		cmocka_unit_test(test_one_ring_for_one_arming),
		cmocka_unit_test(test_two_sleepers_one_ring),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_armed_during_a_ring),
		cmocka_unit_test(test_rung_during_an_arming),
#endif
		cmocka_unit_test(test_one_leaves_the_other_is_rung),
		cmocka_unit_test(test_armed_after_a_ring),
		cmocka_unit_test(test_the_word_wraps),
		cmocka_unit_test(test_no_wakeup_is_lost),
		cmocka_unit_test(test_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
