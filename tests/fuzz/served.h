/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are answered for from memory, not by the kernel: opening, looking at and mapping one takes
 * longer than most that is done with it. Linked with --wrap for each call that served.c has, which
 * CMakeLists.txt names.
 */
#ifndef RDX_TESTS_FUZZ_SERVED_H
#define RDX_TESTS_FUZZ_SERVED_H

#include <stdint.h>

#define SERVED_MAX 8

/* A regular file of this process's user on tmpfs, all of it allocated; a writer has it locked. */
struct served {
	const char *name; /* as it is opened, whatever the directory */
	uint8_t *bytes;   /* at a page's begin; mappings are these */
	uint64_t length;
	uint64_t inode;
};

/* Answer for this file, which stays. */
void served_add(const struct served *file);

/* Are files that are opened or looked at by name from now on served? What is open stays as it is. */
void served_begin(void);
void served_end(void);

#endif
