/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: --clean-dead-for of ringdex follow and ringdexd, turn by turn: what it cannot remove it says once, with
 * the cause, and again when it had been removed meanwhile.
 */
#include "tests/rig.h"
#include "tools/inspect/house.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR       UINT64_C(3600000000000) /* more than between two turns */
#define CROWD      (HOUSE_FAILURES_MAX + 2)
#define WORKERS    7 /* the first one's id */
#define NAME_BYTES 40

static struct {
	uint32_t failures;
	uint32_t others;
	int error;
	char text[128]; /* of the last failure */
} said;

void __wrap_messages_say(const char *format, ...);
void __wrap_messages_say_error(int error, const char *format, ...);

void __wrap_messages_say(const char *format, ...)
{
	(void)format;
	said.others++;
}

void __wrap_messages_say_error(int error, const char *format, ...)
{
	va_list arguments;

	said.failures++;
	said.error = error;
	va_start(arguments, format);
	vsnprintf(said.text, sizeof(said.text), format, arguments);
	va_end(arguments);
}

static void keep(struct house *house, uint32_t failures)
{
	said.failures = 0;
	house_keep(house, house->turn * HOUR);
	assert_int_equal(said.failures, failures);
}

static void name_stuck(uint64_t worker_id, char *ret_lock, char *ret_inner)
{
	snprintf(ret_lock, NAME_BYTES, "%lu/0.lock", worker_id);
	snprintf(ret_inner, NAME_BYTES, "%lu/0.lock/x", worker_id);
}

/* A rank that is dead, and whose lock cannot be taken: a directory that is not empty has its name. */
static void make_stuck(struct rig *rig, uint64_t worker_id)
{
	struct rdx_segment_spec spec = rig_spec(worker_id, 0, 64, 64);
	struct rig_producer producer;
	char lock[NAME_BYTES], inner[NAME_BYTES];

	assert_int_equal(rig_claim(rig, &producer, &spec), 0);
	rig_release(&producer);
	name_stuck(worker_id, lock, inner);
	assert_int_equal(unlinkat(rig->dir_fd, lock, 0), 0);
	assert_int_equal(mkdirat(rig->dir_fd, lock, 0755), 0);
	assert_int_equal(mkdirat(rig->dir_fd, inner, 0755), 0);
}

static void mend(struct rig *rig, uint64_t worker_id)
{
	char lock[NAME_BYTES], inner[NAME_BYTES];

	name_stuck(worker_id, lock, inner);
	assert_int_equal(unlinkat(rig->dir_fd, inner, AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(rig->dir_fd, lock, AT_REMOVEDIR), 0);
}

static void test_said_once(void **state)
{
	struct rig *rig = *state;
	struct house house = {.dir = rig->dir};

	make_stuck(rig, 7);
	keep(&house, 1);
	assert_int_equal(said.error, -EISDIR);
	assert_string_equal(said.text, "cannot remove 7/0.seg, which is dead");
	keep(&house, 0);
	make_stuck(rig, 8);
	keep(&house, 1);
	assert_string_equal(said.text, "cannot remove 8/0.seg, which is dead");
	keep(&house, 0);
	mend(rig, 7);
	keep(&house, 0);
	make_stuck(rig, 7);
	keep(&house, 1);
	mend(rig, 7);
	mend(rig, 8);
	keep(&house, 0);
	assert_int_equal(said.others, 0);
}

/* More than it keeps in mind: that is said once, too. */
static void test_very_many(void **state)
{
	struct rig *rig = *state;
	struct house house = {.dir = rig->dir};

	for (uint64_t i = 0; i < CROWD; i++)
		make_stuck(rig, WORKERS + i);
	keep(&house, HOUSE_FAILURES_MAX);
	keep(&house, 0);
	assert_int_equal(said.others, 1);
	for (uint64_t i = 0; i < CROWD; i++)
		mend(rig, WORKERS + i);
	keep(&house, 0);
	assert_int_equal(house.failure_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_said_once, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_very_many, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
