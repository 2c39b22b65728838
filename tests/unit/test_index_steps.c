/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the writer goes on while a reader of the index is held at one step of a lookup or a
 * walk: it switches tables, applies events, clears, and is succeeded. What the reader then answers
 * was true at its watermark.
 */
#include "tests/index_rig.h"

#include "consumer/writer/grow.h"
#include "consumer/writer/writer_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEVER_STALE_NS UINT64_MAX

struct fixture {
	struct rig rig;
	struct rdx_index_writer *writer;
	struct rdx_index *index;
	int slot;
	uint64_t prefix[2]; /* event n stores block n - 1 */
};

/* A writer with one rank that holds the first `events` blocks. */
static void open_writer(struct fixture *f, uint32_t events)
{
	struct rdx_writer_options options = {.stale_after_ns = NEVER_STALE_NS};
	struct rdx_rank_info info = rig_info(1, 0, 1);

	assert_int_equal(rig_writer(&f->rig, &options, &f->writer), 0);
	f->slot = rdx_writer_rank_add(f->writer, &info);
	assert_int_equal(rig_begin(f->writer, f->slot), 0);
	assert_int_equal(rig_blocks(f->writer, f->slot, 0, f->prefix, events), 0);
	rdx_writer_rank_show(f->writer, f->slot, 0, 0);
	rig_pulse(f->writer, f->slot, RDX_STATE_EXACT, 1, events);
	rdx_writer_heartbeat(f->writer, rdx_clock_ns());
}

static void make(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	rig_make(&f->rig);
	f->prefix[0] = 0x1111;
	f->prefix[1] = 0x2222;
	open_writer(f, 1);
	assert_int_equal(rdx_writer_ready(f->writer), 0);
	assert_int_equal(rig_index(&f->rig, &f->index), 0);
}

static void destroy(struct fixture *f)
{
	rdx_index_close(f->index);
	rdx_writer_close(f->writer);
	rig_remove(&f->rig);
}

static struct rdx_run look_up(struct fixture *f)
{
	struct rdx_run run = {.size = sizeof(run)};

	assert_int_equal(rdx_index_lookup(f->index, f->prefix, 2, &run, 1), 1);
	return run;
}

static void apply(struct fixture *f, uint64_t id, uint8_t kind, uint8_t tier, uint64_t *key,
		  int expected)
{
	struct rdx_event event = {.event_id = id, .kind = kind, .tier = tier, .count = key != NULL};

	assert_int_equal(rig_event(f->writer, f->slot, &event, key), expected);
}

static void count_blocks(void *context, uint64_t prefix, uint8_t tiers)
{
	(void)prefix;
	(void)tiers;
	++*(uint64_t *)context;
}

#ifdef RDX_HOOKS
enum meanwhile {
	AN_EVENT,       /* in the current table */
	A_SWITCH,       /* to another table, then the event in that one only */
	A_SWITCH_AHEAD, /* likewise, and the reader has mapped it already */
	MEANWHILE_COUNT
};

static const enum rdx_hook_step steps[] = {RDX_HOOK_LOOKUP_COLUMNS, RDX_HOOK_LOOKUP_PULSES,
					   RDX_HOOK_LOOKUP_GENERATION, RDX_HOOK_LOOKUP_SEARCHED};

static struct fixture *hooked;
static enum rdx_hook_step hooked_step;
static enum meanwhile hooked_way;

/* As if the current table were full: until another one has its name and is copied to. */
static void begin_switch(struct rdx_index_writer *w)
{
	rdx_writer_table(w)->grow_at = 0;
	rdx_grow_pace(w, 0);
	while (w->stage == RDX_GROW_ALLOCATE)
		rdx_grow_step(w);
	assert_int_equal(w->stage, RDX_GROW_COPY);
}

static void switch_tables(struct rdx_index_writer *w)
{
	uint64_t generation = rdx_generation_current(w->live);

	if (w->stage == RDX_GROW_IDLE)
		begin_switch(w);
	while (w->stage != RDX_GROW_IDLE)
		rdx_grow_step(w);
	assert_true(rdx_generation_current(w->live) > generation);
}

/* All but the first page goes, as where it is freed in pieces. */
static int truncate_at(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC);
	int r = fd < 0 ? -1 : ftruncate(fd, RDX_TABLE_LINES_OFFSET);

	if (fd >= 0)
		close(fd);
	return r;
}

