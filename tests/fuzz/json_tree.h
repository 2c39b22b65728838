// SPDX-License-Identifier: Apache-2.0
// A body as another parser than the daemon's reads it (nlohmann-json3-dev): what oracles of fuzz targets compare
// with. C++ alone.
#ifndef RDX_TESTS_FUZZ_JSON_TREE_H
#define RDX_TESTS_FUZZ_JSON_TREE_H

#include <cstdint>
#include <string>
#include <vector>

struct json_tree {
	enum kind {
		NOTHING, // null
		TRUTH,
		NEGATIVE, // a whole number with a sign, -0 too, in `number`
		WHOLE,    // in `number`
		REAL,     // all others, also those beyond 64 bits
		TEXT,
		ARRAY,
		OBJECT,
	};
	kind is = NOTHING;
	bool truth = false;
	bool is_beyond = false; // a REAL without point and exponent
	bool is_odd =
		false; // a REAL whose exponent has more than 18 digits: the on-demand parser may refuse it
	uint64_t number = 0; // NEGATIVE: as 64 bits in two's complement
	double real = 0;     // of each number
	std::string text;
	std::vector<json_tree> items;   // of an array, or of members
	std::vector<std::string> names; // of an object's members, as they come
};

bool json_tree_has_odd(const json_tree &tree);

// Is it JSON, and nothing else? Each half of a surrogate pair is taken for a character where `with_halves`.
bool json_tree_read(const char *json, size_t count, bool with_halves, json_tree *ret_tree);

#endif
