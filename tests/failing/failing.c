/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/failing/failing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX     64
#define LISTING_MAX 4096

/* What a process has open, and what it must have again later. */
struct open_things {
	uint8_t fd[FDS_MAX];
	int64_t heap;
	int64_t mapped;
	uint32_t maps; /* of rings, which liburing maps */
};

static uint32_t count_maps(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[512];
	uint32_t count = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, "io_uring") != NULL;
	fclose(file);
	return count;
}

static struct open_things look(void)
{
	struct open_things things = {
		.heap = faults_heap(), .mapped = faults_mapped(), .maps = count_maps()};

	for (int fd = 0; fd < FDS_MAX; fd++)
		things.fd[fd] = fcntl(fd, F_GETFD) >= 0;
	return things;
}

/* "\n1/0.seg\n1/0.lock ...\n": tables without their numbers. */
struct listing {
	char text[LISTING_MAX];
	size_t length;
};

static void list(struct listing *listing, int dir_fd, const char *path)
{
	int fd = openat(dir_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char name[512], *gen;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s%s", path, entry->d_name);
		gen = strstr(name, ".gen");
		if (gen)
			gen[4] = '\0';
		if (entry->d_type == DT_DIR) {
			strcat(name, "/");
			list(listing, dir_fd, name);
			continue;
		}
		listing->length += (size_t)snprintf(listing->text + listing->length,
						    LISTING_MAX - listing->length, "%s\n", name);
		assert_true(listing->length < LISTING_MAX);
	}
	closedir(dir);
}

static void list_all(struct listing *listing, const struct rig *rig)
{
	listing->text[0] = '\n';
	listing->text[1] = '\0';
	listing->length = 1;
	list(listing, rig->dir_fd, "");
}

/* A file in `have` that is in neither of the others. */
static const char *stranger(const struct listing *have, const struct listing *a,
			    const struct listing *b)
{
	static char name[512];

	for (const char *at = have->text + 1; *at; at = strchr(at, '\n') + 1) {
		snprintf(name, sizeof(name), "\n%.*s\n", (int)(strchr(at, '\n') - at), at);
		if (!strstr(a->text, name) && !strstr(b->text, name))
			return name;
	}
	return NULL;
}

struct runner {
	struct rig *rig;
	const struct failing *failing;
	struct listing before, good;
	uint32_t answered[FAILING_ANSWERS_MAX]; /* as each of failing->answers says */
	int wrong;
};

static int is_allowed(struct runner *runner, const struct faults *faults, uint32_t way, int answer)
{
	const struct failing_answer *a = runner->failing->answers;

	if (answer == -faults->error ||
	    (answer == 0 && (faults->error == EINTR || runner->failing->goes_on)))
		return 1;
	for (uint32_t i = 0; a && a[i].call; i++) {
		assert_true(i < FAILING_ANSWERS_MAX);
		if (strcmp(a[i].call, faults->name) != 0 || a[i].answer != answer)
			continue;
		runner->answered[i] += way == 0;
		return runner->answered[i] <= a[i].most;
	}
	return 0;
}

static void complain(struct runner *runner, uint32_t call, const struct faults *faults,
		     const char *what, const char *which)
{
	print_error("call %u, %s, failed by %s: %s %s\n", call, faults->name,
		    strerrorname_np(faults->error), what, which);
	runner->wrong++;
}

static int run(const struct runner *runner, uint32_t call, uint32_t way, struct faults *ret_faults)
{
	int answer;

	if (runner->failing->prepare)
		runner->failing->prepare(runner->rig);
	faults_arm(call, way);
	answer = runner->failing->run(runner->rig);
	*ret_faults = faults_disarm();
	return answer;
}

static int is_lock(const struct runner *runner, const char *line)
{
	const char *lock = runner->failing->lock;

	return lock && strncmp(line + 1, lock, strlen(lock)) == 0 && line[strlen(lock) + 1] == '\n';
}

static void compare(struct runner *runner, uint32_t call, const struct faults *faults,
		    const struct open_things *before)
{
	struct open_things after = look();
	struct listing have;
	const char *left;

	if (memcmp(before->fd, after.fd, sizeof(after.fd)) != 0)
		complain(runner, call, faults, "descriptors differ", "");
	if (before->heap != after.heap)
		complain(runner, call, faults, "the heap differs", "");
	if (before->mapped != after.mapped || before->maps != after.maps)
		complain(runner, call, faults, "mappings differ", "");
	/* the file that was not unlinked is there */
	if (strcmp(faults->name, "unlinkat") == 0)
		return;
	list_all(&have, runner->rig);
	left = stranger(&have, &runner->before, &runner->good);
	if (left && !is_lock(runner, left))
		complain(runner, call, faults, "left is", left);
}

/* One call fails in one way. Ways that the call has. */
static uint32_t fail_once(struct runner *runner, uint32_t call, uint32_t way)
{
	struct open_things before;
	struct faults faults, none;
	char text[32];
	int answer;

	if (runner->failing->prepare)
		runner->failing->prepare(runner->rig);
	before = look();
	answer = run(runner, call, way, &faults);
	if (!faults.name)
		return 0;
	if (!is_allowed(runner, &faults, way, answer)) {
		snprintf(text, sizeof(text), "%d", answer);
		complain(runner, call, &faults, "answered was", text);
	}
	compare(runner, call, &faults, &before);
	answer = runner->failing->is_whole ? 0 : run(runner, 0, 0, &none);
	snprintf(text, sizeof(text), "%d", answer);
	if (answer < 0)
		complain(runner, call, &faults, "afterwards it answers", text);
	if (runner->failing->lock &&
	    faccessat(runner->rig->dir_fd, runner->failing->lock, F_OK, 0) == 0)
		complain(runner, call, &faults, "afterwards there is", runner->failing->lock);
	return faults.ways;
}

struct rdx_publisher_options failing_publisher(const char *dir, uint32_t clear_scope,
					       uint64_t blocks)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	options.dir = dir;
	options.instance = "http://localhost:8000";
	options.model = "model";
	options.worker_id = 1;
	options.clear_scope = clear_scope;
	options.ring_slots = 64;
	options.tier_blocks[0] = blocks;
	return options;
}

void failing_each(struct rig *rig, const struct failing *failing)
{
	struct runner runner = {.rig = rig, .failing = failing};
	struct faults faults;
	uint32_t calls;

	if (failing->prepare)
		failing->prepare(rig);
	list_all(&runner.before, rig);
	assert_int_equal(run(&runner, 0, 0, &faults), 0); /* what is made once in a process */
	list_all(&runner.good, rig);
	assert_int_equal(run(&runner, 0, 0, &faults), 0);
	calls = faults.calls;
	assert_in_range(calls, failing->least, 10000);
	/* it may make more when one fails, or fewer by chance: to the end of all */
	for (uint32_t call = 1; call <= calls; call++) {
		uint32_t ways = fail_once(&runner, call, 0);

		for (uint32_t way = 1; way < ways; way++)
			(void)fail_once(&runner, call, way);
	}
	assert_int_equal(runner.wrong, 0);
}
