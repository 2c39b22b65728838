/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads beside the one that serves requests, which takes the signals.
 */
#ifndef RINGDEXD_THREAD_H
#define RINGDEXD_THREAD_H

#include <pthread.h>

/* Start one; the name is cut to 15 bytes. -errno */
int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *argument),
		 void *argument);

#endif
