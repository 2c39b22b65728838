/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: files lose their names under a running indexer: what is its own it makes again within
 * a second, and handles go over; where it must not go on it says why.
 */
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include "consumer/index/index_handle.h"
#include "consumer/indexer/indexer_state.h"
#include "shm/bell_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROMPT 7
#define BLOCKS 20

#define LIVENESS_US 50000 /* between two looks at locks */

struct lost {
	struct indexer_rig x;
	struct rdx_publisher *publisher;
	char dir[128];
	int dir_fd;
};

/* A worker and an index of it in a directory that may be removed. */
static void make(struct lost *l)
{
	memset(l, 0, sizeof(*l));
	indexer_rig_make(&l->x);
	snprintf(l->dir, sizeof(l->dir), "%s/ns", l->x.rig.dir);
	l->x.dir = l->dir;
	l->publisher = prompt_publisher(&l->x, 1, 0);
	prompt_store(l->publisher, PROMPT, BLOCKS, 0);
	indexer_rig_open(&l->x, RDX_WAIT_AUTO);
	until_state(&l->x, 1, 0, RDX_STATE_EXACT, l->publisher, NULL);
	l->dir_fd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(l->dir_fd >= 0);
}

static void end(struct lost *l)
{
	close(l->dir_fd);
	rdx_publisher_close(l->publisher);
	indexer_rig_end(&l->x);
}

enum blow { REMOVE, REPLACE, TRUNCATE };

static void hit(int fd, const char *name, enum blow blow)
{
	if (blow != TRUNCATE)
		assert_int_equal(unlinkat(fd, name, 0), 0);
	if (blow != REMOVE)
		close(openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
}

/* In index/, the files whose names have that in them. How many. */
static int strike(struct lost *l, const char *ending, enum blow blow)
{
	int fd = openat(l->dir_fd, "index", O_RDONLY | O_DIRECTORY | O_CLOEXEC), struck = 0;
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !strstr(entry->d_name, ending))
			continue;
		hit(fd, entry->d_name, blow);
		struck++;
	}
	closedir(dir);
	return struck;
}

/* The rank is EXACT in a fresh handle, and the old one is of the same writer by then. */
static void until_made_again(struct lost *l)
{
	struct indexer_rig fresh = l->x;

	fresh.index = NULL;
	until_state(&fresh, 1, 0, RDX_STATE_EXACT, l->publisher, NULL);
	UNTIL (l->x.index->writer_id == fresh.index->writer_id) {
		indexer_poll(&l->x);
		assert_int_equal(prompt_run(l->x.index, PROMPT, BLOCKS, 1, 0), BLOCKS);
	}
	assert_int_equal(prompt_run(fresh.index, PROMPT, BLOCKS, 1, 0), BLOCKS);
	assert_int_equal(prompt_run(l->x.index, PROMPT, BLOCKS, 1, 0), BLOCKS);
	rdx_index_close(fresh.index);
}

static void test_index_files(void **state)
{
	static const char *const endings[] = {".ctl", ".gen", ""};
	struct lost l;
	uint64_t writer;

	(void)state;
	make(&l);
	for (int i = 0; i < 6; i++) {
		writer = l.x.index->writer_id;
		assert_true(strike(&l, endings[i / 2], i % 2 ? REPLACE : REMOVE) > 0);
		until_made_again(&l);
		assert_true(l.x.index->writer_id != writer);
	}
	end(&l);
}

