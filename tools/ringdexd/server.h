/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP on listening sockets: connections, their limits, and the table of routes.
 */
#ifndef RINGDEXD_SERVER_H
#define RINGDEXD_SERVER_H

#include "tools/ringdexd/answer.h"
#include "tools/ringdexd/budget.h"
#include "tools/ringdexd/loop.h"
#include "tools/ringdexd/users.h"

#include <stddef.h>
#include <stdint.h>

struct server;

/* A request, whole. Its texts are the connection's and end with a NUL. */
struct request {
	const char *path;
	const char *query; /* behind the "?"; "": none */
	const char *body;  /* readable for BODY_PADDING bytes behind it */
	size_t body_bytes;
	int is_json;            /* its content type is */
	int takes_openmetrics;  /* it says so */
	const char *none_match; /* tags of what it has already; "": none */
};

struct route {
	const char *method;
	const char *path;
	int is_open; /* no token is asked for */
	void (*answer)(void *context, const struct request *request, struct answer *ret_answer);
	const char *const *parameters; /* it takes no others, up to a NULL; NULL: any */
};

/* What a connection may take. */
struct server_limits {
	size_t head_bytes;
	size_t body_bytes;
	uint32_t connections; /* at once */
	uint32_t memory_mib;  /* for what they keep of requests and answers, all together */
	uint64_t idle_ns;     /* between requests */
	uint64_t request_ns;  /* from a request's first byte to its last */
	uint64_t answer_ns;   /* until the peer has taken an answer */
};
/* All but the connections. */
extern const struct server_limits server_limits_default;

struct server_options {
	struct server_limits limits;
	const struct route *routes; /* up to one without a method */
	void *context;
	const char *token;            /* a request must have it, but on a Unix socket; NULL: none */
	const struct users *users;    /* that may ask on a Unix socket */
	const char *const *addresses; /* that were named to listen on (listen.h), up to a NULL */
	/* A request was answered, which took so long; NULL route: there is none of that name. Or NULL. */
	void (*answered)(void *context, const struct route *route, const struct request *request,
			 int status, uint64_t took_ns);
};

#define SERVER_CLASSES 6 /* of statuses, by their first digit */

/* Counters since the start. */
struct server_counters {
	uint64_t accepted;
	uint64_t refused; /* connections beyond the limit */
	uint64_t requests;
	uint64_t timeouts;
	uint64_t refusals[SERVER_CLASSES]; /* requests that were not read to their end */
	uint64_t unauthorized;             /* of these, without the token */
	uint32_t connections;              /* now */
};

/* -errno */
int server_open(struct server **ret_server, struct loop *loop,
		const struct server_options *options);

/* Serve on a listening descriptor, which becomes the server's. */
int server_listen(struct server *server, int fd, int is_unix);

/*
 * From the next request's head on, also of connections that are open; of what is under way the old ones hold. The
 * token's text and the users stay the caller's.
 */
void server_change(struct server *server, const struct server_limits *limits, const char *token,
		   const struct users *users);

/* Ask the streams (stream.h) that wait for more, in the loop's next turn. From any thread, as long as one of its
 * streams has not ended. */
void server_wake(struct server *server);

/* To be called now and then, twice a second at least while there are connections: time-outs, streams. */
void server_look(struct server *server, uint64_t now_ns);

/* Accept no more; what is idle ends at the next server_look, others after their answer. How many are left. */
uint32_t server_drain(struct server *server);

/* End all connections that are left, in the next turn of the loop. */
void server_end(struct server *server);

/* After the loop's last turn. */
void server_free(struct server *server);

const struct server_counters *server_get_counters(const struct server *server);

/* The memory of all connections. */
const struct budget *server_get_budget(const struct server *server);

#endif
