// SPDX-License-Identifier: Apache-2.0
// simdjson's on-demand parser: values come in their order, so that the first fault of a body says what it is refused
// for, as where Dynamo's indexer reads it.
#include "tools/ringdexd/body.h"

#include "tools/ringdexd/json_check.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <simdjson.h>
#include <utility>
#include <vector>

namespace
{

using simdjson::SUCCESS;
using simdjson::ondemand::value;

// What became of a value, as body_read calls it.
constexpr int taken = 0;
constexpr int other = -EINVAL; // JSON, but of another type or out of range
constexpr int no_json = -EBADMSG;

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

// What could not be taken is still to be gone through.
int refuse(value &from, const char *end)
{
	return json_check(from, end) ? other : no_json;
}

// 64 bits: a hash may be written with a sign or without. -0 is a real number, as it is for serde.
int read_number(value &from, const char *end, uint64_t *to)
{
	int64_t with_sign;

	if (from.get_uint64().get(*to) == SUCCESS)
		return taken;
	if (from.get_int64().get(with_sign) != SUCCESS)
		return refuse(from, end);
	*to = static_cast<uint64_t>(with_sign);
	return with_sign ? taken : other;
}

int read_number(value &from, const char *end, uint32_t *to)
{
	uint64_t number;

	if (from.get_uint64().get(number) != SUCCESS)
		return refuse(from, end);
	*to = static_cast<uint32_t>(number);
	return number <= UINT32_MAX ? taken : other;
}

template <typename Number> int read_numbers(value &from, const char *end, std::vector<Number> *to)
{
	simdjson::ondemand::array array;

	if (from.get_array().get(array) != SUCCESS)
		return refuse(from, end);
	for (auto item : array) {
		Number number;
		value at;

		if (std::move(item).get(at) != SUCCESS)
			return no_json;
		const int r = read_number(at, end, &number);
		if (r < 0)
			return r;
		to->push_back(number);
	}
	return taken;
}

int read_text(value &from, const char *end, char (&to)[RDX_TEXT_BYTES])
{
	std::string_view text;
	const auto error = from.get_string().get(text);

	if (error == simdjson::STRING_ERROR)
		return no_json;
	if (error != SUCCESS)
		return refuse(from, end);
	if (text.size() >= sizeof(to) || text.find('\0') != text.npos)
		return other;
	std::memcpy(to, text.data(), text.size());
	to[text.size()] = 0;
	return taken;
}

// The bit of the field of this name; 0: it is none of ours.
uint32_t bit_of(std::string_view name)
{
	for (const auto &field : texts)
		if (name == field.name)
			return field.bit;
	for (const auto &field : numbers)
		if (name == field.name)
			return field.bit;
	if (name == "token_ids")
		return BODY_TOKEN_IDS;
	return name == "block_hashes" ? BODY_BLOCK_HASHES : 0;
}

} // namespace

struct body_reader {
	simdjson::ondemand::parser parser;
	std::vector<uint32_t> token_ids;
	std::vector<uint64_t> block_hashes;
	struct body body;
	const char *end; // of what is read
	uint32_t never_null;

	void forget();
	int read(uint32_t bit, value &from);
	int read_member(simdjson::ondemand::field &member, uint32_t *there, char *ret_fault);
	int read_members(simdjson::ondemand::object &object, uint32_t required, char *ret_fault);
};

void body_reader::forget()
{
	for (const auto &field : texts)
		(body.*field.text)[0] = 0;
	for (const auto &field : numbers)
		body.*field.number = 0;
	body.has = 0;
	token_ids.clear();
	block_hashes.clear();
}

int body_reader::read(uint32_t bit, value &from)
{
	for (const auto &field : texts)
		if (bit == field.bit)
			return read_text(from, end, body.*field.text);
	for (const auto &field : numbers) {
		uint64_t *number = &(body.*field.number);

		if (bit != field.bit)
			continue;
		if (from.get_uint64().get(*number) != SUCCESS)
			return refuse(from, end);
		return *number >= field.min && *number <= field.max ? taken : other;
	}
	if (bit == BODY_TOKEN_IDS)
		return read_numbers(from, end, &token_ids);
	if (bit == BODY_BLOCK_HASHES)
		return read_numbers(from, end, &block_hashes);
	return json_check(from, end) ? taken : no_json;
}

