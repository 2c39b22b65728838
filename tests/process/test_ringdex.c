/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ringdex, which runs the other programs: its list, its commands, and
 * a misspelt one.
 */
#include "tests/expect.h"
#include <ringdex/rdx_version.h>

static void lists_commands(void **state)
{
	struct program_result r;

	(void)state;
	RUN(&r, 0, "ringdex", NULL);
	assert_has(r.out, "query ");
	assert_has(r.out, "verify ");
	program_result_free(&r);
	RUN(&r, 0, "ringdex", NULL, "--help");
	assert_has(r.out, "ls ");
	program_result_free(&r);
	RUN(&r, 0, "ringdex", NULL, "--version");
	assert_string_equal(r.out, "ringdex " RDX_VERSION "\n");
	program_result_free(&r);
}

static void runs_a_command(void **state)
{
	struct rig *rig = *state;
	struct program_result r;

	RUN(&r, 0, "ringdex", NULL, "ls", "--dir", rig->dir, "--json");
	assert_has(r.out, "\"segments\"");
	program_result_free(&r);
	RUN(&r, 2, "ringdex", NULL, "ls", "--no-such-option");
	assert_has(r.err, "ringdex-ls: unrecognized option");
	program_result_free(&r);
	RUN(&r, 0, "ringdex", NULL, "help", "ls");
	assert_has(r.out, "Usage: ringdex-ls");
	program_result_free(&r);
}

static void names_the_nearest_command(void **state)
{
	struct program_result r;

	(void)state;
	RUN(&r, 2, "ringdex", NULL, "qeury");
	assert_has(r.err, "'qeury' is not a command");
	assert_has(r.err, "ringdex query\n");
	program_result_free(&r);
	RUN(&r, 2, "ringdex", NULL, "no-such-command");
	assert_null(strstr(r.err, "Did you mean"));
	program_result_free(&r);
	RUN(&r, 2, "ringdex", NULL, "--no-such-option");
	program_result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_commands),
		cmocka_unit_test_setup_teardown(runs_a_command, rig_setup, rig_teardown),
		cmocka_unit_test(names_the_nearest_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
