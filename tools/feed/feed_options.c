/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_options.h"

#include "tools/program/options_shared.h"

#define DEFAULT_BLOCKS     32768
#define DEFAULT_RING_SLOTS 65536
#define DEFAULT_WAIT_NS    UINT64_C(5000000000)

#define TO(member) OPTIONS_TO(struct feed_options, member)

/* FEED_UNREADABLE_..., RDX_ENGINE_UNKNOWN_... */
static const char *const inexact_or_skip[] = {"inexact", "skip", NULL};
static const char *const cleared[] = {"all", "device", NULL}; /* RDX_ENGINE_CLEARED_... */
static const char *const zero[] = {"name", "root", NULL};

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(publisher.dir)),
	OPTIONS_MODEL(TO(publisher.model)),
	OPTIONS_TENANT(TO(publisher.tenant), .fallback = "none"),
	OPTIONS_INSTANCE(TO(publisher.instance), .fallback = "feed://WORKER/RANK"),
	OPTIONS_BLOCK_TOKENS(TO(publisher.block_tokens)),
	OPTIONS_BLOCKS(TO(publisher.tier_blocks[RDX_TIER_DEVICE]), .max = RDX_TIER_BLOCKS_MAX),
	OPTIONS_HOST_BLOCKS(TO(publisher.tier_blocks[RDX_TIER_HOST]), .max = RDX_TIER_BLOCKS_MAX),
	OPTIONS_DISK_BLOCKS(TO(publisher.tier_blocks[RDX_TIER_DISK]), .max = RDX_TIER_BLOCKS_MAX),
	OPTIONS_EXTERNAL_BLOCKS(TO(publisher.tier_blocks[RDX_TIER_EXTERNAL]),
				.max = RDX_TIER_BLOCKS_MAX),
	OPTIONS_RING_SLOTS(TO(publisher.ring_slots), .max = RDX_RING_SLOTS_MAX),
	OPTIONS_CLEAR_SCOPE(TO(publisher.clear_scope)),
	{"report-mode", 0, "copies|mixed|presence",
	 "What a second store of a held block is: a copy more; either, so that the rank is "
	 "INEXACT; "
	 "a repetition, which one removal ends",
	 OPTIONS_CHOICE, TO(publisher.report_mode), .choices = options_shared_reports},
	{"on-unreadable", 0, "inexact|skip",
	 "What a line that cannot be read means: its rank is INEXACT, all ranks where it names "
	 "none; or nothing",
	 OPTIONS_CHOICE, TO(on_unreadable), .choices = inexact_or_skip},
	{"on-unknown", 0, "inexact|skip",
	 "What an event, medium, kind of cache group or field means that nobody knows: its rank is "
	 "INEXACT or LACKING; or nothing",
	 OPTIONS_CHOICE, TO(engine.on_unknown), .choices = inexact_or_skip},
	{"joined-late", 0, NULL,
	 "The stream does not begin at its engines' birth: all ranks are LACKING until a clear of "
	 "all tiers",
	 OPTIONS_FLAG, TO(joined_late)},
	{"wait-for-rank", 0, "DURATION",
	 "How long to wait for another process that has the rank, and may be about to end",
	 OPTIONS_DURATION, TO(publisher.wait_ns), .max = UINT64_MAX / 2},
	{"keep-dead", 0, NULL,
	 "Where the file system is full, do not remove what dead workers of this user left",
	 OPTIONS_FLAG, TO(keep_dead)},
	OPTIONS_HOLD(TO(hold)),
	{"quiet", 'q', NULL, "Print no summary", OPTIONS_FLAG, TO(quiet)},
	{.kind = OPTIONS_HEADING, .help = "How the engine writes (docs/engines.md)"},
	{"medium", 0, "NAME=TIER",
	 "A medium's tier: device, host, disk, external; none: leave it out", OPTIONS_TEXTS,
	 TO(words.media), .min = 1},
	{"event", 0, "NAME=KIND",
	 "What an event is: stored, removed, cleared, inexact, or a clear of one tier "
	 "(cleared:host); none: leave it out",
	 OPTIONS_TEXTS, TO(words.events), .min = 1},
	{"cleared-means", 0, "all|device",
	 "What a clear without a medium clears: all tiers, or the device", OPTIONS_CHOICE,
	 TO(engine.cleared_means), .choices = cleared},
	{"counting-kinds", 0, "KIND,...", "Kinds of cache groups that decide a prefix hit",
	 OPTIONS_TEXT, TO(words.counting_kinds), .min = 1,
	 .fallback = "full_attention, mla_attention, sink_full_attention"},
	{"counting-groups", 0, "N", "Cache groups of these kinds: all must hold a block",
	 OPTIONS_NUMBER, TO(engine.counting_groups), .min = 1, .max = RDX_ENGINE_GROUPS_MAX},
	{"zero-parent", 0, "name|root", "What a parent of 0 is: a name, or none (LMCache)",
	 OPTIONS_CHOICE, TO(engine.zero_is_root), .choices = zero},
	{"ignore-field", 0, "NAME", "A field that does not change what an event means",
	 OPTIONS_TEXTS, TO(words.harmless_fields), .min = 1},
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
		argp_error(state, "--counting-groups above 1 goes with --clear-scope=rank only");
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
	ret_options->publisher.wait_ns = DEFAULT_WAIT_NS;
	ret_options->publisher.ring_slots = DEFAULT_RING_SLOTS;
	ret_options->publisher.tier_blocks[RDX_TIER_DEVICE] = DEFAULT_BLOCKS;
	ret_options->publisher.tier_blocks[RDX_TIER_HOST] = DEFAULT_BLOCKS;
	options_parse(&program, argc, argv, ret_options);
}
