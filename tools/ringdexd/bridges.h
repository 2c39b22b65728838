/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bridges of engines that were registered: a process each, started, started again when it dies, and ended. What is
 * registered lives here only, in memory. Of the loop's thread.
 *
 * One process a stream, not one for all: what is registered comes and goes one by one, a bridge takes its streams at
 * its start, and what breaks one of them leaves the others alone.
 */
#ifndef RINGDEXD_BRIDGES_H
#define RINGDEXD_BRIDGES_H

#include "tools/ringdexd/bridge_process.h"
#include "tools/ringdexd/loop.h"

#include <stddef.h>
#include <stdint.h>

struct bridges;
struct bridge;

enum bridge_status {
	BRIDGE_PENDING, /* its process has not said anything yet */
	BRIDGE_WAITING, /* it listens, and no engine was ever there */
	BRIDGE_ACTIVE,  /* it listens to the engine */
	BRIDGE_PAUSED,  /* the engine was there, and is away */
	BRIDGE_FAILED,  /* it has ended, and is started again after a while */
	BRIDGE_STATUSES
};

struct bridges_options {
	const char *program; /* path of ringdex-bridge */
	const char *dir;
	uint32_t most; /* streams at once */
};

/* What one of them is, and does. */
struct bridge_view {
	const struct bridge_stream *stream;
	uint32_t
		dp_rank; /* as which it is published: what the engine's batches say, else the stream's */
	enum bridge_status status;
};

/* Texts of the options stay the caller's. -ENOMEM */
int bridges_open(struct bridges **ret_bridges, struct loop *loop,
		 const struct bridges_options *options);

/*
 * Begin with a stream. That its process cannot be started now is no error: it is tried again.
 *
 *   0
 *   -ENOSPC  there are as many as may be
 *   -ENOMEM
 */
int bridges_add(struct bridges *bridges, const struct bridge_stream *stream);

/* End those of an instance, of one rank if dp_rank is not NULL. The processes get a moment to end by themselves. */
void bridges_remove(struct bridges *bridges, uint64_t instance_id, const uint32_t *dp_rank);

/* Is there a stream, or a process that has not ended yet? */
int bridges_have_any(const struct bridges *bridges);

/* The streams, by instance and rank: the first one, or the one after; NULL: there is none. */
const struct bridge *bridges_next(const struct bridges *bridges, const struct bridge *after);
struct bridge_view bridge_view(const struct bridge *bridge);

/* The first one of an instance, or of a model and tenant; NULL. */
const struct bridge *bridges_of_instance(const struct bridges *bridges, uint64_t instance_id);
const struct bridge *bridges_of_model(const struct bridges *bridges, const char *model,
				      const char *tenant);

/* Is this rank of an index what one of them publishes, or did until a moment ago? */
int bridges_publish(const struct bridges *bridges, uint64_t instance_id, uint32_t dp_rank);

/* As Dynamo's /workers calls it, which knows no waiting: that is "active". */
const char *bridge_status_of_dynamo(enum bridge_status status);

/* "pending", "waiting" and so on. */
const char *bridge_status_text(enum bridge_status status);

/* Processes that were started again since the beginning. */
uint64_t bridges_restarts(const struct bridges *bridges);

/* To be called now and then: start again what ended, end what does not end by itself. */
void bridges_look(struct bridges *bridges, uint64_t now_ns);

/* Remove all. How many processes have not ended yet. */
uint32_t bridges_drain(struct bridges *bridges);

/* Kill all that is left, and close their sockets in the next turns of the loop. */
void bridges_kill(struct bridges *bridges);

/* After the loop's last turn, and bridges_kill: waits for what was killed. */
void bridges_free(struct bridges *bridges);

#endif
