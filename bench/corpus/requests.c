/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/corpus/requests.h"

#include "tools/trace/random.h"
#include "tools/trace/request.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* What the conversation trace of Mooncake is like, by counting: see format.md. */
#define REQUESTS     12031
#define BETWEEN_MS   294.0  /* requests, mean */
#define LATER_SHARE  0.387  /* of the requests that go on from one before */
#define PAUSE_COUNT  730.0  /* requests of others until one goes on, mean */
#define FIRST_MEDIAN 4900.0 /* tokens after the shared span, log-normal */
#define FIRST_SIGMA  1.25
#define LATER_MEDIAN 1000.0 /* tokens of the answer before and a new message */
#define LATER_SIGMA  1.5
#define TOKENS_LEAST 900
#define TOKENS_MOST  126000
#define PI           3.14159265358979323846

static int reserve(void **array, uint64_t *capacity, uint64_t wanted, size_t size)
{
	uint64_t grown = *capacity ? *capacity : 1024;
	void *bigger;

	if (wanted <= *capacity)
		return 0;
	while (grown < wanted)
		grown *= 2;
	bigger = realloc(*array, grown * size);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*capacity = grown;
	return 0;
}

/* A request with room for its ids. */
static struct request *append(struct requests *requests, uint64_t time_ms, uint32_t tokens)
{
	uint32_t ids = trace_spans(tokens);
	struct request *request;

	if (reserve((void **)&requests->list, &requests->capacity, requests->count + 1,
		    sizeof(*requests->list)) < 0 ||
	    reserve((void **)&requests->ids, &requests->id_capacity, requests->id_count + ids,
		    sizeof(*requests->ids)) < 0)
		return NULL;
	request = &requests->list[requests->count++];
	*request = (struct request){time_ms, requests->id_count, ids, tokens};
	requests->id_count += ids;
	return request;
}

static void finish(struct requests *requests)
{
	XXH64_hash_t ids = XXH3_64bits(requests->ids, requests->id_count * sizeof(uint64_t));

	requests->fingerprint =
		XXH3_64bits_withSeed(requests->list, requests->count * sizeof(struct request), ids);
}

static int read_all(struct requests *requests, struct lines *lines)
{
	struct trace_request line = {0};
	struct json_line_fault fault;
	int r;

	while ((r = trace_request_next(lines, &line, &fault)) > 0) {
		struct request *request = append(requests, line.timestamp_ms, line.input_length);

		if (!request) {
			r = -ENOMEM;
			break;
		}
		memcpy(&requests->ids[request->first_id], line.hash_ids,
		       request->id_count * sizeof(uint64_t));
	}
	if (r == -EBADMSG)
		fprintf(stderr, "%s:%" PRIu64 ": %s\n", lines->name, lines->number, fault.text);
	trace_request_free(&line);
	return r;
}

int requests_read(struct requests *ret_requests, const char *path)
{
	struct requests requests = {0};
	struct lines lines;
	int r = lines_open(&lines, path);

	if (r == 0) {
		r = read_all(&requests, &lines);
		lines_close(&lines);
	}
	if (r == 0 && requests.count == 0)
		r = -ENODATA;
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
		requests_free(&requests);
		return r;
	}
	finish(&requests);
	*ret_requests = requests;
	return 0;
}

static double log_normal(struct random_state *random, double median, double sigma)
{
	double radius = sqrt(-2 * log(1 - random_unit(random)));

	return median * exp(sigma * radius * cos(2 * PI * random_unit(random)));
}

/* How many requests back the one is that this one goes on from; 0: it goes on from none. */
static uint64_t choose_before(struct random_state *random, double pause_count, uint64_t made)
{
	uint64_t back;

	if (random_unit(random) >= LATER_SHARE)
		return 0;
	back = 1 + (uint64_t)(-log(1 - random_unit(random)) * pause_count);
	return back <= made ? back : 0;
}

/* One that goes on from one before, `pause_count` requests back in the mean, or is new. */
static int make_one(struct requests *requests, struct random_state *random, double pause_count,
		    double time_ms, uint64_t *next_id)
{
	uint64_t back = choose_before(random, pause_count, requests->count);
	uint64_t shared = 1, before_at = 0;
	double tokens = RDX_TRACE_SPAN_TOKENS;
	struct request *request;

	if (back) {
		const struct request *before = &requests->list[requests->count - back];

		shared = before->tokens / RDX_TRACE_SPAN_TOKENS;
		shared += shared == 0;
		before_at = before->first_id;
		tokens = before->tokens + log_normal(random, LATER_MEDIAN, LATER_SIGMA);
	} else {
		tokens += log_normal(random, FIRST_MEDIAN, FIRST_SIGMA);
	}
	tokens = fmin(fmax(tokens, TOKENS_LEAST), TOKENS_MOST);
	request = append(requests, (uint64_t)time_ms, (uint32_t)tokens);
	if (!request)
		return -ENOMEM;
	for (uint32_t i = 0; i < request->id_count; i++) {
		uint64_t *id = &requests->ids[request->first_id + i];

		/* every prompt begins with the one shared span, id 0 */
		*id = i >= shared ? (*next_id)++ : back ? requests->ids[before_at + i] : 0;
	}
	return 0;
}

int requests_make(struct requests *ret_requests, uint64_t seed, uint32_t divide)
{
	struct random_state random = {seed};
	struct requests requests = {0};
	double time_ms = 0;
	uint64_t next_id = 1;

	while (requests.count < REQUESTS / divide) {
		if (make_one(&requests, &random, PAUSE_COUNT / divide, time_ms, &next_id) < 0) {
			requests_free(&requests);
			return -ENOMEM;
		}
		time_ms += -log(1 - random_unit(&random)) * BETWEEN_MS;
	}
	finish(&requests);
	*ret_requests = requests;
	return 0;
}

void requests_shorten(struct requests *requests, uint32_t divide)
{
	requests->count = (requests->count + divide - 1) / divide;
	finish(requests);
}

void requests_free(struct requests *requests)
{
	free(requests->list);
	free(requests->ids);
	*requests = (struct requests){0};
}
