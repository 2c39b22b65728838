/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-top: what every rank does, while it does it.
 */
#include "shm/clock.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"
#include "tools/program/stop.h"
#include "tools/top/roll.h"
#include "tools/top/screen.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)
#define HOUR_NS   (3600 * NS_PER_S)

struct top_options {
	const char *dir;
	struct ranks wanted;
	uint64_t every_ns;
	uint64_t times;
	uint32_t sort;
	int batch;
	int json;
};

#define TO(member) OPTIONS_TO(struct top_options, member)

/* Of enum roll_column. */
static const char *const sorts[] = {"rank", "state",     "blocks", "rate",     "lag", "age",
				    "seen", "recovered", "model",  "instance", NULL};

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(dir)),
	{"every", 0, "TIME", "Time between two looks", OPTIONS_DURATION, TO(every_ns),
	 .min = 10 * NS_PER_MS, .max = HOUR_NS},
	{"sort", 0, "COLUMN",
	 "Sort by rank, state, blocks, rate, lag, age, seen, recovered, model or instance",
	 OPTIONS_CHOICE, TO(sort), .choices = sorts},
	{"batch", 0, NULL, "Print tables instead of taking the terminal", OPTIONS_FLAG, TO(batch)},
	{"times", 0, "N", "With --batch: end after N tables; 0: never", OPTIONS_NUMBER, TO(times),
	 .max = UINT64_MAX},
	OPTIONS_JSON(TO(json)),
	{0},
};

static void check(const struct argp_state *state, void *input)
{
	const struct top_options *options = input;

	if (options->json && !options->batch)
		argp_error(state, "--json goes with --batch only");
}

static const struct options_arguments arguments = {
	.shown = "[WORKER[:RANK]...]",
	.take = ranks_take,
	.at = offsetof(struct top_options, wanted),
};

static const struct options_program program = {
	.entries = entries,
	.check = check,
	.arguments = &arguments,
	.about =
		"Show what every rank of a namespace does, again and again.\v"
		"STATE is that of the index (EXACT, RECOVERING, LACKING, INEXACT, STALE), or live, "
		"dead, unreadable where no index follows the rank. BLOCKS are held, of all tiers. "
		"LAG is how many events the index has not seen yet. AGE is the time since the "
		"newest event, SEEN since the index saw the rank alive and was caught up. "
		"RECOVERED counts recoveries since the indexer started.\n\n"
		"Keys: q ends, s sorts by the next column (*), r turns the order (^), f or / "
		"filters by rank, state, model and instance, escape shows all, p pauses, the space "
		"bar looks now, up and down (or k and j) scroll. No colour where NO_COLOR is "
		"set.\n\n"
		"Exit status: 0 told to stop, or all tables printed, 1 the directory could not be "
		"read or there is no terminal, 2 wrong usage.",
};

static void print_table(struct roll *roll)
{
	struct table_column columns[ROLL_COLUMNS];
	char text[ROLL_CELL_BYTES];
	struct table *table;

	for (int i = 0; i < ROLL_COLUMNS; i++)
		columns[i] = (struct table_column){roll_headings[i].title,
						   roll_headings[i].is_number ? TABLE_NUMBER
						   : i == ROLL_INSTANCE       ? TABLE_LONG
									      : TABLE_TEXT,
						   0};
	table = TABLE_NEW(columns);
	for (size_t row = 0; row < roll->count; row++) {
		table_row(table);
		for (int i = 0; i < ROLL_COLUMNS; i++) {
			table_text(table, "%s",
				   roll_cell(&roll->rows[row], (enum roll_column)i, text));
			if (i == ROLL_STATE)
				table_tone(table, roll->rows[row].tone);
		}
	}
	table_print(table);
}

/* Whoever reads it has gone: 1. */
static int print(const struct top_options *options, struct roll *roll, int is_first)
{
	roll_sort(roll, (enum roll_column)options->sort, 0);
	if (options->json) {
		json_print_line(roll_json(roll));
	} else {
		if (!is_first)
			putchar('\n');
		if (roll->count)
			print_table(roll);
		else
			puts("no segment: start a worker");
	}
	return fflush(stdout) != 0;
}

/* A table for each interval: only what came between two looks has a rate. */
static int run_batch(const struct top_options *options, struct space *space, struct roll *roll)
{
	uint64_t done = 0;

	while (options->times == 0 || done < options->times) {
		if (stop_sleep(options->every_ns))
			return EXIT_DONE;
		(void)space_renew(space); /* what is gone has no ranks */
		if (roll_take(roll, space, &options->wanted) < 0)
			return EXIT_FAILED;
		if (print(options, roll, done++ == 0))
			return EXIT_FAILED; /* said at exit */
	}
	return EXIT_DONE;
}

/* Sleep until a key, a signal or `until_ns`. 1: the terminal is gone. */
static int wait_for_key(uint64_t until_ns)
{
	struct pollfd waited[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
				   {.fd = stop_fd(), .events = POLLIN}};
	uint64_t now_ns = rdx_clock_ns();
	int left_ms = now_ns >= until_ns ? 0 : (int)((until_ns - now_ns) / NS_PER_MS + 1);

	if (poll(waited, 2, left_ms) < 0)
		return errno != EINTR;
	return (waited[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static int run_screen(const struct top_options *options, struct space *space, struct roll *roll)
{
	struct screen screen = {.by = (enum roll_column)options->sort};
	uint64_t next_ns = rdx_clock_ns() + options->every_ns;

	if (screen_open() < 0)
		return EXIT_FAILED;
	screen_draw(&screen, roll, options->dir);
	while (!stop_asked() && !wait_for_key(next_ns)) {
		enum screen_wish wish = screen_keys(&screen);

		if (wish == SCREEN_END)
			break;
		if (rdx_clock_ns() >= next_ns) {
			next_ns = rdx_clock_ns() + options->every_ns;
			wish = screen.paused ? wish : SCREEN_LOOK;
		}
		if (wish == SCREEN_LOOK) {
			(void)space_renew(space);
			if (roll_take(roll, space, &options->wanted) < 0)
				return EXIT_FAILED;
		}
		if (wish != SCREEN_NOTHING)
			screen_draw(&screen, roll, options->dir);
	}
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct top_options options = {.dir = RDX_DEFAULT_DIR, .every_ns = NS_PER_S, .times = 1};
	struct roll roll = {0};
	struct space space;
	int status = EXIT_FAILED;

	options_parse(&program, argc, argv, &options);
	if (space_open(&space, options.dir) < 0)
		return EXIT_FAILED;
	stop_listen();
	if (roll_take(&roll, &space, &options.wanted) == 0)
		status = options.batch ? run_batch(&options, &space, &roll)
				       : run_screen(&options, &space, &roll);
	roll_free(&roll);
	ranks_free(&options.wanted);
	space_close(&space);
	return status;
}
