/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_open.h"

#include "shm/clock.h"
#include "shm/reap.h"
#include "tools/program/figures.h"
#include "tools/program/messages.h"
#include "tools/program/stop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SLICE_NS UINT64_C(100000000) /* between looks at whether the program is to stop */
#define LONG_NS  UINT64_C(500000000)

static void say_wait(const struct rdx_publisher_options *options, uint64_t left_ns)
{
	char text[FIGURES_BYTES];

	messages_say("rank %u of worker %" PRIu64
		     " is still held by another process: waiting up to %s for it to end",
		     options->dp_rank, options->worker_id, figures_duration(left_ns, text));
}

int feed_open(struct rdx_publisher **ret_publisher, const struct rdx_publisher_options *options)
{
	struct rdx_publisher_options slice = *options;
	uint64_t begun = rdx_clock_ns(), waited = 0;
	int r, said = 0;

	for (;;) {
		uint64_t left = options->wait_ns - waited;

		slice.wait_ns = left < SLICE_NS ? left : SLICE_NS;
		r = rdx_publisher_open(ret_publisher, &slice);
		waited = rdx_clock_ns() - begun;
		if ((r != -EBUSY && r != -EAGAIN) || waited >= options->wait_ns || stop_asked())
			return r;
		if (!said && waited >= LONG_NS)
			say_wait(options, options->wait_ns - waited);
		said = waited >= LONG_NS;
	}
}

static void add_bytes(void *context, const struct rdx_reaped *what)
{
	*(uint64_t *)context += what->bytes;
}

const char *feed_open_full(const char *dir, char *ret_text)
{
	char dead[FIGURES_BYTES], all[FIGURES_BYTES];
	uint64_t bytes = 0;
	struct rdx_reap reap = {.dry_run = 1, .tell = add_bytes, .context = &bytes};
	struct statvfs fs;

	ret_text[0] = 0;
	reap.dir_fd = rdx_namespace_open(dir, 0);
	if (reap.dir_fd < 0)
		return ret_text;
	if (rdx_reap_workers(&reap) == 0 && bytes && fstatvfs(reap.dir_fd, &fs) == 0)
		snprintf(ret_text, FEED_OPEN_TEXT_BYTES,
			 "; dead workers hold %s of %s: ringdex clean removes that",
			 figures_size(bytes, dead),
			 figures_size((uint64_t)fs.f_blocks * fs.f_frsize, all));
	close(reap.dir_fd);
	return ret_text;
}
