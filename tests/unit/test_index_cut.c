/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a file of an index is cut under a router, anywhere: also within a page, whose rest reads as
 * zeros and faults nobody. A lookup answers what was true, or -EBADMSG.
 */
#include "tests/index_rig.h"

#include "consumer/writer/writer_state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCKS     64
#define WORKERS    8
#define FIRST_KEYS 20000
#define CUTS       48
#define ODD        40 /* bytes into a line, not of a page */

static uint64_t keys[WORKERS][BLOCKS];

static void show(struct rdx_index_writer *w, uint64_t worker, uint64_t *random)
{
	struct rdx_rank_info info = rig_info(worker, 0, 1);
	int seat = rdx_writer_rank_add(w, &info);

	assert_true(seat >= 0);
	for (int i = 0; i < BLOCKS; i++)
		keys[worker][i] = rig_random(random) | 1;
	assert_int_equal(rig_begin(w, seat), 0);
	assert_int_equal(rig_blocks(w, seat, 0, keys[worker], BLOCKS), 0);
	rdx_writer_rank_show(w, seat, 0, 0);
	rig_pulse(w, seat, RDX_STATE_EXACT, 1, 1);
}

static struct rdx_index_writer *make(struct rig *rig, uint64_t *random)
{
	struct rdx_writer_options options = {.initial_blocks = FIRST_KEYS,
					     .stale_after_ns = RIG_NEVER_STALE_NS};
	struct rdx_index_writer *w;

	rig_make(rig);
	assert_int_equal(rig_writer(rig, &options, &w), 0);
	for (uint64_t worker = 0; worker < WORKERS; worker++)
		show(w, worker, random);
	rdx_writer_heartbeat(w, UINT64_MAX); /* never old: no name is looked for */
	assert_int_equal(rdx_writer_ready(w), 0);
	return w;
}

/* 1: all is as it was; 0: refused. A prompt that only starts with what the worker holds, too. */
static int ask(struct rdx_index *x, uint64_t worker)
{
	struct rdx_run runs[WORKERS] = {{.size = sizeof(runs[0])}};
	const struct rdx_run *row;
	int r = rdx_index_lookup(x, keys[worker], BLOCKS, runs, WORKERS);

	if (r < 0) {
		/* after two seconds without a whole file of that name the handle is done with it */
		assert_true(r == -EBADMSG || r == -EIDRM);
		return 0;
	}
	assert_int_equal(r, WORKERS);
	row = rig_row(runs, r, worker, 0);
	assert_non_null(row);
	assert_int_equal(row->state, RDX_STATE_EXACT);
	assert_int_equal(row->blocks[0], BLOCKS);
	return 1;
}

/* By name; each time another index, since what was cut is gone. */
static void cut_one(int is_table, uint64_t part, uint64_t *random)
{
	char name[RDX_NAME_BYTES];
	struct rdx_index_writer *w;
	struct rdx_index *x;
	struct stat st;
	struct rig rig;
	int refused = 0, fd;
	off_t cut;

	w = make(&rig, random);
	assert_int_equal(rig_index(&rig, &x), 0);
	for (uint64_t worker = 0; worker < WORKERS; worker++)
		assert_true(ask(x, worker));
	if (is_table)
		rdx_index_file_gen_name(&w->id, rdx_writer_table(w)->generation, name);
	else
		rdx_index_file_ctl_name(&w->id, 0, name);
	fd = openat(rig.dir_fd, name, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	cut = st.st_size * (off_t)part / CUTS + ODD;
	assert_int_equal(ftruncate(fd, cut), 0);
	close(fd);
	for (uint64_t worker = 0; worker < WORKERS; worker++)
		refused += !ask(x, worker);
	/* nothing stands in the last page */
	assert_int_equal(refused, cut < st.st_size - RDX_INDEX_PAGE ? WORKERS : 0);
	rdx_index_close(x);
	rdx_writer_close(w);
	rig_remove(&rig);
}

static void test_cut(void **state)
{
	uint64_t random = rig_seed();

	(void)state;
	assert_int_equal(rdx_guard_install(), 0);
	for (uint64_t part = 0; part < CUTS; part++) {
		cut_one(0, part, &random);
		cut_one(1, part, &random);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
