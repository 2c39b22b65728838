/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: who may open a publisher and with what: every refusal with its errno, one
 * producer a rank, a segment as it was planned.
 */
#include "shm/file.h"
#include "shm/lock.h"
#include "tests/publisher_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void expect_refused(const struct rdx_publisher_options *options, int error)
{
	struct rdx_publisher *p = (struct rdx_publisher *)8;
	uint64_t bytes = 77;

	assert_int_equal(rdx_publisher_open(&p, options), error);
	assert_ptr_equal(p, (struct rdx_publisher *)8);
	if (error == -EINVAL || error == -ENAMETOOLONG) {
		assert_int_equal(rdx_publisher_segment_size(options, &bytes), error);
		assert_int_equal(bytes, 77);
	}
}

static void test_open_refuses(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_publisher_options bad;
	char text[RDX_TEXT_BYTES + 1];

#define REFUSED(member, value, error)                                                              \
	do {                                                                                       \
		bad = f->options;                                                                  \
		bad.member = value;                                                                \
		expect_refused(&bad, error);                                                       \
	} while (0)
	expect_refused(NULL, -EINVAL);
	REFUSED(size, sizeof(bad) - 4, -EINVAL);
	REFUSED(ring_slots, 100, -EINVAL);
	REFUSED(ring_slots, RDX_RING_SLOTS_MIN / 2, -EINVAL);
	REFUSED(ring_slots, 2 * RDX_RING_SLOTS_MAX, -EINVAL);
	REFUSED(tier_blocks[0], RDX_TIER_BLOCKS_MAX + 1, -EINVAL);
	REFUSED(block_tokens, RDX_BLOCK_TOKENS_MAX + 1, -EINVAL);
	REFUSED(clear_scope, 2, -EINVAL);
	REFUSED(report_mode, 3, -EINVAL);
	REFUSED(file_mode, 0666, -EINVAL);
	REFUSED(instance, NULL, -EINVAL);
	REFUSED(instance, "", -EINVAL);
	REFUSED(model, NULL, -EINVAL);
	REFUSED(remembered_names, UINT64_MAX, -ENOMEM);
	REFUSED(dir, "/dev/shm/no/such/parent", -ENOENT);
	REFUSED(dir, "/dev/null", -ENOTDIR);
	bad = f->options;
	bad.tier_blocks[0] = bad.tier_blocks[1] = 0;
	expect_refused(&bad, -EINVAL);
	memset(text, 'x', RDX_TEXT_BYTES);
	text[RDX_TEXT_BYTES] = '\0';
	REFUSED(instance, text, -ENAMETOOLONG);
	REFUSED(model, text, -ENAMETOOLONG);
	REFUSED(tenant, text, -ENAMETOOLONG);
#undef REFUSED
}

static void test_one_producer_per_rank(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_publisher *other = NULL;

	publisher_open(f);
	expect_refused(&f->options, -EBUSY);
	f->options.dp_rank = 2;
	assert_int_equal(rdx_publisher_open(&other, &f->options), 0);
	rdx_publisher_close(other);
	f->options.dp_rank = 1;
	rdx_publisher_close(f->p);
	publisher_open(f);
	rdx_publisher_close(NULL);
}

static void test_damaged_key(void **state)
{
	struct publisher_rig *f = *state;
	int fd = openat(f->rig.dir_fd, "key", O_WRONLY | O_TRUNC);

	assert_true(fd >= 0 || errno == EACCES);
	if (fd < 0) {
		assert_int_equal(fchmodat(f->rig.dir_fd, "key", 0600, 0), 0);
		fd = openat(f->rig.dir_fd, "key", O_WRONLY | O_TRUNC);
	}
	close(fd);
	expect_refused(&f->options, -EKEYREJECTED);
}

static void test_segment_is_as_planned(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_segment_view view;
	uint64_t bytes = 0;

	publisher_open(f);
	assert_int_equal(rdx_publisher_segment_size(&f->options, &bytes), 0);
	assert_int_equal(rdx_segment_join(&view, f->rig.dir_fd, 7, 1, &f->rig.key), 0);
	assert_int_equal(view.header.file_bytes, bytes);
	assert_int_equal(view.header.block_tokens, PUBLISHER_TOKENS);
	assert_string_equal(view.header.instance, "http://localhost");
	assert_int_equal(rdx_lock_held(view.mapping.fd), 1);
	/* tests go to the disk where memory is small */
	assert_int_equal(publisher_stats(f->p).disk_backed, !rdx_file_in_memory(f->rig.dir_fd));
	rdx_publisher_close(f->p);
	f->p = NULL;
	assert_int_equal(rdx_lock_held(view.mapping.fd), 0);
	rdx_segment_leave(&view);
	/* the defaults */
	f->options.block_tokens = 0;
	f->options.ring_slots = 0;
	publisher_open(f);
	assert_int_equal(f->p->owner.header->block_tokens, 16);
	assert_int_equal(f->p->owner.header->ring_slots, 65536);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUBLISHER_TEST(test_open_refuses),
		PUBLISHER_TEST(test_one_producer_per_rank),
		PUBLISHER_TEST(test_damaged_key),
		PUBLISHER_TEST(test_segment_is_as_planned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
