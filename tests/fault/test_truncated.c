/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: files truncated while they are mapped. With the guard the process lives, the reader
 * answers -EBADMSG, readers of other files go on, and faults at other addresses are passed on.
 */
#include "consumer/reader/reader.h"
#include "shm/clear.h"
#include "shm/guard.h"
#include "shm/hook.h"
#include "tests/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
	struct rig rig;
	struct rig_producer producer;
	struct rdx_reader *reader;
};

static void open_fixture(struct fixture *f, uint32_t clear_scope)
{
	struct rdx_segment_spec spec = rig_spec(7, 1, 64, 4096);

	/* in each test: cmocka puts its own handlers in place before it */
	assert_int_equal(rdx_guard_install(), 0);
	spec.clear_scope = clear_scope;
	rig_make(&f->rig);
	assert_int_equal(rig_claim(&f->rig, &f->producer, &spec), 0);
	assert_int_equal(rdx_reader_open(&f->reader, f->rig.dir, 7, 1), 0);
	for (uint64_t i = 1; i <= 200; i++)
		rig_store(&f->rig, &f->producer, i);
}

static void close_fixture(struct fixture *f)
{
	rdx_reader_close(f->reader);
	rig_release(&f->producer);
	rig_remove(&f->rig);
}

static void truncate_file(struct fixture *f, const char *name, off_t bytes)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->rig.dir, name);
	assert_int_equal(truncate(path, bytes), 0);
}

/* Whatever is asked first, the answer is -EBADMSG, and so is every later one. */
static void assert_bad(struct fixture *f, int first)
{
	uint64_t hashes[8], count;
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_cursor exact;
	struct rdx_event event = {.size = sizeof(event)};
	struct rdx_range range = {.size = sizeof(range)};

	for (int i = first; i < first + 4; i++)
		switch (i % 4) {
		case 0:
			assert_int_equal(rdx_reader_next(f->reader, &event), -EBADMSG);
			break;
		case 1:
			assert_int_equal(rdx_reader_recover(f->reader, NULL, &recovery), -EBADMSG);
			break;
		case 2:
			assert_int_equal(rdx_reader_range(f->reader, f->reader->info.epoch, 150,
							  200, &range),
					 -EBADMSG);
			break;
		default:
			assert_int_equal(
				rdx_reader_resident(f->reader, 0, hashes, 8, &count, &exact),
				-EBADMSG);
			break;
		}
}

static void test_segment_truncated_to_nothing(void **state)
{
	(void)state;
	for (int first = 0; first < 4; first++) {
		struct fixture f;

		open_fixture(&f, 0);
		truncate_file(&f, "7/1.seg", 0);
		assert_bad(&f, first);
		close_fixture(&f);
	}
}

static void test_segment_truncated_in_mid_read(void **state)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_event event = {.size = sizeof(event)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 0);
	assert_int_equal(rdx_reader_recover(f.reader, NULL, &recovery), 0);
	assert_int_equal(recovery.way, RDX_RECOVERED_LEDGER);
	rig_store(&f.rig, &f.producer, 201);
	assert_int_equal(rdx_reader_next(f.reader, &event), 1);
	/* header and live words stay, the ring is gone */
	truncate_file(&f, "7/1.seg", RDX_RING_OFFSET);
	assert_bad(&f, 0);
	close_fixture(&f);
}

static void test_ledger_truncated_in_mid_scan(void **state)
{
	uint64_t hashes[16], exact;
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct fixture f;
	uint8_t tier;
	int64_t n;

	(void)state;
	open_fixture(&f, 0);
	assert_int_equal(rdx_reader_recover(f.reader, NULL, &recovery), 0);
	assert_int_equal(rdx_reader_snapshot(f.reader, hashes, 16, &tier, &exact), 16);
	truncate_file(&f, "7/1.seg", RDX_RING_OFFSET + 64 * sizeof(struct rdx_slot));
	while ((n = rdx_reader_snapshot(f.reader, hashes, 16, &tier, &exact)) > 0)
		;
	assert_int_equal(n, -EBADMSG);
	assert_bad(&f, 0);
	close_fixture(&f);
}

/* Within the page where the scan is: nothing faults, and what is left of it reads as empty records. */
static void test_ledger_truncated_within_a_page(void **state)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	uint64_t hashes[16], exact, cut;
	uint8_t tier;
	struct fixture f;
	int64_t n;

	(void)state;
	open_fixture(&f, 0);
	assert_int_equal(rdx_reader_recover(f.reader, NULL, &recovery), 0);
	assert_int_equal(recovery.way, RDX_RECOVERED_LEDGER);
	assert_int_equal(rdx_reader_snapshot(f.reader, hashes, 16, &tier, &exact), 16);
	cut = (f.reader->view.header.ledger_offset + 200 * sizeof(struct rdx_ledger_record)) /
		      RDX_PAGE_BYTES * RDX_PAGE_BYTES +
	      sizeof(struct rdx_ledger_record);
	truncate_file(&f, "7/1.seg", (off_t)cut);
	while ((n = rdx_reader_snapshot(f.reader, hashes, 16, &tier, &exact)) > 0)
		;
	assert_int_equal(n, -EBADMSG);
	assert_false(rdx_reader_poisoned(f.reader));
	close_fixture(&f);
}

