/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/indexer/indexer_lock.h"

#include "shm/file.h"
#include "shm/lock.h"
#include "shm/namespace.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

static pthread_mutex_t held_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct rdx_indexer_lock *held;
static int is_watched;

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

/* Under the mutex. */
static int watch_forks(void)
{
	int error = is_watched ? 0 : pthread_atfork(before_fork, in_parent, in_child);

	is_watched |= !error;
	return -error;
}

int rdx_indexer_lock_take(struct rdx_indexer_lock *lock, int dir_fd)
{
	uint32_t pauses = 0;
	int fd;

	pthread_mutex_lock(&held_mutex);
	fd = watch_forks();
	if (fd == 0) {
		do
			fd = rdx_lock_open(dir_fd, RDX_INDEXER_LOCK_NAME);
		while (fd == -EAGAIN && rdx_lock_pause(&pauses));
	}
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
	int r = rdx_file_is_named(lock->fd, dir_fd, RDX_INDEXER_LOCK_NAME), fd;

	if (r)
		return r < 0 ? r : 0;
	pthread_mutex_lock(&held_mutex);
	fd = rdx_lock_open(dir_fd, RDX_INDEXER_LOCK_NAME);
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
