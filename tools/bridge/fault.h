/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message of an engine may be refused for. Each is counted, said once by its name, and makes the
 * rank INEXACT: what the message would have said is not known.
 */
#ifndef BRIDGE_FAULT_H
#define BRIDGE_FAULT_H

enum fault {
	FAULT_NONE,
	FAULT_FRAMES,      /* of the message: the whole message is refused */
	FAULT_MSGPACK,     /* of its payload: likewise */
	FAULT_BATCH,       /* likewise */
	FAULT_OTHER_RANK,  /* likewise */
	FAULT_EVENT,       /* of one event: that one is refused */
	FAULT_FIELD_TWICE, /* likewise, as all that follow */
	FAULT_NUMBER,
	FAULT_TEXT,
	FAULT_LIST,
	FAULT_NAME,
	FAULT_NAME_SIZES,
	FAULT_TOKEN,
	FAULT_KEY_LISTS,
	FAULT_TRANSLATOR,
	FAULTS
};

/* The fault in words, and its name as a member of JSON: "bad_msgpack". */
const char *fault_text(enum fault fault);
const char *fault_name(enum fault fault);

#endif
