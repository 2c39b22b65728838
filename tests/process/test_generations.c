/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a reader that holds one handle of an index and asks all the time, while ringdexd, which
 * maintains it, is killed and started again three times, and its table goes through more than ten generations.
 * Each row of each answer is of a moment of its worker's history, and no moment comes back; while a daemon
 * that has caught up is at work, each worker that was seen EXACT stays so.
 */
#include "consumer/index/index_handle.h"
#include "tests/patience.h"
#include "tests/programs.h"
#include "tests/rig.h"

#include <ringdex/rdx_index.h>

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS          52 /* of which each brings what its path has: the table grows in small steps */
#define PATH             512 /* blocks of a worker */
#define TRUNK            8   /* of them those that all begin with */
#define STORED           64  /* blocks of an event */
#define REMOVED          32  /* by the last event */
#define EVENTS           (PATH / STORED + 1)
#define KILL_EVERY       14 /* workers */
#define DEAD_LOOKUPS     500
#define LINE_BYTES       8192
#define GENERATIONS      10 /* at least */
#define MORE_DESCRIPTORS 3  /* of a handle while its index grows or moves, rdx_index_open */
#define NEVER_STALE      "--stale-after=24h"

struct stage {
	struct rig rig;
	struct program feed, daemon;
	struct rdx_index *index;
	uint64_t random;
	uint64_t told[WORKERS];  /* events */
	uint64_t seen[WORKERS];  /* the newest event that was in an answer */
	uint64_t shown[WORKERS]; /* the same of the daemon that is to maintain the index now */
	int is_settled;          /* it has shown all that was told before */
	uint64_t writer_id, generation; /* of the table of the last answer */
	uint64_t dead_writer_id;        /* of the daemon that was killed last */
	int first_descriptors, most_descriptors;
	uint64_t generations, restarts, answers, rows, refused;
};

static uint64_t worker_id(uint32_t worker)
{
	return worker + 1;
}

/* The local hash of a block of a worker's path; that of the trunk is everybody's. */
static uint64_t local(uint32_t worker, uint32_t block)
{
	uint64_t at = block < TRUNK ? block + 1 : worker_id(worker) << 32 | (block + 1);

	return at * UINT64_C(0x9e3779b97f4a7c15);
}

/* Leading blocks of its own path that a worker holds after so many events. */
static uint32_t held_after(uint64_t event)
{
	return event < EVENTS ? (uint32_t)event * STORED : PATH - REMOVED;
}

/* Of the path of `asked`. */
static uint32_t run_after(uint32_t worker, uint64_t event, uint32_t asked)
{
	uint32_t held = held_after(event);

	return worker == asked || held < TRUNK ? held : TRUNK;
}

static int put_list(char *to, const char *name, uint64_t (*value)(uint32_t, uint32_t),
		    uint32_t worker, uint32_t from, uint32_t count)
{
	int length = sprintf(to, ",\"%s\":[", name);

	for (uint32_t i = 0; i < count; i++)
		length += sprintf(to + length, "%s%" PRIu64, i ? "," : "", value(worker, from + i));
	return length + sprintf(to + length, "]");
}

/* As the engine calls it. */
static uint64_t name(uint32_t worker, uint32_t block)
{
	(void)worker;
	return block + 1;
}

/* Children before their parents, which is one event. */
static uint64_t name_from_the_end(uint32_t worker, uint32_t block)
{
	return name(worker, PATH - 1 - block);
}

/* The worker's next event. */
static void tell(struct stage *stage, uint32_t worker)
{
	uint64_t event = stage->told[worker]++; /* first: nobody knows when it is seen */
	uint32_t from = held_after(event);
	char line[LINE_BYTES];
	int length;

	length = sprintf(line, "{\"worker\":%" PRIu64, worker_id(worker));
	if (event + 1 == EVENTS) {
		length += sprintf(line + length, ",\"type\":\"removed\"");
		length += put_list(line + length, "names", name_from_the_end, worker, 0, REMOVED);
	} else {
		length += sprintf(line + length, ",\"type\":\"stored\"");
		if (from)
			length += sprintf(line + length, ",\"parent\":%" PRIu64,
					  name(worker, from - 1));
		length += put_list(line + length, "names", name, worker, from, STORED);
		length += put_list(line + length, "local_hashes", local, worker, from, STORED);
	}
	length += sprintf(line + length, "}\n");
	assert_true(length < LINE_BYTES);
	assert_int_equal(write(stage->feed.in, line, (size_t)length), length);
}

