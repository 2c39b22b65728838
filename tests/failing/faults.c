/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/failing/faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static _Thread_local struct faults faults;
static _Thread_local uint32_t fail_at, fail_way, armed, paused;
static _Thread_local uint32_t thread_fail_at, thread_fail_way, thread_armed;
static struct faults thread_faults; /* written by a thread that ends, read by who joined it */
static _Thread_local int (*is_full)(const void *context);
static _Thread_local const void *is_full_context;
static _Atomic int64_t heap, mapped;
static _Atomic uint64_t passed_ns;
static _Atomic uint64_t stopped_ns; /* 0: it has not */

void faults_arm(uint32_t at, uint32_t way)
{
	faults = (struct faults){.calls = 0};
	fail_at = at;
	fail_way = way;
	armed = 1;
	paused = 0;
}

void faults_pause(void)
{
	paused++;
}

void faults_resume(void)
{
	paused--;
}

struct faults faults_disarm(void)
{
	armed = 0;
	return faults;
}

void faults_arm_thread(uint32_t at, uint32_t way)
{
	thread_fail_at = at;
	thread_fail_way = way;
	thread_armed = 1;
	thread_faults = (struct faults){.calls = 0};
}

struct faults faults_of_thread(void)
{
	thread_armed = 0;
	return thread_faults;
}

struct faults faults_now(void)
{
	return faults;
}

int64_t faults_heap(void)
{
	return atomic_load(&heap);
}

int64_t faults_mapped(void)
{
	return atomic_load(&mapped);
}

void faults_pass(uint64_t ns)
{
	atomic_fetch_add(&passed_ns, ns);
}

void faults_fill(int (*when)(const void *context), const void *context)
{
	is_full = when;
	is_full_context = context;
}

/* The errno by which the call that is being made fails, 0: it does not. */
static int fault(const char *name, const int *errors, uint32_t count)
{
	if (!armed || paused || ++faults.calls != fail_at)
		return 0;
	faults.name = name;
	faults.ways = count;
	faults.error = errors[fail_way < count ? fail_way : 0];
	return faults.error;
}

#define FAULT(name, ...)                                                                           \
	fault(name, (const int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))

/* The linker's names: the wrapped function, and ours before it. */
#define DECLARE(type, name, parameters)                                                            \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;

/* One that sets errno and returns `failed`. */
#define WRAP(type, failed, name, parameters, arguments, ...)                                       \
	DECLARE(type, name, parameters)                                                            \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		int error = FAULT(#name, __VA_ARGS__);                                             \
                                                                                                   \
		if (!error)                                                                        \
			return __real_##name arguments;                                            \
		errno = error;                                                                     \
		return failed;                                                                     \
	}

/* One that returns its errno, times `sign`. */
#define WRAP_RETURNED(sign, name, parameters, arguments, ...)                                      \
	DECLARE(int, name, parameters)                                                             \
	int __wrap_##name parameters                                                               \
	{                                                                                          \
		int error = FAULT(#name, __VA_ARGS__);                                             \
                                                                                                   \
		return error ? (sign)*error : __real_##name arguments;                             \
	}

/* Whatever is variadic is called with all arguments that it can have. */
WRAP(int, -1, open, (const char *path, int flags, mode_t mode), (path, flags, mode), EMFILE)
WRAP(int, -1, openat, (int fd, const char *path, int flags, mode_t mode), (fd, path, flags, mode),
     EMFILE, ENOMEM, EACCES, EOPNOTSUPP)
WRAP(int, -1, fcntl, (int fd, int command, void *argument), (fd, command, argument), ENOLCK, ENOMEM)
WRAP(int, -1, fstat, (int fd, struct stat *st), (fd, st), EIO)
WRAP(int, -1, stat, (const char *path, struct stat *st), (path, st), EIO, ENOMEM)
WRAP(int, -1, fstatat, (int fd, const char *path, struct stat *st, int flags),
     (fd, path, st, flags), EIO, ENOMEM)
WRAP(int, -1, faccessat, (int fd, const char *path, int mode, int flags), (fd, path, mode, flags),
     EIO)
WRAP(int, -1, futimens, (int fd, const struct timespec *times), (fd, times), EIO, EPERM)
WRAP(int, -1, fstatfs, (int fd, struct statfs *fs), (fd, fs), EIO)
WRAP(int, -1, statx, (int fd, const char *path, int flags, unsigned mask, struct statx *st),
     (fd, path, flags, mask, st), ENOMEM)
WRAP(ssize_t, -1, read, (int fd, void *bytes, size_t count), (fd, bytes, count), EIO, EINTR)
WRAP(ssize_t, -1, pread, (int fd, void *bytes, size_t count, off_t at), (fd, bytes, count, at), EIO)
WRAP(ssize_t, -1, write, (int fd, const void *bytes, size_t count), (fd, bytes, count), ENOSPC, EIO)
WRAP(int, -1, fchown, (int fd, uid_t user, gid_t group), (fd, user, group), EIO, EPERM)
WRAP(int, -1, fchmod, (int fd, mode_t mode), (fd, mode), EIO, EPERM)
WRAP(int, -1, ftruncate, (int fd, off_t bytes), (fd, bytes), ENOSPC, EIO)
WRAP(int, -1, fallocate, (int fd, int mode, off_t at, off_t bytes), (fd, mode, at, bytes),
     EOPNOTSUPP, ENOSPC)
WRAP(int, -1, mkdir, (const char *path, mode_t mode), (path, mode), ENOSPC)
WRAP(int, -1, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), ENOSPC)
WRAP(int, -1, linkat, (int fd, const char *from, int to_fd, const char *to, int flags),
     (fd, from, to_fd, to, flags), ENOSPC, EPERM)
