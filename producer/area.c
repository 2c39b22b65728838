/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/area.h"

#include "shm/segment_layout.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES (UINT64_C(2) << 20)
#define PIECE_BYTES     (UINT64_C(256) << 10) /* of small pages some 40 us to free */

static uint64_t round_up(uint64_t bytes, uint64_t to)
{
	return (bytes + to - 1) / to * to;
}

/* From a huge page's boundary on; what is cut off to get there is given back. Nothing is promised by the
 * kernel for what is not touched. */
static int map_aligned(struct rdx_area *area, uint64_t bytes)
{
	uint8_t *base = mmap(NULL, bytes + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t before;

	if (base == MAP_FAILED)
		return -ENOMEM;
	before = -(uintptr_t)base & (HUGE_PAGE_BYTES - 1);
	if (before)
		munmap(base, before);
	munmap(base + before + bytes, HUGE_PAGE_BYTES - before);
	*area = (struct rdx_area){.base = base + before, .reserved = bytes};
	return 0;
}

int rdx_area_reserve(struct rdx_area *ret_area, uint64_t bytes)
{
	int r = map_aligned(ret_area, round_up(bytes, HUGE_PAGE_BYTES));

	if (r < 0)
		return r;
	if (madvise(ret_area->base, ret_area->reserved, MADV_DONTFORK) < 0) {
		r = -errno;
		rdx_area_free(ret_area);
	}
	return r;
}

static int populate(uint8_t *from, uint64_t bytes)
{
	if (madvise(from, bytes, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno == ENOMEM)
		return -ENOMEM;
	/* before Linux 5.14: one store a page, which the compiler must keep */
	for (uint64_t at = 0; at < bytes; at += RDX_PAGE_BYTES)
		__atomic_store_n(from + at, 0, __ATOMIC_RELAXED);
	return 0;
}

static int touch(struct rdx_area *area, uint64_t end)
{
	int r;

	if (end > area->reserved)
		return -ENOMEM;
	if (end <= area->touched)
		return 0;
	r = populate(area->base + area->touched, end - area->touched);
	if (r == 0)
		area->touched = end;
	return r;
}

/* Of whole pages, and only for speed: it works without. */
static void advise(const struct rdx_area *area, uint64_t from, uint64_t end, int advice)
{
	if (end > from && end <= area->reserved)
		madvise(area->base + from, end - from, advice);
}

int rdx_area_touch(struct rdx_area *area, uint64_t bytes)
{
	uint64_t rest = bytes % HUGE_PAGE_BYTES;
	uint64_t end =
		round_up(bytes, rest <= HUGE_PAGE_BYTES / 2 ? RDX_PAGE_BYTES : HUGE_PAGE_BYTES);

	advise(area, round_up(area->touched, HUGE_PAGE_BYTES),
	       end / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES, MADV_HUGEPAGE);
	return touch(area, end);
}

int rdx_area_extend(struct rdx_area *area, uint64_t bytes)
{
	uint64_t end = round_up(bytes, RDX_PAGE_BYTES);

	advise(area, area->touched, end, MADV_NOHUGEPAGE);
	return touch(area, end);
}

void rdx_area_shrink(struct rdx_area *area)
{
	uint64_t rest;

	if (!area->base)
		return;
	rest = area->touched ? (area->touched - 1) / PIECE_BYTES * PIECE_BYTES : 0;
	munmap(area->base + rest, area->reserved - rest);
	area->reserved = area->touched = rest;
	if (!rest)
		area->base = NULL;
}

void rdx_area_wipe(struct rdx_area *area)
{
	memset(area->base, 0, area->touched);
}

void rdx_area_free(struct rdx_area *area)
{
	if (area->base)
		munmap(area->base, area->reserved);
	*area = (struct rdx_area){.base = NULL};
}
