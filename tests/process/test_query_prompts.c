/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: events with images, salts, adapters, texts as tokens and pairs, published by
 * ringdex-feed, are found by ringdex-query for requests that say the same, and for no others.
 */
#include "tests/patience.h"
#include "tests/tools_rig.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define STORED(worker, tokens, more)                                                               \
	"{\"worker\":" worker ",\"type\":\"BlockStored\",\"block_hashes\":[11,12],"                \
	"\"parent_block_hash\":null,\"token_ids\":" tokens ",\"block_size\":2,"                    \
	"\"medium\":\"GPU\"" more "}\n"
#define BLAKE "fedcba98765432100000000000000000000000000000000000000000000000ff"

/* One rank each: two images, a salt, both of a salt and an adapter, pairs, texts, a digest. */
static const char events[] = STORED("1", "[7,7,8,8]", ",\"extra_keys\":[[[\"image-a\",0]],null]")
	STORED("2", "[7,7,8,8]", ",\"extra_keys\":[[[\"image-b\",0]],[[\"" BLAKE "\",1]]]")
		STORED("3", "[1,2,3,4]", ",\"extra_keys\":[[\"tenant-a\"],null],\"group_idx\":0")
			STORED("4", "[1,2,3,4]",
			       ",\"lora_name\":\"adapter\",\"lora_id\":1,"
			       "\"extra_keys\":[[\"adapter\",\"tenant-a\"],[\"adapter\"]]")
				STORED("5", "[[1,2],[2,3],[3,4],[4,5]]",
				       "") STORED("6", "[\"a\",\"b\",1,\"d\"]", "")
					STORED("7", "[7,7,8,8]",
					       ",\"extra_keys\":[[{\"bin\":\"00ff\"}],null]");

static void wait_for_ranks(struct rig *rig)
{
	int equal = 0;

	UNTIL (equal == 7) {
		struct program_result r;
		char line[64];

		usleep(20000);
		assert_int_equal(program_run(&r, "ringdex-verify", NULL, "--dir", rig->dir, NULL),
				 0);
		equal = 0;
		for (int worker = 1; worker <= 7; worker++) {
			snprintf(line, sizeof(line), "%d:0: equal: 2 blocks", worker);
			equal += strstr(r.out, line) != NULL;
		}
		program_result_free(&r);
	}
}

/* Publish all of `events`, and follow them. */
static void start(struct rig *rig, struct program *ret_feed, struct program *ret_follow)
{
	char *feeds[] = {
		"ringdex-feed", "--block-tokens=2", "--dir", rig->dir, "--hold", "-", NULL};

	assert_int_equal(program_start(ret_feed, feeds[0], feeds, 1), 0);
	assert_int_equal(write(ret_feed->in, events, strlen(events)), strlen(events));
	tools_start_follow(rig, ret_follow, NULL);
	wait_for_ranks(rig);
}

static void stop(struct program *feed, struct program *follow)
{
	struct program_result r;

	program_stop(follow);
	kill(feed->pid, SIGTERM);
	assert_int_equal(program_finish(feed, NULL, &r), 0);
	program_result_free(&r);
}

/* The one rank that holds anything of the request, 0: none; and what it holds. */
static uint64_t holder(struct json_object *answer, uint64_t *ret_blocks)
{
	struct json_object *ranks = member(answer, "ranks");
	uint64_t worker = 0;

	*ret_blocks = 0;
	for (size_t i = 0; i < json_object_array_length(ranks); i++) {
		struct json_object *rank = json_object_array_get_idx(ranks, i);
		uint64_t blocks = number(member(rank, "leading_blocks"), "all");

		assert_string_equal(string(rank, "state"), "EXACT");
		if (!blocks)
			continue;
		assert_int_equal(worker, 0);
		worker = number(rank, "worker");
		*ret_blocks = blocks;
	}
	return worker;
}

struct question {
	const char *option; /* or "" */
	const char *request;
	uint64_t blocks; /* that it asks for */
	uint64_t worker; /* who holds them; 0: nobody */
	uint64_t held;
};

static void ask(struct rig *rig, const struct question *questions, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct question *question = &questions[i];
		const char *option = *question->option ? question->option : "--json";
		struct json_object *answer;
		struct program_result r;
		uint64_t worker, held;

		RUN_UNTIL(&r, 0, "ringdex-query", question->request, "--dir", rig->dir, "--json",
			  option, "-");
		answer = parsed(r.out);
		worker = holder(answer, &held);
		if (worker != question->worker || held != question->held)
			print_error("%s %s\n%s\n", option, question->request, r.out);
		assert_int_equal(worker, question->worker);
		assert_int_equal(held, question->held);
		assert_int_equal(number(answer, "blocks"), question->blocks);
		json_object_put(answer);
		program_result_free(&r);
	}
}
#define ASK(rig, questions) ask(rig, questions, sizeof(questions) / sizeof(*(questions)))

