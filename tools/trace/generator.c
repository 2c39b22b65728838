/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/trace/generator.h"
#include "tools/trace/random.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A prompt that was sent: what later turns go on from. */
struct turn {
	uint32_t *spans; /* whole spans of prompt and answer that a next turn shares */
	uint32_t span_count;
	uint32_t tokens; /* prompt and answer */
};

struct session {
	double due_ms;
	struct turn *turns;
	uint32_t turn_count;
	uint32_t turns_wanted;
};

struct trace_generator {
	struct trace_generate_options options;
	struct random_state random;
	struct session *sessions;
	uint32_t **systems; /* span ids of each system prompt, NULL until used */
	uint32_t *system_spans;
	struct trace_request request;
	uint64_t made;
	uint32_t next_id;
};

static double pause_ms(struct trace_generator *g)
{
	double mean = 1000.0 * g->options.sessions / g->options.rate_per_s;

	return -log(1.0 - random_unit(&g->random)) * mean;
}

static void session_reset(struct session *session)
{
	for (uint32_t i = 0; i < session->turn_count; i++)
		free(session->turns[i].spans);
	free(session->turns);
	session->turns = NULL;
	session->turn_count = 0;
}

static void session_start(struct trace_generator *g, struct session *session)
{
	session_reset(session);
	session->turns_wanted = random_around(&g->random, g->options.turns);
	session->due_ms += pause_ms(g);
}

static int options_valid(const struct trace_generate_options *o)
{
	const uint64_t longest_first = (o->system_prompts ? 2 * (uint64_t)o->system_tokens : 0) +
				       RDX_TRACE_SPAN_TOKENS + 2 * (uint64_t)o->first_tokens;

	return o->rate_per_s > 0 && o->branch_share >= 0 && o->branch_share <= 1 && o->sessions &&
	       o->turns && o->system_tokens && o->first_tokens && o->turn_tokens &&
	       o->output_tokens && longest_first <= o->longest_tokens &&
	       o->longest_tokens <= TRACE_INPUT_MAX && o->output_tokens <= TRACE_OUTPUT_MAX / 2;
}

int trace_generator_open(struct trace_generator **ret_generator,
			 const struct trace_generate_options *options)
{
	struct trace_generator *g;

	if (!options_valid(options))
		return -EINVAL;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->options = *options;
	g->random.at = options->seed;
	g->sessions = calloc(options->sessions, sizeof(*g->sessions));
	g->systems = calloc(options->system_prompts + 1, sizeof(*g->systems));
	g->system_spans = calloc(options->system_prompts + 1, sizeof(*g->system_spans));
	if (!g->sessions || !g->systems || !g->system_spans) {
		trace_generator_close(g);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < options->sessions; i++)
		session_start(g, &g->sessions[i]);
	*ret_generator = g;
	return 0;
}

void trace_generator_close(struct trace_generator *g)
{
	if (!g)
		return;
	for (uint32_t i = 0; g->sessions && i < g->options.sessions; i++)
		session_reset(&g->sessions[i]);
	for (uint32_t i = 0; g->systems && i < g->options.system_prompts; i++)
		free(g->systems[i]);
	free(g->sessions);
	free(g->systems);
	free(g->system_spans);
	trace_request_free(&g->request);
	free(g);
}

/* The first system prompt is asked for most, the k-th 1/k as often. */
static uint32_t choose_system(struct trace_generator *g)
{
	double total = 0, at;
	uint32_t i;

	for (i = 0; i < g->options.system_prompts; i++)
		total += 1.0 / (i + 1);
	at = random_unit(&g->random) * total;
	for (i = 0; i + 1 < g->options.system_prompts; i++) {
		at -= 1.0 / (i + 1);
		if (at < 0)
			break;
	}
	return i;
}

