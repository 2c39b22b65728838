/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: an index's life cycle: files that are no index, not ready yet, succeeded; columns
 * and sets running out, being swept, taken from ranks that are gone; a table that is full and cannot grow; a
 * clear in the middle of growth; walking everything a rank holds.
 */
#include "tests/index_rig.h"
#include "tests/patience.h"

#include "consumer/writer/writer_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETS_RANKS                                                                                 \
	12 /* 4,095 keys that are held by others each: more sets than the first table has */

static void show(struct rdx_index_writer *w, int slot, const uint64_t *prefix, uint32_t blocks)
{
	assert_true(slot >= 0);
	assert_int_equal(rig_begin(w, slot), 0);
	assert_int_equal(rig_blocks(w, slot, 0, prefix, blocks), 0);
	rdx_writer_rank_show(w, slot, 0, 0);
	rig_pulse(w, slot, RDX_STATE_EXACT, 1, 1);
}

static int add(struct rdx_index_writer *w, uint64_t worker_id, uint32_t tiers)
{
	struct rdx_rank_info info = rig_info(worker_id, 0, tiers);

	return rdx_writer_rank_add(w, &info);
}

static uint32_t run_of(struct rdx_index *x, const uint64_t *prefix, uint32_t blocks,
		       uint64_t worker_id)
{
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	const struct rdx_run *row = rig_row(
		runs, rdx_index_lookup(x, prefix, blocks, runs, RDX_RANKS_MAX), worker_id, 0);

	assert_non_null(row);
	return row->blocks[0];
}

static uint32_t files_in_index(const struct rig *rig)
{
	int fd = openat(rig->dir_fd, "index", O_RDONLY | O_DIRECTORY);
	DIR *dir = fdopendir(fd);
	uint32_t files = 0;
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		files += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(dir);
	return files;
}

static void test_not_ready(void **state)
{
	struct rdx_index_writer *w;
	struct rdx_index *x;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_index(&rig, &x), -ESRCH);
	assert_int_equal(rig_writer(&rig, NULL, &w), 0);
	assert_int_equal(rig_index(&rig, &x), -ESRCH);
	rdx_writer_close(w);
	assert_int_equal(files_in_index(&rig), 0);
	assert_int_equal(rig_writer(&rig, NULL, &w), 0);
	assert_int_equal(rdx_writer_ready(w), 0);
	assert_int_equal(rig_index(&rig, &x), 0);
	rdx_index_close(x);
	rdx_writer_close(w);
	assert_int_equal(files_in_index(&rig), 2);
	rig_remove(&rig);
}

static void test_bad_keys(void **state)
{
	struct rdx_index_key key = {.size = sizeof(key), .model = RIG_MODEL};
	struct rdx_index_writer *w;
	char longer[RDX_TEXT_BYTES + 1];
	struct rdx_index *x;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, NULL, &w), 0);
	assert_int_equal(rdx_writer_ready(w), 0);
	assert_int_equal(rdx_index_open(&x, rig.dir, &key), 0); /* defaults: "", 16 */
	rdx_index_close(x);
	key.tenant = "other";
	assert_int_equal(rdx_index_open(&x, rig.dir, &key), -ESRCH);
	key.block_tokens = RDX_BLOCK_TOKENS_MAX + 1;
	assert_int_equal(rdx_index_open(&x, rig.dir, &key), -EINVAL);
	memset(longer, 'x', sizeof(longer));
	key = (struct rdx_index_key){.size = sizeof(key), .model = longer};
	assert_int_equal(rdx_index_open(&x, rig.dir, &key), -ENAMETOOLONG);
	key.size = 8;
	assert_int_equal(rdx_index_open(&x, rig.dir, &key), -EINVAL);
	rdx_writer_close(w);
	rig_remove(&rig);
}

/* Change bytes of a file of the index and see what opening says. */
static void spoil(struct rig *rig, const char *name, off_t at, uint64_t value, int expected)
{
	int fd = openat(rig->dir_fd, name, O_RDWR);
	struct rdx_index *x;
	uint64_t kept;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &kept, 8, at), 8);
	assert_int_equal(pwrite(fd, &value, 8, at), 8);
	assert_int_equal(rig_index(rig, &x), expected);
	assert_int_equal(pwrite(fd, &kept, 8, at), 8);
	assert_int_equal(rig_index(rig, &x), 0);
	rdx_index_close(x);
	close(fd);
}

