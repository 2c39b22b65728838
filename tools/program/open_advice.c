/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/open_advice.h"
#include "shm/namespace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *open_advice(int error)
{
	switch (-error) {
	case EINVAL:
		return "ring slots must be a power of two from 64 on, blocks at least 1";
	case ENAMETOOLONG:
		return "instance, model and tenant have at most 255 bytes";
	case EBUSY:
		return "another process publishes this rank: end it, or choose another rank";
	case ENOSPC:
		return "make the file system larger, or choose fewer --ring-slots and --blocks";
	case EKEYREJECTED:
		return "the key file of this directory is damaged: choose another --dir, or remove "
		       "the directory while nobody uses it";
	case EACCES:
	case EPERM:
	case EROFS:
		return "choose a --dir that this user may write";
	case ENOENT:
	case ENOTDIR:
		return "its parent must be a directory: create it or choose another --dir";
	default:
		return NULL;
	}
}

void open_advice_text(char *ret_text, size_t size, const struct rdx_publisher_options *options,
		      int error)
{
	const char *advice = open_advice(error);

	snprintf(ret_text, size, "cannot open rank %u of worker %" PRIu64 " in %s: %s%s%s",
		 options->dp_rank, options->worker_id, rdx_namespace_dir(options->dir),
		 strerror(-error), advice ? ": " : "", advice ? advice : "");
}
