/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/index/index_file.h"
#include "consumer/indexer/indexer_lock.h"
#include "shm/file.h"
#include "shm/lock.h"
#include "shm/reap.h"
#include "shm/sized.h"
#include <ringdex/rdx_clean.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static_assert(RDX_CLEANED_NAME_BYTES == RDX_NAME_BYTES, "names fit");

struct cleaning {
	struct rdx_clean_options options;
	struct rdx_clean_result result;
};

static void count(struct rdx_clean_result *result, const struct rdx_reaped *what)
{
	if (what->cause == 0) {
		result->removed++;
		result->bytes += what->bytes;
		return;
	}
	if (what->cause == -EAGAIN)
		result->kept++;
	else
		result->failed++;
	result->kept_bytes += what->bytes;
}

static void tell(void *context, const struct rdx_reaped *what)
{
	struct cleaning *cleaning = context;
	struct rdx_cleaned cleaned = {
		.size = sizeof(cleaned),
		.worker_id = what->worker_id,
		.bytes = what->bytes,
		.dead_ns = what->dead_ns,
		.dp_rank = what->dp_rank,
		.kind = what->kind,
		.cause = what->cause,
	};

	memcpy(cleaned.name, what->name, sizeof(cleaned.name));
	count(&cleaning->result, what);
	if (cleaning->options.tell)
		cleaning->options.tell(cleaning->options.context, &cleaned);
}

/* When the index was last changed: the files of one index, or of all, come and go together.
 * UINT64_MAX: it is not known. */
static uint64_t newest_index_ns(DIR *dir)
{
	uint64_t newest = 0, bytes = 0;
	struct dirent *entry;
	int r;

	while ((r = rdx_file_entry(dir, &entry)) > 0) {
		uint64_t changed = rdx_index_file_is_any(entry->d_name)
					   ? rdx_reap_look(dirfd(dir), entry->d_name, &bytes)
					   : 0;

		newest = changed > newest ? changed : newest;
	}
	rewinddir(dir);
	return r < 0 ? UINT64_MAX : newest;
}

/* What keeps the indexes from being looked at. */
static void tell_indexes(const struct rdx_reap *reap, int cause)
{
	struct rdx_reaped what = {.kind = RDX_CLEANED_INDEX, .name = "index", .cause = cause};

	reap->tell(reap->context, &what);
}

/* With indexer.lock: nobody maintains them, nor gives one of their names to a file of its own. */
static void remove_indexes(const struct rdx_reap *reap, int lock_fd, DIR *dir)
{
	uint64_t dead_ns = rdx_reap_dead_ns(lock_fd, newest_index_ns(dir), reap->dry_run);
	struct dirent *entry;
	int r;

	while ((r = rdx_file_entry(dir, &entry)) > 0) {
		struct rdx_reaped what = {.kind = RDX_CLEANED_INDEX, .dead_ns = dead_ns};

		if (!rdx_index_file_is_any(entry->d_name))
			continue;
		snprintf(what.name, sizeof(what.name), "index/%.57s", entry->d_name);
		rdx_reap_look(dirfd(dir), entry->d_name, &what.bytes);
		if (dead_ns < reap->dead_for_ns)
			what.cause = -EAGAIN;
		else if (!reap->dry_run && unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			what.cause = errno == ENOENT ? 0 : -errno;
		reap->tell(reap->context, &what);
	}
	if (r < 0)
		tell_indexes(reap, r);
}

static void clean_indexes(const struct rdx_reap *reap)
{
	DIR *dir = rdx_file_open_dir(reap->dir_fd, "index");
	int lock_fd;

	if (!dir) {
		if (errno != ENOENT)
			tell_indexes(reap, -errno);
		return;
	}
	lock_fd = rdx_lock_open_to_clean(reap->dir_fd, RDX_INDEXER_LOCK_NAME, !reap->dry_run);
	if (lock_fd >= 0) {
		remove_indexes(reap, lock_fd, dir);
		rdx_lock_drop(lock_fd);
	} else if (lock_fd != -EBUSY && lock_fd != -ENOENT && newest_index_ns(dir)) {
		tell_indexes(reap, lock_fd);
	}
	closedir(dir);
}

int rdx_clean(const struct rdx_clean_options *from, struct rdx_clean_result *ret_result)
{
	struct cleaning cleaning = {.result = {.size = sizeof(cleaning.result)}};
	struct rdx_clean_options *options = &cleaning.options;
	struct rdx_reap reap = {.tell = tell, .context = &cleaning};
	int r = rdx_sized_take(options, sizeof(*options), from);

	if (r == 0)
		r = rdx_sized_check(ret_result);
	if (r < 0)
		return r;
	if (options->dry_run > 1 || options->keep_directories > 1)
		return -EINVAL;
	reap.dry_run = (int)options->dry_run;
	reap.keep_directories = (int)options->keep_directories;
	reap.dead_for_ns = options->dead_for_ns;
	reap.dir_fd = rdx_namespace_open(options->dir, 0);
	if (reap.dir_fd < 0)
		return reap.dir_fd;
	r = rdx_reap_workers(&reap);
	if (r == 0)
		clean_indexes(&reap);
	close(reap.dir_fd);
	if (r == 0)
		rdx_sized_give(ret_result, &cleaning.result, sizeof(cleaning.result));
	return r;
}