static void at_step(enum rdx_hook_step step)
{
	if (step != hooked_step)
		return;
	rdx_hook_function = NULL;
	if (hooked_way != AN_EVENT)
		switch_tables(hooked->writer);
	apply(hooked, 2, RDX_EVENT_STORED, 0, &hooked->prefix[1], 0);
	rig_pulse(hooked->writer, hooked->slot, RDX_STATE_EXACT, 1, 2);
}

/* Let the handle map the next table. */
static void map_ahead(struct fixture *f)
{
	begin_switch(f->writer);
	(void)look_up(f);
	assert_int_equal(f->index->tables.next->generation, rdx_generation_next(f->writer->live));
	assert_non_null(f->index->tables.next->mapping.base);
}

static void arm(struct fixture *f, enum rdx_hook_step step, enum meanwhile way)
{
	if (way == A_SWITCH_AHEAD)
		map_ahead(f);
	hooked = f;
	hooked_step = step;
	hooked_way = way;
	rdx_hook_function = at_step;
}

static void look_up_beside(enum rdx_hook_step step, enum meanwhile way, int scan, int cached)
{
	struct fixture f;
	struct rdx_run run = {.size = sizeof(run)};

	make(&f);
	rdx_index_force_scan(f.index, scan);
	if (cached)
		assert_int_equal(look_up(&f).blocks[0], 1);
	arm(&f, step, way);
	run = look_up(&f);
	assert_null(rdx_hook_function);
	assert_int_equal(run.state, RDX_STATE_EXACT);
	/* block n is that of event n */
	assert_in_range(run.last_event_id, 1, run.blocks[0]);
	run = look_up(&f);
	assert_int_equal(run.last_event_id, 2);
	assert_int_equal(run.blocks[0], 2);
	destroy(&f);
}

/* P1: a row claims no event whose block the lookup did not see. */
static void test_a_lookup(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		for (enum meanwhile way = 0; way < MEANWHILE_COUNT; way++)
			for (int which = 0; which < 4; which++)
				look_up_beside(steps[i], way, which & 1, which >> 1);
}

static enum rdx_hook_step opened_step;

/*
 * The reader has found the file by its name, and is on the way to open it, or has just not
 * been counted; the writer switches, gets its lease and truncates. The first is played by
 * giving the file its name back, the second by truncating it all the same.
 */
static void let_go(enum rdx_hook_step step)
{
	struct rdx_index_writer *w = hooked->writer;
	char name[RDX_NAME_BYTES], kept[] = "kept";

	if (step != opened_step)
		return;
	rdx_hook_function = NULL;
	rdx_index_file_gen_name(&w->id, rdx_generation_current(w->live), name);
	assert_int_equal(linkat(w->dir_fd, name, w->dir_fd, kept, 0), 0);
	switch_tables(w);
	assert_int_equal(renameat(w->dir_fd, kept, w->dir_fd, name), 0);
	assert_int_equal(truncate_at(w->dir_fd, name), 0);
	apply(hooked, 2, RDX_EVENT_STORED, 0, &hooked->prefix[1], 0);
	rig_pulse(w, hooked->slot, RDX_STATE_EXACT, 1, 2);
}