static void test_bad_files(void **state)
{
	char ctl[RDX_NAME_BYTES], gen[RDX_NAME_BYTES];
	struct rdx_index_writer *w;
	struct rdx_index *x;
	struct stat st;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, NULL, &w), 0);
	assert_int_equal(rdx_writer_ready(w), 0);
	rdx_index_file_ctl_name(&w->id, 0, ctl);
	rdx_index_file_gen_name(&w->id, rdx_writer_table(w)->generation, gen);
	spoil(&rig, ctl, 0, 1, -EBADMSG);
	spoil(&rig, ctl, offsetof(struct rdx_index_header, format_version), 99, -EPROTONOSUPPORT);
	spoil(&rig, ctl, offsetof(struct rdx_index_header, features_incompat), 1, -EPROTONOSUPPORT);
	spoil(&rig, ctl, offsetof(struct rdx_index_header, layout_fingerprint), 1, -EBADMSG);
	spoil(&rig, ctl, offsetof(struct rdx_index_header, key_fingerprint), 1, -EKEYREJECTED);
	spoil(&rig, ctl, offsetof(struct rdx_index_header, model), 1, -EBADMSG);
	spoil(&rig, ctl, offsetof(struct rdx_index_header, inode), 1, -EBADMSG);
	spoil(&rig, gen, offsetof(struct rdx_table_header, magic), 1, -EBADMSG);
	spoil(&rig, gen, offsetof(struct rdx_table_header, lines), 1, -EBADMSG);
	spoil(&rig, gen, offsetof(struct rdx_table_header, lines), UINT64_MAX, -EBADMSG);
	spoil(&rig, gen, offsetof(struct rdx_table_header, secret), 2, -EBADMSG);
	spoil(&rig, gen, offsetof(struct rdx_table_header, secret) + 8, 2, -EBADMSG);
	spoil(&rig, gen, offsetof(struct rdx_table_header, writer_id), 1, -EBADMSG);
	spoil(&rig, gen, offsetof(struct rdx_table_header, inode), 1, -EBADMSG);
	assert_int_equal(fstatat(rig.dir_fd, ctl, &st, 0), 0);
	rdx_writer_close(w);
	{
		int fd = openat(rig.dir_fd, ctl, O_RDWR);

		assert_int_equal(ftruncate(fd, st.st_size - 1), 0);
		assert_int_equal(rig_index(&rig, &x), -EBADMSG);
		assert_int_equal(ftruncate(fd, 100), 0);
		assert_int_equal(rig_index(&rig, &x), -EBADMSG);
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(rig_index(&rig, &x), -EBADMSG);
		close(fd);
	}
	rig_remove(&rig);
}

/* A reader goes over to the successor, marked or not. */
static void successor(int marked)
{
	uint64_t prefix[3] = {11, 12, 13};
	struct rdx_index_writer *w, *next;
	struct rdx_index *x;
	struct rig rig;

	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, NULL, &w), 0);
	show(w, add(w, 1, 1), prefix, 1);
	if (marked)
		rdx_writer_heartbeat(w, rdx_clock_ns());
	assert_int_equal(rdx_writer_ready(w), 0);
	assert_int_equal(rig_index(&rig, &x), 0);
	assert_int_equal(run_of(x, prefix, 3, 1), 1);
	assert_int_equal(rig_writer(&rig, NULL, &next), 0);
	show(next, add(next, 1, 1), prefix, 3);
	assert_int_equal(run_of(x, prefix, 3, 1), 1); /* not ready yet */
	rdx_writer_heartbeat(next, rdx_clock_ns());
	assert_int_equal(rdx_writer_ready(next), 0);
	assert_true(rdx_generation_superseded(w->live));
	if (!marked)
		rdx_word_store(&w->live->superseded, 0); /* it died before it could */
	UNTIL (run_of(x, prefix, 3, 1) != 1)
		usleep(1000);
	assert_int_equal(run_of(x, prefix, 3, 1), 3);
	assert_int_equal(files_in_index(&rig), 2);
	rdx_index_close(x);
	rdx_writer_close(w);
	rdx_writer_close(next);
	rig_remove(&rig);
}