/* With the guard the indexer lives, and makes anew what it could only have written to nowhere. */
static void test_truncated_index(void **state)
{
	static const char *const endings[] = {".ctl", ".gen", ""};
	struct lost l;

	(void)state;
	assert_int_equal(rdx_guard_install(), 0);
	make(&l);
	for (uint64_t i = 0; i < 3; i++) {
		uint64_t writer = l.x.index->writer_id;

		/* its answers are -EBADMSG until there is another file */
		rdx_index_close(l.x.index);
		l.x.index = NULL;
		assert_true(strike(&l, endings[i], TRUNCATE) > 0);
		prompt_store(l.publisher, PROMPT + 1 + i, BLOCKS, i == 2); /* a tier has 64 */
		UNTIL (l.x.index &&l.x.index->writer_id != writer) {
			rdx_index_close(l.x.index);
			l.x.index = NULL;
			until_state(&l.x, 1, 0, RDX_STATE_EXACT, l.publisher, NULL);
		}
		assert_int_equal(prompt_run(l.x.index, PROMPT, BLOCKS, 1, 0), BLOCKS);
		assert_int_equal(prompt_run(l.x.index, PROMPT + 1 + i, BLOCKS, 1, 0), BLOCKS);
	}
	end(&l);
}

/* Cut one file of the index at `bytes`; the other stays whole, and is mapped by a router. */
static void cut(const struct lost *l, const char *ending, off_t bytes)
{
	int fd = openat(l->dir_fd, "index", O_RDONLY | O_DIRECTORY | O_CLOEXEC), file;
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (!strstr(entry->d_name, ending))
			continue;
		file = openat(fd, entry->d_name, O_WRONLY | O_CLOEXEC);
		assert_int_equal(ftruncate(file, bytes), 0);
		close(file);
	}
	closedir(dir);
}

enum change { CLEARED, REMOVED, DIED };

static void remove_blocks(struct rdx_publisher *publisher)
{
	uint64_t names[BLOCKS];
	const struct rdx_removed removed = {
		.size = sizeof(removed), .names = names, .count = BLOCKS, .name_bytes = 8};

	prompt_locals(PROMPT, BLOCKS, names);
	assert_int_equal(rdx_publish_removed(publisher, &removed), 0);
}

/* Of the first worker; -EBADMSG. */
static int run_or_refusal(struct lost *l)
{
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	uint64_t locals[BLOCKS];
	int r;

	prompt_locals(PROMPT, BLOCKS, locals);
	r = rdx_index_lookup_local(l->x.index, locals, BLOCKS, runs, RDX_RANKS_MAX);
	if (r > 0)
		return (int)runs[0].blocks[RDX_TIER_COUNT - 1];
	assert_true(r == 0 || r == -EBADMSG);
	return r;
}

/* Then a router is told nothing more, also where the control file is cut behind all that a lookup reads, but
 * for its last page: until there is another index it is refused. */
static void expect_still(struct lost *l, enum change change)
{
	struct rdx_publisher *publisher = l->publisher;
	uint64_t writer = l->x.index->writer_id;
	int run;

	cut(l, ".ctl",
	    offsetof(struct rdx_index_ctl, live.entry) / RDX_INDEX_PAGE * RDX_INDEX_PAGE);
	if (change == CLEARED) {
		assert_int_equal(rdx_publish_cleared(publisher, RDX_SCOPE_ALL, 0), 0);
	} else if (change == REMOVED) {
		remove_blocks(publisher);
	} else {
		l->publisher = NULL;
		rdx_publisher_close(publisher);
		usleep(2 * LIVENESS_US); /* seen in the poll in which the cut is */
	}
	for (int i = 0; i < 3; i++) {
		assert_true(rdx_indexer_poll(l->x.indexer, 0) >= 0);
		run = run_or_refusal(l);
		if (l->x.index->writer_id != writer)
			break;
		assert_int_equal(run, -EBADMSG);
	}
	UNTIL (l->x.index->writer_id != writer) {
		indexer_poll(&l->x);
		(void)run_or_refusal(l);
	}
	UNTIL (prompt_run(l->x.index, PROMPT, BLOCKS, 1, 0) <= 0)
		indexer_poll(&l->x);
}

static void test_nothing_changes_under_a_cut_control_file(void **state)
{
	(void)state;
	assert_int_equal(rdx_guard_install(), 0);
	for (enum change change = CLEARED; change <= DIED; change++) {
		struct lost l;

		make(&l);
		assert_int_equal(prompt_run(l.x.index, PROMPT, BLOCKS, 1, 0), BLOCKS);
		expect_still(&l, change);
		end(&l);
	}
}

