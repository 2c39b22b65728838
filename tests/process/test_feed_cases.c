/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: streams of engines that others reported, which must not end in a rank that says EXACT
 * and is wrong: what ringdex-feed makes of each, with the options for that engine.
 */
#include "tests/feed_rig.h"
#include "tests/patience.h"
#include "tests/tools_rig.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define BLOCKS_OF_2 "--block-tokens=2"

static const uint32_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

/* Two images behind the same tokens are two blocks, and a request without one is a third. */
static void images(void **state)
{
#define IMAGE(worker, name, image)                                                                 \
	"{\"worker\":" worker ",\"type\":\"BlockStored\",\"block_hashes\":[" name "],"             \
	"\"parent_block_hash\":null,\"token_ids\":[7,7],\"block_size\":2,\"medium\":\"GPU\","      \
	"\"extra_keys\":" image "}\n"
	static const char input[] = IMAGE("1", "11", "[[[\"image-a\",0]]]")
		IMAGE("2", "12", "[[[\"image-b\",0]]]") IMAGE("3", "13", "[null]")
			IMAGE("4", "14",
			      "null,\"mm_keys\":[[{\"type\":\"mm_key\",\"hash\":\"image-"
			      "a\",\"start_offset\":3}]]");
	const uint32_t pair[] = {7, 7};
	struct rig *rig = *state;
	struct rdx_block_key key = {0};
	struct rdx_tokens request = {
		.size = sizeof(request),
		.seed = rdx_hash_seed(NULL, NULL),
		.ids = pair,
		.count = 2,
		.keys = &key,
		.block_tokens = 2,
	};
	struct program_result r;
	uint64_t local;

	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2, "--dir", rig->dir, "-");
	assert_null(strstr(r.err, "warning"));
	program_result_free(&r);
	rdx_hash_tokens(&request, &local);
	feed_expect_run(rig, 3, RDX_TIER_DEVICE, &local, 1);
	request.key_count = 1;
	key.key = rdx_hash_identifier("image-a", 7);
	rdx_hash_tokens(&request, &local);
	feed_expect_run(rig, 1, RDX_TIER_DEVICE, &local, 1);
	feed_expect_run(rig, 4, RDX_TIER_DEVICE, &local, 1);
	key.key = rdx_hash_identifier("image-b", 7);
	rdx_hash_tokens(&request, &local);
	feed_expect_run(rig, 2, RDX_TIER_DEVICE, &local, 1);
#undef IMAGE
}

/* The bare text in the first block is the salt; children inherit it. */
static void salt_in_extra_keys(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"BlockStored\",\"block_hashes\":[11,12],"
		"\"parent_block_hash\":null,\"token_ids\":[1,2,3,4],\"block_size\":2,"
		"\"lora_id\":null,\"medium\":\"GPU\",\"lora_name\":null,"
		"\"extra_keys\":[[\"tenant-a\"],null],\"group_idx\":0}\n"
		"{\"worker\":1,\"type\":\"BlockStored\",\"block_hashes\":[13],"
		"\"parent_block_hash\":12,\"token_ids\":[5,6],\"block_size\":2,"
		"\"medium\":\"GPU\",\"extra_keys\":[null],\"group_idx\":0}\n";
	struct rig *rig = *state;
	struct program_result r;
	uint64_t locals[3];

	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2, "--dir", rig->dir, "-");
	assert_null(strstr(r.err, "warning"));
	program_result_free(&r);
	feed_hash(NULL, "tenant-a", tokens, 6, locals);
	feed_expect_run(rig, 1, RDX_TIER_DEVICE, locals, 3);
	assert_int_equal(feed_inexact(rig, 1, 0), 0);
}