#define KEYS(tokens, keys) "{\"token_ids\":" tokens ",\"extra_keys\":" keys "}"

static void objects_name_blocks(void **state)
{
	static const struct question questions[] = {
		{"", "[7,7,8,8]", 2, 0, 0},
		{"", KEYS("[7,7,8,8]", "null"), 2, 0, 0},
		{"", KEYS("[7,7,8,8]", "[null,null]"), 2, 0, 0},
		{"", KEYS("[7,7,8,8]", "[[[\"image-a\",9]],null]"), 2, 1, 2},
		{"", KEYS("[7,7,8,8]", "[[[\"image-b\",0]],null]"), 2, 2, 1},
		{"", KEYS("[7,7,8,8]", "[[[\"image-b\",0]],[[\"" BLAKE "\",0]]]"), 2, 2, 2},
		{"", KEYS("[7,7,8,8]", "[null,[[\"image-a\",0]]]"), 2, 0, 0},
		{"", KEYS("[7,7]", "[[[\"image-a\",0],[\"image-a\",0]]]"), 1, 0, 0},
		{"", KEYS("[7,7,8,8]", "[[{\"hash\":\"image-a\",\"start_offset\":0}],[]]"), 2, 1,
		 2},
		{"", "{\"token_ids\":[7,7,8,8],\"mm_keys\":[[\"image-a\"],null]}", 2, 1, 2},
		{"", KEYS("[7,7,8,8]", "[[{\"bin\":\"00FF\"}],null]"), 2, 7, 2},
		/* of the tokens behind the last full block nothing counts, an entry or none */
		{"", KEYS("[7,7,8,8,9]", "[[[\"image-a\",0]],null]"), 2, 1, 2},
		{"", KEYS("[7,7,8,8,9]", "[[[\"image-a\",0]],null,[[\"x\",0],7]]"), 2, 1, 2},
		{"", KEYS("[7]", "[[[\"image-a\",0]]]"), 0, 0, 0},
		/* texts */
		{"", "{\"token_ids\":[\"a\",\"b\",\"1\",\"d\"]}", 2, 6, 2},
		{"", "{\"token_ids\":[\"a\",\"b\",1,\"e\"]}", 2, 6, 1},
		{"", "{\"token_ids\":[\"b\",\"a\",1,\"d\",\"e\"]}", 2, 0, 0},
	};
	struct rig *rig = *state;
	struct program feed, follow;

	start(rig, &feed, &follow);
	ASK(rig, questions);
	stop(&feed, &follow);
}

#define TOKENS "{\"token_ids\":[1,2,3,4]"

