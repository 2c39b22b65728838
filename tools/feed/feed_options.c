/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_options.h"

#include "tools/feed/feed_entries.h"

#define TO(member) OPTIONS_TO(struct feed_options, member)

static const struct options_entry entries[] = {
	FEED_ENTRIES_RANK(TO),
	OPTIONS_INSTANCE(TO(publisher.instance), .fallback = "feed://WORKER/RANK"),
	{"on-unreadable", 0, "inexact|skip",
	 "What a line that cannot be read means: its rank is INEXACT, all ranks where it names "
	 "none; or nothing",
	 OPTIONS_CHOICE, TO(on_unreadable), .choices = feed_entries_inexact_or_skip},
	OPTIONS_HOLD(TO(hold)),
	{"quiet", 'q', NULL, "Print no summary", OPTIONS_FLAG, TO(quiet)},
	FEED_ENTRIES_ENGINE(TO),
	{0},
};

static const struct options_arguments arguments = {
	.shown = "FILE|-",
	.missing = "FILE, or - for standard input",
	.most = 1,
	.take = options_take_text,
	.at = offsetof(struct feed_options, path),
};

static void check(const struct argp_state *state, void *input)
{
	struct feed_options *options = input;

	if (options->engine.counting_groups > 1 &&
	    options->publisher.clear_scope == RDX_CLEAR_WORKER)
		options_error(state, "--counting-groups above 1 goes with --clear-scope=rank only");
	options->publisher.reap_dead = !options->keep_dead;
	options->engine.joined_late = (uint32_t)options->joined_late;
	feed_words_read(&options->words, state, &options->engine);
}

static const struct options_program program = {
	.entries = entries,
	.check = check,
	.arguments = &arguments,
	.about = "Publish the KV-cache events of FILE, one JSON object a line.\v"
		 "Each worker and rank that the events name becomes a segment of the namespace. "
		 "A line has worker, dp_rank, type (stored, removed, cleared, inexact), tier, "
		 "names, parent, and token_ids or local_hashes, or is an event as vLLM, SGLang, "
		 "TensorRT-LLM or LMCache write it; docs/feed-format.md has all fields. ringdex "
		 "tail prints such lines. What is not understood makes its rank LACKING where no "
		 "answer can be too high by it, else INEXACT, and is said with its cause. A bad "
		 "line is reported with its number, the rest is published.\n\n"
		 "Exit status: 0 all was published, 1 a line was bad or the file could not be "
		 "read, 2 wrong usage.",
};

void feed_options_parse(int argc, char **argv, struct feed_options *ret_options)
{
	*ret_options = (struct feed_options){
		.publisher = {.size = sizeof(struct rdx_publisher_options)},
		.engine = {.size = sizeof(struct rdx_engine_options), .counting_groups = 1},
	};
	ret_options->publisher.dir = RDX_DEFAULT_DIR;
	ret_options->publisher.model = "feed";
	ret_options->publisher.block_tokens = 16;
	ret_options->publisher.wait_ns = FEED_ENTRIES_DEFAULT_WAIT_NS;
	ret_options->publisher.ring_slots = FEED_ENTRIES_DEFAULT_RING_SLOTS;
	ret_options->publisher.tier_blocks[RDX_TIER_DEVICE] = FEED_ENTRIES_DEFAULT_BLOCKS;
	ret_options->publisher.tier_blocks[RDX_TIER_HOST] = FEED_ENTRIES_DEFAULT_BLOCKS;
	options_parse(&program, argc, argv, ret_options);
}