/* The leading blocks of the only rank for a request of four tokens; -1: it has no row. */
static int64_t ask(const struct rig *rig, const char *option, const char *value)
{
	struct json_object *ranks, *object;
	struct program_result r;
	int64_t blocks = -1;

	RUN_UNTIL(&r, 0, "ringdex-query", "[1,2,3,4]", "--json", "--dir", rig->dir, "-", option,
		  value);
	object = parsed(r.out);
	ranks = member(object, "ranks");
	if (json_object_array_length(ranks))
		blocks = (int64_t)number(
			member(json_object_array_get_idx(ranks, 0), "leading_blocks"), "device");
	json_object_put(object);
	program_result_free(&r);
	return blocks;
}

/* From the engine's events to the router's answer: the engine serves these blocks to its tenant only. */
static void asked_by_the_tenant(void **state)
{
	static const char line[] =
		"{\"worker\":1,\"type\":\"BlockStored\",\"block_hashes\":[11,12],"
		"\"token_ids\":[1,2,3,4],\"block_size\":2,\"medium\":\"GPU\","
		"\"extra_keys\":[[\"tenant-a\"],null]}\n";
	struct rig *rig = *state;
	struct program follow, feed;
	struct program_result r;

	tools_start_follow(rig, &follow, NULL);
	assert_int_equal(
		program_start(&feed, "ringdex-feed",
			      (char *[]){"ringdex-feed", BLOCKS_OF_2, "--dir", rig->dir, "-", NULL},
			      1),
		0);
	assert_int_equal(write(feed.in, line, strlen(line)), (ssize_t)strlen(line));
	assert_true(tools_wait_for(&follow, "\"state\":\"EXACT\""));
	UNTIL (ask(rig, "--salt", "tenant-a") == 2)
		usleep(20000);
	assert_true(ask(rig, "--salt", "tenant-b") <= 0);
	assert_true(ask(rig, NULL, NULL) <= 0);
	program_finish(&feed, NULL, &r);
	program_result_free(&r);
	program_stop(&follow);
}

static void gpu_only_clear(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"BlockStored\",\"block_hashes\":[11],"
		"\"parent_block_hash\":null,\"token_ids\":[1,2],\"block_size\":2,"
		"\"medium\":\"GPU\"}\n"
		"{\"worker\":1,\"type\":\"BlockStored\",\"block_hashes\":[11],"
		"\"parent_block_hash\":null,\"token_ids\":[],\"block_size\":0,\"medium\":\"CPU\"}\n"
		"{\"worker\":1,\"type\":\"AllBlocksCleared\"}\n";
	struct rig *rig = *state;
	struct program_result r;
	uint64_t locals[1];

	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2, "--dir", rig->dir, "-");
	program_result_free(&r);
	assert_int_equal(feed_held(rig, 1, RDX_TIER_HOST), 0);
	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2, "--cleared-means=device", "--dir", rig->dir,
	    "-");
	assert_null(strstr(r.err, "warning"));
	program_result_free(&r);
	feed_hash(NULL, NULL, tokens, 2, locals);
	feed_expect_run(rig, 1, RDX_TIER_DEVICE, NULL, 0);
	feed_expect_run(rig, 1, RDX_TIER_HOST, locals, 1);
	assert_int_equal(feed_inexact(rig, 1, 0), 0);
}

/* A removal of what was never stored, an option, a sequence that does not begin at 0: each is LACKING
 * until a clear. */
