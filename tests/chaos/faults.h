/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The faults of the chaos. A list for each kind of thing that they happen to.
 */
#ifndef RDX_TESTS_CHAOS_FAULTS_H
#define RDX_TESTS_CHAOS_FAULTS_H

#include "tests/chaos/crew.h"

struct fault {
	const char *name;
	uint32_t weight; /* how often, against the others */
	void (*make)(struct crew *crew);
	/* or, where that is NULL: */
	void (*make_to)(struct crew *crew, int target);
	int target;
};

struct faults_list {
	const struct fault *fault;
	uint32_t count;
};
extern const struct faults_list faults_processes;
extern const struct faults_list faults_files;
extern const struct faults_list faults_space; /* of a file system of our own: see crew.is_own */

/* Make one, drawn from all that can be made here; counted. */
void faults_make(struct crew *crew);

/* How many there were of each. */
void faults_print(void);

/* Since two faults have an effect together, others may have left it dead or stopped: one that
 * runs, or NULL. */
struct crew_feed *faults_running_feed(struct crew *crew);

/* A pause of up to `most_us`, drawn. */
void faults_pause(struct crew *crew, uint32_t most_us);

#endif