WRAP(int, -1, renameat, (int fd, const char *from, int to_fd, const char *to),
     (fd, from, to_fd, to), ENOSPC)
WRAP(int, -1, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), EIO)
WRAP(DIR *, NULL, fdopendir, (int fd), (fd), ENOMEM)
WRAP(struct dirent *, NULL, readdir, (DIR * dir), (dir), EIO)
WRAP(int, -1, madvise, (void *at, size_t bytes, int advice), (at, bytes, advice), ENOMEM, EINVAL)
WRAP(ssize_t, -1, getrandom, (void *bytes, size_t count, unsigned flags), (bytes, count, flags),
     ENOSYS, EINTR)
WRAP(char *, NULL, getcwd, (char *path, size_t bytes), (path, bytes), ENOMEM)
WRAP(int, -1, getrlimit, (int resource, struct rlimit *limit), (resource, limit), EPERM)
WRAP(int, -1, sigaction, (int number, const struct sigaction *action, struct sigaction *old),
     (number, action, old), EINVAL)
WRAP_RETURNED(1, pthread_atfork, (void (*before)(void), void (*parent)(void), void (*child)(void)),
	      (before, parent, child), ENOMEM)
WRAP_RETURNED(1, pthread_attr_setstacksize, (pthread_attr_t * attributes, size_t bytes),
	      (attributes, bytes), EINVAL)
WRAP_RETURNED(1, pthread_attr_setsigmask_np, (pthread_attr_t * attributes, const sigset_t *mask),
	      (attributes, mask), ENOMEM)
WRAP(int, -1, epoll_create1, (int flags), (flags), EMFILE, ENOMEM)
WRAP(int, -1, epoll_ctl, (int fd, int what, int other, struct epoll_event *event),
     (fd, what, other, event), ENOSPC, ENOMEM)
WRAP(int, -1, epoll_pwait2,
     (int fd, struct epoll_event *events, int most, const struct timespec *timeout,
      const sigset_t *mask),
     (fd, events, most, timeout, mask), EINTR, ENOSYS)
WRAP(int, -1, epoll_wait, (int fd, struct epoll_event *events, int most, int timeout_ms),
     (fd, events, most, timeout_ms), EINTR)
WRAP(int, -1, eventfd, (unsigned count, int flags), (count, flags), EMFILE, ENOMEM)
WRAP(int, -1, eventfd_read, (int fd, eventfd_t *value), (fd, value), EAGAIN)
WRAP(int, -1, eventfd_write, (int fd, eventfd_t value), (fd, value), EINTR)
WRAP(int, -1, inotify_init1, (int flags), (flags), EMFILE, ENOMEM)
WRAP(int, -1, inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask),
     ENOSPC, EACCES)
WRAP(int, -1, nanosleep, (const struct timespec *time, struct timespec *left), (time, left), EINTR)
WRAP(long, -1, syscall, (long number, long a, long b, long c, long d, long e, long f),
     (number, a, b, c, d, e, f), EINTR, EFAULT)
WRAP_RETURNED(-1, io_uring_queue_init_params,
	      (unsigned entries, struct io_uring *ring, struct io_uring_params *params),
	      (entries, ring, params), ENOMEM, EPERM, EMFILE)
WRAP_RETURNED(-1, io_uring_submit_and_wait, (struct io_uring * ring, unsigned count), (ring, count),
	      EINTR, ENOMEM)
WRAP_RETURNED(-1, io_uring_ring_dontfork, (struct io_uring * ring), (ring), ENOMEM)

struct start {
	void *(*start)(void *);
	void *argument;
	uint32_t fail_at, fail_way;
};

static void *start_armed(void *argument)
{
	struct start start = *(struct start *)argument;
	void *result;

	free(argument);
	faults_arm(start.fail_at, start.fail_way);
	result = start.start(start.argument);
	thread_faults = faults_disarm();
	return result;
}

