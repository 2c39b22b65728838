/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/dump.h"

#include "shm/clock.h"
#include "tools/ringdexd/desk.h"
#include "tools/ringdexd/dump_plan.h"
#include "tools/ringdexd/log.h"
#include "tools/ringdexd/stored_events.h"
#include "tools/ringdexd/stream.h"
#include "tools/ringdexd/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DUMPS_MAX   2 /* at once: each has a rank's blocks in memory */
#define DUMP_THREAD "dump"
#define MORE_BYTES  24                     /* " and 4294967295 more" */
#define DUMP_NS     UINT64_C(600000000000) /* a client that takes longer keeps others out */
#define RANK_TRIES  3                      /* where events come too fast: seconds */
#define UNDER_WAY   1

/* Those that are being made, also where their client has gone. */
static _Atomic uint32_t dumps;

struct dump {
	struct stream stream; /* first */
	struct dump_plan plan;
	uint64_t until_ns;
	int is_started;

	pthread_mutex_t lock;
	pthread_cond_t taken;  /* the piece was, or the client has gone */
	struct answer piece;   /* the next one, if it has a body */
	int outcome;           /* UNDER_WAY; 0: what is left is the last piece; -errno */
	struct server *server; /* NULL: the client has gone */
	int users;             /* stream and thread */

	/* of the thread */
	struct answer text; /* the piece after that */
	struct stored_events events;
	uint32_t ranks;
};

static struct dump *of(struct stream *stream)
{
	return (struct dump *)stream;
}

static void free_dump(struct dump *dump)
{
	pthread_mutex_destroy(&dump->lock);
	pthread_cond_destroy(&dump->taken);
	stored_events_free(&dump->events);
	dump_plan_free(&dump->plan);
	answer_free(&dump->piece);
	answer_free(&dump->text);
	free(dump);
}

static void end_making(void)
{
	atomic_fetch_sub_explicit(&dumps, 1, memory_order_relaxed);
}

/* One of its users goes. */
static void leave(struct dump *dump)
{
	int left;

	pthread_mutex_lock(&dump->lock);
	left = --dump->users;
	pthread_mutex_unlock(&dump->lock);
	if (!left)
		free_dump(dump);
}

/*
 * The thread
 */

/* The text so far is the next piece, once the one before was taken. -ECANCELED: nobody takes it. */
static int hand_over(struct dump *dump)
{
	struct answer taken;
	int r = dump->text.broken;

	if (r < 0)
		return r;
	pthread_mutex_lock(&dump->lock);
	while (dump->server && answer_body_bytes(&dump->piece))
		pthread_cond_wait(&dump->taken, &dump->lock);
	if (dump->server) {
		taken = dump->piece;
		dump->piece = dump->text;
		dump->text = taken;
		server_wake(dump->server);
	} else {
		r = -ECANCELED;
	}
	pthread_mutex_unlock(&dump->lock);
	answer_begin(&dump->text);
	return r;
}

static int hand_over_if_large(struct dump *dump)
{
	return answer_body_bytes(&dump->text) < STREAM_PIECE_BYTES ? 0 : hand_over(dump);
}

static int visit(void *context, const struct rdx_block *block)
{
	struct dump *dump = context;
	int r = stored_events_add(&dump->events, block);

	return r < 0 ? r : hand_over_if_large(dump);
}

static int put_blocks(struct dump *dump, const struct dump_rank *rank, struct rdx_reader *reader)
{
	struct rdx_cursor exact_at;
	int r = -EAGAIN;

	stored_events_begin(&dump->events, &dump->text, rank->worker_id, rank->dp_rank);
	/* it says so before it has visited anything */
	for (int i = 0; i < RANK_TRIES && r == -EAGAIN; i++)
		r = rdx_reader_each(reader, visit, dump, &exact_at);
	if (r == 0)
		r = stored_events_end(&dump->events);
	if (r < 0)
		return r;
	dump->ranks++;
	return hand_over_if_large(dump);
}

/* It is no longer there, not in this life, or not what a producer writes: the index says so, too, or soon will. */
static int is_gone(int error)
{
	return error == -ENOENT || error == -EBADMSG || error == -EOWNERDEAD;
}

static int put_rank(struct dump *dump, const struct dump_rank *rank)
{
	struct rdx_reader *reader;
	int r = rdx_reader_open(&reader, dump->plan.dir, rank->worker_id, rank->dp_rank);

	if (r == 0) {
		if (rdx_reader_info(reader)->epoch == rank->epoch && rdx_reader_alive(reader) != 0)
			r = put_blocks(dump, rank, reader);
		rdx_reader_close(reader);
	}
	if (r < 0 && r != -ECANCELED)
		log_say(is_gone(r) ? LOG_AT_INFO : LOG_AT_WARNING,
			"/dump: worker %" PRIu64 " rank %u cannot be read: %s", rank->worker_id,
			rank->dp_rank, strerror(-r));
	return is_gone(r) ? 0 : r;
}