/* The reader stops; meanwhile its table is replaced, and freed since nobody seems to use it. */
static void free_meanwhile(enum rdx_hook_step step)
{
	struct rdx_index_writer *w = hooked->writer;
	struct stat st;

	if (step != opened_step)
		return;
	rdx_hook_function = NULL;
	switch_tables(w);
	for (uint64_t ns = 1; ns < UINT64_C(10000000000); ns += UINT64_C(3000000000)) {
		while (rdx_writer_step(w))
			;
		rdx_writer_heartbeat(w, rdx_clock_ns() + ns);
	}
	assert_int_equal(w->retired.stage, RDX_RETIRE_NONE);
	assert_int_equal(fstat(hooked->index->tables.current->mapping.fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, RDX_INDEX_PAGE); /* the last one */
}

/* G5: what was not there any more is not believed. */
static void test_a_table_freed_meanwhile(void **state)
{
	static const enum rdx_hook_step at[] = {RDX_HOOK_PROBE_LINE, RDX_HOOK_PROBE_SLOT,
						RDX_HOOK_LOOKUP_PROBE, RDX_HOOK_LOOKUP_SEARCHED};
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	uint64_t blocks = 0;
	struct fixture f;

	(void)state;
	for (uint32_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		make(&f);
		apply(&f, 2, RDX_EVENT_STORED, 0, &f.prefix[1], 0);
		rig_pulse(f.writer, f.slot, RDX_STATE_EXACT, 1, 2);
		assert_int_equal(look_up(&f).blocks[0], 2);
		hooked = &f;
		opened_step = at[i];
		rdx_hook_function = free_meanwhile;
		assert_int_equal(look_up(&f).blocks[0], 2);
		assert_null(rdx_hook_function);
		destroy(&f);
	}
	make(&f);
	assert_int_equal(look_up(&f).blocks[0], 1);
	hooked = &f;
	opened_step = RDX_HOOK_WALK_KEY;
	rdx_hook_function = free_meanwhile;
	assert_int_equal(rdx_index_each(f.index, 1, 0, count_blocks, &blocks, &mark), -EAGAIN);
	assert_null(rdx_hook_function);
	destroy(&f);
}

/* G4: a table that is let go of while it is opened is not read. */
static void test_a_table_let_go_of(void **state)
{
	static const enum rdx_hook_step at[] = {RDX_HOOK_TABLE_CHOSEN, RDX_HOOK_TABLE_MAPPED};
	struct fixture f;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		for (int open = 0; open < 2; open++) {
			make(&f);
			if (open)
				rdx_index_close(f.index);
			else
				switch_tables(f.writer);
			hooked = &f;
			opened_step = at[i];
			rdx_hook_function = let_go;
			if (open)
				assert_int_equal(rig_index(&f.rig, &f.index), 0);
			assert_int_equal(look_up(&f).blocks[0], 2);
			assert_null(rdx_hook_function);
			destroy(&f);
		}
	}
}

/* Everything of the table ahead is mapped before it is current, and the old one is unmapped soon
 * after; no call does more than a piece of it. */
static void test_a_table_ahead(void **state)
{
	struct rdx_tables *tables;
	struct fixture f;
	uint64_t at;

	(void)state;
	make(&f);
	tables = &f.index->tables;
	map_ahead(&f);
	for (at = 0; tables->next->at < rdx_index_sets_offset(tables->next->table.lines);) {
		(void)look_up(&f);
		assert_in_range(tables->next->at - at, 1, 64 << 10);
		at = tables->next->at;
	}
	at = tables->next->generation;
	switch_tables(f.writer);
	(void)look_up(&f);
	assert_int_equal(tables->current->generation, at);
	assert_int_equal(tables->current->at, rdx_index_sets_offset(tables->current->table.lines));
	for (int looks = 0; tables->old->mapping.base; looks++) {
		assert_in_range(looks, 0, 64);
		(void)look_up(&f);
	}
	(void)look_up(&f);
	assert_null(tables->next->mapping.base);
	destroy(&f);
}

/* The writer gives the next table up, and begins another one. */
static void test_a_table_given_up(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	map_ahead(&f);
	rdx_grow_abandon(f.writer, 1);
	begin_switch(f.writer);
	for (int looks = 0; looks < 64; looks++)
		(void)look_up(&f);
	assert_null(f.index->tables.old->mapping.base);
	assert_int_equal(f.index->tables.next->generation, rdx_generation_next(f.writer->live));
	assert_non_null(f.index->tables.next->mapping.base);
	switch_tables(f.writer);
	(void)look_up(&f);
	destroy(&f);
}

/* The table is mapped ahead; it becomes current and is replaced, and let go of as above. */
static void replace_twice(enum rdx_hook_step step)
{
	struct rdx_index_writer *w = hooked->writer;
	char name[RDX_NAME_BYTES], kept[] = "kept";

	if (step != RDX_HOOK_TABLE_MAPPED)
		return;
	rdx_hook_function = NULL;
	rdx_index_file_gen_name(&w->id, rdx_generation_next(w->live), name);
	assert_int_equal(linkat(w->dir_fd, name, w->dir_fd, kept, 0), 0);
	switch_tables(w);
	switch_tables(w);
	assert_int_equal(truncate_at(w->dir_fd, kept), 0);
}

