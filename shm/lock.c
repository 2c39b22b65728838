/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int rdx_lock_take(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

int rdx_lock_held(int fd)
{
	/* queried as a read lock: another read lock must not look like a producer */
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -errno;
	return lock.l_type != F_UNLCK;
}
