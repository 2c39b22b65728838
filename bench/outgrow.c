/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long may a call of the engine's thread take while a rank outgrows what it was opened for?
 *
 * Two ranks are told the same, eight blocks a call, in turn: one was opened for 65,536 blocks and has to
 * grow, the other had room for all from the beginning. Between them the thread does nothing but look at
 * the clock, for as long as the call before took, and what that takes longer is given: on a machine that
 * gives the processor to others, or is itself given one by a hypervisor, it has its longest times too, and
 * they are nobody's calls. The longest of each is given by the wall and by the thread's processor time;
 * rdx_publisher_check, every 2,048 calls, apart.
 */
#include "bench/measure.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/scratch.h"
#include "shm/clock.h"
#include <ringdex/rdx_publisher.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define CALL_BLOCKS  8
#define CHECK_CALLS  2048
#define DECLARED     65536
#define LONG_NS      UINT64_C(1000000)
#define SKIPPED_ONES 256 /* calls of each at first, in which code and lines are cold */

enum side { GROWS, ROOMY, NOTHING, SIDES };
static const struct {
	const char *id, *what;
} side_name[SIDES] = {
	{"ringdex", "a rank that grows"},
	{"roomy", "a rank that had room"},
	{"floor", "nothing, longer than meant"},
};

/* The calls of one side in a round. */
struct times {
	double *wall_us;
	uint64_t longest_cpu_ns;
	uint64_t longest_check_ns, longest_check_cpu_ns;
	uint64_t longest_faults, longest_switches; /* of the call that took longest by the wall */
	uint64_t longest_ns;
	uint32_t count, over;
};

struct bench {
	struct report *report;
	uint64_t blocks;
	struct rdx_publisher *publisher[NOTHING];
	struct times times[SIDES];
	uint64_t spun_ns; /* how long the call before took */
	int failed;
	char dir[SCRATCH_BYTES];
};

static int open_rank(struct bench *bench, enum side side)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	options.dir = bench->dir;
	options.instance = options.model = "bench";
	options.worker_id = side + 1;
	options.tier_blocks[RDX_TIER_DEVICE] = side == GROWS ? DECLARED : bench->blocks;
	return rdx_publisher_open(&bench->publisher[side], &options);
}

static int store(struct bench *bench, enum side side, uint64_t call)
{
	uint64_t names[CALL_BLOCKS];
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .local_hashes = names,
				    .count = CALL_BLOCKS,
				    .time_ns = call + 1,
				    .name_bytes = 8};

	for (uint64_t i = 0; i < CALL_BLOCKS; i++)
		names[i] = (call * CALL_BLOCKS + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
	return rdx_publish_stored(bench->publisher[side], &stored);
}

static void do_nothing(uint64_t ns)
{
	uint64_t until = rdx_clock_ns() + ns;

	while (rdx_clock_ns() < until)
		;
}

struct moment {
	uint64_t wall_ns, cpu_ns;
	struct rusage used;
};

static struct moment now(void)
{
	struct moment moment;

	getrusage(RUSAGE_THREAD, &moment.used);
	moment.cpu_ns = measure_cpu_ns();
	moment.wall_ns = rdx_clock_ns();
	return moment;
}

static uint64_t beyond(uint64_t ns, uint64_t meant_ns)
{
	return ns > meant_ns ? ns - meant_ns : 0;
}

/* `meant_ns`: so much of it is not counted. */
static void note_call(struct times *times, const struct moment *begin, uint64_t wall_ns,
		      uint64_t meant_ns)
{
	struct moment end = now();
	uint64_t cpu_ns = beyond(end.cpu_ns - begin->cpu_ns, meant_ns);

	wall_ns = beyond(wall_ns, meant_ns);
	times->wall_us[times->count++] = (double)wall_ns / 1e3;
	times->over += wall_ns >= LONG_NS;
	if (cpu_ns > times->longest_cpu_ns)
		times->longest_cpu_ns = cpu_ns;
	if (wall_ns <= times->longest_ns)
		return;
	times->longest_ns = wall_ns;
	times->longest_faults = (uint64_t)(end.used.ru_minflt - begin->used.ru_minflt);
	times->longest_switches = (uint64_t)(end.used.ru_nivcsw - begin->used.ru_nivcsw);
}

static void call(struct bench *bench, enum side side, uint64_t number)
{
	struct moment begin = now();
	uint64_t wall_ns;

	if (side == NOTHING)
		do_nothing(bench->spun_ns);
	else
		bench->failed |= store(bench, side, number) != 0;
	wall_ns = rdx_clock_ns() - begin.wall_ns;
	if (number >= SKIPPED_ONES)
		note_call(&bench->times[side], &begin, wall_ns,
			  side == NOTHING ? bench->spun_ns : 0);
	/* a call that was interrupted is no measure of how long the next one takes */
	bench->spun_ns = wall_ns < LONG_NS ? wall_ns : LONG_NS;
}

static void check(struct bench *bench, enum side side)
{
	struct times *times = &bench->times[side];
	struct moment begin = now();
	uint64_t wall_ns, cpu_ns;

	bench->failed |= rdx_publisher_check(bench->publisher[side]) < 0;
	wall_ns = rdx_clock_ns() - begin.wall_ns;
	cpu_ns = now().cpu_ns - begin.cpu_ns;
	if (wall_ns > times->longest_check_ns)
		times->longest_check_ns = wall_ns;
	if (cpu_ns > times->longest_check_cpu_ns)
		times->longest_check_cpu_ns = cpu_ns;
}