static void adapters_salts_and_pairs(void **state)
{
	static const struct question questions[] = {
		{"", "[1,2,3,4]", 2, 0, 0},
		{"--salt=tenant-a", "[1,2,3,4]", 2, 3, 2},
		{"", TOKENS ",\"cache_salt\":\"tenant-a\"}", 2, 3, 2},
		{"", TOKENS ",\"extra_keys\":[[\"tenant-a\"],null]}", 2, 3, 2},
		{"", TOKENS ",\"extra_keys\":[[\"dynamo-cache-salt:tenant-a\"],null]}", 2, 3, 2},
		{"", TOKENS ",\"extra_keys\":[[\"tenant-b\"],null]}", 2, 0, 0},
		{"", TOKENS ",\"cache_salt\":\"tenant-a\",\"extra_keys\":[[\"tenant-a\"],null]}", 2,
		 3, 2},
		/* what a request says goes before the options */
		{"--salt=tenant-b", TOKENS ",\"cache_salt\":\"tenant-a\"}", 2, 3, 2},
		{"--salt=tenant-b", TOKENS ",\"extra_keys\":[[\"tenant-a\"],null]}", 2, 3, 2},
		{"--salt=tenant-a", TOKENS ",\"cache_salt\":null}", 2, 3, 2},
		{"--salt=tenant-a", TOKENS ",\"cache_salt\":\"\"}", 2, 0, 0},
		{"--lora=adapter", TOKENS ",\"cache_salt\":\"tenant-a\"}", 2, 4, 2},
		{"--lora=other",
		 TOKENS ",\"cache_salt\":\"tenant-a\",\"lora_name\":\"adapter\",\"extra_keys\":"
			"[[\"adapter\",\"tenant-a\"],[\"adapter\"]]}",
		 2, 4, 2},
		{"--lora=adapter", TOKENS ",\"cache_salt\":\"tenant-a\",\"lora_name\":\"\"}", 2, 3,
		 2},
		/* a block of pairs needs the token behind it */
		{"--eagle", "[1,2,3,4,5]", 2, 5, 2},
		{"--eagle", "[1,2,3,4]", 1, 5, 1},
		{"--eagle", "[1,2,9,9,9]", 2, 0, 0},
		{"--eagle", "[1,2,3,9,9]", 2, 5, 1},
		{"", "{\"token_ids\":[1,2,3,4,5],\"eagle\":true}", 2, 5, 2},
		{"--eagle", "{\"token_ids\":[1,2,3,4,5],\"eagle\":null}", 2, 5, 2},
		{"--eagle", "{\"token_ids\":[1,2,3,4,5],\"eagle\":false}", 2, 0, 0},
		{"--eagle", KEYS("[1,2,3,4]", "[null]"), 1, 5, 1},
		{"--eagle", KEYS("[1,2,3,4]", "[null,[[\"x\",0]]]"), 1, 5, 1},
		{"--eagle", "[]", 0, 0, 0},
	};
	struct rig *rig = *state;
	struct program feed, follow;

	start(rig, &feed, &follow);
	ASK(rig, questions);
	stop(&feed, &follow);
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *request;
		const char *message;
	} cases[] = {
		{"{", "standard input:1: not JSON"},
		{"{\"token_ids\":[1],", "not JSON"},
		{"{\"token_ids\":[1]} 2", "not JSON"},
		{"{}", "no \"token_ids\": give an array"},
		{"{\"token_ids\":[1],\"prompt\":1}", "\"prompt\" is no member of a request: give "},
		{"{\"token_ids\":1}", "\"token_ids\" is 1: give a JSON array"},
		{"{\"token_ids\":[1],\"eagle\":1}", "\"eagle\" is 1: give a JSON boolean"},
		{"{\"token_ids\":[1],\"cache_salt\":1}", "\"cache_salt\" is 1: give a JSON string"},
		{"{\"token_ids\":[1,-1]}", "token_ids[1] is -1: give a number from 0 to 2^32 - 1"},
		{"{\"token_ids\":[4294967296]}", "token_ids[0] is 4294967296"},
		{"{\"token_ids\":[\"4294967296\"]}", "token_ids[0] is \"4294967296\""},
		{"{\"token_ids\":[[1,2]]}", "token_ids[0] is "},
		{"{\"token_ids\":[\"\"]}", "token_ids[0] is \"\""},
		{KEYS("[1,2,3,4]", "[null]"), "there are keys for 1 block, the tokens make 2 "
					      "blocks of 2: give an entry for each"},
		{KEYS("[1,2,3]", "[null,null,null]"),
		 "keys for 3 blocks, the tokens make 1 block of 2"},
		{KEYS("[1,2]", "[null,null]"), "keys for 2 blocks, the tokens make 1 block of 2"},
		{KEYS("[1,2,3,4]", "[null,[7]]"),
		 "the keys of block 1, counted from 0, are not understood: give"},
		{KEYS("[1,2,3,4]", "[null,[\"x\"]]"),
		 "the keys of block 1, counted from 0, are not"},
		{KEYS("[1,2]", "[[\"x\",\"y\"]]"), "two different cache salts"},
		{"{\"token_ids\":[1,2],\"extra_keys\":[null],\"mm_keys\":[null]}",
		 "extra_keys and mm_keys: give one of them"},
	};
	struct rig *rig = *state;
	struct program feed, follow;
	struct program_result r;

	start(rig, &feed, &follow);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		RUN(&r, 1, "ringdex-query", cases[i].request, "--dir", rig->dir, "-");
		assert_has(r.err, cases[i].message);
		assert_string_equal(r.out, "");
		program_result_free(&r);
	}
	/* the request before is forgotten, the lines after are answered */
	RUN(&r, 1, "ringdex-query",
	    TOKENS ",\"cache_salt\":\"tenant-a\",\"extra_keys\":[null,[7]]}\n[1,2,3,4]\n", "--dir",
	    rig->dir, "-");
	assert_has(r.out, "request of line 2: 2 blocks\n");
	assert_null(strstr(r.out, " 2 EXACT"));
	program_result_free(&r);
	RUN(&r, 2, "ringdex-query", "1", "--dir", rig->dir, "--local", "--eagle", "-");
	assert_has(r.err, "--eagle go with --tokens only");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-query", "{\"token_ids\":[1]}", "--dir", rig->dir, "--local", "-");
	assert_has(r.err, "is not a whole number");
	program_result_free(&r);
	stop(&feed, &follow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(objects_name_blocks, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(adapters_salts_and_pairs, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(says_what_is_wrong, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
