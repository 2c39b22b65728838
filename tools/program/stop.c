/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/stop.h"

#include <signal.h>
#include <stddef.h>
#include <stdatomic.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static atomic_int asked;

static void on_signal(int number)
{
	(void)number;
	atomic_store_explicit(&asked, 1, memory_order_relaxed);
}

void stop_listen(void)
{
	struct sigaction action = {.sa_handler = on_signal}, before;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* the terminal was closed; nohup wants that not to matter */
	if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
}

int stop_asked(void)
{
	return atomic_load_explicit(&asked, memory_order_relaxed);
}

void stop_sleep(uint64_t ns)
{
	struct timespec time = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};

	if (!stop_asked())
		nanosleep(&time, NULL);
}

uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}