static void start_daemon(struct stage *stage)
{
	char *arguments[] = {
		"ringdexd",           "--dir", stage->rig.dir, "--listen=127.0.0.1:0", NEVER_STALE,
		"--initial-blocks=1", NULL};

	assert_int_equal(program_start(&stage->daemon, arguments[0], arguments, 0), 0);
}

static void end(struct program *program)
{
	kill(program->pid, SIGKILL);
	while (waitpid(program->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (program->in >= 0)
		close(program->in);
	close(program->out);
	close(program->err);
}

static int most_of(int a, int b)
{
	return a > b ? a : b;
}

static int descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static void count_table(struct stage *stage)
{
	uint64_t generation = stage->index->lookup.generation;

	if (stage->generation == generation && stage->writer_id == stage->index->writer_id)
		return;
	stage->generation = generation;
	stage->writer_id = stage->index->writer_id;
	stage->generations++;
	stage->most_descriptors = most_of(stage->most_descriptors, descriptors());
}

static int is_between(uint32_t run, uint32_t a, uint32_t b)
{
	return a < b ? a <= run && run <= b : b <= run && run <= a;
}

/* Is there a moment, from the row's event to the last that was told, with this run? The blocks of an
 * event come one after the other. */
static int is_of_a_moment(const struct stage *stage, const struct rdx_run *run, uint32_t worker,
			  uint32_t asked)
{
	for (uint64_t event = run->last_event_id; event <= stage->told[worker]; event++) {
		uint64_t next = event < stage->told[worker] ? event + 1 : event;

		if (is_between(run->blocks[RDX_TIER_DEVICE], run_after(worker, event, asked),
			       run_after(worker, next, asked)))
			return 1;
	}
	return 0;
}

static void check_row(struct stage *stage, const struct rdx_run *run, uint32_t worker,
		      uint32_t asked)
{
	if (run->state == RDX_STATE_RECOVERING) {
		assert_int_equal(run->blocks[RDX_TIER_DEVICE], 0);
		assert_false(stage->is_settled && stage->shown[worker]);
		return;
	}
	assert_int_equal(run->state, RDX_STATE_EXACT);
	if (run->last_event_id < stage->seen[worker] || !is_of_a_moment(stage, run, worker, asked))
		fail_msg("worker %u: %u blocks of the path of %u after event %" PRIu64 ": %" PRIu64
			 " are told, %" PRIu64 " were seen",
			 worker, run->blocks[RDX_TIER_DEVICE], asked, run->last_event_id,
			 stage->told[worker], stage->seen[worker]);
	stage->seen[worker] = run->last_event_id;
	if (stage->writer_id != stage->dead_writer_id)
		stage->shown[worker] = run->last_event_id;
	stage->rows++;
}

/* Ask for a worker's path and one block more. Rows, or -errno of those that may be. */
static int look_up(struct stage *stage, uint32_t asked, struct rdx_run *runs)
{
	uint64_t path[PATH + 1];
	int rows;

	for (uint32_t i = 0; i < PATH; i++)
		path[i] = local(asked, i);
	path[PATH] = 1; /* never stored */
	runs[0].size = sizeof(runs[0]);
	rows = rdx_index_lookup_local(stage->index, path, PATH + 1, runs, RDX_RANKS_MAX);
	/* -EAGAIN may always be; while there is no daemon, that the index has gone, too */
	if (rows < 0 && rows != -EAGAIN &&
	    (stage->is_settled || (rows != -EIDRM && rows != -ESRCH)))
		fail_msg("lookup: %s", strerror(-rows));
	return rows;
}

/* One question, and all that can be said of its answer. */
static void ask(struct stage *stage, uint32_t asked)
{
	struct rdx_run runs[RDX_RANKS_MAX];
	int rows = look_up(stage, asked, runs), is_there[WORKERS] = {0};

	if (rows < 0) {
		stage->refused++;
		return;
	}
	stage->answers++;
	count_table(stage);
	for (int i = 0; i < rows; i++) {
		uint32_t worker = (uint32_t)(runs[i].worker_id - 1);

		assert_true(worker < WORKERS && !is_there[worker]);
		is_there[worker] = 1;
		check_row(stage, &runs[i], worker, asked);
	}
	for (uint32_t worker = 0; worker < WORKERS && stage->is_settled; worker++)
		if (stage->shown[worker] && !is_there[worker])
			fail_msg("worker %u is not there any more", worker);
}

static void ask_any(struct stage *stage)
{
	ask(stage, (uint32_t)(rig_random(&stage->random) % WORKERS));
}

/* Until this daemon has shown all that was told. */
static void catch_up(struct stage *stage)
{
	UNTIL (memcmp(stage->shown, stage->told, sizeof(stage->told)) == 0) {
		ask_any(stage);
		if (stage->is_settled) /* else each moment of a recovery is to be seen */
			sched_yield();
	}
	stage->is_settled = 1;
}

static void kill_daemon(struct stage *stage)
{
	end(&stage->daemon);
	memset(stage->shown, 0, sizeof(stage->shown));
	stage->dead_writer_id = stage->writer_id;
	stage->is_settled = 0;
	stage->restarts++;
	for (uint32_t i = 0; i < DEAD_LOOKUPS; i++)
		ask_any(stage);
}

/* What is left of a worker's life; of some the daemon is killed in the middle of it. */
static void play(struct stage *stage, uint32_t worker)
{
	int is_killed = worker % KILL_EVERY == KILL_EVERY - 1;

	while (stage->told[worker] < EVENTS) {
		tell(stage, worker);
		ask_any(stage);
		if (is_killed && stage->told[worker] == EVENTS / 3)
			kill_daemon(stage);
		if (is_killed && stage->told[worker] == 2 * EVENTS / 3)
			start_daemon(stage);
	}
	catch_up(stage);
}

static void set_up(struct stage *stage)
{
	struct rdx_index_key key = {
		.size = sizeof(key), .model = "m", .flags = RDX_INDEX_ALL_RANKS};
	/* of which each declares what it will hold: the table is made for little more than there is */
	char *arguments[] = {"ringdex-feed",
			     "-q",
			     "--dir",
			     stage->rig.dir,
			     "--model=m",
			     "--blocks=512",
			     "--host-blocks=0",
			     "--ring-slots=1024",
			     "-",
			     NULL};

	rig_make(&stage->rig);
	stage->random = rig_seed();
	assert_int_equal(program_start(&stage->feed, arguments[0], arguments, 1), 0);
	start_daemon(stage);
	tell(stage, 0);
	UNTIL (rdx_index_open(&stage->index, stage->rig.dir, &key) == 0)
		usleep(1000);
	stage->first_descriptors = descriptors();
}

static void test_ten_generations_and_two_restarts(void **state)
{
	struct stage stage = {0};

	(void)state;
	set_up(&stage);
	for (uint32_t worker = 0; worker < WORKERS; worker++)
		play(&stage, worker);
	while (stage.generations < GENERATIONS) { /* on a busy machine it grew in larger steps */
		kill_daemon(&stage);
		start_daemon(&stage);
		catch_up(&stage);
	}
	for (uint32_t worker = 0; worker < WORKERS; worker++)
		ask(&stage, worker);
	print_message("%" PRIu64 " generations, %" PRIu64 " restarts, %" PRIu64
		      " answers with %" PRIu64 " rows, %" PRIu64 " refused\n",
		      stage.generations, stage.restarts, stage.answers, stage.rows, stage.refused);
	assert_in_range(stage.most_descriptors, 0, stage.first_descriptors + MORE_DESCRIPTORS);
	rdx_index_close(stage.index);
	end(&stage.feed);
	program_stop(&stage.daemon);
	rig_remove(&stage.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ten_generations_and_two_restarts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
