/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/inspect/ranks.h"

#include "shm/namespace.h"
#include "tools/program/messages.h"
#include "tools/program/options_value.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ranks_add(struct ranks *list, const struct rank_name *name)
{
	/* grows by doubling, at counts that are powers of two */
	if ((list->count & (list->count - 1)) == 0) {
		size_t room = list->count ? list->count * 2 : 1;
		struct rank_name *names = realloc(list->names, room * sizeof(*names));

		if (!names)
			messages_no_memory();
		list->names = names;
	}
	list->names[list->count++] = *name;
}

void ranks_free(struct ranks *list)
{
	free(list->names);
	*list = (struct ranks){0};
}

static int covers(const struct rank_name *wanted, const struct rank_name *name)
{
	return wanted->worker_id == name->worker_id &&
	       (wanted->any_rank || name->any_rank || wanted->dp_rank == name->dp_rank);
}

int ranks_wanted(const struct ranks *wanted, const struct rank_name *name)
{
	for (size_t i = 0; i < wanted->count; i++)
		if (covers(&wanted->names[i], name))
			return 1;
	return wanted->count == 0;
}

static void read_name(const struct argp_state *state, const char *text, struct rank_name *ret_name)
{
	const char *colon = strchr(text, ':');
	char worker[RANKS_TEXT_BYTES];
	size_t length = colon ? (size_t)(colon - text) : strlen(text);
	uint64_t dp_rank = 0;

	snprintf(worker, sizeof(worker), "%.*s", (int)(length < 32 ? length : 32), text);
	*ret_name = (struct rank_name){.any_rank = !colon};
	if (!options_value_number(worker, 0, UINT64_MAX, &ret_name->worker_id) ||
	    (colon && !options_value_number(colon + 1, 0, UINT32_MAX, &dp_rank)))
		options_error(state,
			      "'%s' is not a rank: write WORKER or WORKER:RANK, such as 7 or 7:0",
			      text);
	ret_name->dp_rank = (uint32_t)dp_rank;
}

void ranks_take(const struct argp_state *state, const char *text, void *list)
{
	struct rank_name name;

	read_name(state, text, &name);
	ranks_add(list, &name);
}

void ranks_take_one(const struct argp_state *state, const char *text, void *ret_name)
{
	struct rank_name name;

	read_name(state, text, &name);
	name.any_rank = 0;
	memcpy(ret_name, &name, sizeof(name));
}

static int compare(const void *left, const void *right)
{
	const struct rank_name *a = left, *b = right;

	if (a->worker_id != b->worker_id)
		return a->worker_id < b->worker_id ? -1 : 1;
	return a->dp_rank < b->dp_rank ? -1 : a->dp_rank > b->dp_rank;
}

/* A directory stream of its own: `name` below dir_fd. NULL and errno. */
static DIR *open_below(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (!stream && fd >= 0)
		close(fd);
	return stream;
}

static void find_in_worker(int dir_fd, const char *dir_name, uint64_t worker_id,
			   const struct ranks *wanted, struct ranks *found)
{
	DIR *stream = open_below(dir_fd, dir_name);
	struct dirent *entry;

	if (!stream) {
		struct rank_name name = {.worker_id = worker_id, .any_rank = 1, .error = -errno};

		/* gone meanwhile, or no directory: no worker */
		if (errno != ENOENT && errno != ENOTDIR && ranks_wanted(wanted, &name))
			ranks_add(found, &name);
		return;
	}
	while ((entry = readdir(stream))) {
		struct rank_name name = {.worker_id = worker_id};

		if (rdx_namespace_segment_name(entry->d_name, &name.dp_rank) &&
		    ranks_wanted(wanted, &name))
			ranks_add(found, &name);
	}
	closedir(stream);
}

int ranks_find(const struct space *space, const struct ranks *wanted, struct ranks *ret_found)
{
	struct ranks found = {0};
	DIR *stream = open_below(space->dir_fd, ".");
	struct dirent *entry;

	if (!stream) {
		int r = -errno;

		messages_say_error(r, "cannot look into %s", space->dir);
		return r;
	}
	while ((entry = readdir(stream))) {
		uint64_t worker_id;

		if (rdx_namespace_number(entry->d_name, UINT64_MAX, &worker_id))
			find_in_worker(space->dir_fd, entry->d_name, worker_id, wanted, &found);
	}
	closedir(stream);
	if (found.count)
		qsort(found.names, found.count, sizeof(*found.names), compare);
	*ret_found = found;
	return 0;
}

int ranks_missing(const struct space *space, const struct ranks *wanted, const struct ranks *found,
		  const char *what_to_do)
{
	char text[RANKS_TEXT_BYTES];

	for (size_t i = 0; i < wanted->count; i++) {
		const struct rank_name *name = &wanted->names[i];
		size_t at = 0;

		while (at < found->count && !covers(name, &found->names[at]))
			at++;
		if (at < found->count)
			continue;
		messages_say("no segment of %s in %s: %s", ranks_name_text(name, text), space->dir,
			     what_to_do);
		return 1;
	}
	return 0;
}

const char *ranks_name_text(const struct rank_name *name, char *ret_text)
{
	if (!name->any_rank)
		return ranks_text(name->worker_id, name->dp_rank, ret_text);
	snprintf(ret_text, RANKS_TEXT_BYTES, "%" PRIu64, name->worker_id);
	return ret_text;
}

const char *ranks_text(uint64_t worker_id, uint32_t dp_rank, char *ret_text)
{
	snprintf(ret_text, RANKS_TEXT_BYTES, "%" PRIu64 ":%" PRIu32, worker_id, dp_rank);
	return ret_text;
}
