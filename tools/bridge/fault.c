/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/fault.h"

static const struct {
	const char *name;
	const char *text;
} faults[FAULTS] = {
	[FAULT_NONE] = {"none", "nothing is wrong"},
	[FAULT_FRAMES] = {"bad_frames", "message that is not topic, sequence number and batch"},
	[FAULT_MSGPACK] = {"bad_msgpack",
			   "batch that is not msgpack, or has more or less than one value"},
	[FAULT_BATCH] = {"bad_batch", "batch that is not [time, events, rank]"},
	[FAULT_OTHER_RANK] = {"other_rank", "batch of another rank than those before it"},
	[FAULT_EVENT] = {"bad_event", "event that is neither a map nor an array, or has no type"},
	[FAULT_FIELD_TWICE] = {"field_twice",
			       "event with a field twice, or with one whose name is no text"},
	[FAULT_NUMBER] = {"bad_number", "event with a field that should be a number and is none, "
					"or too large"},
	[FAULT_TEXT] = {"bad_text", "event with a field that should be a text and is none, or has "
				    "a NUL in it"},
	[FAULT_LIST] =
		{"bad_list",
		 "event with a field that should be a list and is none, or not of the names"},
	[FAULT_NAME] = {"bad_name", "event with a block's name that is neither an integer of 64 "
				    "bits nor 32 bytes"},
	[FAULT_NAME_SIZES] = {"name_sizes", "event with names of two sizes"},
	[FAULT_TOKEN] = {"bad_token", "event with a token that is no number below 2^32, no text, "
				      "or no pair as the others"},
	[FAULT_KEY_LISTS] = {"key_lists", "event with both extra_keys and mm_keys"},
	[FAULT_TRANSLATOR] = {"not_taken", "event that could not be published"},
};

const char *fault_text(enum fault fault)
{
	return faults[fault].text;
}

const char *fault_name(enum fault fault)
{
	return faults[fault].name;
}