static void late_bridge(void **state)
{
	static const char removed[] = "{\"worker\":1,\"type\":\"removed\",\"names\":[12]}\n"
				      "{\"worker\":1,\"type\":\"stored\",\"names\":[31],"
				      "\"token_ids\":[7,7],\"block_size\":2}\n";
	static const char stored[] =
		"{\"worker\":1,\"type\":\"stored\",\"names\":[31],"
		"\"token_ids\":[7,7],\"block_size\":2,\"seq\":3}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[31],\"seq\":3}\n";
	static const char healed[] = "{\"worker\":1,\"type\":\"removed\",\"names\":[12]}\n"
				     "{\"worker\":1,\"type\":\"cleared\"}\n"
				     "{\"worker\":1,\"type\":\"removed\",\"names\":[12]}\n";
	struct rig *rig = *state;
	struct program_result r;

	RUN(&r, 0, "ringdex-feed", removed, BLOCKS_OF_2, "--dir", rig->dir, "-");
	assert_has(r.err, ":1: warning: worker 1 rank 0: 1 time that the stream did not begin");
	program_result_free(&r);
	assert_int_equal(feed_inexact(rig, 1, 0), RDX_INEXACT_LACKING);
	RUN(&r, 0, "ringdex-feed", stored, BLOCKS_OF_2, "--dir", rig->dir, "-");
	program_result_free(&r);
	assert_int_equal(feed_inexact(rig, 1, 0), RDX_INEXACT_LACKING);
	RUN(&r, 0, "ringdex-feed", stored, BLOCKS_OF_2, "--joined-late", "--dir", rig->dir, "-");
	program_result_free(&r);
	assert_int_equal(feed_inexact(rig, 1, 0), RDX_INEXACT_LACKING);
	RUN(&r, 0, "ringdex-feed", healed, BLOCKS_OF_2, "--joined-late", "--dir", rig->dir, "-");
	program_result_free(&r);
	assert_int_equal(feed_inexact(rig, 1, 0), 0);
}

static void lmcache_root(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"BlockStored\",\"block_hashes\":[2537579355801541128],"
		"\"parent_block_hash\":0,\"token_ids\":[1,2],\"block_size\":2,\"medium\":\"cpu\","
		"\"lora_id\":null}\n"
		"{\"worker\":1,\"type\":\"BlockStored\",\"block_hashes\":[-484813614762822561],"
		"\"parent_block_hash\":2537579355801541128,\"token_ids\":[3,4],\"block_size\":2,"
		"\"medium\":\"cpu\",\"lora_id\":null}\n";
	struct rig *rig = *state;
	struct program_result r;
	uint64_t locals[2];

	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2, "--zero-parent=root", "--dir", rig->dir,
	    "-");
	assert_null(strstr(r.err, "warning"));
	program_result_free(&r);
	feed_hash(NULL, NULL, tokens, 4, locals);
	feed_expect_run(rig, 1, RDX_TIER_HOST, locals, 2);
	assert_int_equal(feed_inexact(rig, 1, 0), 0);
}

/* Groups of a hybrid model that decide no hit are left out, without a warning. */
static void masked_groups(void **state)
{
#define GROUP(names, parent, ids, group, kind)                                                     \
	"{\"worker\":1,\"type\":\"BlockStored\",\"block_hashes\":" names                           \
	",\"parent_block_hash\":" parent ",\"token_ids\":" ids                                     \
	",\"block_size\":2,\"group_idx\":" group ",\"kv_cache_spec_kind\":\"" kind "\"}\n"
	static const char input[] = GROUP("[15]", "null", "[1,2,3,4,5,6,7,8,9,10]", "0", "mamba")
		GROUP("[11,12,13,14,15]", "null", "[1,2,3,4,5,6,7,8,9,10]", "3", "mla_attention")
			GROUP("[16]", "15", "[11,12]", "0", "mamba")
				GROUP("[16]", "15", "[11,12]", "3", "mla_attention");
	struct rig *rig = *state;
	struct program_result r;
	uint64_t locals[6];

	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2, "--dir", rig->dir, "-");
	assert_null(strstr(r.err, "warning"));
	assert_has(r.err, ":1: note: worker 1 rank 0: 1 event left out: of a cache group");
	assert_has(r.err, "note: worker 1 rank 0: in all 2 events left out: of a cache group");
	program_result_free(&r);
	feed_hash(NULL, NULL, tokens, 12, locals);
	feed_expect_run(rig, 1, RDX_TIER_DEVICE, locals, 6);
	assert_int_equal(feed_inexact(rig, 1, 0), 0);
	/* both kinds count, and both hold what the second one says */
	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2,
	    "--counting-kinds=mla_attention,full_attention", "--counting-groups=2", "--dir",
	    rig->dir, "-");
	program_result_free(&r);
	assert_int_equal(feed_held(rig, 1, RDX_TIER_DEVICE), 0);
#undef GROUP
}

