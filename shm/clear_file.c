/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/clear_file.h"

#include "shm/file.h"
#include "shm/namespace.h"
#include "shm/namespace_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int rdx_clear_file_open(struct rdx_mapping *ret_mapping, int dir_fd, uint64_t worker_id, int create,
			uint32_t file_mode)
{
	struct rdx_mapping mapping = {.fd = -1};
	struct rdx_clear clear = {.magic = RDX_CLEAR_MAGIC};
	char name[RDX_NAME_BYTES], prefix[RDX_NAME_BYTES];
	uint64_t bytes = 0;
	int fd, r = 0;

	if (create) {
		rdx_namespace_worker_dir(worker_id, prefix);
		strcat(prefix, "/");
		r = rdx_namespace_random_id(&clear.id);
		if (r == 0)
			r = rdx_namespace_make_file(dir_fd, prefix, "clear", &clear, sizeof(clear),
						    file_mode & ~(uint32_t)(S_IWGRP | S_IWOTH));
		if (r < 0)
			return r;
	}
	rdx_namespace_clear(worker_id, name);
	fd = rdx_file_open_foreign(dir_fd, name, create ? O_RDWR : O_RDONLY, &bytes);
	if (fd < 0)
		return fd;
	if (create)
		r = rdx_file_check_ours(fd);
	if (r == 0)
		r = bytes == sizeof(clear) ? rdx_file_read(fd, &clear, sizeof(clear)) : -EBADMSG;
	if (r == 0 && (clear.magic != RDX_CLEAR_MAGIC || clear.id == 0))
		r = -EBADMSG;
	if (r == 0)
		r = rdx_mapping_attach(&mapping, fd, sizeof(clear), create);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_mapping = mapping;
	return 0;
}
