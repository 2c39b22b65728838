/* SPDX-License-Identifier: Apache-2.0 */
/*
 * held_run COMMAND [ARGUMENT...]: run it with one more argument, a directory in memory that
 * is removed when it ends or is killed.
 */
#include "tests/held.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char **arguments = calloc((size_t)argc + 1, sizeof(*arguments));
	char dir[HELD_PATH_BYTES];
	int r;

	if (argc < 2 || !arguments)
		return 2;
	r = held_make(HELD_IN_MEMORY, dir);
	if (r < 0) {
		fprintf(stderr, "held_run: %s\n", strerror(-r));
		return 1;
	}
	memcpy(arguments, argv + 1, (size_t)(argc - 1) * sizeof(*arguments));
	arguments[argc - 1] = dir;
	execvp(arguments[0], arguments);
	perror("held_run");
	return 1;
}