/* All that the ranks are told, once. */
static void tell(struct bench *bench)
{
	for (uint64_t number = 0; number < bench->blocks / CALL_BLOCKS; number++) {
		call(bench, GROWS, number);
		call(bench, NOTHING, number);
		call(bench, ROOMY, number);
		if (number % CHECK_CALLS)
			continue;
		check(bench, GROWS);
		check(bench, ROOMY);
	}
}

/* The one held all in the end, the other was never short of room. */
static void compare(struct bench *bench)
{
	struct rdx_publisher_stats grown = {.size = sizeof(grown)}, roomy = {.size = sizeof(roomy)};

	rdx_publisher_get_stats(bench->publisher[GROWS], &grown);
	rdx_publisher_get_stats(bench->publisher[ROOMY], &roomy);
	bench->failed |= grown.held[0] != roomy.held[0] || grown.inexact || roomy.inexact;
	bench->failed |= roomy.growths != 0 || (bench->blocks > 2 * DECLARED && !grown.growths);
}

static void one_round(struct bench *bench)
{
	for (int side = 0; side < SIDES; side++) {
		struct times *times = &bench->times[side];
		double *wall_us = times->wall_us;

		*times = (struct times){.wall_us = wall_us};
	}
	if (scratch_make(bench->dir) < 0 || open_rank(bench, GROWS) < 0 ||
	    open_rank(bench, ROOMY) < 0) {
		bench->failed = 1;
	} else {
		tell(bench);
		compare(bench);
	}
	for (int side = 0; side < NOTHING; side++) {
		rdx_publisher_close(bench->publisher[side]);
		bench->publisher[side] = NULL;
	}
	scratch_remove(bench->dir);
}

enum figure { P50, P999, LONGEST, LONGEST_CPU, OVER, FAULTS, SWITCHES, CHECK, CHECK_CPU, FIGURES };
static const struct {
	const char *id, *what, *unit;
	int of_checks; /* nothing has none */
} figure_name[FIGURES] = {
	{"p50", "p50", "us", 0},
	{"p999", "p99.9", "us", 0},
	{"longest", "the longest", "us", 0},
	{"cpu", "the longest by its processor time", "us", 0},
	{"over", "of a millisecond or more", "", 0},
	{"faults", "page faults of the longest", "", 0},
	{"switches", "times that the longest lost its processor", "", 0},
	{"check", "the longest check", "us", 1},
	{"check_cpu", "the longest check by its processor time", "us", 1},
};

static double value_of(const struct times *times, enum figure figure)
{
	switch (figure) {
	case P50:
		return measure_percentile(times->wall_us, times->count, 50);
	case P999:
		return measure_percentile(times->wall_us, times->count, 99.9);
	case LONGEST:
		return (double)times->longest_ns / 1e3;
	case LONGEST_CPU:
		return (double)times->longest_cpu_ns / 1e3;
	case OVER:
		return times->over;
	case FAULTS:
		return (double)times->longest_faults;
	case SWITCHES:
		return (double)times->longest_switches;
	case CHECK:
		return (double)times->longest_check_ns / 1e3;
	default:
		return (double)times->longest_check_cpu_ns / 1e3;
	}
}

static void give(struct report *report, double *values[FIGURES][SIDES], uint32_t rounds)
{
	char id[64], what[96];

	for (int figure = 0; figure < FIGURES; figure++) {
		for (int side = 0; side < SIDES - figure_name[figure].of_checks; side++) {
			snprintf(id, sizeof(id), "outgrow.%s.%s", figure_name[figure].id,
				 side_name[side].id);
			snprintf(what, sizeof(what), "calls, %s: %s", figure_name[figure].what,
				 side_name[side].what);
			REPORT_ROW(report, .id = id, .what = what, .unit = figure_name[figure].unit,
				   .values = values[figure][side], .count = rounds);
		}
	}
}

int main(int argc, char **argv)
{
	static struct bench bench;
	struct options options = {.name = "outgrow",
				  .question =
					  "How long may a call take while a rank outgrows what it "
					  "was opened for?",
				  .rounds_by_length = {7, 3, 1}};
	double *values[FIGURES][SIDES];

	options_parse(argc, argv, &options);
	measure_pin(0);
	bench.report = report_begin(&options);
	bench.blocks = options_pick(&options, 1100000, 1100000, 4 * DECLARED);
	for (int side = 0; side < SIDES; side++)
		bench.times[side].wall_us = measure_values((uint32_t)(bench.blocks / CALL_BLOCKS));
	for (int i = 0; i < FIGURES * SIDES; i++)
		values[i / SIDES][i % SIDES] = measure_values(options.rounds);
	for (uint32_t round = 0; round < options.rounds; round++) {
		one_round(&bench);
		for (int i = 0; i < FIGURES * SIDES; i++)
			values[i / SIDES][i % SIDES][round] =
				value_of(&bench.times[i % SIDES], (enum figure)(i / SIDES));
	}
	give(bench.report, values, options.rounds);
	report_note(bench.report, "%llu blocks, one rank opened for %d; a call is a store of %d",
		    (unsigned long long)bench.blocks, DECLARED, CALL_BLOCKS);
	report_check(bench.report, !bench.failed,
		     "both ranks hold all that they were told, exactly");
	for (int i = 0; i < FIGURES * SIDES; i++)
		free(values[i / SIDES][i % SIDES]);
	for (int side = 0; side < SIDES; side++)
		free(bench.times[side].wall_us);
	return report_end(bench.report);
}
