/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ringdex-size: its figures are those of the layout, and it refuses impossible values.
 */
#include "tests/expect.h"

static void size_adds_up(void **state)
{
	struct json_object *object;
	struct rdx_segment_header header;
	struct rdx_segment_spec spec = rig_spec(0, 0, 65536, 50000);
	struct program_result r;

	(void)state;
	spec.tier_blocks[RDX_TIER_HOST] = 20000;
	assert_int_equal(rdx_segment_plan(&spec, &header), 0);
	RUN(&r, 0, "ringdex-size", NULL, "--json", "--ranks", "4", "--blocks", "50000",
	    "--host-blocks", "20000", "--events-per-second", "1000", "--blocks-per-event", "9",
	    "--outage", "30s");
	object = parsed(r.out);
	assert_int_equal(number(object, "slots_per_event"), 2);
	assert_int_equal(number(object, "ring_slots_needed"), 60000);
	assert_int_equal(number(object, "ring_slots"), 65536);
	assert_int_equal(number(object, "segment_bytes"), header.file_bytes);
	assert_int_equal(number(object, "segments_bytes"), 4 * header.file_bytes);
	/* names for all blocks and a quarter more */
	assert_in_range(number(object, "publisher_bytes"), 70000 * 5 / 4 * 90,
			70000 * 5 / 4 * 90 * 5 / 4);
	assert_int_equal(number(object, "index_blocks"), 4 * 70000);
	/* slots of lines of five that take 64 bytes, 58 in 100 filled, and some for sets */
	assert_in_range(number(object, "index_bytes"), 280000 * 64 / 5 * 100 / 58,
			280000 * 64 / 5 * 100 / 58 * 6 / 5);
	assert_true(number(object, "total_bytes") >=
		    5 * header.file_bytes + 2 * number(object, "index_bytes"));
	json_object_put(object);
	program_result_free(&r);

	RUN(&r, 0, "ringdex-size", NULL, "--blocks", "50000");
	assert_has(r.out, "Docker: --shm-size=");
	assert_has(r.out, "sizeLimit: ");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-size", NULL);
	assert_has(r.err, "missing option: --blocks");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-size", NULL, "--blocks", "1", "--outage", "24000h");
	assert_has(r.err, "give a shorter --outage");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-size", NULL, "--blocks", "1", "--events-per-second", "nan");
	program_result_free(&r);
	RUN(&r, 0, "ringdex-size", NULL, "--blocks", "1", "--host-blocks", "1", "--ranks", "128");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-size", NULL, "--blocks", "1", "--host-blocks", "1", "--ranks", "129");
	assert_has(r.err, "the most is 128");
	program_result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_adds_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