/* An event that went into a table that is gone is not said to be there. */
static void test_no_event_of_a_cut_table(void **state)
{
	const struct rdx_index_ctl *ctl;
	struct lost l;

	(void)state;
	assert_int_equal(rdx_guard_install(), 0);
	make(&l);
	ctl = l.x.index->ctl[l.x.index->ctl_now].base;
	assert_int_equal(rdx_word_load(&ctl->live.event_id[0]), 1);
	cut(&l, ".gen", 0);
	prompt_store(l.publisher, PROMPT + 1, BLOCKS, 0);
	assert_true(rdx_indexer_poll(l.x.indexer, 0) >= 0);
	assert_int_equal(rdx_word_load(&ctl->live.event_id[0]), 1);
	rdx_index_close(l.x.index);
	l.x.index = NULL;
	until_state(&l.x, 1, 0, RDX_STATE_EXACT, l.publisher, NULL);
	assert_int_equal(prompt_run(l.x.index, PROMPT + 1, BLOCKS, 1, 0), BLOCKS);
	end(&l);
}

/* As rm -r DIR/index and rm -r DIR/. do it; the segment has no name any more either. */
static void test_all_but_the_directory(void **state)
{
	char path[160], command[256];
	struct lost l;

	(void)state;
	make(&l);
	snprintf(path, sizeof(path), "%s/index", l.dir);
	held_remove(path);
	until_made_again(&l);
	snprintf(command, sizeof(command), "rm -rf %s/*", l.dir);
	assert_int_equal(system(command), 0);
	/* made again under the key that is known, and the rank goes on */
	UNTIL (faccessat(l.dir_fd, "index", F_OK, 0) == 0 &&
	       faccessat(l.dir_fd, "bell", F_OK, 0) == 0)
		indexer_poll(&l.x);
	prompt_store(l.publisher, PROMPT + 1, BLOCKS, 0);
	until_state(&l.x, 1, 0, RDX_STATE_EXACT, l.publisher, NULL);
	assert_int_equal(prompt_run(l.x.index, PROMPT + 1, BLOCKS, 1, 0), BLOCKS);
	end(&l);
}

/* Who rings the new bell wakes the indexer; who rings the old one is polled. */
static void test_the_bell(void **state)
{
	struct lost l;

	(void)state;
	make(&l);
	assert_int_equal(unlinkat(l.dir_fd, RDX_BELL_FILE_NAME, 0), 0);
	UNTIL (faccessat(l.dir_fd, RDX_BELL_FILE_NAME, F_OK, 0) == 0)
		indexer_poll(&l.x);
	assert_true(l.x.indexer->ranks[0]->rings == 0);
	prompt_store(l.publisher, PROMPT + 1, BLOCKS, 0);
	until_state(&l.x, 1, 0, RDX_STATE_EXACT, l.publisher, NULL);
	assert_true(l.x.indexer->ranks[0]->rings == 0);
	rdx_publisher_close(l.publisher);
	l.publisher = prompt_publisher(&l.x, 1, 0);
	UNTIL (l.x.indexer->ranks[0]->rings)
		indexer_poll(&l.x);
	end(&l);
}

static int open_second(struct lost *l, struct rdx_indexer **ret_indexer)
{
	struct rdx_indexer_options options = {.size = sizeof(options), .dir = l->dir};

	return rdx_indexer_open(ret_indexer, &options);
}

static int poll_until_error(struct lost *l)
{
	int r = 0;

	UNTIL (r < 0) {
		r = rdx_indexer_poll(l->x.indexer, 0);
		if (r == 0)
			assert_true(rdx_indexer_wait(l->x.indexer, 2000000) >= 0);
	}
	return r;
}

