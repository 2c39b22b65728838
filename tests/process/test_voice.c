/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: one voice. Every program answers the same wrong command line with the same
 * words and exit status, and an option of the same name or letter is the same option in all
 * of them, as their help texts say.
 */
#include "tests/expect.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES_MAX 256
#define TEXT_BYTES  512

/* What a program needs besides a wrong option to be right. */
static const struct {
	const char *name;
	const char *argument; /* NULL: none */
	const char *missing;  /* what it says when that is not given; NULL: nothing */
	int takes_more;       /* more arguments of that kind */
} programs[] = {
#ifdef RDX_BRIDGE
	{"ringdex-bridge", "/dev/null",
	 "missing argument: FILE, or - for standard input, or --endpoint", 0},
#endif
	{"ringdex-demo", NULL, NULL, 0},
	{"ringdex-doctor", NULL, NULL, 0},
	{"ringdex-feed", "/dev/null", "missing argument: FILE, or - for standard input", 0},
	{"ringdex-follow", NULL, NULL, 0},
	{"ringdex-ls", NULL, NULL, 1},
	{"ringdex-mock", NULL, NULL, 0},
	{"ringdex-query", "/dev/null", "missing argument: FILE, or - for standard input", 0},
	{"ringdex-range", "7", "missing argument: WORKER or WORKER:RANK", 0},
	{"ringdex-size", NULL, "missing option: --blocks, how many a rank holds", 0},
	{"ringdex-tail", NULL, NULL, 1},
#ifdef RDX_TOP
	{"ringdex-top", NULL, NULL, 1},
#endif
	{"ringdex-trace", "generate", "missing argument: generate or show", 0},
	{"ringdex-verify", NULL, NULL, 1},
};
#define PROGRAMS (sizeof(programs) / sizeof(programs[0]))

/* An option of a program, as its help says. */
struct entry {
	const char *program;
	char letter; /* 0: none */
	char name[64];
	char value[64];
	char help[TEXT_BYTES]; /* in one line, without its default */
};

/* Run a wrong command line, which must end with status 2 and this message alone. */
static void check_refused(const char *name, const char *one, const char *two, const char *message)
{
	struct program_result r;
	char expected[TEXT_BYTES];

	snprintf(expected, sizeof(expected),
		 "%s: %s\nTry `%s --help' or `%s --usage' for more information.\n", name, message,
		 name, name);
	RUN(&r, 2, name, NULL, one, two);
	assert_string_equal(r.out, "");
	assert_string_equal(r.err, expected);
	program_result_free(&r);
}

static void an_unknown_option(void **state)
{
	char message[TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < PROGRAMS; i++) {
		snprintf(message, sizeof(message), "unrecognized option '--no-such-option'");
		check_refused(programs[i].name, "--no-such-option", programs[i].argument, message);
	}
}

static void an_argument_missing_or_too_many(void **state)
{
	(void)state;
	for (size_t i = 0; i < PROGRAMS; i++) {
		if (programs[i].missing)
			check_refused(programs[i].name, NULL, NULL, programs[i].missing);
		if (programs[i].argument)
			check_refused(programs[i].name, programs[i].argument, "more",
				      "unexpected argument 'more'");
		else if (!programs[i].takes_more)
			check_refused(programs[i].name, "more", NULL, "unexpected argument 'more'");
		else
			check_refused(programs[i].name, "7:x", NULL,
				      "'7:x' is not a rank: write WORKER or WORKER:RANK, such as 7 "
				      "or 7:0");
	}
}

/* --- the help texts --- */

/* The column in which the texts of options begin, where they do not follow two blanks. */
#define HELP_COLUMN 29

static void add_text(struct entry *entry, const char *text, size_t length)
{
	size_t have = strlen(entry->help);

	while (length && isspace((unsigned char)*text)) {
		text++;
		length--;
	}
	assert_true(have + length + 2 < sizeof(entry->help));
	snprintf(entry->help + have, sizeof(entry->help) - have, "%s%.*s", have ? " " : "",
		 (int)length, text);
}