/* An engine that reports again what it holds. */
static void re_report(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"stored\",\"names\":[11,12],\"token_ids\":[1,2,3,4],"
		"\"block_size\":2}\n"
		"{\"worker\":1,\"type\":\"stored\",\"names\":[11,12],\"token_ids\":[1,2,3,4],"
		"\"block_size\":2}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[12]}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[11]}\n";
	static const char counted[] =
		"{\"worker\":1,\"type\":\"stored\",\"names\":[11],\"token_ids\":[1,2]}\n"
		"{\"worker\":1,\"type\":\"stored\",\"names\":[11],\"token_ids\":[1,2]}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[11],"
		"\"remaining_copy_counts\":[0]}\n";
	struct rig *rig = *state;
	struct program_result r;

	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2, "--report-mode=presence", "--dir", rig->dir,
	    "-");
	program_result_free(&r);
	feed_expect_run(rig, 1, RDX_TIER_DEVICE, NULL, 0);
	assert_int_equal(feed_inexact(rig, 1, 0), 0);
	RUN(&r, 0, "ringdex-feed", counted, BLOCKS_OF_2, "--dir", rig->dir, "-");
	program_result_free(&r);
	feed_expect_run(rig, 1, RDX_TIER_DEVICE, NULL, 0);
	assert_int_equal(feed_inexact(rig, 1, 0), 0);
}

/* The block size of the engine is another: that is said when it happens, and 0 blocks are not EXACT. */
static void other_block_size(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"BlockStored\",\"block_hashes\":[11],"
		"\"parent_block_hash\":null,\"token_ids\":[1,2,3,4],\"block_size\":4,"
		"\"medium\":\"GPU\"}\n";
	struct rig *rig = *state;
	struct program_result r;

	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2, "--dir", rig->dir, "-");
	assert_has(r.err,
		   ":1: warning: worker 1 rank 0: 1 block dropped: not of the rank's block size");
	program_result_free(&r);
	assert_int_equal(feed_inexact(rig, 1, 0), RDX_INEXACT_LACKING);
}

/* The unreadable line's rank is UNKNOWN; pairs are read; what a clear cleared, nobody knows. */
static void unreadable_lines(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"stored\",\"names\":[11,12],\"token_ids\":[1,2,3,4],"
		"\"block_size\":2}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[11,\"0xzz\"]}\n"
		"{\"worker\":2,\"type\":\"stored\",\"names\":[11],\"token_ids\":[[1,2],[2,3]],"
		"\"block_size\":2}\n"
		"{\"worker\":2,\"type\":\"stored\",\"names\":[12],\"parent\":11,"
		"\"token_ids\":[[3,4],[4,5]],\"block_size\":2}\n"
		"{\"worker\":3,\"type\":\"stored\",\"names\":[11],\"token_ids\":[1,2],"
		"\"block_size\":2}\n"
		"{\"worker\":3,\"type\":\"cleared\",\"tier\":\"HBM\"}\n"
		"{\"worker\":4,\"type\":\"stored\",\"names\":[11],\"token_ids\":[1,\"cat\"],"
		"\"block_size\":2}\n";
	struct rig *rig = *state;
	struct rdx_tokens pairs = {
		.size = sizeof(pairs),
		.seed = rdx_hash_seed(NULL, NULL),
		.ids = tokens,
		.count = 5,
		.block_tokens = 2,
		.overlap = 1,
	};
	struct program_result r;
	uint64_t locals[2];

	RUN(&r, 1, "ringdex-feed", input, BLOCKS_OF_2, "--dir", rig->dir, "-");
	assert_has(r.err, "bad: 1");
	assert_has(r.err, ":6: warning: worker 3 rank 0: 1 event of an unknown medium");
	program_result_free(&r);
	assert_int_equal(feed_inexact(rig, 1, 0), RDX_INEXACT_UNKNOWN);
	assert_int_equal(feed_inexact(rig, 2, 0), 0);
	assert_int_equal(feed_inexact(rig, 3, 0), RDX_INEXACT_UNKNOWN);
	assert_int_equal(feed_inexact(rig, 4, 0), 0);
	assert_int_equal(rdx_hash_tokens(&pairs, locals), 2);
	feed_expect_run(rig, 2, RDX_TIER_DEVICE, locals, 2);
	assert_int_equal(feed_held(rig, 4, RDX_TIER_DEVICE), 1);
}