static void test_the_lock(void **state)
{
	struct rdx_indexer *second;
	struct lost l;

	(void)state;
	make(&l);
	assert_int_equal(unlinkat(l.dir_fd, "indexer.lock", 0), 0);
	UNTIL (faccessat(l.dir_fd, "indexer.lock", F_OK, 0) == 0)
		indexer_poll(&l.x);
	assert_int_equal(open_second(&l, &second), -EBUSY);
	/* who is faster has it, and the index too */
	assert_int_equal(unlinkat(l.dir_fd, "indexer.lock", 0), 0);
	assert_int_equal(open_second(&l, &second), 0);
	assert_int_equal(poll_until_error(&l), -EBUSY);
	rdx_indexer_close(l.x.indexer);
	l.x.indexer = second;
	until_made_again(&l);
	end(&l);
}

static int32_t lock_cause(const struct lost *l)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_indexer_get_stats(l->x.indexer, &stats), 0);
	return stats.lock_cause;
}

/* Whether or not it is time. */
static void look_now(struct lost *l)
{
	l->x.indexer->names_ns = 0;
	assert_true(rdx_indexer_poll(l->x.indexer, 0) >= 0);
}

/* Something else has the lock's name: the indexer goes on and says so, but gives no file a name, for
 * another indexer may have them. */
