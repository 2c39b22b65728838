// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/body_oracle.h"

#include "tests/fuzz/json_tree.h"

#include <cerrno>
#include <cstring>
#include <map>

namespace
{

enum field_kind { TEXT_FIELD, NUMBER_FIELD, TOKEN_LIST, HASH_LIST };

struct field {
	uint32_t bit;
	field_kind kind;
	uint64_t least, most; // of a number
};

const std::map<std::string, field> fields = {
	{"model_name", {BODY_MODEL_NAME, TEXT_FIELD, 0, 0}},
	{"routing_group", {BODY_ROUTING_GROUP, TEXT_FIELD, 0, 0}},
	{"lora_name", {BODY_LORA_NAME, TEXT_FIELD, 0, 0}},
	{"cache_salt", {BODY_CACHE_SALT, TEXT_FIELD, 0, 0}},
	{"endpoint", {BODY_ENDPOINT, TEXT_FIELD, 0, 0}},
	{"replay_endpoint", {BODY_REPLAY_ENDPOINT, TEXT_FIELD, 0, 0}},
	{"url", {BODY_URL, TEXT_FIELD, 0, 0}},
	{"instance_id", {BODY_INSTANCE_ID, NUMBER_FIELD, 0, UINT64_MAX}},
	{"block_size", {BODY_BLOCK_SIZE, NUMBER_FIELD, 1, 65536}},
	{"dp_rank", {BODY_DP_RANK, NUMBER_FIELD, 0, 1023}},
	{"token_ids", {BODY_TOKEN_IDS, TOKEN_LIST, 0, UINT32_MAX}},
	{"block_hashes", {BODY_BLOCK_HASHES, HASH_LIST, 0, UINT64_MAX}},
};

bool is_wanted(const json_tree &value, const field &field)
{
	switch (field.kind) {
	case TEXT_FIELD:
		return value.is == json_tree::TEXT && value.text.size() <= 255 &&
		       value.text.find('\0') == value.text.npos;
	case NUMBER_FIELD:
		return value.is == json_tree::WHOLE && value.number >= field.least &&
		       value.number <= field.most;
	default:
		if (value.is != json_tree::ARRAY)
			return false;
	}
	for (const json_tree &item : value.items) {
		bool is_negative = item.is == json_tree::NEGATIVE && item.number != 0;

		if (!(item.is == json_tree::WHOLE && item.number <= field.most) &&
		    !(field.kind == HASH_LIST && is_negative))
			return false;
	}
	return true;
}

// What it has, by the bit: null is left out, where it may be. False: it is to be refused.
bool understand(const json_tree &root, uint32_t required, uint32_t never_null,
		std::map<uint32_t, const json_tree *> *to)
{
	uint32_t there = 0, has = 0;

	if (root.is != json_tree::OBJECT)
		return false;
	for (size_t i = 0; i < root.names.size(); i++) {
		const auto found = fields.find(root.names[i]);

		if (found == fields.end())
			continue;
		if (there & found->second.bit)
			return false;
		there |= found->second.bit;
		if (root.items[i].is == json_tree::NOTHING && !(found->second.bit & never_null))
			continue;
		if (!is_wanted(root.items[i], found->second))
			return false;
		has |= found->second.bit;
		(*to)[found->second.bit] = &root.items[i];
	}
	return (has & required) == required;
}

template <typename Number> bool are_same(const json_tree *said, const Number *numbers, size_t count)
{
	if (count != (said ? said->items.size() : 0))
		return false;
	for (size_t i = 0; i < count; i++)
		if (said->items[i].number != numbers[i])
			return false;
	return true;
}

bool is_same(const std::map<uint32_t, const json_tree *> &said, const struct body &body)
{
	const std::map<uint32_t, const char *> texts = {
		{BODY_MODEL_NAME, body.model_name},
		{BODY_ROUTING_GROUP, body.routing_group},
		{BODY_LORA_NAME, body.lora_name},
		{BODY_CACHE_SALT, body.cache_salt},
		{BODY_ENDPOINT, body.endpoint},
		{BODY_REPLAY_ENDPOINT, body.replay_endpoint},
		{BODY_URL, body.url},
	};
	const std::map<uint32_t, uint64_t> numbers = {{BODY_INSTANCE_ID, body.instance_id},
						      {BODY_BLOCK_SIZE, body.block_size},
						      {BODY_DP_RANK, body.dp_rank}};
	const auto of = [&](uint32_t bit) {
		const auto found = said.find(bit);
		return found == said.end() ? nullptr : found->second;
	};
	uint32_t has = 0;

	for (const auto &one : said)
		has |= one.first;
	for (const auto &one : texts)
		if (one.second != (of(one.first) ? of(one.first)->text : std::string()))
			return false;
	for (const auto &one : numbers)
		if (one.second != (of(one.first) ? of(one.first)->number : 0))
			return false;
	return has == body.has && are_same(of(BODY_TOKEN_IDS), body.token_ids, body.token_count) &&
	       are_same(of(BODY_BLOCK_HASHES), body.block_hashes, body.hash_count);
}

} // namespace

int body_oracle(const char *json, size_t count, uint32_t required, uint32_t never_null, int r,
		const struct body *body)
{
	json_tree strict, tree;
	bool is_strict = json_tree_read(json, count, false, &strict);
	std::map<uint32_t, const json_tree *> said;

	// what is no JSON may be refused for what stands before that
	if (!is_strict && !json_tree_read(json, count, true, &tree))
		return r == -EBADMSG || r == -EINVAL;
	// half of a pair is no JSON in what is asked for, and nothing to speak of elsewhere
	if (!is_strict && json_tree_has_odd(tree))
		return 1;
	if (!is_strict)
		return understand(tree, required, never_null, &said) ? r == 0 || r == -EBADMSG
								     : r < 0;
	// a number beyond 64 bits that stands alone, which simdjson has no place for
	if (strict.is_beyond || (r == -EBADMSG && json_tree_has_odd(strict)))
		return r == -EBADMSG;
	if (!understand(strict, required, never_null, &said))
		return r == -EINVAL;
	return r == 0 && is_same(said, *body);
}
