// SPDX-License-Identifier: Apache-2.0
// What nobody asks for: is it JSON? simdjson's on-demand parser looks at nothing that it is not asked for, so
// half of a body would else be no JSON and be answered. C++ alone.
#ifndef RINGDEXD_JSON_CHECK_H
#define RINGDEXD_JSON_CHECK_H

#include <simdjson.h>

// Go through the value, which is used up then; `end` is the body's. Half of a surrogate pair may stand in its
// texts and names of members, as RFC 8259 says. Not JSON here: a number that no double is near (1e400), and arrays and objects
// that are nested deeper than 1,024. May throw std::bad_alloc.
bool json_check(simdjson::ondemand::value &from, const char *end);

// Likewise of a body that is an array.
bool json_check_array(simdjson::ondemand::document &from, const char *end);

bool json_is_null(simdjson::ondemand::value &from);

#endif
