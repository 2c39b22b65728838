/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the thread that serves HTTP has done, for /metrics. Its labels are the routes and the classes of statuses,
 * never a text of a client.
 */
#ifndef RINGDEXD_TRAFFIC_H
#define RINGDEXD_TRAFFIC_H

#include "tools/ringdexd/histogram.h"
#include "tools/ringdexd/server.h"

#define TRAFFIC_ROUTES_MAX 64
#define TRAFFIC_CLASSES    SERVER_CLASSES

struct traffic {
	const struct route *routes;                        /* all of them */
	struct histogram requests[TRAFFIC_ROUTES_MAX + 1]; /* by route; the last: there is none */
	uint64_t classes[TRAFFIC_CLASSES];
	struct histogram lookups; /* in an index, without what is around them */
	struct histogram turns;   /* of the loop, without its waits */
};

/* NULL route: there is none of that name and method. */
void traffic_count(struct traffic *traffic, const struct route *route, int status,
		   uint64_t took_ns);

#endif
