/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/live.h"

#include "shm/clock.h"
#include "tools/ringdexd/desk.h"
#include "tools/ringdexd/stream.h"

#include <errno.h>
#include <stdlib.h>

#define STREAMS_MAX 32 /* at once; each has a copy of one event at most */

struct live {
	struct stream stream; /* first */
	struct desk *desk;
	uint64_t number; /* of the event that it has */
};

static int more(struct stream *stream, struct answer *answer)
{
	struct live *live = (struct live *)stream;
	uint64_t number = overview_look(live->desk->overview, rdx_clock_ns());

	if (!number)
		return -ENOMEM;
	if (number == live->number)
		return 1; /* it waits */
	live->number = number;
	answer_text(answer, "event: overview\ndata: ");
	overview_put(live->desk->overview, answer);
	answer_text(answer, "\n\n");
	return 1;
}

static void ended(struct stream *stream)
{
	struct live *live = (struct live *)stream;

	if (--live->desk->live_streams == 0)
		overview_rest(live->desk->overview);
	free(live);
}

static const struct stream source = {.more = more, .ended = ended};

void live_answer(void *context, const struct request *request, struct answer *ret_answer)
{
	struct desk *desk = context;
	struct live *live = NULL;

	(void)request;
	if (desk->live_streams >= STREAMS_MAX) {
		answer_error(ret_answer, 503, "%d pages look on already: no more can", STREAMS_MAX);
		return;
	}
	live = calloc(1, sizeof(*live));
	if (!live) {
		answer_error(ret_answer, 503, "no memory for this now");
		return;
	}
	live->stream = source;
	live->desk = desk;
	desk->live_streams++;
	ret_answer->type = "text/event-stream";
	ret_answer->headers = "Cache-Control: no-store\r\n";
	ret_answer->is_endless = 1;
	answer_text(ret_answer, "retry: 1000\n\n");
	answer_stream(ret_answer, &live->stream);
}
