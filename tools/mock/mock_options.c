/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mock/mock_options.h"

#include "tools/program/options_shared.h"

#include <inttypes.h>
#include <stdio.h>

#define BLOCKS_MAX         (UINT32_C(1) << 30)
#define DEFAULT_RING_SLOTS 65536

#define TO(member) OPTIONS_TO(struct mock_options, member)

static const char *const name_sizes[] = {"8", "32", NULL};

static const struct options_entry entries[] = {
	{.help = "What it publishes as:", .kind = OPTIONS_HEADING},
	OPTIONS_DIR(TO(publisher.dir)),
	{"worker-id", 0, "N", "Id of the worker", OPTIONS_NUMBER, TO(publisher.worker_id),
	 .max = UINT64_MAX},
	{"dp-rank", 'r', "N", "Data-parallel rank in the worker", OPTIONS_NUMBER,
	 TO(publisher.dp_rank), .max = UINT32_MAX},
	OPTIONS_MODEL(TO(publisher.model)),
	OPTIONS_TENANT(TO(publisher.tenant), .fallback = "none"),
	OPTIONS_INSTANCE(TO(publisher.instance), .fallback = "mock://WORKER/RANK"),
	OPTIONS_RING_SLOTS(TO(publisher.ring_slots), .max = RDX_RING_SLOTS_MAX),
	OPTIONS_CLEAR_SCOPE(TO(publisher.clear_scope)),
	{"name-bytes", 0, "8|32", "Size of the engine's block names", OPTIONS_CHOICE,
	 TO(wide_names), .choices = name_sizes},
	{.help = "The engine:", .kind = OPTIONS_HEADING},
	OPTIONS_BLOCKS(TO(engine.device_blocks), .min = 1, .max = BLOCKS_MAX),
	OPTIONS_HOST_BLOCKS(TO(engine.host_blocks), .max = BLOCKS_MAX),
	OPTIONS_BLOCK_TOKENS(TO(engine.block_tokens)),
	{"running", 0, "N", "Requests that run at once", OPTIONS_NUMBER, TO(engine.running_max),
	 .min = 1, .max = 100000},
	{"prefills", 0, "N", "Prefills that run at once", OPTIONS_NUMBER, TO(engine.prefill_lanes),
	 .min = 1, .max = 100000},
	{"prefill-rate", 0, "N", "Tokens a second of one prefill", OPTIONS_NUMBER,
	 TO(engine.prefill_rate), .min = 1, .max = 1000000000},
	{"decode-rate", 0, "N", "Tokens a second of one answer", OPTIONS_NUMBER,
	 TO(engine.decode_rate), .min = 1, .max = 1000000000},
	{"batch-removals", 0, "N", "Block names in one removal, 1 as in vLLM", OPTIONS_NUMBER,
	 TO(engine.removals_max), .min = 1, .max = 1000000},
	{"clear-keeps-running", 0, NULL,
	 "Running requests go on after a clear: their later blocks have parents from before it",
	 OPTIONS_FLAG, TO(engine.clear_keeps)},
	OPTIONS_SEED(TO(engine.name_seed)),
	{.help = "Instead of answering standard input:", .kind = OPTIONS_HEADING},
	OPTIONS_TRACE(TO(trace)),
	{"speed", 0, "X", "Replay at X times the pace of the trace; 0 is as fast as possible",
	 OPTIONS_FRACTION, TO(speed), .most = 1e9},
	OPTIONS_HOLD(TO(hold)),
	{0},
};

static const struct options_program program = {
	.entries = entries,
	.about = "A mock inference engine: it keeps blocks as vLLM does and publishes its cache "
		 "events.\v"
		 "Without --trace it reads requests from standard input, one JSON object a line as "
		 "ringdex-trace writes them, runs them in virtual time, and answers each with a "
		 "line. Other lines are commands: {\"command\":\"clear\"} (with "
		 "\"tier\":\"device\" or \"host\" one tier only, with \"announce\":false unsaid), "
		 "\"stats\", \"dump\" (the blocks it holds, as prefix hashes), \"advance\" (run on "
		 "to \"time_ms\"), \"finish\" (run until no request is left).\n\n"
		 "Exit status: 0 done or told to stop, 1 a line was bad or something failed, 2 "
		 "wrong usage.",
};

void mock_options_parse(int argc, char **argv, struct mock_options *ret_options)
{
	struct mock_options *o = ret_options;

	*o = (struct mock_options){.engine = ENGINE_DEFAULTS,
				   .publisher = {.size = sizeof(struct rdx_publisher_options)}};
	o->engine.name_seed = OPTIONS_SEED_DEFAULT;
	o->publisher.dir = RDX_DEFAULT_DIR;
	o->publisher.model = "mock";
	o->publisher.ring_slots = DEFAULT_RING_SLOTS;
	options_parse(&program, argc, argv, o);
	o->name_bytes = o->wide_names ? 4 * sizeof(uint64_t) : sizeof(uint64_t);
	o->publisher.block_tokens = o->engine.block_tokens;
	o->publisher.tier_blocks[RDX_TIER_DEVICE] = o->engine.device_blocks;
	o->publisher.tier_blocks[RDX_TIER_HOST] = o->engine.host_blocks;
	/* one step may remove every device block before it stores them to the host by name */
	o->publisher.remembered_names = o->engine.device_blocks + UINT64_C(1024);
	if (!o->publisher.instance) {
		snprintf(o->instance, sizeof(o->instance), "mock://%" PRIu64 "/%u",
			 o->publisher.worker_id, o->publisher.dp_rank);
		o->publisher.instance = o->instance;
	}
}
