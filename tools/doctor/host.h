/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host and this process's part of it. `root` stands before the paths that are read ("" but in
 * tests).
 */
#ifndef DOCTOR_HOST_H
#define DOCTOR_HOST_H

#include "tools/doctor/findings.h"

#include <sys/stat.h>

/* Locks of open file descriptions, io_uring, the clock and its namespace. */
void host_check_kernel(struct findings *findings, const char *root);

/* Do files of the file system get large pages? */
void host_check_pages(struct findings *findings, const char *root, const struct stat *dir);

/* Does logind remove the files of who owns the directory when he logs out? */
void host_check_logind(struct findings *findings, const char *root, const char *dir,
		       const struct stat *st);

#endif
