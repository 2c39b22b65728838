/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a namespace's bell.
 */
#ifndef RDX_BELL_FILE_H
#define RDX_BELL_FILE_H

#include "shm/mapping.h"

/*
 * The namespace's bell: make it if there is none (`create`), map it read-write. -EPERM if any other
 * user may write the file.
 */
int rdx_bell_file_open(struct rdx_mapping *ret_mapping, int dir_fd, int create);

#endif
