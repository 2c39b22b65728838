/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ringdex-bridge as a process beside this one. Its standard input, output and error are one socket: what it
 * says comes from there, and where this process ends, however it does, that socket ends, and the bridge with it.
 */
#ifndef RINGDEXD_BRIDGE_PROCESS_H
#define RINGDEXD_BRIDGE_PROCESS_H

#include <ringdex/rdx_types.h>
#include <stdint.h>
#include <sys/types.h>

/* One stream of an engine, and what it is published as. */
struct bridge_stream {
	uint64_t instance_id;
	uint32_t dp_rank;
	uint32_t block_tokens;
	char model[RDX_TEXT_BYTES];
	char tenant[RDX_TEXT_BYTES];
	char endpoint[RDX_TEXT_BYTES];
	char replay_endpoint[RDX_TEXT_BYTES]; /* "": none */
};

/*
 * Start `program` for a stream, in the namespace `dir`. No shell; each value is a part of one argument, so that none
 * is an option. The process has a session of its own, no signal blocked, and of this one's descriptors none. Its
 * socket does not block; it and the process are the caller's to close and to wait for. -errno
 */
int bridge_process_start(const char *program, const char *dir, const struct bridge_stream *stream,
			 pid_t *ret_pid, int *ret_fd);

#endif