/* How the engine writes, by option. */
static void words_by_option(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"BlockStored\",\"block_hashes\":[11],\"token_ids\":[1,2],"
		"\"medium\":\"tape\",\"trace\":7}\n"
		"{\"worker\":1,\"type\":\"BlockStored\",\"block_hashes\":[11],\"token_ids\":[],"
		"\"medium\":\"GPU\"}\n"
		"{\"worker\":1,\"type\":\"BlockStored\",\"block_hashes\":[12],\"token_ids\":[1,2],"
		"\"medium\":\"SHARED\"}\n"
		"{\"worker\":1,\"type\":\"AllTapesCleared\"}\n"
		"{\"worker\":1,\"type\":\"BlockTouched\",\"block_hashes\":[11]}\n";
	struct rig *rig = *state;
	struct program_result r;
	uint64_t locals[1];

	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2, "--dir", rig->dir, "--medium=tape=host",
	    "--medium=shared=none", "--event=AllTapesCleared=cleared:host",
	    "--event=BlockTouched=none", "--ignore-field=trace", "-");
	assert_null(strstr(r.err, "warning"));
	assert_has(r.err, "in all 2 events left out, as --medium or --event says");
	program_result_free(&r);
	feed_hash(NULL, NULL, tokens, 2, locals);
	feed_expect_run(rig, 1, RDX_TIER_DEVICE, locals, 1);
	feed_expect_run(rig, 1, RDX_TIER_HOST, NULL, 0);
	assert_int_equal(feed_inexact(rig, 1, 0), 0);
	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2, "--dir", rig->dir, "-");
	assert_has(r.err, ":1: warning: worker 1 rank 0: 1 event of an unknown medium");
	assert_has(r.err, ":4: warning: worker 1 rank 0: 1 event of an unknown type");
	program_result_free(&r);
	assert_int_equal(feed_inexact(rig, 1, 0), RDX_INEXACT_UNKNOWN);
	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2, "--dir", rig->dir, "--on-unknown=skip", "-");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-feed", NULL, "--medium=tape", "-");
	assert_has(r.err, "--medium: 'tape' is not NAME=TIER");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-feed", NULL, "--event=a=cleared:tape", "-");
	program_result_free(&r);
}

/* Gaps are UNKNOWN; a lower number is another process. */
static void sequence_of_batches(void **state)
{
#define BATCH(seq, name)                                                                           \
	"{\"worker\":1,\"type\":\"stored\",\"names\":[" name "],\"token_ids\":[1," name            \
	"],\"seq\":" seq "}\n"
	static const char gap[] =
		BATCH("0", "11") BATCH("0", "12") BATCH("1", "13") BATCH("3", "14");
	static const char restart[] = BATCH("0", "11") BATCH("1", "12") BATCH("3", "13")
		BATCH("0", "14") BATCH("1", "15");
	struct rig *rig = *state;
	struct program_result r;

	RUN(&r, 0, "ringdex-feed", gap, BLOCKS_OF_2, "--dir", rig->dir, "-");
	assert_has(r.err, ":4: warning: worker 1 rank 0: 1 gap in the sequence");
	program_result_free(&r);
	assert_int_equal(feed_held(rig, 1, RDX_TIER_DEVICE), 4);
	assert_int_equal(feed_inexact(rig, 1, 0), RDX_INEXACT_UNKNOWN);
	RUN(&r, 0, "ringdex-feed", restart, BLOCKS_OF_2, "--dir", rig->dir, "-");
	assert_has(r.err, ":4: note: worker 1 rank 0: 1 time that the sequence began again");
	program_result_free(&r);
	assert_int_equal(feed_held(rig, 1, RDX_TIER_DEVICE), 2);
	assert_int_equal(feed_inexact(rig, 1, 0), 0);
#undef BATCH
}