DECLARE(int, pthread_create,
	(pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *),
	 void *argument))
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*start)(void *), void *argument)
{
	int error = FAULT("pthread_create", EAGAIN);
	struct start *armed_start;

	if (error)
		return error;
	if (!thread_armed)
		return __real_pthread_create(thread, attributes, start, argument);
	thread_armed = 0;
	armed_start = malloc(sizeof(*armed_start));
	if (!armed_start)
		return ENOMEM;
	*armed_start = (struct start){start, argument, thread_fail_at, thread_fail_way};
	return __real_pthread_create(thread, attributes, start_armed, armed_start);
}

/* Each completion may be an error, too. */
DECLARE(int, io_uring_submit_and_wait_timeout,
	(struct io_uring * ring, struct io_uring_cqe **cqe, unsigned count,
	 struct __kernel_timespec *timeout, sigset_t *mask))
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
					    unsigned count, struct __kernel_timespec *timeout,
					    sigset_t *mask)
{
	int error = FAULT("io_uring_submit_and_wait_timeout", EINTR, ENOMEM), r;
	struct io_uring_cqe *completed;
	unsigned head;

	if (error)
		return -error;
	r = __real_io_uring_submit_and_wait_timeout(ring, cqe, count, timeout, mask);
	io_uring_for_each_cqe(ring, head, completed)
	{
		error = FAULT("completion", ENOMEM);
		if (error)
			completed->res = -error;
	}
	return r;
}

DECLARE(int, posix_fallocate, (int fd, off_t at, off_t bytes))
int __wrap_posix_fallocate(int fd, off_t at, off_t bytes)
{
	int error = FAULT("posix_fallocate", ENOSPC, EINTR), full;

	if (error)
		return error;
	paused++;
	full = is_full && is_full(is_full_context);
	paused--;
	return full ? ENOSPC : __real_posix_fallocate(fd, at, bytes);
}

/* The heap, with its books. */
static void *counted(void *block)
{
	if (block)
		atomic_fetch_add(&heap, 1);
	return block;
}

DECLARE(void *, malloc, (size_t bytes))
void *__wrap_malloc(size_t bytes)
{
	return FAULT("malloc", ENOMEM) ? NULL : counted(__real_malloc(bytes));
}

DECLARE(void *, calloc, (size_t count, size_t bytes))
void *__wrap_calloc(size_t count, size_t bytes)
{
	return FAULT("calloc", ENOMEM) ? NULL : counted(__real_calloc(count, bytes));
}

DECLARE(void *, aligned_alloc, (size_t align, size_t bytes))
void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
	return FAULT("aligned_alloc", ENOMEM) ? NULL : counted(__real_aligned_alloc(align, bytes));
}

DECLARE(void *, realloc, (void *block, size_t bytes))
void *__wrap_realloc(void *block, size_t bytes)
{
	if (FAULT("realloc", ENOMEM))
		return NULL;
	return block ? __real_realloc(block, bytes) : counted(__real_realloc(NULL, bytes));
}

int __wrap_asprintf(char **ret_text, const char *format, ...);
int __wrap_asprintf(char **ret_text, const char *format, ...)
{
	va_list arguments;
	int r;

	if (FAULT("asprintf", ENOMEM))
		return -1;
	va_start(arguments, format);
	r = vasprintf(ret_text, format, arguments);
	va_end(arguments);
	counted(r < 0 ? NULL : *ret_text);
	return r;
}

DECLARE(void, free, (void *block))
void __wrap_free(void *block)
{
	if (block)
		atomic_fetch_sub(&heap, 1);
	__real_free(block);
}

DECLARE(void *, mmap, (void *at, size_t bytes, int protection, int flags, int fd, off_t from))
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t from)
{
	int error = FAULT("mmap", ENOMEM);
	void *base;

	if (error) {
		errno = error;
		return MAP_FAILED;
	}
	base = __real_mmap(at, bytes, protection, flags, fd, from);
	if (base != MAP_FAILED && !(flags & MAP_FIXED))
		atomic_fetch_add(&mapped, (int64_t)bytes);
	return base;
}

DECLARE(int, munmap, (void *base, size_t bytes))
int __wrap_munmap(void *base, size_t bytes)
{
	int r = __real_munmap(base, bytes);

	if (r == 0)
		atomic_fetch_sub(&mapped, (int64_t)bytes);
	return r;
}

DECLARE(int, clock_gettime, (clockid_t clock, struct timespec *ret_time))
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	int r = __real_clock_gettime(clock, ret_time);

	if (r == 0 && clock == CLOCK_MONOTONIC) {
		uint64_t stopped = atomic_load(&stopped_ns);
		uint64_t real = (uint64_t)ret_time->tv_sec * NS_PER_S + (uint64_t)ret_time->tv_nsec;
		uint64_t ns = (stopped ? stopped : real) + atomic_load(&passed_ns);

		ret_time->tv_sec = (time_t)(ns / NS_PER_S);
		ret_time->tv_nsec = (long)(ns % NS_PER_S);
	}
	return r;
}

void faults_stop_clock(void)
{
	struct timespec now = {0};

	__real_clock_gettime(CLOCK_MONOTONIC, &now);
	atomic_store(&stopped_ns, (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec);
}