static void test_successor_marked(void **state)
{
	(void)state;
	successor(1);
}

static void test_successor_by_heartbeat(void **state)
{
	(void)state;
	successor(0);
}

static void test_ranks_of_one_tier(void **state)
{
	struct rdx_index_writer *w;
	struct rdx_index *x;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, NULL, &w), 0);
	assert_int_equal(rdx_writer_ready(w), 0);
	assert_int_equal(rig_index(&rig, &x), 0);
	for (uint64_t i = 0; i < RDX_RANKS_MAX; i++) {
		uint64_t prefix[2] = {100, 1000 + i};

		show(w, add(w, i, 1), prefix, 2);
	}
	assert_int_equal(add(w, RDX_RANKS_MAX, 1), -ENOSPC);
	for (uint64_t i = 0; i < RDX_RANKS_MAX; i++) {
		uint64_t prefix[2] = {100, 1000 + i};

		assert_int_equal(run_of(x, prefix, 2, i), 2);
		assert_int_equal(run_of(x, prefix, 2, (i + 1) % RDX_RANKS_MAX), 1);
	}
	/* one goes, another takes its slot and its columns */
	rdx_writer_rank_hide(w, 7);
	rig_pulse(w, 7, RDX_STATE_GONE, 1, 1);
	{
		uint64_t prefix[3] = {100, 5000, 5001};

		assert_int_equal(add(w, 999, 1), 7);
		show(w, 7, prefix, 3);
		assert_int_equal(run_of(x, prefix, 3, 999), 3);
	}
	rdx_index_close(x);
	rdx_writer_close(w);
	rig_remove(&rig);
}

static void test_columns_run_out(void **state)
{
	uint64_t prefix[1] = {55};
	struct rdx_index_writer *w;
	struct rig rig;
	int last;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, NULL, &w), 0);
	for (uint64_t i = 0; i < 64; i++)
		show(w, add(w, i, 4), prefix, 1);
	last = add(w, 64, 4);
	assert_int_equal(rig_begin(w, last), -ENOSPC);
	/* a rank that is gone leaves its columns */
	rdx_writer_rank_hide(w, 3);
	rig_pulse(w, 3, RDX_STATE_GONE, 1, 1);
	assert_int_equal(rig_begin(w, last), 0);
	rdx_writer_close(w);
	rig_remove(&rig);
}

/* Keys are held in so many ways that no set is left: the table is replaced by one with more of them, for a
 * rank's column or for a key. */
static void run_out_of_sets(int comes)
{
	struct rdx_event store = {.event_id = 2, .kind = RDX_EVENT_STORED, .count = 1};
	int rank[SETS_RANKS];
	struct rdx_index_writer *w;
	struct rig rig;

	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, NULL, &w), 0);
	for (uint64_t i = 0; i < SETS_RANKS; i++) {
		rank[i] = add(w, i, 1);
		show(w, rank[i], NULL, 0);
	}
	/* whoever is a bit of it holds the key */
	for (uint64_t key = 1; w->generations == 0; key++) {
		assert_true(key < 1 << SETS_RANKS);
		if (comes && !rdx_sets_left(&rdx_writer_table(w)->sets)) {
			assert_int_equal(rig_begin(w, add(w, SETS_RANKS, RDX_TIER_COUNT)), 0);
			break;
		}
		for (uint32_t i = 0; i < SETS_RANKS; i++) {
			if (key >> i & 1)
				assert_int_equal(rig_event(w, rank[i], &store, &key), 0);
		}
	}
	assert_int_equal(w->generations, 1);
	assert_true(rdx_sets_left(&rdx_writer_table(w)->sets));
	rdx_writer_close(w);
	rig_remove(&rig);
}

static void test_sets_run_out(void **state)
{
	(void)state;
	run_out_of_sets(0);
	run_out_of_sets(1);
}

