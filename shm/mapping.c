/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/mapping.h"

#include "shm/file.h"
#include "shm/segment_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int map(int fd, uint64_t bytes, int writable, void **ret_base)
{
	int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *base;

	if (bytes == 0 || bytes > PTRDIFF_MAX)
		return -EBADMSG;
	base = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	/* a mapping alone keeps the file's lock: a child must not have it */
	if (writable && madvise(base, bytes, MADV_DONTFORK) < 0) {
		int r = -errno;

		munmap(base, bytes);
		return r;
	}
	*ret_base = base;
	return 0;
}

int rdx_mapping_attach(struct rdx_mapping *ret_mapping, int fd, uint64_t bytes, int writable)
{
	void *base = NULL;
	int r = map(fd, bytes, writable, &base);

	if (r < 0)
		return r;
	ret_mapping->base = base;
	ret_mapping->bytes = bytes;
	ret_mapping->fd = fd;
	atomic_store_explicit(&ret_mapping->poisoned, 0, memory_order_relaxed);
	return 0;
}

int rdx_mapping_resize(struct rdx_mapping *mapping, uint64_t bytes, int writable)
{
	void *base = NULL;
	int r = map(mapping->fd, bytes, writable, &base);

	if (r < 0)
		return r;
	munmap(mapping->base, mapping->bytes);
	mapping->base = base;
	mapping->bytes = bytes;
	return 0;
}

int rdx_mapping_create(struct rdx_mapping *ret_mapping, int dir_fd, const char *name,
		       uint64_t bytes, uint32_t file_mode)
{
	int r = rdx_file_remove(dir_fd, name), fd;

	if (r < 0)
		return r;
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fchmod(fd, file_mode) < 0 ? -errno : rdx_file_allocate(fd, 0, bytes);
	if (r == 0)
		r = rdx_mapping_attach(ret_mapping, fd, bytes, 1);
	if (r < 0) {
		unlinkat(dir_fd, name, 0);
		close(fd);
	}
	return r;
}

void rdx_mapping_touch_part(struct rdx_mapping *mapping, uint64_t at, uint64_t bytes, int write)
{
	_Atomic uint8_t *byte = mapping->base;

	if (madvise((uint8_t *)mapping->base + at, bytes,
		    write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) == 0)
		return;
	/* before Linux 5.14: one access a page, adding 0 where it must be a write */
	for (uint64_t end = at + bytes; at < end; at += RDX_PAGE_BYTES) {
		if (write)
			atomic_fetch_add_explicit(byte + at, 0, memory_order_relaxed);
		else
			(void)atomic_load_explicit(byte + at, memory_order_relaxed);
	}
}

void rdx_mapping_touch(struct rdx_mapping *mapping, int write)
{
	rdx_mapping_touch_part(mapping, 0, mapping->bytes, write);
}

void rdx_mapping_close(struct rdx_mapping *mapping)
{
	if (!mapping->base)
		return;
	munmap(mapping->base, mapping->bytes);
	if (mapping->fd >= 0)
		close(mapping->fd);
	mapping->base = NULL;
	mapping->fd = -1;
}