/* Read "  -d, --dir=DIR    text". 1, or 0 where the line is none of an option. */
static int read_entry(const char *line, size_t length, const char *program, struct entry *ret_entry)
{
	struct entry entry = {.program = program};
	const char *at = line, *end = line + length;
	size_t name;

	if (length < 8 || strncmp(line, "  ", 2) != 0 || (line[2] != '-' && line[6] != '-'))
		return 0;
	if (line[2] == '-')
		entry.letter = line[3];
	at += 8;
	name = strcspn(at, "= \n");
	snprintf(entry.name, sizeof(entry.name), "%.*s", (int)name, at);
	at += name;
	/* argp tears a value off where its buffer ends: texts of other lengths before it help */
	assert_false(*at == ' ' && at[strspn(at, " ")] == '=');
	if (*at == '=') {
		size_t value = strcspn(++at, " \n");

		snprintf(entry.value, sizeof(entry.value), "%.*s", (int)value, at);
		at += value;
	}
	if (at < end)
		add_text(&entry, at, (size_t)(end - at));
	*ret_entry = entry;
	return 1;
}

/* The default is not the meaning. */
static void drop_default(struct entry *entry)
{
	char *at = strstr(entry->help, " [default: ");

	if (at)
		*at = 0;
}

static size_t read_help(const char *program, struct entry *entries, size_t count)
{
	struct program_result r;
	size_t first = count;

	RUN(&r, 0, program, NULL, "--help");
	assert_has(r.out, "Exit status: 0 ");
	assert_has(r.out, ", 1 ");
	for (const char *line = r.out; *line;) {
		size_t length = strcspn(line, "\n");

		assert_true(count < ENTRIES_MAX);
		if (read_entry(line, length, program, &entries[count]))
			count++;
		else if (count > first && length > HELP_COLUMN && strspn(line, " ") == HELP_COLUMN)
			add_text(&entries[count - 1], line, length);
		line += length + (line[length] == '\n');
	}
	program_result_free(&r);
	for (size_t i = first; i < count; i++)
		drop_default(&entries[i]);
	assert_true(count - first >= 4); /* --help, --usage, --version and one of its own */
	return count;
}

static void print_pair(const struct entry *a, const struct entry *b)
{
	print_error("%s: -%c --%s=%s %s\n%s: -%c --%s=%s %s\n", a->program,
		    a->letter ? a->letter : ' ', a->name, a->value, a->help, b->program,
		    b->letter ? b->letter : ' ', b->name, b->value, b->help);
}

static void an_option_is_the_same_in_all(void **state)
{
	struct entry *entries = calloc(ENTRIES_MAX, sizeof(*entries));
	size_t count = 0, bad = 0, shared = 0;

	(void)state;
	assert_non_null(entries);
	for (size_t i = 0; i < PROGRAMS; i++)
		count = read_help(programs[i].name, entries, count);
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct entry *a = &entries[j], *b = &entries[i];
			int same_name = strcmp(a->name, b->name) == 0;
			int same = a->letter == b->letter && same_name &&
				   strcmp(a->value, b->value) == 0 && strcmp(a->help, b->help) == 0;

			shared += same;
			if (same || (!same_name && (!a->letter || a->letter != b->letter)))
				continue;
			print_pair(a, b);
			bad++;
		}
	}
	free(entries);
	assert_true(shared > 100); /* it read them */
	assert_int_equal(bad, 0);
}

/* --- values --- */