static void test_clears_wait_for_the_sweep(void **state)
{
	struct rdx_event clear = {.event_id = 1, .kind = RDX_EVENT_CLEARED, .tier = RDX_SCOPE_ALL};
	struct rdx_event store = {.event_id = 2, .kind = RDX_EVENT_STORED, .count = 2};
	uint64_t prefix[2] = {21, 22};
	uint32_t clears = 0;
	struct rdx_index_writer *w;
	struct rdx_index *x;
	struct rig rig;
	int slot;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, NULL, &w), 0);
	slot = add(w, 1, 1);
	show(w, slot, prefix, 2);
	assert_int_equal(rdx_writer_ready(w), 0);
	assert_int_equal(rig_index(&rig, &x), 0);
	assert_int_equal(rig_event(w, slot, &clear, NULL), 0);
	assert_int_equal(run_of(x, prefix, 2, 1), 0);
	/* columns that hold nothing are kept */
	for (int i = 0; i < 5; i++)
		assert_int_equal(rig_event(w, slot, &clear, NULL), 0);
	do {
		assert_int_equal(rig_event(w, slot, &store, prefix), 0);
		assert_int_equal(run_of(x, prefix, 2, 1), 2);
		clears++;
	} while (rig_event(w, slot, &clear, NULL) == 0);
	assert_int_equal(clears, RDX_COLUMNS_MAX - 1); /* one was cleared before */
	assert_int_equal(rig_event(w, slot, &clear, NULL), -EAGAIN);
	assert_int_equal(run_of(x, prefix, 2, 1), 2); /* nothing was changed */
	while (rdx_writer_step(w))
		;
	assert_int_equal(rig_event(w, slot, &clear, NULL), 0);
	assert_int_equal(run_of(x, prefix, 2, 1), 0);
	rdx_index_close(x);
	rdx_writer_close(w);
	rig_remove(&rig);
}

/* Bits of a rank cleared before and during the copy do not come back with its columns. */
static void test_clear_while_growing(void **state)
{
	enum { BLOCKS = 3000 };
	struct rdx_event clear = {.event_id = 1, .kind = RDX_EVENT_CLEARED, .tier = RDX_SCOPE_ALL};
	uint64_t prefix[BLOCKS], random = 4;
	struct rdx_writer_options options = {.initial_blocks = 2 * BLOCKS};
	struct rdx_index_writer *w;
	struct rdx_index *x;
	struct rig rig;
	int a, b;

	(void)state;
	for (int i = 0; i < BLOCKS; i++)
		prefix[i] = rig_random(&random) | 1;
	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, &options, &w), 0);
	assert_int_equal(rdx_writer_ready(w), 0);
	assert_int_equal(rig_index(&rig, &x), 0);
	a = add(w, 1, 1);
	b = add(w, 2, 1);
	show(w, a, prefix, 0);
	show(w, b, prefix, 0);
	for (int steps = 0; steps < 24; steps += 4) {
		assert_int_equal(rig_blocks(w, a, 0, prefix, BLOCKS), 0);
		assert_int_equal(rig_blocks(w, b, 0, prefix, BLOCKS), 0);
		assert_int_equal(rig_event(w, a, &clear, NULL), 0);
		assert_int_equal(rig_event(w, a,
					   &(struct rdx_event){.event_id = 2,
							       .kind = RDX_EVENT_STORED,
							       .count = 10},
					   prefix),
				 0);
		/* fill up to the growth, go on for some pieces, then clear the other */
		while (w->stage == RDX_GROW_IDLE) {
			uint64_t key = rig_random(&random) | 1;

			assert_int_equal(rig_blocks(w, a, 0, &key, 1), 0);
		}
		for (int i = 0; i < steps; i++)
			rdx_writer_step(w);
		assert_int_equal(rig_event(w, b, &clear, NULL), 0);
		while (rdx_writer_step(w))
			;
		for (int i = 0; i < 3; i++) { /* into columns used before */
			assert_int_equal(rig_event(w, a, &clear, NULL), 0);
			assert_int_equal(rig_event(w, b, &clear, NULL), 0);
			assert_int_equal(run_of(x, prefix, BLOCKS, 1), 0);
			assert_int_equal(run_of(x, prefix, BLOCKS, 2), 0);
			assert_int_equal(rig_blocks(w, a, 0, prefix, 1), 0);
			assert_int_equal(rig_blocks(w, b, 0, prefix, 1), 0);
			assert_int_equal(run_of(x, prefix, BLOCKS, 1), 1);
			assert_int_equal(run_of(x, prefix, BLOCKS, 2), 1);
			while (rdx_writer_step(w))
				;
		}
	}
	rdx_index_close(x);
	rdx_writer_close(w);
	rig_remove(&rig);
}

