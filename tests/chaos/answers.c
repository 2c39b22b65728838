/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/answers.h"

#include "tests/expect.h"
#include "tests/patience.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STALE_NS      UINT64_C(250000000) /* the default of ringdex-follow */
#define ANSWERS_BYTES (4 << 20)
#define REFUSED       "cannot answer"

static int is(const struct answers_row *row, const char *state)
{
	return row->is_there && strcmp(row->state, state) == 0;
}

/* What is said of a rank although nobody keeps it up to date. */
static int is_offered(const struct answers_row *row)
{
	return is(row, "EXACT") || is(row, "LACKING") || is(row, "INEXACT");
}

static void judge(const struct crew *crew, uint32_t chain, const struct crew_feed *feed,
		  uint32_t rank, const struct answers_row *row, uint64_t age_ns, uint64_t asked_ns)
{
	const struct oracle *oracle = &feed->oracle[rank];

	if (!is_offered(row))
		return;
	if (crew->indexer.down_ns && asked_ns > crew->indexer.down_ns + STALE_NS)
		crew_diverged(crew, "%" PRIu64 ":%u is %s, the indexer down for %" PRIu64 " ms",
			      feed->worker, rank, row->state,
			      (asked_ns - crew->indexer.down_ns) / 1000000);
	if (!is(row, "EXACT"))
		return;
	if (age_ns > STALE_NS)
		crew_diverged(crew, "%" PRIu64 ":%u is EXACT at an age of %" PRIu64 " ns",
			      feed->worker, rank, age_ns);
	for (int set = 0; set < ORACLE_SETS; set++)
		if (!oracle_had(oracle, chain, set, row->blocks[set]))
			crew_diverged(crew,
				      "%" PRIu64
				      ":%u chain %u set %d: EXACT, but never had %" PRIu64
				      " blocks since the last rest",
				      feed->worker, rank, chain, set, row->blocks[set]);
}

/* A row of a rank of ours; others are the attackers'. */
static void take_row(const struct crew *crew, uint32_t chain, struct json_object *object,
		     uint64_t asked_ns, struct answers *answers)
{
	uint64_t worker = number(object, "worker"), rank = number(object, "dp_rank");
	struct json_object *blocks = member(object, "leading_blocks");
	uint64_t feed = worker - CREW_FIRST_WORKER;
	struct answers_row *row;

	if (feed >= CREW_FEEDS || rank >= crew->feeds[feed].ranks)
		return;
	row = &answers->row[chain][feed][rank];
	if (row->is_there)
		crew_diverged(crew, "two rows of %" PRIu64 ":%" PRIu64, worker, rank);
	row->is_there = 1;
	snprintf(row->state, sizeof(row->state), "%s", string(object, "state"));
	row->blocks[ORACLE_DEVICE] = number(blocks, "device");
	row->blocks[ORACLE_DEVICE_HOST] = number(blocks, "device_host");
	judge(crew, chain, &crew->feeds[feed], (uint32_t)rank, row, number(object, "age_ns"),
	      asked_ns);
}

/* One line; the query numbers its lines, and chains are asked for in their order. */
static void take_line(const struct crew *crew, const char *line, uint64_t asked_ns,
		      struct answers *answers)
{
	/* not parsed(): an attacker's event ids may be above 2^53 */
	struct json_object *object = json_tokener_parse(line), *ranks = member(object, "ranks");
	uint32_t chain = (uint32_t)((number(object, "line") - 1) % ORACLE_CHAINS);

	for (size_t i = 0; i < json_object_array_length(ranks); i++)
		take_row(crew, chain, json_object_array_get_idx(ranks, i), asked_ns, answers);
	json_object_put(object);
}

static uint32_t count_refused(const char *text)
{
	uint32_t count = 0;

	for (const char *at = text; (at = strstr(at, REFUSED)); at += strlen(REFUSED))
		count++;
	return count;
}

/* Take whole lines from the front of `text`; how many. */
static uint32_t take_lines(const struct crew *crew, char *text, size_t *length, uint64_t asked_ns,
			   struct answers *answers)
{
	char *from = text, *end;
	uint32_t count = 0;

	while ((end = memchr(from, '\n', *length - (size_t)(from - text)))) {
		*end = 0;
		take_line(crew, from, asked_ns, answers);
		from = end + 1;
		count++;
	}
	*length -= (size_t)(from - text);
	memmove(text, from, *length);
	return count;
}