/* G4 */
static void test_a_table_ahead_let_go_of(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	begin_switch(f.writer);
	hooked = &f;
	rdx_hook_function = replace_twice;
	assert_int_equal(look_up(&f).blocks[0], 1);
	assert_null(rdx_hook_function);
	assert_null(f.index->tables.next->mapping.base);
	for (int looks = 0; looks < 64; looks++)
		assert_int_equal(look_up(&f).blocks[0], 1);
	destroy(&f);
}

/* The same of a walk: if it stands, it is what the rank held at its mark. */
static void test_a_walk(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		for (enum meanwhile way = 0; way < MEANWHILE_COUNT; way++) {
			struct rdx_index_mark mark = {.size = sizeof(mark)};
			uint64_t blocks = 0;
			struct fixture f;
			int r;

			if (steps[i] == RDX_HOOK_LOOKUP_SEARCHED)
				continue; /* a walk searches for nothing */
			make(&f);
			arm(&f, steps[i], way);
			r = rdx_index_each(f.index, 1, 0, count_blocks, &blocks, &mark);
			assert_null(rdx_hook_function);
			assert_true(r == 0 || r == -EAGAIN);
			if (r == 0)
				assert_int_equal(blocks, mark.event_id);
			blocks = 0;
			assert_int_equal(
				rdx_index_each(f.index, 1, 0, count_blocks, &blocks, &mark), 0);
			assert_int_equal(mark.event_id, 2);
			assert_int_equal(blocks, 2);
			destroy(&f);
		}
	}
}
#endif

struct visits {
	struct fixture *f;
	uint64_t blocks;
};

/* The walk has seen the first block: the second is stored, and the worker cleared, of which
 * this rank's own Cleared is not read yet. No column is swept. */
static void store_and_clear(void *context, uint64_t prefix, uint8_t tiers)
{
	struct visits *visits = context;
	struct fixture *f = visits->f;

	(void)prefix;
	(void)tiers;
	if (visits->blocks++)
		return;
	apply(f, 4, RDX_EVENT_STORED, 0, &f->prefix[1], 0);
	memset(f->writer->columns.clean, 0, sizeof(f->writer->columns.clean));
	apply(f, 0, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, NULL, -EAGAIN);
}

/* Keys, the second of which a walk comes to later. */
static void choose_keys(struct fixture *f)
{
	const struct rdx_table *table = &rdx_writer_table(f->writer)->table;

	for (f->prefix[0] = 1; rdx_table_home(table, f->prefix[0]) >= table->lines / 2;)
		f->prefix[0]++;
	for (f->prefix[1] = 1; rdx_table_home(table, f->prefix[1]) < table->lines / 2;)
		f->prefix[1]++;
}

/* A clear without an id does not undo the intent of the event before it. */
static void test_a_walk_beside_a_clear_of_the_worker(void **state)
{
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	struct visits visits;
	struct fixture f;

	(void)state;
	make(&f);
	apply(&f, 2, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, NULL, 0);
	choose_keys(&f);
	apply(&f, 3, RDX_EVENT_STORED, 0, &f.prefix[0], 0);
	rig_pulse(f.writer, f.slot, RDX_STATE_EXACT, 1, 3);
	visits = (struct visits){.f = &f};
	assert_int_equal(rdx_index_each(f.index, 1, 0, store_and_clear, &visits, &mark), -EAGAIN);
	assert_int_equal(visits.blocks, 2);
	destroy(&f);
}

/* A rank is rebuilt while it is visible: between then and its pulse no mark says what it holds. */
static void test_a_walk_before_the_pulse(void **state)
{
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	uint64_t blocks = 0;
	struct fixture f;

	(void)state;
	make(&f);
	assert_int_equal(rig_begin(f.writer, f.slot), 0);
	assert_int_equal(rig_blocks(f.writer, f.slot, 0, f.prefix, 2), 0);
	assert_int_equal(rdx_index_each(f.index, 1, 0, count_blocks, &blocks, &mark), 0);
	assert_int_equal(blocks, 1);
	rdx_writer_rank_show(f.writer, f.slot, 0, 0);
	assert_int_equal(rdx_index_each(f.index, 1, 0, count_blocks, &blocks, &mark), -EAGAIN);
	rig_pulse(f.writer, f.slot, RDX_STATE_EXACT, 2, 1);
	blocks = 0;
	assert_int_equal(rdx_index_each(f.index, 1, 0, count_blocks, &blocks, &mark), 0);
	assert_int_equal(mark.epoch, 2);
	assert_int_equal(blocks, 2);
	destroy(&f);
}

