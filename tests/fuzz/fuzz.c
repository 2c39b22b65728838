/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include "shm/hook.h"
#include "shm/namespace.h"
#include "shm/segment_layout.h"
#include "shm/words.h"
#include "tests/rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define CHANGES_MAX  64
#define STEPS_MAX    8
#define SECOND_NS    UINT64_C(1000000000)
#define LOOK_NS      1000
#define ROOM_BYTES   (UINT64_C(1) << 20)
#define BEFORE_BYTES 64
#define SLEEP_NS     30000000 /* however short: who waits for what never comes gives up soon */

uint64_t fuzz_now_ns = 1000 * SECOND_NS;

static uint64_t random_state;

/* A word, and the two values that it has in turn. */
static struct change {
	_Atomic uint64_t *word;
	uint64_t old;
	uint64_t new;
} changes[CHANGES_MAX];
static _Atomic uint32_t change_count;

static struct step_change {
	_Atomic uint64_t *word;
	uint64_t value;
	uint32_t steps;
} step_changes[STEPS_MAX];
static uint32_t step_change_count;

void fuzz_broken(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: broken: %s\n", file, line, what);
	abort();
}

int fuzz_is_allowed(int64_t result, const int *errors)
{
	if (result >= 0)
		return 1;
	for (; *errors; errors++) {
		if (*errors == result)
			return 1;
	}
	fprintf(stderr, "result %lld: %s\n", (long long)result, strerror((int)-result));
	return 0;
}

uint64_t fuzz_number(struct fuzz_input *in, uint32_t bytes)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < bytes && in->left; i++, in->left--)
		value |= (uint64_t)*in->at++ << 8 * i;
	return value;
}

uint64_t fuzz_value(struct fuzz_input *in, uint64_t old, uint64_t near)
{
	uint8_t kind = fuzz_byte(in);

	switch (kind % 8) {
	case 0:
		return fuzz_number(in, 8);
	case 1:
		return old + (uint64_t)(int8_t)fuzz_byte(in);
	case 2:
		return fuzz_byte(in);
	case 3:
		return old ^ UINT64_C(1) << (fuzz_byte(in) & 63);
	case 4:
		return near;
	case 5:
		return near + (uint64_t)(int8_t)fuzz_byte(in);
	case 6:
		return UINT64_MAX - fuzz_byte(in);
	default:
		return old ^ fuzz_number(in, 2) << (kind & 48);
	}
}

uint64_t fuzz_touch(const void *bytes, uint64_t count)
{
	const uint8_t *at = bytes;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < count; i++)
		sum += at[i];
	return sum;
}

/* Behind it is a page that may not be touched. */
static uint8_t *make_room(void)
{
	uint8_t *base = mmap(NULL, ROOM_BYTES + RDX_PAGE_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	FUZZ_CHECK(base != MAP_FAILED);
	FUZZ_CHECK(mprotect(base + ROOM_BYTES, RDX_PAGE_BYTES, PROT_NONE) == 0);
	return base;
}

/* Room for so many bytes, up to the edge. What is before it, AddressSanitizer guards. */
static uint8_t *room_at_edge(size_t count)
{
	static uint8_t *room, *before;
	uint8_t *at;

	if (!room)
		room = before = make_room();
	FUZZ_CHECK(count < ROOM_BYTES - BEFORE_BYTES);
	ASAN_UNPOISON_MEMORY_REGION(before, BEFORE_BYTES);
	at = room + ROOM_BYTES - count;
	before = at - BEFORE_BYTES;
	ASAN_POISON_MEMORY_REGION(before, BEFORE_BYTES);
	return at;
}

uint8_t *fuzz_at_edge(const uint8_t *bytes, size_t count)
{
	uint8_t *at = room_at_edge(count);

	return count ? memcpy(at, bytes, count) : at;
}

char *fuzz_text(const uint8_t *bytes, size_t count)
{
	uint8_t *at = room_at_edge(count + 1);

	if (count)
		memcpy(at, bytes, count);
	at[count] = 0;
	return (char *)at;
}

/* As the linker renames them. */
int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_nanosleep(const struct timespec *time, struct timespec *ret_left);
ssize_t __wrap_getrandom(void *ret_bytes, size_t count, unsigned int flags);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	if (clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, ret_time);
	fuzz_now_ns += LOOK_NS;
	ret_time->tv_sec = (time_t)(fuzz_now_ns / SECOND_NS);
	ret_time->tv_nsec = (long)(fuzz_now_ns % SECOND_NS);
	return 0;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *ret_left)
{
	(void)time;
	(void)ret_left;
	fuzz_now_ns += SLEEP_NS;
	return 0;
}

ssize_t __wrap_getrandom(void *ret_bytes, size_t count, unsigned int flags)
{
	uint8_t *at = ret_bytes;

	(void)flags;
	for (size_t i = 0; i < count; i++)
		at[i] = (uint8_t)rig_random(&random_state);
	return (ssize_t)count;
}

/* This process's clock is looked for in /proc, by each open and each look at an old heartbeat: once is
 * enough here. */
int __real_rdx_shared_clock_learn(void);
int __wrap_rdx_shared_clock_learn(void);
int __wrap_rdx_shared_clock_learn(void)
{
	static int is_known;

	if (is_known)
		return 0;
	is_known = 1;
	return __real_rdx_shared_clock_learn();
}

