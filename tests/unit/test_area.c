/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: memory that grows in place. What was touched at once may be in huge pages; what comes in
 * steps never is, or a step would take as long as one of these. It is freed in pieces, the last first.
 */
#include "producer/area.h"
#include "tests/rig.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_BYTES (UINT64_C(2) << 20)
#define STEP_BYTES 65536

/* KiB in huge pages of the mappings that begin within the area. */
static uint64_t huge_kib(const uint8_t *base, uint64_t bytes)
{
	uint64_t begin, end, kib, sum = 0;
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512];
	int within = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &begin, &end) == 2)
			within = begin >= (uintptr_t)base && end <= (uintptr_t)base + bytes;
		else if (within && sscanf(line, "AnonHugePages: %" SCNu64, &kib) == 1)
			sum += kib;
	}
	fclose(file);
	return sum;
}

/* The page is there. */
static int is_mapped(uint8_t *page)
{
	unsigned char resident = 0;

	if (mincore(page, 4096, &resident) < 0) {
		assert_int_equal(errno, ENOMEM);
		return 0;
	}
	return 1;
}

static int is_resident(uint8_t *page)
{
	unsigned char resident = 0;

	assert_int_equal(mincore(page, 4096, &resident), 0);
	return resident & 1;
}

/* Not under qemu, whose madvise answers 0 to what it does not know. */
static int pages_come_when_asked(void)
{
	uint8_t *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int come;

	assert_true(page != MAP_FAILED);
	come = madvise(page, 4096, MADV_POPULATE_WRITE) < 0 || is_resident(page);
	munmap(page, 4096);
	return come;
}

static void test_steps_of_small_pages(void **state)
{
	int come = pages_come_when_asked();
	struct rdx_area area;

	(void)state;
	assert_int_equal(rdx_area_reserve(&area, 4 * HUGE_BYTES), 0);
	assert_true((uintptr_t)area.base % HUGE_BYTES == 0);
	for (uint64_t bytes = STEP_BYTES; bytes <= 3 * HUGE_BYTES; bytes += STEP_BYTES) {
		assert_int_equal(rdx_area_extend(&area, bytes), 0);
		assert_true(area.touched == bytes);
		assert_true(is_resident(area.base + bytes - 4096) || !come);
		assert_false(is_resident(area.base + bytes));
	}
	assert_true(huge_kib(area.base, area.reserved) == 0);
	assert_int_equal(rdx_area_extend(&area, 4 * HUGE_BYTES + 1), -ENOMEM);
	assert_true(area.touched == 3 * HUGE_BYTES);
	rdx_area_free(&area);
}

/* What was touched at once stays as it is. */
static void test_steps_behind_huge_pages(void **state)
{
	struct rdx_area area;
	uint64_t before;

	(void)state;
	assert_int_equal(rdx_area_reserve(&area, 4 * HUGE_BYTES), 0);
	assert_int_equal(rdx_area_touch(&area, 2 * HUGE_BYTES), 0);
	before = huge_kib(area.base, area.reserved);
	area.base[0] = area.base[2 * HUGE_BYTES - 1] = 7;
	assert_int_equal(rdx_area_extend(&area, 2 * HUGE_BYTES + 1), 0);
	assert_true(area.touched == 2 * HUGE_BYTES + 4096);
	assert_int_equal(rdx_area_extend(&area, 4 * HUGE_BYTES), 0);
	assert_true(huge_kib(area.base, area.reserved) == before);
	assert_int_equal(area.base[0] + area.base[2 * HUGE_BYTES - 1], 14);
	assert_int_equal(area.base[4 * HUGE_BYTES - 1], 0);
	rdx_area_free(&area);
}

/* At most so much a piece. */
#define PIECE_BYTES (UINT64_C(256) << 10)

static void test_shrinks(void **state)
{
	struct rdx_area area;
	uint64_t pieces = 0, touched;
	uint8_t *base;

	(void)state;
	assert_int_equal(rdx_area_reserve(&area, 8 * HUGE_BYTES), 0);
	assert_int_equal(rdx_area_touch(&area, HUGE_BYTES), 0);
	assert_int_equal(rdx_area_extend(&area, 2 * HUGE_BYTES + 4096), 0);
	base = area.base;
	while (area.base) {
		touched = area.touched;
		base[0] = base[touched - 1] = 7;
		rdx_area_shrink(&area);
		pieces++;
		assert_in_range(touched - area.touched, 1, PIECE_BYTES);
		/* with all that was never touched */
		assert_false(is_mapped(base + area.touched));
		assert_false(is_mapped(base + 8 * HUGE_BYTES - 4096));
		if (area.touched)
			assert_int_equal(base[0], 7);
	}
	assert_int_equal(pieces, 2 * HUGE_BYTES / PIECE_BYTES + 1);
	rdx_area_shrink(&area); /* there is none */
	rdx_area_free(&area);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_of_small_pages),
		cmocka_unit_test(test_steps_behind_huge_pages),
		cmocka_unit_test(test_shrinks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