static int say(char *ret_fault, int r, const char *format, const char *what)
{
	std::snprintf(ret_fault, BODY_FAULT_BYTES, format, what);
	return r;
}

static int say_no_json(char *ret_fault, simdjson::error_code error)
{
	return say(ret_fault, no_json, "no JSON: %s", simdjson::error_message(error));
}

int body_reader::read_member(simdjson::ondemand::field &member, uint32_t *there, char *ret_fault)
{
	std::string_view name;

	if (const auto error = member.unescaped_key().get(name))
		return say_no_json(ret_fault, error);
	const uint32_t bit = bit_of(name);
	if (*there & bit)
		return say(ret_fault, other, "duplicate field `%s`", name_of(bit));
	*there |= bit;
	const bool is_null = bit && json_is_null(member.value());
	if (is_null && !(bit & never_null))
		return taken;
	const int r = is_null ? other : read(bit, member.value());
	if (r == other)
		return say(ret_fault, r, "field `%s` is of another type, or out of range",
			   name_of(bit));
	if (r == no_json)
		return say_no_json(ret_fault, simdjson::TAPE_ERROR);
	body.has |= bit;
	return r;
}

int body_reader::read_members(simdjson::ondemand::object &object, uint32_t required,
			      char *ret_fault)
{
	uint32_t there = 0;

	for (auto member : object) {
		simdjson::ondemand::field at;

		if (const auto error = std::move(member).get(at))
			return say_no_json(ret_fault, error);
		const int r = read_member(at, &there, ret_fault);
		if (r < 0)
			return r;
	}
	for (uint32_t bit = 1; bit <= required; bit <<= 1)
		if (required & bit && !(body.has & bit))
			return say(ret_fault, other, "missing field `%s`", name_of(bit));
	return taken;
}

struct body_reader *body_reader_new(void)
{
	return new (std::nothrow) body_reader();
}

void body_reader_free(struct body_reader *reader)
{
	delete reader;
}

// What is no object may still be JSON. A text or a number that stands alone is rare enough to be read once more, by
// the parser of whole documents: simdjson 3.0's on-demand one does not take blanks behind it.
static int refuse_root(simdjson::ondemand::document &document, const char *json, size_t count,
		       char *ret_fault)
{
	simdjson::ondemand::json_type type;
	simdjson::dom::parser parser;

	if (const auto error = document.type().get(type))
		return say_no_json(ret_fault, error);
	if (type == simdjson::ondemand::json_type::array) {
		if (!json_check_array(document, json + count))
			return say_no_json(ret_fault, simdjson::TAPE_ERROR);
	} else if (const auto error = parser.parse(json, count, false).error()) {
		return error == simdjson::MEMALLOC ? -ENOMEM : say_no_json(ret_fault, error);
	}
	return say(ret_fault, other, "%s", "not an object");
}

int body_read(struct body_reader *reader, const char *json, size_t count, uint32_t required,
	      uint32_t never_null, const struct body **ret_body, char *ret_fault)
try {
	const simdjson::padded_string_view padded(json, count, count + BODY_PADDING);
	simdjson::ondemand::document document;
	simdjson::ondemand::object object;
	struct body *body = &reader->body;
	int r;

	reader->forget();
	reader->end = json + count;
	reader->never_null = never_null;
	if (const auto error = reader->parser.iterate(padded).get(document))
		return error == simdjson::MEMALLOC ? -ENOMEM : say_no_json(ret_fault, error);
	const auto error = document.get_object().get(object);
	if (error == SUCCESS)
		r = reader->read_members(object, required, ret_fault);
	else if (error == simdjson::INCORRECT_TYPE)
		r = refuse_root(document, json, count, ret_fault);
	else
		r = say_no_json(ret_fault, error);
	if (r < 0)
		return r;
	if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
		return say_no_json(ret_fault, simdjson::TAPE_ERROR);
	body->token_ids = reader->token_ids.data();
	body->token_count = reader->token_ids.size();
	body->block_hashes = reader->block_hashes.data();
	body->hash_count = reader->block_hashes.size();
	*ret_body = body;
	return 0;
} catch (const std::bad_alloc &) {
	return -ENOMEM;
}