/* An option with a value that it refuses, in each program that has the option. */
static void check_value(const char *option, const char *value, const char *right)
{
	char given[TEXT_BYTES], message[TEXT_BYTES], part[64];
	size_t found = 0;

	snprintf(part, sizeof(part), "--%s=", option);
	snprintf(given, sizeof(given), "--%s=%s", option, value);
	snprintf(message, sizeof(message), "--%s: '%s' is not %s", option, value, right);
	for (size_t i = 0; i < PROGRAMS; i++) {
		struct program_result r;
		int has;

		RUN(&r, 0, programs[i].name, NULL, "--help");
		has = strstr(r.out, part) != NULL;
		program_result_free(&r);
		if (!has)
			continue;
		check_refused(programs[i].name, given, programs[i].argument, message);
		found++;
	}
	assert_true(found > 0);
}

static void a_value_out_of_range(void **state)
{
	(void)state;
	check_value("block-tokens", "0", "a whole number from 1 to 65536");
	check_value("block-tokens", "x", "a whole number from 1 to 65536");
	check_value("seed", "-1", "a whole number from 0 to 18446744073709551615");
	check_value("seed", "18446744073709551616",
		    "a whole number from 0 to 18446744073709551615");
	check_value("disk-blocks", "1e3", "a whole number from 0 to 2147483648");
	check_value("count", "0", "a whole number from 1 to 18446744073709551615");
	check_value("rate", "nan", "a number from 1e-06 to 1e+06");
	check_value("speed", "-1", "a number from 0 to 1e+09");
	check_value("dir", "", "a name");
}

static void one_default_of_the_seed(void **state)
{
	static const char *const programs_with_seed[] = {"ringdex-demo", "ringdex-mock",
							 "ringdex-trace"};
	struct program_result r;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		RUN(&r, 0, programs_with_seed[i], NULL, "--help");
		assert_has(r.out,
			   "--seed=N               Seed of all random choices [default: 1]\n");
		program_result_free(&r);
	}
}

static void a_value_that_is_no_choice(void **state)
{
	(void)state;
	check_value("wait", "never", "one of auto, io_uring, epoll");
	check_value("clear-scope", "host", "one of rank, worker");
	check_value("name-bytes", "16", "one of 8, 32");
}

static void a_duration_without_a_unit(void **state)
{
	static const char right[] = "a duration from 1ms to 24h, such as 250ms, 10s or 5m";

	(void)state;
	check_value("stale-after", "250", right);
	check_value("stale-after", "0.5us", right);
	check_value("interval", "25h", right);
	check_value("interval", "1 s", right);
	check_value("outage", "10", "a duration from 1ns to 24000h, such as 250ms, 10s or 5m");
}

static void slots_that_are_no_power_of_two(void **state)
{
	(void)state;
	check_refused("ringdex-feed", "--ring-slots=100", "/dev/null",
		      "--ring-slots: '100' is not a power of two from 64 to 4294967296");
	check_refused("ringdex-mock", "--ring-slots=100", NULL,
		      "--ring-slots: '100' is not a power of two from 64 to 4294967296");
	check_refused("ringdex-demo", "--ring-slots=32", NULL,
		      "--ring-slots: '32' is not a power of two from 64 to 1073741824");
}

/* --- what is not there --- */

static void a_directory_that_is_missing(void **state)
{
	static const char *const readers[] = {"ringdex-ls", "ringdex-tail", "ringdex-range",
					      "ringdex-query", "ringdex-verify"};
	struct program_result r;
	char expected[TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		const char *argument = i == 2 ? "7" : i == 3 ? "/dev/null" : NULL;

		snprintf(expected, sizeof(expected),
			 "%s: cannot open /dev/shm/no/such: No such file or directory: start a "
			 "worker or name the directory with --dir\n",
			 readers[i]);
		RUN(&r, 1, readers[i], NULL, "--dir=/dev/shm/no/such", argument);
		assert_string_equal(r.err, expected);
		assert_string_equal(r.out, "");
		program_result_free(&r);
	}
}