static void test_a_lock_that_cannot_be_had(void **state)
{
	char name[RDX_NAME_BYTES];
	struct lost l;

	(void)state;
	make(&l);
	rdx_index_file_ctl_name(&l.x.index->id, 0, name);
	assert_int_equal(unlinkat(l.dir_fd, "indexer.lock", 0), 0);
	assert_int_equal(mkdirat(l.dir_fd, "indexer.lock", 0755), 0);
	assert_int_equal(mkdirat(l.dir_fd, "indexer.lock/x", 0755), 0);
	look_now(&l);
	assert_int_equal(lock_cause(&l), -EISDIR);
	assert_int_equal(unlinkat(l.dir_fd, name, 0), 0);
	look_now(&l);
	prompt_store(l.publisher, PROMPT + 1, BLOCKS, 0);
	UNTIL (prompt_run(l.x.index, PROMPT + 1, BLOCKS, 1, 0) == BLOCKS)
		indexer_poll(&l.x);
	assert_int_equal(faccessat(l.dir_fd, name, F_OK, 0), -1);

	assert_int_equal(unlinkat(l.dir_fd, "indexer.lock/x", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(l.dir_fd, "indexer.lock", AT_REMOVEDIR), 0);
	look_now(&l);
	assert_int_equal(lock_cause(&l), 0);
	UNTIL (faccessat(l.dir_fd, name, F_OK, 0) == 0)
		indexer_poll(&l.x);
	until_made_again(&l);
	end(&l);
}

static void test_the_directory(void **state)
{
	char away[160];
	struct lost l;

	(void)state;
	make(&l);
	snprintf(away, sizeof(away), "%s.away", l.dir);
	assert_int_equal(rename(l.dir, away), 0);
	assert_int_equal(poll_until_error(&l), -ENOENT);
	assert_int_equal(mkdir(l.dir, 0700), 0);
	assert_int_equal(poll_until_error(&l), -ESTALE);
	/* it is back: nothing was lost */
	assert_int_equal(rmdir(l.dir), 0);
	assert_int_equal(rename(away, l.dir), 0);
	UNTIL (rdx_indexer_poll(l.x.indexer, 0) >= 0)
		usleep(1000);
	until_state(&l.x, 1, 0, RDX_STATE_EXACT, l.publisher, NULL);
	end(&l);
}

/* Whoever asks is told to open again, once nothing has come for a while; or goes over by itself. */
static int ask(struct lost *l)
{
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	uint64_t prefix = 1;

	return rdx_index_lookup(l->x.index, &prefix, 1, runs, RDX_RANKS_MAX);
}

static void test_a_handle_without_an_index(void **state)
{
	struct rdx_index_rank ranks[RDX_RANKS_MAX] = {{.size = sizeof(ranks[0])}};
	struct lost l;

	(void)state;
	make(&l);
	rdx_indexer_close(l.x.indexer);
	l.x.indexer = NULL;
	strike(&l, "", 0);
	UNTIL (ask(&l) != 1)
		usleep(10000);
	assert_int_equal(ask(&l), -EIDRM);
	assert_int_equal(rdx_index_ranks(l.x.index, ranks, RDX_RANKS_MAX), -EIDRM);
	indexer_rig_open(&l.x, RDX_WAIT_AUTO);
	UNTIL (ask(&l) == 1)
		indexer_poll(&l.x);
	until_state(&l.x, 1, 0, RDX_STATE_EXACT, l.publisher, NULL);
	end(&l);
}

/* A directory that was made anew, with the same key or another one. */
static void test_a_handle_of_another_directory(void **state)
{
	struct rdx_index *index;
	struct lost l;

	(void)state;
	make(&l);
	rdx_indexer_close(l.x.indexer);
	held_remove(l.dir);
	assert_int_equal(rdx_publisher_check(l.publisher), 1);
	indexer_rig_open(&l.x, RDX_WAIT_AUTO);
	index = l.x.index;
	until_state(&l.x, 1, 0, RDX_STATE_EXACT, l.publisher, NULL);
	assert_ptr_equal(l.x.index, index);
	assert_int_equal(prompt_run(index, PROMPT, BLOCKS, 1, 0), BLOCKS);

	rdx_indexer_close(l.x.indexer);
	held_remove(l.dir);
	rdx_publisher_close(l.publisher);
	l.publisher = prompt_publisher(&l.x, 1, 0);
	indexer_rig_open(&l.x, RDX_WAIT_AUTO);
	UNTIL (ask(&l) == -EIDRM)
		indexer_poll(&l.x);
	rdx_index_close(l.x.index);
	l.x.index = NULL;
	until_state(&l.x, 1, 0, RDX_STATE_EXACT, l.publisher, NULL);
	end(&l);
}

/* Who opens an index is told who has to come. */
static void test_opened_too_early(void **state)
{
	struct rdx_index_key key = {
		.size = sizeof(key), .model = WORKER_MODEL, .flags = RDX_INDEX_ALL_RANKS};
	struct rdx_index *index;
	struct lost l = {0};

	(void)state;
	indexer_rig_make(&l.x);
	snprintf(l.dir, sizeof(l.dir), "%s/ns", l.x.rig.dir);
	l.x.dir = l.dir;
	assert_int_equal(rdx_index_open(&index, l.dir, &key), -ENOENT);
	l.publisher = prompt_publisher(&l.x, 1, 0);
	assert_int_equal(rdx_index_open(&index, l.dir, &key), -ESRCH);
	indexer_rig_open(&l.x, RDX_WAIT_AUTO);
	assert_int_equal(rdx_index_open(&index, l.dir, &key), -EAGAIN);
	until_state(&l.x, 1, 0, RDX_STATE_EXACT, l.publisher, NULL);
	key.model = "that nobody has";
	assert_int_equal(rdx_index_open(&index, l.dir, &key), -EAGAIN);
	rdx_publisher_close(l.publisher);
	indexer_rig_end(&l.x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_files),
		cmocka_unit_test(test_all_but_the_directory),
		cmocka_unit_test(test_the_bell),
		cmocka_unit_test(test_the_lock),
		cmocka_unit_test(test_a_lock_that_cannot_be_had),
		cmocka_unit_test(test_the_directory),
		cmocka_unit_test(test_a_handle_without_an_index),
		cmocka_unit_test(test_a_handle_of_another_directory),
		cmocka_unit_test(test_opened_too_early),
		cmocka_unit_test(test_truncated_index),
		cmocka_unit_test(test_nothing_changes_under_a_cut_control_file),
		cmocka_unit_test(test_no_event_of_a_cut_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