/* A kernel that grants leases on this file system? */
static int leases_work(const struct rig *rig)
{
	int fd = openat(rig->dir_fd, "leased", O_RDWR | O_CREAT, 0600);
	int works = fcntl(fd, F_SETLEASE, F_WRLCK) == 0;

	close(fd);
	return works;
}

/* An old table is freed by its writer, not before its readers have left it. */
static void test_old_table_is_freed(void **state)
{
	struct rdx_writer_options options = {.initial_blocks = 200000};
	uint64_t random = 3, prefix[2] = {31, 32};
	struct rdx_index_writer *w;
	struct rdx_index *x, *idle;
	struct stat st;
	struct rig rig;
	uint64_t now = rdx_clock_ns();
	int slot, fd;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, &options, &w), 0);
	slot = add(w, 1, 1);
	show(w, slot, prefix, 2);
	rdx_writer_heartbeat(w, now);
	assert_int_equal(rdx_writer_ready(w), 0);
	assert_int_equal(rig_index(&rig, &x), 0);
	while (w->generations == 0) {
		uint64_t key = rig_random(&random) | 1;

		assert_int_equal(rig_blocks(w, slot, 0, &key, 1), 0);
	}
	while (rdx_writer_step(w))
		;
	rdx_writer_heartbeat(w, now);
	assert_int_equal(w->retired.stage, RDX_RETIRE_WAIT);
	fd = dup(x->tables.current->mapping.fd); /* a reader that stays */
	do /* until the handle has let go of it, piece by piece */
		assert_int_equal(run_of(x, prefix, 2, 1), 2);
	while (x->tables.old->mapping.base);
	rdx_writer_heartbeat(w, now);
	assert_int_equal(w->retired.stage, RDX_RETIRE_WAIT);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_blocks > 0);
	close(fd);
	if (leases_work(&rig)) {
		rdx_writer_heartbeat(w, now);
		assert_int_equal(w->retired.stage, RDX_RETIRE_FREE);
		while (rdx_writer_step(w))
			;
		assert_int_equal(w->retired.stage, RDX_RETIRE_NONE);
	}
	rdx_index_close(x);

	/* a handle that is not used keeps no old table */
	assert_int_equal(rig_index(&rig, &idle), 0);
	for (uint64_t generations = w->generations; w->generations == generations;) {
		uint64_t key = rig_random(&random) | 1;

		assert_int_equal(rig_blocks(w, slot, 0, &key, 1), 0);
	}
	for (int i = 0; i < 3; i++) {
		while (rdx_writer_step(w))
			;
		rdx_writer_heartbeat(w, now + (uint64_t)i * 3000000000);
	}
	while (rdx_writer_step(w))
		;
	assert_int_equal(w->retired.stage, RDX_RETIRE_NONE);
	assert_int_equal(fstat(idle->tables.current->mapping.fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, RDX_INDEX_PAGE); /* the last one */
	assert_int_equal(run_of(idle, prefix, 2, 1), 2);
	rdx_index_close(idle);
	rdx_writer_close(w);
	rig_remove(&rig);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_full_table(void **state)
{
	enum { BLOCKS = 40000 };
	struct rdx_writer_options options = {.initial_blocks = 10000};
	struct rdx_writer_stats stats;
	struct rdx_index_writer *w;
	uint64_t *prefix = calloc(BLOCKS, 8), random = 2;
	struct rdx_run run = {.size = sizeof(run)};
	struct rdx_index *x;
	struct rig rig;
	int slot;

	(void)state;
	assert_non_null(prefix);
	for (int i = 0; i < BLOCKS; i++)
		prefix[i] = rig_random(&random) | 1;
	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, &options, &w), 0);
	assert_int_equal(rdx_writer_ready(w), 0);
	slot = add(w, 1, 1);
	show(w, slot, prefix, 5000);
	assert_int_equal(rig_index(&rig, &x), 0);
	signal(SIGXFSZ, SIG_IGN);
	limit_files(100 << 10); /* no table fits */
	assert_int_equal(rig_event(w, slot,
				   &(struct rdx_event){.event_id = 1,
						       .kind = RDX_EVENT_STORED,
						       .count = BLOCKS},
				   prefix),
			 -ENOSPC);
	rdx_writer_stats(w, &stats);
	assert_int_equal(stats.generations, 0);
	assert_true(stats.failures > 0 && stats.refused == BLOCKS - stats.keys);
	assert_int_equal(rdx_index_lookup(x, prefix, BLOCKS, &run, 1), 1);
	assert_int_equal(run.scanned, 1);
	assert_int_equal(run.blocks[0], stats.keys);
	limit_files(RLIM_INFINITY);
	/* what is known can still be removed and stored; then there is memory again */
	assert_int_equal(rig_event(w, slot,
				   &(struct rdx_event){.event_id = 2,
						       .kind = RDX_EVENT_REMOVED,
						       .count = 1,
						       .hashes = prefix + 9},
				   NULL),
			 0);
	assert_int_equal(run_of(x, prefix, BLOCKS, 1), 9);
	rdx_writer_rank_hide(w, slot);
	assert_int_equal(rig_begin(w, slot), 0);
	while (rig_blocks(w, slot, 0, prefix, BLOCKS) == -ENOSPC)
		assert_int_equal(rig_begin(w, slot), 0);
	rdx_writer_rank_show(w, slot, 0, 0);
	rdx_writer_stats(w, &stats);
	assert_true(stats.generations > 0);
	assert_int_equal(rdx_index_lookup(x, prefix, BLOCKS, &run, 1), 1);
	assert_int_equal(run.scanned, 0);
	assert_int_equal(run.blocks[0], BLOCKS);
	rdx_index_close(x);
	rdx_writer_close(w);
	rig_remove(&rig);
	free(prefix);
}