/* Zero pages in its place look like a worker that was never cleared. */
static void test_clear_file_truncated(void **state)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_event event = {.size = sizeof(event)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 1);
	rig_clear(&f.producer);
	assert_int_equal(rdx_reader_recover(f.reader, NULL, &recovery), 0);
	assert_int_equal(rdx_reader_clear_stamp(f.reader), 1);
	truncate_file(&f, "7/clear", 0);
	(void)rdx_reader_clear_stamp(f.reader);
	assert_int_equal(rdx_reader_next(f.reader, &event), -EBADMSG);
	assert_bad(&f, 1);
	close_fixture(&f);
	open_fixture(&f, 1);
	truncate_file(&f, "7/clear", 0);
	assert_bad(&f, 1);
	close_fixture(&f);
}

static void test_others_read_on(void **state)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_event event = {.size = sizeof(event)};
	struct fixture f, other;
	int events = 0;

	(void)state;
	open_fixture(&f, 0);
	open_fixture(&other, 0);
	rig_clear(&other.producer);
	truncate_file(&f, "7/1.seg", 0);
	assert_bad(&f, 0);
	assert_int_equal(rdx_reader_recover(other.reader, NULL, &recovery), 0);
	while (rdx_reader_next(other.reader, &event) == 1)
		events++;
	assert_int_equal(events, 1);
	close_fixture(&f);
	close_fixture(&other);
}

#ifdef RDX_HOOKS
#define PAGE 4096

static struct rdx_mapping *closed, *opened;

/* Another thread closes one mapping and opens a longer one, which takes its slot. */
static void take_slot_over(enum rdx_hook_step step)
{
	if (step != RDX_HOOK_GUARD_BASE)
		return;
	rdx_hook_function = NULL;
	rdx_guard_remove(closed);
	(void)rdx_guard_add(opened);
}

/* While the handler looks for the mapping that was truncated, a slot before it changes
 * hands: an old base and a new length are nobody's mapping. */
static void test_a_slot_changes_hands(void **state)
{
	struct rdx_mapping first = {.bytes = PAGE}, longer = {.bytes = 8 * PAGE};
	struct rdx_mapping faulting = {.bytes = PAGE};
	uint8_t *pages =
		mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("faulting", MFD_CLOEXEC);

	(void)state;
	assert_true(pages != MAP_FAILED && fd >= 0);
	memset(pages, 7, 8 * PAGE);
	assert_int_equal(rdx_guard_install(), 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	faulting.base = mmap(pages + 2 * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	assert_ptr_equal(faulting.base, pages + 2 * PAGE);
	first.base = pages;
	longer.base = pages + 16 * PAGE; /* elsewhere; never touched */
	assert_int_equal(rdx_guard_add(&first), 0);
	assert_int_equal(rdx_guard_add(&faulting), 0);
	assert_int_equal(ftruncate(fd, 0), 0);

	closed = &first;
	opened = &longer;
	rdx_hook_function = take_slot_over;
	assert_int_equal(
		atomic_load_explicit((_Atomic uint8_t *)faulting.base, memory_order_relaxed), 0);
	assert_null(rdx_hook_function);
	assert_int_equal(rdx_mapping_poisoned(&faulting), 1);
	assert_int_equal(rdx_mapping_poisoned(&longer), 0);
	for (int page = 0; page < 8; page++)
		assert_int_equal(pages[page * PAGE], page == 2 ? 0 : 7);
	rdx_guard_remove(&longer);
	rdx_guard_remove(&faulting);
	close(fd);
	munmap(pages, 8 * PAGE);
}
#endif

static void exit_with_5(int number)
{
	(void)number;
	_exit(5);
}

/* A SIGBUS at an address that is not ours, with and without a handler before ours. */
static int fault_elsewhere(int with_handler)
{
	int fd = memfd_create("elsewhere", MFD_CLOEXEC);
	_Atomic uint8_t *base;
	int status;
	pid_t child = fork();

	assert_true(child >= 0 && fd >= 0);
	if (child == 0) {
		signal(SIGBUS, with_handler ? exit_with_5 : SIG_DFL);
		if (rdx_guard_install() < 0)
			_exit(2);
		base = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		_exit(base == MAP_FAILED ? 3 : 4 + *base);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	close(fd);
	return status;
}

static void test_faults_of_others_are_passed_on(void **state)
{
	int status;

	(void)state;
	status = fault_elsewhere(1);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	status = fault_elsewhere(0);
#if !defined(__SANITIZE_THREAD__)
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
#endif
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segment_truncated_to_nothing),
		cmocka_unit_test(test_segment_truncated_in_mid_read),
		cmocka_unit_test(test_ledger_truncated_in_mid_scan),
		cmocka_unit_test(test_ledger_truncated_within_a_page),
		cmocka_unit_test(test_clear_file_truncated),
		cmocka_unit_test(test_others_read_on),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_a_slot_changes_hands),
#endif
		cmocka_unit_test(test_faults_of_others_are_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
