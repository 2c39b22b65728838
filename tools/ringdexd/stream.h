/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body that is made piece by piece, as its client takes it: for those that are long, or have no end. A route
 * begins it by answer_stream. What has been appended to the answer by then is the first piece; status and type
 * are set by then, too.
 *
 * All calls come from the server's thread, which serves others between them.
 */
#ifndef RINGDEXD_STREAM_H
#define RINGDEXD_STREAM_H

struct answer;

#define STREAM_PIECE_BYTES ((size_t)65536) /* a piece is as large as that, or a little larger */

/* Part of what makes the body; stays where it is until `ended`. */
struct stream {
	/*
	 * Append the next piece to the answer.
	 *
	 *   1       there is more: called again when the client has taken this. Where nothing was appended it
	 *           waits: called again after the next server_wake, or by server_look, some times a second
	 *   0       this was the last
	 *   -errno  it cannot be completed: the connection is cut, so that nobody takes it for whole
	 */
	int (*more)(struct stream *stream, struct answer *answer);
	/* The last call, once: the body is made, or the client has gone, or the server ends. Its memory may go. */
	void (*ended)(struct stream *stream);
};

#endif
