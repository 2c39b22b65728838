/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/inspect/indexes.h"

#include "shm/clock.h"
#include "shm/index_layout.h"
#include "tools/program/messages.h"
#include "tools/program/printable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INDEX_DIR  "index"
#define CTL_SUFFIX ".ctl"
#define PAUSE_NS   100000

#define PATIENCE_NS UINT64_C(50000000) /* with an indexer in the midst of a change */

static int is_terminated(const char *text)
{
	return memchr(text, 0, RDX_TEXT_BYTES) != NULL;
}

/* Is there a rank in the index that was not seen to end? */
static int is_fed(int fd)
{
	const off_t at = offsetof(struct rdx_index_ctl, live.identity);
	struct rdx_index_identity ranks[RDX_RANKS_MAX];
	uint64_t count;

	if (pread(fd, &count, sizeof(count), offsetof(struct rdx_index_ctl, live.rank_count)) !=
		    sizeof(count) ||
	    pread(fd, ranks, sizeof(ranks), at) != sizeof(ranks))
		return 0;
	for (uint64_t i = 0; i < count && i < RDX_RANKS_MAX; i++)
		if (ranks[i].state != RDX_STATE_GONE)
			return 1;
	return 0;
}

/* Read the name of the index whose control file this is. 1, or 0 where it is none. Whether
 * it is a whole one is found out when it is opened. */
static int read_name(int dir_fd, const char *file, struct index_name *ret_name)
{
	struct rdx_index_header header;
	const char *dot = strrchr(file, '.');
	ssize_t got;
	int fd;

	if (file[0] == '.' || !dot || strcmp(dot, CTL_SUFFIX) != 0)
		return 0;
	fd = openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return 0;
	got = pread(fd, &header, sizeof(header), 0);
	ret_name->is_fed = is_fed(fd);
	close(fd);
	if (got != (ssize_t)sizeof(header) || header.magic != RDX_INDEX_MAGIC ||
	    !is_terminated(header.model) || !is_terminated(header.tenant))
		return 0;
	memcpy(ret_name->model, header.model, RDX_TEXT_BYTES);
	memcpy(ret_name->tenant, header.tenant, RDX_TEXT_BYTES);
	ret_name->block_tokens = header.block_tokens;
	return 1;
}

/* One name more: 0, -ENOMEM. */
static int add_name(struct index_name **names, int count)
{
	struct index_name *grown = realloc(*names, (size_t)(count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*names = grown;
	return 0;
}

int indexes_find(const struct space *space, struct index_name **ret_names)
{
	int fd = openat(space->dir_fd, INDEX_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct index_name *names = NULL;
	struct dirent *entry;
	int count = 0, r = 0;
	DIR *stream;

	*ret_names = NULL;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	stream = fdopendir(fd);
	if (!stream) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (entry = readdir(stream))) {
		r = add_name(&names, count);
		if (r == 0)
			count += read_name(fd, entry->d_name, &names[count]);
	}
	closedir(stream);
	if (r < 0) {
		free(names);
		return r;
	}
	*ret_names = names;
	return count;
}

static int fits(const struct index_wanted *wanted, const struct index_name *name)
{
	return (!wanted->model || strcmp(wanted->model, name->model) == 0) &&
	       (!wanted->tenant || strcmp(wanted->tenant, name->tenant) == 0) &&
	       (!wanted->block_tokens || wanted->block_tokens == name->block_tokens);
}

/* There is no index at all, or none that anybody feeds: who has to come? */
static void say_none(const struct space *space, int count)
{
	if (!space_has_indexer(space))
		messages_say("no index in %s: start one with ringdex follow", space->dir);
	else if (count == 0)
		messages_say("no index in %s yet: start a worker, and ringdex follow if none runs, "
			     "or ask again in a second",
			     space->dir);
	else
		messages_say("no running worker feeds an index in %s: start one", space->dir);
}

static void say_choice(const struct space *space, const struct index_name *names, int count,
		       int fitting)
{
	int fed = 0;

	for (int i = 0; i < count; i++)
		fed += names[i].is_fed;
	if (fed == 0) {
		say_none(space, count);
		return;
	}
	messages_say("%s in %s%s", fitting ? "more than one index" : "no such index", space->dir,
		     fitting ? ": choose by --model, --tenant, --block-tokens" : "; there is:");
	for (int i = 0; i < count; i++) {
		if (!names[i].is_fed)
			continue;
		fputs("   --model '", stderr);
		printable_put(stderr, names[i].model);
		fputs("' --tenant '", stderr);
		printable_put(stderr, names[i].tenant);
		fprintf(stderr, "' --block-tokens %" PRIu32 "\n", names[i].block_tokens);
	}
}

/* The one that fits; among several the one that is fed. How many there are. */
static int choose(const struct index_wanted *wanted, const struct index_name *names, int count,
		  int *ret_chosen)
{
	int fitting = 0, fed = 0, chosen = 0;

	for (int i = 0; i < count; i++) {
		if (!fits(wanted, &names[i]))
			continue;
		fitting++;
		fed += names[i].is_fed;
		if (fitting == 1 || (names[i].is_fed && fed == 1))
			chosen = i;
	}
	*ret_chosen = chosen;
	return fed ? fed : fitting;
}

/* It was there a moment ago. */
static void say_open_failed(const struct space *space, const struct index_name *name, int error)
{
	if (error == -ESRCH)
		messages_say("the index of '%s' in %s was left by an indexer that is dead, and is "
			     "not whole: start one with ringdex follow",
			     name->model, space->dir);
	else if (error == -EAGAIN)
		messages_say("the index of '%s' in %s is being made: ask again in a second",
			     name->model, space->dir);
	else
		messages_say_error(error, "cannot open the index of '%s' in %s", name->model,
				   space->dir);
}

int indexes_open(const struct space *space, const struct index_name *name,
		 struct rdx_index **ret_index)
{
	struct rdx_index_key key = {
		.size = sizeof(key),
		.model = name->model,
		.tenant = name->tenant,
		.block_tokens = name->block_tokens,
		.flags = RDX_INDEX_ALL_RANKS,
	};

	return rdx_index_open(ret_index, space->dir, &key);
}

int indexes_pause(uint64_t *until_ns)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	uint64_t now = rdx_clock_ns();

	if (!*until_ns)
		*until_ns = now + PATIENCE_NS;
	if (now >= *until_ns)
		return 0;
	nanosleep(&pause, NULL);
	return 1;
}

int indexes_choose(const struct space *space, const struct index_wanted *wanted,
		   struct rdx_index **ret_index, struct index_name *ret_name)
{
	struct index_name *names;
	int fitting, chosen, r = 0;
	int count = indexes_find(space, &names);

	if (count < 0) {
		messages_say_error(count, "cannot look into %s/" INDEX_DIR, space->dir);
		return count;
	}
	fitting = choose(wanted, names, count, &chosen);
	if (fitting != 1) {
		say_choice(space, names, count, fitting);
		r = -ENOENT;
	} else {
		r = indexes_open(space, &names[chosen], ret_index);
		if (r < 0)
			say_open_failed(space, &names[chosen], r);
		else
			*ret_name = names[chosen];
	}
	free(names);
	return r;
}