/* What a session's first prompt goes on from. */
static int first_base(struct trace_generator *g, struct turn *ret_base)
{
	uint32_t system;

	*ret_base = (struct turn){0};
	if (!g->options.system_prompts)
		return 0;
	system = choose_system(g);
	if (!g->systems[system]) {
		uint32_t spans = trace_spans(random_around(&g->random, g->options.system_tokens));

		g->systems[system] = calloc(spans, sizeof(uint32_t));
		if (!g->systems[system])
			return -ENOMEM;
		g->system_spans[system] = spans;
		for (uint32_t i = 0; i < spans; i++)
			g->systems[system][i] = g->next_id++;
	}
	ret_base->spans = g->systems[system];
	ret_base->span_count = g->system_spans[system];
	ret_base->tokens = ret_base->span_count * RDX_TRACE_SPAN_TOKENS;
	return 0;
}

/* The turn that the session's next one goes on from: mostly the newest. */
static struct turn next_base(struct trace_generator *g, const struct session *session)
{
	uint32_t turn = session->turn_count - 1;

	if (turn && random_unit(&g->random) < g->options.branch_share)
		turn = random_below(&g->random, turn);
	return session->turns[turn];
}

/* The request's prompt: the base's whole spans, then new ones. */
static int make_prompt(struct trace_generator *g, const struct turn *base, uint32_t message_tokens)
{
	struct trace_request *request = &g->request;

	request->input_length = base->tokens + message_tokens;
	request->output_length = random_around(&g->random, g->options.output_tokens);
	request->hash_count = trace_spans(request->input_length);
	if (trace_request_reserve(request, request->hash_count) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < request->hash_count; i++)
		request->hash_ids[i] = i < base->span_count ? base->spans[i] : g->next_id++;
	return 0;
}

/*
 * Remember the turn. The answer fills up the prompt's last span: that span gets an id of
 * its own when a next turn is sent, so only the whole spans of the prompt are shared.
 */
static int remember_turn(struct session *session, const struct trace_request *request)
{
	struct turn turn = {
		.span_count = request->input_length / RDX_TRACE_SPAN_TOKENS,
		.tokens = request->input_length + request->output_length,
	};
	struct turn *turns;

	turns = realloc(session->turns, (session->turn_count + 1) * sizeof(*turns));
	if (!turns)
		return -ENOMEM;
	session->turns = turns;
	turn.spans = calloc(turn.span_count + 1, sizeof(*turn.spans));
	if (!turn.spans)
		return -ENOMEM;
	for (uint32_t i = 0; i < turn.span_count; i++)
		turn.spans[i] = (uint32_t)request->hash_ids[i];
	turns[session->turn_count++] = turn;
	return 0;
}

static struct session *earliest(struct trace_generator *g)
{
	struct session *session = &g->sessions[0];

	for (uint32_t i = 1; i < g->options.sessions; i++) {
		if (g->sessions[i].due_ms < session->due_ms)
			session = &g->sessions[i];
	}
	return session;
}

int trace_generator_next(struct trace_generator *g, struct trace_request *ret_request)
{
	struct session *session = earliest(g);
	uint32_t message;
	struct turn base;
	int error = 0;

	if (g->made == g->options.requests)
		return 0;
	g->request.timestamp_ms = (uint64_t)session->due_ms;
	if (session->turn_count) {
		base = next_base(g, session);
		message = random_around(&g->random, g->options.turn_tokens);
	}
	if (!session->turn_count || base.tokens + message > g->options.longest_tokens) {
		double due_ms = session->due_ms;

		session_start(g, session);
		session->due_ms = due_ms;
		error = first_base(g, &base);
		message = random_around(&g->random, g->options.first_tokens);
	}
	if (!error)
		error = make_prompt(g, &base, message);
	if (!error)
		error = remember_turn(session, &g->request);
	if (error)
		return error;
	if (session->turn_count >= session->turns_wanted)
		session_start(g, session);
	else
		session->due_ms += pause_ms(g);
	g->request.id = ++g->made;
	*ret_request = g->request;
	return 1;
}
