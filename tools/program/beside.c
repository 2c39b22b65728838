/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/beside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int beside_path(const char *program, char ret_path[PATH_MAX])
{
	char own[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	int needed;

	if (length < 0)
		return -errno;
	own[length] = 0;
	needed = snprintf(ret_path, PATH_MAX, "%.*s/%s", (int)(strrchr(own, '/') - own), own,
			  program);
	return needed < PATH_MAX ? 0 : -ENAMETOOLONG;
}
