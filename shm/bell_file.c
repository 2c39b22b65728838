/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/bell_file.h"

#include "shm/file.h"
#include "shm/namespace.h"
#include "shm/namespace_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define BELL_MODE 0600

int rdx_bell_file_open(struct rdx_mapping *ret_mapping, int dir_fd, int create)
{
	struct rdx_bell bell = {.magic = RDX_BELL_MAGIC};
	struct rdx_mapping mapping = {.fd = -1};
	uint64_t bytes = 0;
	int fd, r;

	fd = rdx_file_open_foreign(dir_fd, RDX_BELL_FILE_NAME, O_RDWR, &bytes);
	if (fd == -ENOENT && create) {
		r = rdx_namespace_make_file(dir_fd, "", RDX_BELL_FILE_NAME, &bell, sizeof(bell),
					    BELL_MODE);
		if (r < 0)
			return r;
		fd = rdx_file_open_foreign(dir_fd, RDX_BELL_FILE_NAME, O_RDWR, &bytes);
	}
	if (fd < 0)
		return fd;
	r = rdx_file_check_ours(fd); /* another writer could truncate it under us */
	if (r == 0)
		r = rdx_file_read(fd, &bell, sizeof(bell));
	if (r == 0 && (bytes != sizeof(bell) || bell.magic != RDX_BELL_MAGIC))
		r = -EBADMSG;
	if (r == 0)
		r = rdx_mapping_attach(&mapping, fd, sizeof(bell), 1);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_mapping = mapping;
	return 0;
}

uint64_t rdx_bell_file_id(const struct rdx_mapping *mapping)
{
	uint64_t inode = 0;

	return rdx_file_inode(mapping->fd, &inode) < 0 ? UINT64_MAX : inode;
}