void fuzz_random_begin(uint64_t seed)
{
	random_state = seed;
}

size_t fuzz_seed_bytes(uint64_t number, uint8_t *ret_bytes, size_t least, size_t most)
{
	uint64_t random = number;
	size_t count = least + rig_random(&random) % (most - least + 1);

	for (size_t i = 0; i < count; i++)
		ret_bytes[i] = (uint8_t)rig_random(&random);
	return count;
}

void fuzz_place_make(struct fuzz_place *place)
{
	fuzz_random_begin(1);
	FUZZ_CHECK(held_make(HELD_IN_MEMORY, place->dir) == 0);
	place->dir_fd = rdx_namespace_open(place->dir, 1);
	FUZZ_CHECK(place->dir_fd >= 0);
	FUZZ_CHECK(rdx_namespace_key(place->dir_fd, 1, &place->key) == 0);
}

uint8_t *fuzz_file_map(const struct fuzz_place *place, const char *name, uint64_t bytes,
		       int *ret_fd)
{
	int fd = openat(place->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	void *base;

	FUZZ_CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	FUZZ_CHECK(base != MAP_FAILED);
	memset(base, 0, bytes);
	*ret_fd = fd;
	return base;
}

uint8_t *fuzz_pages(uint64_t bytes)
{
	uint64_t rounded = (bytes + RDX_PAGE_BYTES - 1) / RDX_PAGE_BYTES * RDX_PAGE_BYTES;
	uint8_t *pages = aligned_alloc(RDX_PAGE_BYTES, rounded);

	FUZZ_CHECK(pages);
	return memset(pages, 0, rounded);
}

uint8_t *fuzz_file_read(const struct fuzz_place *place, const char *name, uint64_t *ret_bytes)
{
	int fd = openat(place->dir_fd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *bytes;

	FUZZ_CHECK(fd >= 0 && fstat(fd, &st) == 0);
	bytes = fuzz_pages((uint64_t)st.st_size);
	FUZZ_CHECK(pread(fd, bytes, (size_t)st.st_size, 0) == st.st_size);
	close(fd);
	*ret_bytes = (uint64_t)st.st_size;
	return bytes;
}

void fuzz_store(_Atomic uint64_t *word, uint64_t value)
{
	uint32_t count = atomic_load(&change_count);

	if (count == CHANGES_MAX)
		return;
	changes[count] = (struct change){word, rdx_word_load(word), value};
	rdx_word_store(word, value);
	atomic_store(&change_count, count + 1);
}

#ifdef RDX_HOOKS
/* The library passed a step. Those that are due leave the list. */
static void on_step(enum rdx_hook_step step)
{
	uint32_t kept = 0;

	(void)step;
	if (step_change_count == 0)
		return;
	for (uint32_t i = 0; i < step_change_count; i++) {
		struct step_change *change = &step_changes[i];

		if (change->steps--)
			step_changes[kept++] = *change;
		else
			fuzz_store(change->word, change->value);
	}
	step_change_count = kept;
}
#endif

void fuzz_store_at_step(uint32_t steps, _Atomic uint64_t *word, uint64_t value)
{
#ifdef RDX_HOOKS
	rdx_hook_function = on_step;
#endif
	if (step_change_count < STEPS_MAX)
		step_changes[step_change_count++] = (struct step_change){word, value, steps};
}

void fuzz_undo(void)
{
	for (uint32_t i = atomic_load(&change_count); i-- > 0;)
		rdx_word_store(changes[i].word, changes[i].old);
	fuzz_forget();
}

void fuzz_forget(void)
{
	atomic_store(&change_count, 0);
	step_change_count = 0;
}

/* The thread that changes words: it works while `wanted`, and says with `works` that it may. */
static _Atomic int wanted, works;

static void *change_words(void *context)
{
	uint64_t random = 1;

	(void)context;
	for (;;) {
		uint32_t count;

		atomic_store(&works, 1);
		count = atomic_load(&wanted) ? atomic_load(&change_count) : 0;
		if (count) {
			uint64_t drawn = rig_random(&random);
			const struct change *change = &changes[drawn % count];

			rdx_word_store(change->word, drawn >> 63 ? change->old : change->new);
		}
		atomic_store(&works, 0);
		if (!count)
			sched_yield();
	}
	return NULL;
}

_Atomic int fuzz_may_change;

void fuzz_changing_start(void)
{
	pthread_t thread;

	FUZZ_CHECK(pthread_create(&thread, NULL, change_words, NULL) == 0);
	atomic_store(&fuzz_may_change, 1);
}

void fuzz_changing_begin(void)
{
	atomic_store(&wanted, atomic_load(&fuzz_may_change));
}

void fuzz_changing_end(void)
{
	if (!atomic_load(&wanted))
		return;
	atomic_store(&wanted, 0);
	while (atomic_load(&works))
		sched_yield();
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *changing = getenv("RDX_FUZZ_CHANGING");

	(void)argc;
	(void)argv;
	fuzz_setup();
	if (changing && *changing == '1')
		fuzz_changing_start();
	return 0;
}
