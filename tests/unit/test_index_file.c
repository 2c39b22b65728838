/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: names of index files: one for each model, tenant and block size, whatever texts a
 * worker chooses to meet another's; which files are of an index.
 */
#include "consumer/index/index_file.h"
#include "consumer/indexer/indexer_state.h"
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Made in a second: with any model, XXH3-64 of it and of this tenant is that of no tenant. */
static const char colliding[] = "\xff\xba\xdd\x4c\x1f\xbf\x56\xe6\x82\x5a\xd0\x7d"
				"\x1b\xdc\xb2\x3d\x65\x97\xdb\x09\x7b\x3f\xbf\xcd"
				"\x0d\x16\x1d\x07\xf2\x7c\x90\x3c\xec\xdd\x8d\x3c"
				"\x68\x84\x59\xf4\x88\xd0\x65\x8b\x8f\x95\xf8\x4a"
				"\xa0\xca\x9d\x55\x76\x9a\x08\xce\xdb\x13\x0e\xf7"
				"\xc4\x3e\xd9\x87\xb9\xfa\xb7\x81\xf0\xf8\x6d\x82"
				"\xdd\x5c\xa4\xc7\xe6\x5e\xc1\x9b\x68\x6b\xab\x2d"
				"\x5e\x8d\xe2\xb4\x3c\x28\x52\xbb\x38\x1b\xca\x72"
				"\xd9\x94\x5b\x76\xe9\x45\xa9\x8d\xd0\xc7\xe2\xc4"
				"\x16\x4c\x95\xad\x3b\xa3\x2e\x8d\x96\x2f\xdd\x18"
				"\xcd\x8e\xcd\xda\xd2\xef\x42\x09\xb8\x08\x46\x74"
				"\xcc\x2f\xd3\x83\xd5\xea\xac\x31\x4e\x49\x97\xfa"
				"\x3c\x28\x52\xbb\xc8\x10\x16\x2e\xc7\xad\xbd\x60"
				"\x17\x71\xaa\x83\x71\x64\x48\x97\x55\xe0\x2b\xf4"
				"\x9c\xf6\xbb\x02\x63\xc9\xdc\xd3\xa8\xfa\x76\x3f"
				"\x59\xdf\x78\x08\xf9\xdc\xbb\xc7\xaf\x51\xf5\xed";

static struct rdx_index_id id_of(const char *model, const char *tenant, uint32_t block_tokens)
{
	struct rdx_index_id id;

	assert_int_equal(rdx_index_file_id(model, tenant, block_tokens, &id), 0);
	return id;
}

static void test_each_index_has_names_of_its_own(void **state)
{
	const struct rdx_index_id ids[] = {
		id_of("m", "", 16),        id_of("m", colliding, 16), id_of("m", "", 32),
		id_of("mt", "", 16),       id_of("m", "t", 16),       id_of("n", "", 16),
		id_of("n", colliding, 16), id_of("", "m", 16),
	};
	char a[RDX_NAME_BYTES], b[RDX_NAME_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		for (size_t k = 0; k < i; k++) {
			rdx_index_file_ctl_name(&ids[i], 0, a);
			rdx_index_file_ctl_name(&ids[k], 0, b);
			assert_string_not_equal(a, b);
			rdx_index_file_gen_name(&ids[i], 7, a);
			rdx_index_file_gen_name(&ids[k], 7, b);
			assert_string_not_equal(a, b);
		}
	}
}

/* The longest name has room. The digits are SHA-256 of the bytes that docs/format.md lists. */
static void test_form(void **state)
{
	const struct rdx_index_id id = id_of("m", NULL, 0);
	char name[RDX_NAME_BYTES];
	uint64_t number = 0;

	(void)state;
	rdx_index_file_ctl_name(&id, 0, name);
	assert_string_equal(name, "index/945f72eb697585731e609da5b6da0171.ctl");
	rdx_index_file_gen_name(&id, UINT64_MAX, name);
	assert_string_equal(name, "index/945f72eb697585731e609da5b6da0171.gen18446744073709551615");
	assert_int_equal(rdx_index_file_is_gen(&id, name + strlen("index/"), &number), 1);
	assert_int_equal(number, UINT64_MAX);
	rdx_index_file_gen_temporary(&id, name);
	assert_string_equal(name, "index/.tmp-945f72eb697585731e609da5b6da0171.gen");
	assert_int_equal(rdx_index_file_is_gen(&id, name + strlen("index/"), &number), 0);
}

