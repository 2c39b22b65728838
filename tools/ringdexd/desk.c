/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/desk.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_GROUP "default"

const char *desk_tenant(const char *routing_group)
{
	return strcmp(routing_group, DEFAULT_GROUP) == 0 ? "" : routing_group;
}

const char *desk_routing_group(const char *tenant)
{
	return tenant[0] ? tenant : DEFAULT_GROUP;
}

int desk_open(struct desk *ret_desk, struct space *space, struct keeper *keeper)
{
	*ret_desk = (struct desk){.space = space, .keeper = keeper};
	ret_desk->shelf = shelf_new(space);
	ret_desk->reader = body_reader_new();
	if (ret_desk->shelf && ret_desk->reader)
		return 0;
	desk_close(ret_desk);
	return -ENOMEM;
}

void desk_close(struct desk *desk)
{
	shelf_free(desk->shelf);
	body_reader_free(desk->reader);
	*desk = (struct desk){0};
}