/* Not whatever keeps a directory from being opened is that it is not there. */
static void a_directory_that_cannot_be(void **state)
{
	char option[TEXT_BYTES], expected[2 * TEXT_BYTES];
	struct program_result r;

	(void)state;
	snprintf(option, sizeof(option), "--dir=/dev/shm/%0*d", NAME_MAX + 1, 0);
	snprintf(expected, sizeof(expected), "ringdex-ls: cannot open %s: File name too long\n",
		 option + strlen("--dir="));
	RUN(&r, 1, "ringdex-ls", NULL, option);
	assert_string_equal(r.err, expected);
	program_result_free(&r);
}

static void a_directory_that_cannot_be_made(void **state)
{
	static const char right[] = "its parent is not a directory: create that one or choose "
				    "another --dir\n";
	struct program_result r;

	(void)state;
	RUN(&r, 1, "ringdex-follow", NULL, "--dir=/dev/shm/no/such");
	assert_has(r.err, right);
	program_result_free(&r);
	RUN(&r, 1, "ringdex-mock", NULL, "--dir=/dev/shm/no/such");
	assert_has(r.err, right);
	program_result_free(&r);
	RUN(&r, 1, "ringdex-feed", "{\"worker\":1,\"type\":\"cleared\"}", "--dir=/dev/shm/no/such",
	    "-");
	assert_has(r.err, right);
	program_result_free(&r);
}

static void a_file_that_is_missing(void **state)
{
	static const char *const lines[][3] = {
		{"ringdex-feed", "/no/such/file", NULL},
		{"ringdex-mock", "--trace=/no/such/file", NULL},
		{"ringdex-trace", "show", "/no/such/file"},
	};
	struct rig *rig = *state;
	struct program_result r;
	char expected[TEXT_BYTES];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(expected, sizeof(expected),
			 "%s: cannot open /no/such/file: No such file or directory\n", lines[i][0]);
		RUN(&r, 1, lines[i][0], NULL, lines[i][1], lines[i][2]);
		assert_string_equal(r.err, expected);
		program_result_free(&r);
	}
	RUN(&r, 1, "ringdex-query", NULL, "/no/such/file", "--dir", rig->dir);
	assert_string_equal(r.err, "ringdex-query: cannot open /no/such/file: No such file or "
				   "directory\n");
	program_result_free(&r);
}

/* What `program --help` says on standard error and ends with, its output being a full disk. */
static int help_to_full_disk(const char *program, char *ret_said)
{
	char own[PATH_MAX], command[PATH_MAX + TEXT_BYTES];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	FILE *pipe;
	int status;

	assert_true(length > 0);
	own[length] = 0;
	*strrchr(own, '/') = 0;
	snprintf(command, sizeof(command), "'%s/%s' --help 2>&1 >/dev/full", own, program);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	if (!fgets(ret_said, TEXT_BYTES, pipe))
		ret_said[0] = 0;
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_full_disk(void **state)
{
	char said[TEXT_BYTES], expected[TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < PROGRAMS; i++) {
		assert_int_equal(help_to_full_disk(programs[i].name, said), 1);
		snprintf(expected, sizeof(expected),
			 "%s: cannot write the output: No space left on device\n",
			 programs[i].name);
		assert_string_equal(said, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unknown_option),
		cmocka_unit_test(an_argument_missing_or_too_many),
		cmocka_unit_test(an_option_is_the_same_in_all),
		cmocka_unit_test(a_value_out_of_range),
		cmocka_unit_test(one_default_of_the_seed),
		cmocka_unit_test(a_value_that_is_no_choice),
		cmocka_unit_test(a_duration_without_a_unit),
		cmocka_unit_test(slots_that_are_no_power_of_two),
		cmocka_unit_test(a_directory_that_is_missing),
		cmocka_unit_test(a_directory_that_cannot_be),
		cmocka_unit_test(a_directory_that_cannot_be_made),
		cmocka_unit_test_setup_teardown(a_file_that_is_missing, rig_setup, rig_teardown),
		cmocka_unit_test(a_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