static void put_file(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* Files of other indexes go, those of these stay, and so does what is no index's. */
static void test_removal_of_others(void **state)
{
	struct rig *rig = *state;
	const struct rdx_index_id ids[] = {id_of("m", "", 16), id_of("n", "", 16)};
	const struct rdx_index_id other = id_of("m", colliding, 16);
	char kept[RDX_NAME_BYTES], table[RDX_NAME_BYTES], gone[RDX_NAME_BYTES];

	assert_int_equal(mkdirat(rig->dir_fd, "index", 0755), 0);
	rdx_index_file_ctl_name(&ids[1], 0, kept);
	rdx_index_file_gen_name(&ids[0], 3, table);
	rdx_index_file_ctl_name(&other, 0, gone);
	put_file(rig->dir_fd, kept);
	put_file(rig->dir_fd, table);
	put_file(rig->dir_fd, gone);
	put_file(rig->dir_fd, "index/0123456789abcdef.ctl"); /* digits, but too few */
	rdx_index_file_remove_others(rig->dir_fd, ids, 2);
	assert_int_equal(faccessat(rig->dir_fd, kept, F_OK, 0), 0);
	assert_int_equal(faccessat(rig->dir_fd, table, F_OK, 0), 0);
	assert_int_equal(faccessat(rig->dir_fd, gone, F_OK, 0), -1);
	assert_int_equal(faccessat(rig->dir_fd, "index/0123456789abcdef.ctl", F_OK, 0), 0);
}

/* A worker of that tenant beside another's: both are served. */
static void test_a_colliding_tenant_takes_nothing(void **state)
{
	struct indexer_rig x;
	struct rdx_publisher_options options;
	struct rdx_index_key key = {.size = sizeof(key), .model = WORKER_MODEL};
	struct rdx_publisher *victim, *taker;
	struct rdx_index *other = NULL;

	(void)state;
	indexer_rig_make(&x);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	victim = prompt_publisher(&x, 1, 0);
	options = prompt_options(&x, 66, 0, 2, 64);
	options.tenant = colliding;
	assert_int_equal(rdx_publisher_open(&taker, &options), 0);
	prompt_store(victim, 5, 4, RDX_TIER_DEVICE);
	prompt_store(taker, 6, 3, RDX_TIER_DEVICE);
	until_state(&x, 1, 0, RDX_STATE_EXACT, victim, NULL);
	key.tenant = colliding;
	UNTIL (other || rdx_index_open(&other, x.dir, &key) == 0) {
		indexer_poll(&x);
	}
	UNTIL (prompt_run(other, 6, 3, 66, 0) == 3) {
		indexer_poll(&x);
	}
	assert_int_equal(prompt_run(x.index, 5, 4, 1, 0), 4);
	assert_int_equal(prompt_run(x.index, 6, 3, 66, 0), -1);
	rdx_index_close(other);
	rdx_publisher_close(taker);
	rdx_publisher_close(victim);
	indexer_rig_end(&x);
}

/* Two texts of one name, which nobody knows: that of an index is changed to another after its files were
 * named. Who comes with the first text is refused, and the index stays as it is. */
static void test_a_name_that_is_taken(void **state)
{
	struct indexer_rig x;
	struct rdx_publisher *owner, *taker;

	(void)state;
	indexer_rig_make(&x);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	owner = prompt_publisher(&x, 1, 0);
	prompt_store(owner, 5, 4, RDX_TIER_DEVICE);
	until_state(&x, 1, 0, RDX_STATE_EXACT, owner, NULL);
	/* its files would be removed as those of no index, were this still to be done */
	x.indexer->leftovers_ns = 0;
	x.indexer->indexes[0].tenant[0] = 'x';
	taker = prompt_publisher(&x, 66, 0);
	until_cause(&x, 66, 0, -EEXIST);
	prompt_store(owner, 6, 3, RDX_TIER_DEVICE);
	until_state(&x, 1, 0, RDX_STATE_EXACT, owner, NULL);
	assert_int_equal(prompt_run(x.index, 6, 3, 1, 0), 3);
	rdx_publisher_close(taker);
	rdx_publisher_close(owner);
	indexer_rig_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_index_has_names_of_its_own),
		cmocka_unit_test(test_form),
		cmocka_unit_test_setup_teardown(test_removal_of_others, rig_setup, rig_teardown),
		cmocka_unit_test(test_a_colliding_tenant_takes_nothing),
		cmocka_unit_test(test_a_name_that_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
