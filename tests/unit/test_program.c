/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what the programs share: numbers read and written for people, percentiles,
 * tables whose cells follow their columns, JSON of structs.
 */
#include "tests/rig.h"

#include "tools/program/figures.h"
#include "tools/program/json.h"
#include "tools/program/options_value.h"
#include "tools/program/samples.h"
#include "tools/program/table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void figures_are_short(void **state)
{
	static const struct {
		const char *(*write)(uint64_t value, char *ret_text);
		uint64_t value;
		const char *text;
	} cases[] = {
		{figures_size, 0, "0 bytes"},
		{figures_size, 1023, "1023 bytes"},
		{figures_size, 1536, "1.5 KiB"},
		{figures_size, UINT64_C(100) << 20, "100 MiB"},
		{figures_size, UINT64_MAX, "16384 PiB"},
		{figures_grouped, 0, "0"},
		{figures_grouped, 999, "999"},
		{figures_grouped, 1000, "1,000"},
		{figures_grouped, UINT64_MAX, "18,446,744,073,709,551,615"},
		{figures_duration, 999, "999 ns"},
		{figures_duration, 3400000, "3.4 ms"},
		{figures_duration, 12000, "12 us"},
		{figures_duration, UINT64_C(5600000000000), "5600 s"},
	};
	char text[FIGURES_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(cases[i].write(cases[i].value, text), cases[i].text);
}

static void what_is_counted_is_one_or_many(void **state)
{
	char text[FIGURES_COUNTED_BYTES];

	(void)state;
	assert_string_equal(figures_counted(1, "block dropped: no room", text),
			    "1 block dropped: no room");
	assert_string_equal(figures_counted(0, "block dropped: no room", text),
			    "0 blocks dropped: no room");
	assert_string_equal(figures_counted(UINT64_MAX, "gap", text), "18446744073709551615 gaps");
	assert_string_equal(figures_plural(1), "");
	assert_string_equal(figures_plural(2), "s");
}

static void numbers_are_digits_only(void **state)
{
	static const char *const wrong[] = {"",     " 1",  "+1", "-1", "1 ", "0x",
					    "0x 1", "1e3", "9",  "0",  "a",  "1.0"};
	uint64_t value = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(options_value_number(wrong[i], 1, 8, &value), 0);
	assert_int_equal(value, 77);
	assert_int_equal(options_value_number("0x8", 1, 8, &value), 1);
	assert_int_equal(value, 8);
	assert_int_equal(options_value_number("007", 1, 8, &value), 1);
	assert_int_equal(value, 7);
	assert_int_equal(options_value_number("18446744073709551615", 0, UINT64_MAX, &value), 1);
	assert_true(value == UINT64_MAX);
	assert_int_equal(options_value_number("18446744073709551616", 0, UINT64_MAX, &value), 0);
}

static void percentiles_are_of_the_nearest_rank(void **state)
{
	struct samples samples = {0};

	(void)state;
	assert_int_equal(samples_percentile(&samples, 500), 0);
	for (uint64_t i = 1000; i > 0; i--)
		samples_add(&samples, i * UINT32_MAX);
	assert_true(samples_percentile(&samples, 1) == UINT32_MAX);
	assert_true(samples_percentile(&samples, 500) == UINT64_C(500) * UINT32_MAX);
	assert_true(samples_percentile(&samples, 999) == UINT64_C(999) * UINT32_MAX);
	/* sorted anew */
	samples_add(&samples, 0);
	assert_true(samples_percentile(&samples, 1) == UINT32_MAX);
	assert_int_equal(samples.ns[0], 0);
	assert_true(samples_percentile(&samples, 1000) == UINT64_C(1000) * UINT32_MAX);
	assert_int_equal(samples.count, 1001);
	assert_int_equal(samples.total_count, 1001);
	samples_free(&samples);
}

static const struct table_column columns[] = {
	{"NAME", TABLE_TEXT, 0},
	{"HIDDEN", TABLE_NUMBER, 1},
	{"SIZE", TABLE_NUMBER, 0},
	{"REST", TABLE_TEXT, 0},
};

/* What is printed meanwhile. */
static char *printed(void (*print)(void))
{
	FILE *before = stdout;
	size_t length;
	char *text;

	stdout = open_memstream(&text, &length);
	assert_non_null(stdout);
	print();
	fclose(stdout);
	stdout = before;
	return text;
}

static void print_table(void)
{
	struct table *table = TABLE_NEW(columns);

	table_row(table);
	table_text(table, "a %s", "row");
	table_number(table, 1);
	table_size(table, 2048);
	table_text(table, "end");
	table_row(table);
	table_text(table, "b");
	table_skip_rest(table);
	table_row(table);
	table_skip(table);
	table_skip(table);
	table_grouped(table, 10000);
	table_duration(table, 5000);
	table_print(table);
}

static void cells_follow_their_columns(void **state)
{
	char *text = printed(print_table);

	(void)state;
	assert_string_equal(text, "NAME     SIZE REST\n"
				  "a row 2.0 KiB end\n"
				  "b             \n"
				  "       10,000 5.0 us\n");
	free(text);
}

static void too_many_cells(void)
{
	struct table *table = TABLE_NEW(columns);

	table_row(table);
	table_skip_rest(table);
	table_number(table, 1);
}

static void too_few_cells(void)
{
	struct table *table = TABLE_NEW(columns);

	table_row(table);
	table_number(table, 1);
	table_row(table);
}

/* A table that does not fit its columns is a bug, found where it is made. */
static void a_row_has_a_cell_for_each_column(void **state)
{
	void (*const wrong[])(void) = {too_many_cells, too_few_cells};

	(void)state;
#ifdef NDEBUG
	print_message("skipped: a release build has no assertions\n");
	skip();
#endif
	for (size_t i = 0; i < 2; i++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			setrlimit(RLIMIT_CORE, &(struct rlimit){0});
			close(STDERR_FILENO);
			signal(SIGABRT, SIG_DFL);
			wrong[i]();
			_exit(0);
		}
		assert_true(child > 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

struct mixed {
	uint8_t byte;
	uint16_t half;
	uint32_t word;
	uint64_t wide;
};

static void print_mixed(void)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct mixed, wide),
		JSON_FIELD(struct mixed, byte),
		JSON_FIELD_AS("16", struct mixed, half),
		JSON_FIELD(struct mixed, word),
	};
	const struct mixed mixed = {1, UINT16_MAX, UINT32_MAX, UINT64_MAX};
	struct json_object *object = json_new_object();

	JSON_PUT_FIELDS(object, fields, &mixed);
	json_put_number(object, "most", UINT64_C(1) << 53);
	json_put_number(object, "more", (UINT64_C(1) << 53) + 1);
	json_put_fraction(object, "part", 0.1);
	json_put_text(object, "text", "\xc3\xbc\xc0\x80\xed\xa0\x80");
	json_put_text(object, "none", NULL);
	json_print_line(object);
}

static void members_keep_their_width(void **state)
{
	char *text = printed(print_mixed);

	(void)state;
	assert_string_equal(text, "{\"wide\":\"18446744073709551615\",\"byte\":1,\"16\":65535,"
				  "\"word\":4294967295,\"most\":9007199254740992,"
				  "\"more\":\"9007199254740993\",\"part\":0.1,\"text\":\"\xc3\xbc"
				  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
				  "\"none\":null}\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_are_short),
		cmocka_unit_test(what_is_counted_is_one_or_many),
		cmocka_unit_test(numbers_are_digits_only),
		cmocka_unit_test(percentiles_are_of_the_nearest_rank),
		cmocka_unit_test(cells_follow_their_columns),
		cmocka_unit_test(a_row_has_a_cell_for_each_column),
		cmocka_unit_test(members_keep_their_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