/* A new epoch does not claim the event and the blocks of the one before. */
static void test_an_entry_before_the_pulse(void **state)
{
	struct rdx_rank_info epoch = rig_info(1, 0, 1);
	struct rdx_index_rank info = {.size = sizeof(info)};
	struct fixture f;

	(void)state;
	make(&f);
	rdx_writer_rank_hide(f.writer, f.slot);
	epoch.epoch = 2;
	assert_int_equal(rdx_writer_rank_add(f.writer, &epoch), f.slot);
	assert_int_equal(rdx_index_ranks(f.index, &info, 1), 1);
	assert_int_equal(info.state, RDX_STATE_RECOVERING);
	assert_int_equal(info.epoch, 2);
	assert_int_equal(info.last_event_id, 0);
	assert_int_equal(info.blocks[0], 0);
	destroy(&f);
}

#ifdef RDX_HOOKS
static struct rdx_run told;

static void look_where_it_closed(enum rdx_hook_step step)
{
	if (step != RDX_HOOK_COLUMN_CLOSED)
		return;
	rdx_hook_function = NULL;
	told = look_up(hooked);
}

/* V2: who sees that a rank has a new epoch, or a new state, sees the event and the times that came
 * with it, and no handle keeps what it copied before. */
static void test_a_pulse_of_news(void **state)
{
	struct rdx_writer_pulse pulse = {.state = RDX_STATE_EXACT, .epoch = 1, .event_id = 1};
	struct fixture f;

	(void)state;
	make(&f);
	hooked = &f;
	for (int news = 0; news < 3; news++) {
		(void)look_up(&f);
		pulse.epoch += news != 1;
		pulse.state = news ? RDX_STATE_INEXACT : RDX_STATE_EXACT;
		pulse.event_id += 10;
		pulse.seen_ns = pulse.event_ns = 1 + (uint64_t)news;
		rdx_hook_function = look_where_it_closed;
		rdx_writer_rank_pulse(f.writer, f.slot, &pulse);
		assert_null(rdx_hook_function);
		assert_int_equal(told.epoch, pulse.epoch);
		assert_int_equal(told.state, pulse.state);
		assert_int_equal(told.last_event_id, pulse.event_id);
		assert_int_equal(told.event_age_ns, told.age_ns);
	}
	destroy(&f);
}
#endif

/* G3: whoever sees the mark answers from the successor's file, also where it has looked for
 * one a moment ago, in vain. */
static void test_a_successor(void **state)
{
	struct rdx_index_writer *dead;
	struct rdx_index_rank info = {.size = sizeof(info)};
	struct rdx_run run = {.size = sizeof(run)};
	struct fixture f;

	(void)state;
	for (int workers = 0; workers < 2; workers++) {
		make(&f);
		dead = f.writer;
		open_writer(&f, 2);
		rdx_writer_heartbeat(dead, 1); /* long ago */
		run = look_up(&f);
		assert_int_equal(run.last_event_id, 1);
		assert_true(f.index->check_ns > 0); /* it has looked by name */
		f.index->check_ns = UINT64_MAX;
		assert_int_equal(rdx_writer_ready(f.writer), 0);
		if (workers) {
			assert_int_equal(rdx_index_ranks(f.index, &info, 1), 1);
			assert_int_equal(info.last_event_id, 2);
		}
		run = look_up(&f);
		assert_int_equal(run.last_event_id, 2);
		assert_int_equal(run.blocks[0], 2);
		rdx_writer_close(dead);
		destroy(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef RDX_HOOKS
		cmocka_unit_test(test_a_lookup),
		cmocka_unit_test(test_a_walk),
		cmocka_unit_test(test_a_table_let_go_of),
		cmocka_unit_test(test_a_table_freed_meanwhile),
		cmocka_unit_test(test_a_table_ahead),
		cmocka_unit_test(test_a_table_given_up),
		cmocka_unit_test(test_a_table_ahead_let_go_of),
		cmocka_unit_test(test_a_pulse_of_news),
#endif
		cmocka_unit_test(test_a_walk_beside_a_clear_of_the_worker),
		cmocka_unit_test(test_a_walk_before_the_pulse),
		cmocka_unit_test(test_an_entry_before_the_pulse),
		cmocka_unit_test(test_a_successor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
