/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service manager gets to know, and when: that requests are answered, who maintains the indexes, that
 * both threads go on, that the end comes.
 */
#ifndef RINGDEXD_MANAGER_H
#define RINGDEXD_MANAGER_H

#include "tools/ringdexd/keeper.h"
#include "tools/ringdexd/notify.h"

struct manager {
	struct notify notify;
	uint64_t ping_ns; /* the next one */
	uint64_t beats;   /* of the keeper, at the last ping */
	enum keeper_state state;
	int error;
	int is_ready; /* that is said */
};

void manager_open(struct manager *ret_manager);
void manager_close(struct manager *manager);

/* How often manager_look wants to be called, at least. */
uint64_t manager_look_ns(const struct manager *manager);

/*
 * By the thread that serves requests, so that a ping says that it goes on; there is none where the keeper has
 * done nothing since the last one. "READY=1" comes with the keeper's first outcome.
 */
void manager_look(struct manager *manager, struct keeper *keeper, uint64_t now_ns);

/* The configuration is read again; it was. */
void manager_reloading(struct manager *manager);
void manager_reloaded(struct manager *manager);

void manager_stopping(struct manager *manager);

#endif
