/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/indexer/indexer_lock.h"

#include "shm/file.h"
#include "shm/lock.h"
#include "shm/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

#define LOCK_NAME "indexer.lock"
#define LOCK_MODE 0600

static pthread_mutex_t held_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct rdx_indexer_lock *held;
static pthread_once_t handlers_once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
	pthread_mutex_lock(&held_mutex);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&held_mutex);
}

/* Closed, never unlocked: that would free the parent's. */
static void in_child(void)
{
	for (struct rdx_indexer_lock *lock = held; lock; lock = lock->next) {
		close(lock->fd);
		lock->fd = -1;
	}
	held = NULL;
	pthread_mutex_unlock(&held_mutex);
}

static void register_handlers(void)
{
	pthread_atfork(before_fork, in_parent, in_child);
}

/* A descriptor of the locked file that has the name. */
static int lock_named(int dir_fd)
{
	for (;;) {
		int fd = openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
				LOCK_MODE);
		int r = fd < 0 ? -errno : rdx_lock_take(fd);

		/* removed between the two calls: others will lock another file */
		if (r == 0 && rdx_file_is_named(fd, dir_fd, LOCK_NAME))
			return fd;
		if (fd >= 0)
			close(fd);
		if (r < 0)
			return r;
	}
}

int rdx_indexer_lock_take(struct rdx_indexer_lock *lock, int dir_fd)
{
	int fd;

	pthread_once(&handlers_once, register_handlers);
	pthread_mutex_lock(&held_mutex);
	fd = lock_named(dir_fd);
	if (fd >= 0) {
		lock->fd = fd;
		lock->next = held;
		held = lock;
	}
	pthread_mutex_unlock(&held_mutex);
	return fd < 0 ? fd : 0;
}

int rdx_indexer_lock_renew(struct rdx_indexer_lock *lock, int dir_fd)
{
	int r = rdx_file_is_named(lock->fd, dir_fd, LOCK_NAME), fd;

	if (r)
		return r < 0 ? r : 0;
	pthread_mutex_lock(&held_mutex);
	fd = lock_named(dir_fd);
	if (fd >= 0) {
		close(lock->fd);
		lock->fd = fd;
	}
	pthread_mutex_unlock(&held_mutex);
	return fd < 0 ? fd : 0;
}

void rdx_indexer_lock_release(struct rdx_indexer_lock *lock)
{
	pthread_mutex_lock(&held_mutex);
	for (struct rdx_indexer_lock **at = &held; *at; at = &(*at)->next) {
		if (*at != lock)
			continue;
		*at = lock->next;
		break;
	}
	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
	pthread_mutex_unlock(&held_mutex);
}
