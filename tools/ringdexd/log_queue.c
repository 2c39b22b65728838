/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/log_queue.h"

#include "tools/ringdexd/thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_THREAD "log" /* as top -H and gdb call it */
#define NS_PER_S   UINT64_C(1000000000)

/* Lines, one behind the other. */
struct batch {
	size_t bytes;
	char text[LOG_QUEUE_BYTES];
};

static struct batch batches[2]; /* one waits, one is written */

static struct {
	pthread_mutex_t lock; /* of all that follows; held for a copy at most, never for a write */
	pthread_cond_t come, written;
	struct batch *waiting;
	/* lines behind those that wait: from the first that does not fit on none does, to keep their order */
	uint64_t dropped;
	uint64_t lost; /* since the start */
	int is_writing;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER,
	   .come = PTHREAD_COND_INITIALIZER,
	   .written = PTHREAD_COND_INITIALIZER,
	   .waiting = &batches[0]};

/* Of the thread. */
static char *(*make_lost)(uint64_t lines, size_t *ret_bytes);
static uint64_t unsaid; /* lines that were lost, ahead of the next one */

/* However long it takes. 0: it cannot be written. */
static int write_whole(const char *text, size_t bytes)
{
	struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};

	while (bytes) {
		ssize_t written = write(STDERR_FILENO, text, bytes);

		if (written >= 0) {
			text += written;
			bytes -= (size_t)written;
		} else if (errno == EAGAIN) { /* others that have it made it so */
			poll(&output, 1, -1);
		} else if (errno != EINTR) {
			return 0;
		}
	}
	return 1;
}

static int write_lost(void)
{
	size_t bytes;
	char *line = make_lost(unsaid, &bytes);
	int is_written = line && write_whole(line, bytes);

	free(line);
	if (is_written)
		unsaid = 0;
	return is_written;
}

static void write_line(const char *line, size_t bytes)
{
	if ((!unsaid || write_lost()) && write_whole(line, bytes))
		return;
	unsaid++;
	pthread_mutex_lock(&queue.lock);
	queue.lost++;
	pthread_mutex_unlock(&queue.lock);
}

static void write_batch(struct batch *batch)
{
	const char *line = batch->text, *end = line + batch->bytes;

	while (line < end) {
		const char *next = memchr(line, '\n', (size_t)(end - line));

		next = next ? next + 1 : end;
		write_line(line, (size_t)(next - line));
		line = next;
	}
	batch->bytes = 0;
}

/* What waits, when there is something; the other one is for what comes meanwhile. Under the lock. */
static struct batch *take(uint64_t *ret_dropped)
{
	struct batch *taken = queue.waiting;

	queue.is_writing = 0;
	while (!taken->bytes && !queue.dropped) {
		pthread_cond_broadcast(&queue.written);
		pthread_cond_wait(&queue.come, &queue.lock);
	}
	queue.is_writing = 1;
	queue.waiting = &batches[taken == &batches[0]];
	*ret_dropped = queue.dropped;
	queue.dropped = 0;
	return taken;
}

static void *run(void *argument)
{
	pthread_mutex_lock(&queue.lock);
	for (;;) {
		uint64_t dropped;
		struct batch *batch = take(&dropped);

		pthread_mutex_unlock(&queue.lock);
		write_batch(batch);
		unsaid += dropped;
		pthread_mutex_lock(&queue.lock);
	}
	return argument;
}

int log_queue_open(char *(*say_lost)(uint64_t lines, size_t *ret_bytes))
{
	pthread_t thread;
	int r;

	make_lost = say_lost;
	r = thread_start(&thread, LOG_THREAD, run, NULL);
	if (r == 0)
		pthread_detach(
			thread); /* it may be in a write for ever: the process ends without it */
	return r;
}

void log_queue_put(const char *line, size_t bytes)
{
	struct batch *waiting;

	pthread_mutex_lock(&queue.lock);
	waiting = queue.waiting;
	if (queue.dropped || bytes > LOG_QUEUE_BYTES - waiting->bytes) {
		queue.dropped++;
		queue.lost++;
		pthread_cond_signal(&queue.come); /* it may be one that never fits */
	} else {
		memcpy(waiting->text + waiting->bytes, line, bytes);
		waiting->bytes += bytes;
		pthread_cond_signal(&queue.come);
	}
	pthread_mutex_unlock(&queue.lock);
}

uint64_t log_queue_lost(void)
{
	uint64_t lost;

	pthread_mutex_lock(&queue.lock);
	lost = queue.lost;
	pthread_mutex_unlock(&queue.lock);
	return lost;
}

void log_queue_drain(uint64_t until_ns)
{
	struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
				 .tv_nsec = (long)(until_ns % NS_PER_S)};
	int r = 0;

	pthread_mutex_lock(&queue.lock);
	while (r == 0 && (queue.waiting->bytes || queue.is_writing))
		r = pthread_cond_clockwait(&queue.written, &queue.lock, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&queue.lock);
}
