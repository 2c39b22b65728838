/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that are installed together find each other.
 */
#ifndef PROGRAM_BESIDE_H
#define PROGRAM_BESIDE_H

#include <limits.h>

/* The path of a program in the folder of this one, whether it is there or not. 0, or -errno:
 * -ENAMETOOLONG, and of readlink(2). */
int beside_path(const char *program, char ret_path[PATH_MAX]);

#endif
