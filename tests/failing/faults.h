/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that fail once. What a test links is wrapped (imports.txt, -Wl,--wrap): calls made by this
 * thread are counted while armed, and one of them fails with an errno that it can really have.
 */
#ifndef RDX_TESTS_FAULTS_H
#define RDX_TESTS_FAULTS_H

#include <stdint.h>

struct faults {
	uint32_t calls;   /* made while armed */
	const char *name; /* of the one that failed, NULL: none */
	int error;        /* its errno */
	uint32_t ways;    /* errnos that it can have */
};

/* Count from 0 on; let the call number `fail_at` (1, ..; 0: none) fail with errno number `way`. */
void faults_arm(uint32_t fail_at, uint32_t way);

/* Calls do not count until faults_resume: for what a test does beside. */
void faults_pause(void);
void faults_resume(void);

struct faults faults_disarm(void);

/* The same for the next thread that this one starts: its calls count by themselves. */
void faults_arm_thread(uint32_t fail_at, uint32_t way);

/* Of that thread, which has ended; or there was none. */
struct faults faults_of_thread(void);

/* So far. */
struct faults faults_now(void);

/* What is open: blocks on the heap, bytes mapped. */
int64_t faults_heap(void);
int64_t faults_mapped(void);

/* Let the file system be full where and while `is_full` says so: posix_fallocate finds no room, which does
 * not count as a call that failed. NULL: no more. */
void faults_fill(int (*is_full)(const void *context), const void *context);

/* Let the monotonic clock be so much later, for ever. */
void faults_pass(uint64_t ns);

/* From now on it goes on by that alone: work that is bounded by time is as much on a slow machine. */
void faults_stop_clock(void);

#endif
