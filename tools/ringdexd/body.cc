// SPDX-License-Identifier: Apache-2.0
// simdjson's whole-document parser: its on-demand one is a little faster, and looks at nothing that is not
// asked for, so that half of a body could be no JSON and be answered.
#include "tools/ringdexd/body.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <simdjson.h>
#include <vector>

namespace
{

using simdjson::dom::element;

struct text_field {
	const char *name;
	body_field bit;
	char (body::*text)[RDX_TEXT_BYTES];
};

constexpr text_field texts[] = {
	{"model_name", BODY_MODEL_NAME, &body::model_name},
	{"routing_group", BODY_ROUTING_GROUP, &body::routing_group},
	{"lora_name", BODY_LORA_NAME, &body::lora_name},
	{"cache_salt", BODY_CACHE_SALT, &body::cache_salt},
	{"endpoint", BODY_ENDPOINT, &body::endpoint},
	{"replay_endpoint", BODY_REPLAY_ENDPOINT, &body::replay_endpoint},
	{"url", BODY_URL, &body::url},
};

struct number_field {
	const char *name;
	body_field bit;
	uint64_t body::*number;
	uint64_t min, max;
};

constexpr number_field numbers[] = {
	{"instance_id", BODY_INSTANCE_ID, &body::instance_id, 0, UINT64_MAX},
	{"block_size", BODY_BLOCK_SIZE, &body::block_size, 1, RDX_BLOCK_TOKENS_MAX},
	{"dp_rank", BODY_DP_RANK, &body::dp_rank, 0, BODY_DP_RANK_MAX},
};

const char *name_of(uint32_t bit)
{
	for (const auto &field : texts)
		if (field.bit == bit)
			return field.name;
	for (const auto &field : numbers)
		if (field.bit == bit)
			return field.name;
	return bit == BODY_TOKEN_IDS ? "token_ids" : "block_hashes";
}

// 64 bits: a hash may be written with a sign or without.
bool read_number(const element &from, uint64_t *to)
{
	int64_t with_sign;

	if (from.get_uint64().get(*to) == simdjson::SUCCESS)
		return true;
	if (from.get_int64().get(with_sign) != simdjson::SUCCESS)
		return false;
	*to = static_cast<uint64_t>(with_sign);
	return true;
}

bool read_number(const element &from, uint32_t *to)
{
	uint64_t number;

	if (from.get_uint64().get(number) != simdjson::SUCCESS || number > UINT32_MAX)
		return false;
	*to = static_cast<uint32_t>(number);
	return true;
}

template <typename Number> bool read_numbers(const element &from, std::vector<Number> *to)
{
	simdjson::dom::array array;

	if (from.get_array().get(array) != simdjson::SUCCESS)
		return false;
	// its size is right below 2^24 numbers, for which a body has no room
	to->resize(array.size());
	Number *at = to->data(), *end = at + to->size();
	for (const element number : array)
		if (at == end || !read_number(number, at++))
			return false;
	return true;
}

bool read_text(const element &from, char (&to)[RDX_TEXT_BYTES])
{
	std::string_view text;

	if (from.get_string().get(text) != simdjson::SUCCESS || text.size() >= sizeof(to) ||
	    text.find('\0') != text.npos)
		return false;
	std::memcpy(to, text.data(), text.size());
	to[text.size()] = 0;
	return true;
}

} // namespace

struct body_reader {
	simdjson::dom::parser parser;
	std::vector<uint32_t> token_ids;
	std::vector<uint64_t> block_hashes;
	struct body body;

	// The field of this name is read: its bit; 0: it is none of ours; and whether it could be.
	uint32_t read(std::string_view name, const element &value, bool *ret_right)
	{
		*ret_right = true;
		for (const auto &field : texts)
			if (name == field.name) {
				*ret_right = read_text(value, body.*field.text);
				return field.bit;
			}
		for (const auto &field : numbers)
			if (name == field.name) {
				uint64_t *number = &(body.*field.number);
				*ret_right = value.get_uint64().get(*number) == simdjson::SUCCESS &&
					     *number >= field.min && *number <= field.max;
				return field.bit;
			}
		if (name == "token_ids") {
			*ret_right = read_numbers(value, &token_ids);
			return BODY_TOKEN_IDS;
		}
		if (name == "block_hashes") {
			*ret_right = read_numbers(value, &block_hashes);
			return BODY_BLOCK_HASHES;
		}
		return 0;
	}
};

static int read_object(struct body_reader *reader, const simdjson::dom::object &object,
		       uint32_t required, char *ret_fault)
{
	uint32_t seen = 0;

	for (const auto member : object) {
		bool right;
		uint32_t bit;

		if (member.value.is_null())
			continue;
		bit = reader->read(member.key, member.value, &right);
		if (!right || seen & bit) {
			std::snprintf(ret_fault, BODY_FAULT_BYTES,
				      right ? "duplicate field `%s`"
					    : "field `%s` is of another type, or out of range",
				      name_of(bit));
			return -EINVAL;
		}
		seen |= bit;
	}
	for (uint32_t bit = 1; bit <= required; bit <<= 1)
		if (required & bit && !(seen & bit)) {
			std::snprintf(ret_fault, BODY_FAULT_BYTES, "missing field `%s`",
				      name_of(bit));
			return -EINVAL;
		}
	reader->body.has = seen;
	return 0;
}

struct body_reader *body_reader_new(void)
{
	return new (std::nothrow) body_reader();
}

void body_reader_free(struct body_reader *reader)
{
	delete reader;
}

int body_read(struct body_reader *reader, const char *json, size_t count, uint32_t required,
	      const struct body **ret_body, char *ret_fault)
try {
	struct body *body = &reader->body;
	simdjson::dom::object object;
	element root;
	int r;

	for (const auto &field : texts)
		(body->*field.text)[0] = 0;
	for (const auto &field : numbers)
		body->*field.number = 0;
	reader->token_ids.clear();
	reader->block_hashes.clear();
	if (const auto error = reader->parser.parse(json, count, false).get(root)) {
		std::snprintf(ret_fault, BODY_FAULT_BYTES, "no JSON: %s",
			      simdjson::error_message(error));
		return error == simdjson::MEMALLOC ? -ENOMEM : -EBADMSG;
	}
	if (root.get_object().get(object) != simdjson::SUCCESS) {
		std::snprintf(ret_fault, BODY_FAULT_BYTES, "not an object");
		return -EINVAL;
	}
	r = read_object(reader, object, required, ret_fault);
	if (r < 0)
		return r;
	body->token_ids = reader->token_ids.data();
	body->token_count = reader->token_ids.size();
	body->block_hashes = reader->block_hashes.data();
	body->hash_count = reader->block_hashes.size();
	*ret_body = body;
	return 0;
} catch (const std::bad_alloc &) {
	return -ENOMEM;
}