struct seen {
	uint64_t keys;
	uint64_t sum;
	uint64_t tiers[RDX_TIER_COUNT];
};

static void see(void *context, uint64_t prefix, uint8_t tiers)
{
	struct seen *seen = context;

	seen->keys++;
	seen->sum += prefix;
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		seen->tiers[tier] += tiers >> tier & 1;
}

static void test_each(void **state)
{
	uint64_t prefix[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
	struct rdx_event begun = {.event_id = 6, .kind = RDX_EVENT_INEXACT};
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	struct rdx_index_writer *w;
	struct seen seen = {0};
	struct rdx_index *x;
	struct rig rig;
	int slot;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, NULL, &w), 0);
	slot = add(w, 1, 2);
	show(w, slot, prefix, 8);
	show(w, add(w, 2, 1), prefix, 10);
	assert_int_equal(rig_blocks(w, slot, 1, prefix + 6, 4), 0);
	rig_pulse(w, slot, RDX_STATE_EXACT, 3, 5);
	assert_int_equal(rdx_writer_ready(w), 0);
	assert_int_equal(rig_index(&rig, &x), 0);
	assert_int_equal(rdx_index_each(x, 1, 0, see, &seen, &mark), 0);
	assert_int_equal(mark.epoch, 3);
	assert_int_equal(mark.event_id, 5);
	assert_int_equal(seen.keys, 10);
	assert_int_equal(seen.sum, 55);
	assert_int_equal(seen.tiers[0], 8);
	assert_int_equal(seen.tiers[1], 4);
	assert_int_equal(rdx_index_each(x, 9, 0, see, &seen, &mark), -ENOENT);
	/* an event that is applied, or half applied, but not yet published in the pulse */
	assert_int_equal(rig_event(w, slot, &begun, NULL), 0);
	assert_int_equal(rdx_index_each(x, 1, 0, see, &seen, &mark), -EAGAIN);
	rig_pulse(w, slot, RDX_STATE_EXACT, 3, 6);
	assert_int_equal(rdx_index_each(x, 1, 0, see, &seen, &mark), 0);
	rdx_writer_rank_hide(w, slot);
	assert_int_equal(rdx_index_each(x, 1, 0, see, &seen, &mark), -ESTALE);
	rdx_index_close(x);
	rdx_writer_close(w);
	rig_remove(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_ready),
		cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_successor_marked),
		cmocka_unit_test(test_successor_by_heartbeat),
		cmocka_unit_test(test_ranks_of_one_tier),
		cmocka_unit_test(test_columns_run_out),
		cmocka_unit_test(test_sets_run_out),
		cmocka_unit_test(test_clears_wait_for_the_sweep),
		cmocka_unit_test(test_clear_while_growing),
		cmocka_unit_test(test_old_table_is_freed),
		cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