/* Read what the program says until it has said `part`. */
static void wait_for(struct program *program, const char *part)
{
	char said[4096];
	size_t length = 0;

	do {
		ssize_t got = read(program->err, said + length, sizeof(said) - length - 1);

		assert_true(got > 0);
		length += (size_t)got;
		said[length] = 0;
	} while (!strstr(said, part));
}

/* A rank that the predecessor still holds is taken when that one is gone, LACKING by what was lost. */
static void rolling_restart(void **state)
{
	static const char line[] = "{\"worker\":1,\"type\":\"stored\",\"names\":[11],"
				   "\"token_ids\":[1,2],\"block_size\":4}\n";
	struct rig *rig = *state;
	char *arguments[] = {"ringdex-feed", BLOCKS_OF_2, "--dir", rig->dir, "-", NULL};
	const ssize_t length = (ssize_t)strlen(line);
	struct program before, after;
	struct program_result r;

	assert_int_equal(program_start(&before, "ringdex-feed", arguments, 1), 0);
	assert_int_equal(write(before.in, line, strlen(line)), length);
	wait_for(&before, "not of the rank's block size"); /* it has the rank */
	assert_int_equal(program_start(&after, "ringdex-feed", arguments, 1), 0);
	assert_int_equal(write(after.in, line, strlen(line)), length);
	wait_for(&after, ":1: cannot open rank 0 of worker 1");
	kill(before.pid, SIGKILL);
	program_finish(&before, NULL, &r);
	program_result_free(&r);
	/* it is tried again once a second */
	UNTIL (feed_has_published(rig, 1)) {
		assert_int_equal(write(after.in, line, strlen(line)), length);
		usleep(50000);
	}
	program_finish(&after, "", &r);
	assert_int_equal(r.status, 1);
	assert_null(strstr(r.err, "cannot open"));
	assert_has(r.err, "did not begin at the engine's birth");
	program_result_free(&r);
	assert_int_equal(feed_inexact(rig, 1, 0), RDX_INEXACT_LACKING);
}

/* A field under two of its names: both say the same, or who knows what is meant? */
static void second_names(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"stored\",\"names\":[11],\"block_hashes\":[11],"
		"\"token_ids\":[1,2],\"tier\":null,\"medium\":\"GPU\"}\n"
		"{\"worker\":2,\"type\":\"stored\",\"names\":[11],\"token_ids\":[1,2],"
		"\"cache_salt\":\"b\",\"salt\":\"a\"}\n"
		"{\"worker\":3,\"type\":\"stored\",\"names\":[11],\"token_ids\":[1,2],"
		"\"tier\":\"host\",\"scope\":\"device\"}\n";
	struct rig *rig = *state;
	struct program_result r;
	uint64_t local;

	RUN(&r, 0, "ringdex-feed", input, BLOCKS_OF_2, "--dir", rig->dir, "--ignore-field=scope",
	    "-");
	program_result_free(&r);
	feed_hash(NULL, NULL, tokens, 2, &local);
	feed_expect_run(rig, 1, RDX_TIER_DEVICE, &local, 1);
	assert_int_equal(feed_inexact(rig, 1, 0), 0);
	feed_expect_run(rig, 2, RDX_TIER_DEVICE, NULL, 0);
	assert_int_equal(feed_inexact(rig, 2, 0), RDX_INEXACT_LACKING);
	feed_expect_run(rig, 3, RDX_TIER_HOST, &local, 1);
	assert_int_equal(feed_inexact(rig, 3, 0), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		CASE(images),           CASE(salt_in_extra_keys), CASE(asked_by_the_tenant),
		CASE(gpu_only_clear),   CASE(late_bridge),        CASE(lmcache_root),
		CASE(masked_groups),    CASE(re_report),          CASE(other_block_size),
		CASE(unreadable_lines), CASE(words_by_option),    CASE(sequence_of_batches),
		CASE(rolling_restart),  CASE(second_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