static int put_model(struct dump *dump, const struct dump_model *model)
{
	int r = 0;

	answer_json_text(&dump->text, model->key);
	answer_print(&dump->text, ":{\"block_size\":%u,\"events\":[", model->block_tokens);
	dump->events.any = 0;
	dump->events.event_id = 0;
	for (uint32_t i = 0; r == 0 && i < model->ranks; i++)
		r = put_rank(dump, &dump->plan.ranks[model->first_rank + i]);
	answer_text(&dump->text, "]}");
	return r;
}

static int put_all(struct dump *dump)
{
	int r = 0;

	answer_text(&dump->text, "{");
	for (uint32_t i = 0; r == 0 && i < dump->plan.model_count; i++) {
		if (i)
			answer_text(&dump->text, ",");
		r = put_model(dump, &dump->plan.models[i]);
	}
	answer_text(&dump->text, "}");
	return r < 0 ? r : hand_over(dump);
}

static void say_left(const struct dump_left *left, const char *why)
{
	char more[MORE_BYTES] = "";

	if (left->count > 1)
		snprintf(more, sizeof(more), " and %u more", left->count - 1);
	if (left->count)
		log_say(LOG_AT_WARNING, "/dump: %s%s left out: %s, which its form cannot say",
			left->one, more, why);
}

static void say_dumped(const struct dump *dump)
{
	static const char *const why[DUMP_CAUSES] = {
		[DUMP_BLOCK_SIZES] = "their workers have different block sizes",
		[DUMP_NAME] = "a colon in the model's name, or a tenant called 'default'",
	};

	log_say(LOG_AT_INFO,
		"/dump: %u ranks; %" PRIu64 " blocks left out, whose parents are not held",
		dump->ranks, dump->events.left_out);
	for (int cause = 0; cause < DUMP_CAUSES; cause++)
		say_left(&dump->plan.left[cause], why[cause]);
}

static void say_outcome(const struct dump *dump, int r)
{
	if (r == 0)
		say_dumped(dump);
	else if (r == -ECANCELED)
		log_say(LOG_AT_INFO, "/dump: its client has gone");
	else
		log_say(LOG_AT_WARNING, "/dump ends before it is whole: %s", strerror(-r));
}

static void *run(void *argument)
{
	struct dump *dump = argument;
	int r = put_all(dump);

	say_outcome(dump, r);
	end_making(); /* before its client can know that it has all, and ask again */
	pthread_mutex_lock(&dump->lock);
	dump->outcome = r;
	if (dump->server)
		server_wake(dump->server);
	pthread_mutex_unlock(&dump->lock);
	leave(dump);
	return NULL;
}

/*
 * The stream
 */

static int start(struct dump *dump)
{
	pthread_t thread;
	int r;

	dump->outcome = UNDER_WAY;
	dump->users++;
	r = thread_start(&thread, DUMP_THREAD, run, dump);
	if (r < 0) {
		dump->users--;
		return r;
	}
	pthread_detach(thread);
	dump->is_started = 1;
	return 0;
}

static int more(struct stream *stream, struct answer *answer)
{
	struct dump *dump = of(stream);
	int outcome;

	if (!dump->is_started)
		return start(dump) < 0 ? -EAGAIN : 1;
	if (rdx_clock_ns() > dump->until_ns)
		return -ETIME;
	pthread_mutex_lock(&dump->lock);
	outcome = dump->outcome;
	if (answer_body_bytes(&dump->piece)) {
		answer_bytes(answer, answer_body(&dump->piece), answer_body_bytes(&dump->piece));
		answer_begin(&dump->piece);
		pthread_cond_signal(&dump->taken);
	}
	pthread_mutex_unlock(&dump->lock);
	return outcome;
}

static void ended(struct stream *stream)
{
	struct dump *dump = of(stream);

	if (!dump->is_started)
		end_making();
	pthread_mutex_lock(&dump->lock);
	dump->server = NULL;
	pthread_cond_signal(&dump->taken);
	pthread_mutex_unlock(&dump->lock);
	leave(dump);
}

/* NULL without memory. */
static struct dump *new_dump(struct desk *desk)
{
	struct dump *dump = calloc(1, sizeof(*dump));

	if (!dump)
		return NULL;
	dump->stream = (struct stream){more, ended};
	dump->users = 1;
	dump->server = desk->server;
	dump->until_ns = rdx_clock_ns() + DUMP_NS;
	pthread_mutex_init(&dump->lock, NULL);
	pthread_cond_init(&dump->taken, NULL);
	answer_begin(&dump->piece);
	answer_begin(&dump->text);
	return dump;
}

void dump_answer(void *context, const struct request *request, struct answer *ret_answer)
{
	struct dump *dump;

	(void)request;
	if (atomic_load_explicit(&dumps, memory_order_relaxed) >= DUMPS_MAX) {
		answer_error(ret_answer, 503,
			     "%d dumps are under way: ask again when one has ended", DUMPS_MAX);
		return;
	}
	dump = new_dump(context);
	if (!dump || dump_plan_make(&dump->plan, context) < 0) {
		if (dump)
			free_dump(dump);
		answer_error(ret_answer, 503, "no memory for this now");
		return;
	}
	atomic_fetch_add_explicit(&dumps, 1, memory_order_relaxed);
	answer_stream(ret_answer, &dump->stream);
}