/* Read until each line was answered or refused, or the query has ended. How many answers. */
static uint32_t listen(struct crew *crew, uint64_t asked_ns, struct answers *answers)
{
	static char text[ANSWERS_BYTES];
	struct program *program = &crew->query.program;
	struct patience patience = patience_begin();
	uint32_t answered = 0;
	size_t length = 0;

	for (;;) {
		struct pollfd fds[2] = {{program->out, POLLIN, 0}, {program->err, POLLIN, 0}};
		ssize_t got;

		if (patience_is_over(&patience))
			crew_diverged(crew, "the query does not answer");
		poll(fds, 2, 100);
		got = read(program->out, text + length, sizeof(text) - length);
		if (got == 0)
			return answered;
		length += got > 0 ? (size_t)got : 0;
		assert_true(length < sizeof(text));
		answered += take_lines(crew, text, &length, asked_ns, answers);
		member_drain_errors(&crew->query);
		if (answered + count_refused(crew->query.err.text) >= ORACLE_CHAINS)
			return answered;
	}
}

int answers_ask(struct crew *crew, struct answers *ret_answers)
{
	uint64_t asked_ns = rdx_clock_ns();
	uint32_t answered;

	memset(ret_answers, 0, sizeof(*ret_answers));
	if (!member_runs(&crew->query)) {
		crew_start_query(crew);
		crew->query.may_end = 1; /* there may be no index yet */
	}
	crew->query.err.length = 0;
	crew->query.err.text[0] = 0;
	for (uint32_t chain = 0; chain < ORACLE_CHAINS; chain++) {
		char line[ORACLE_LINE_BYTES];
		int length = oracle_prompt(chain, line);

		if (member_write(&crew->query, line, (size_t)length) < 0)
			break;
	}
	answered = listen(crew, asked_ns, ret_answers);
	if (answered)
		crew->query.may_end = 0;
	crew->answers += answered;
	crew->refusals += ORACLE_CHAINS - answered;
	return answered == ORACLE_CHAINS;
}

static int chain_equal(const struct crew_feed *feed, uint32_t rank, uint32_t chain,
		       const struct answers_row *row, char *ret_reason)
{
	const struct oracle *oracle = &feed->oracle[rank];
	uint32_t device = oracle_held(oracle, chain, ORACLE_DEVICE);
	uint32_t both = oracle_held(oracle, chain, ORACLE_DEVICE_HOST);
	int is_live = member_runs(&feed->member) && oracle->lines;
	int equal = is_live ? is(row, "EXACT") && row->blocks[ORACLE_DEVICE] == device &&
				      row->blocks[ORACLE_DEVICE_HOST] == both
			    : !row->is_there || is(row, "GONE");

	if (!equal)
		snprintf(ret_reason, ANSWERS_REASON_BYTES,
			 "%" PRIu64 ":%u chain %u: %s, %" PRIu64 " and %" PRIu64
			 " blocks; it is %s and holds %u and %u",
			 feed->worker, rank, chain, row->is_there ? row->state : "not there",
			 row->blocks[ORACLE_DEVICE], row->blocks[ORACLE_DEVICE_HOST],
			 is_live ? "alive" : "dead", device, both);
	return equal;
}

int answers_equal(const struct crew *crew, const struct answers *answers,
		  char ret_reason[ANSWERS_REASON_BYTES])
{
	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		for (uint32_t rank = 0; rank < crew->feeds[i].ranks; rank++)
			for (uint32_t chain = 0; chain < ORACLE_CHAINS; chain++)
				if (!chain_equal(&crew->feeds[i], rank, chain,
						 &answers->row[chain][i][rank], ret_reason))
					return 0;
	return 1;
}

/* Each running rank, by name: what an attacker has there is not compared. */
static int name_ranks(const struct crew *crew, char names[][32], char **arguments)
{
	int count = 0;

	for (uint32_t i = 0; i < CREW_FEEDS; i++)
		for (uint32_t rank = 0; rank < crew->feeds[i].ranks; rank++) {
			const struct crew_feed *feed = &crew->feeds[i];

			if (!member_runs(&feed->member) || !feed->oracle[rank].lines)
				continue;
			snprintf(names[count], sizeof(names[count]), "%" PRIu64 ":%u", feed->worker,
				 rank);
			arguments[count] = names[count];
			count++;
		}
	return count;
}

int answers_verified(struct crew *crew, char ret_reason[ANSWERS_REASON_BYTES])
{
	char names[CREW_FEEDS * CREW_RANKS_MAX][32];
	char *arguments[4 + CREW_FEEDS * CREW_RANKS_MAX] = {"ringdex-verify", "-d", crew->dir};
	struct program_result r;
	struct program program;
	int status;

	if (!name_ranks(crew, names, arguments + 3))
		return 1;
	assert_int_equal(program_start(&program, arguments[0], arguments, 0), 0);
	assert_int_equal(program_finish(&program, NULL, &r), 0);
	status = r.status;
	snprintf(ret_reason, ANSWERS_REASON_BYTES, "verify: %d: %.100s%.100s", status, r.out,
		 r.err);
	if (status == 1 && strstr(r.out, "difference"))
		crew_diverged(crew, "verify: %s%s", r.out, r.err);
	program_result_free(&r);
	return status == 0;
}
