// SPDX-License-Identifier: Apache-2.0
#include "tools/ringdexd/json_check.h"

#include <json-c/json_tokener.h>
#include <memory>
#include <new>
#include <utility>

namespace
{

using simdjson::SUCCESS;
using simdjson::ondemand::json_type;
using simdjson::ondemand::value;

constexpr int depth_max = 1024;

// simdjson 3.0 refuses half of a surrogate pair; json-c reads it, and refuses what else simdjson does.
bool is_text(const char *quoted, const char *end)
{
	const std::unique_ptr<json_tokener, void (*)(json_tokener *)> tokener(json_tokener_new(),
									      json_tokener_free);

	if (!tokener)
		throw std::bad_alloc();
	json_object_put(
		json_tokener_parse_ex(tokener.get(), quoted, static_cast<int>(end - quoted)));
	return json_tokener_get_error(tokener.get()) == json_tokener_success;
}

bool is_json(value &from, const char *end, int depth);

template <typename From> bool is_array(From &from, const char *end, int depth)
{
	simdjson::ondemand::array items;

	if (from.get_array().get(items) != SUCCESS)
		return false;
	for (auto item : items) {
		value at;

		if (std::move(item).get(at) != SUCCESS || !is_json(at, end, depth))
			return false;
	}
	return true;
}

bool is_object(value &from, const char *end, int depth)
{
	simdjson::ondemand::object members;

	if (from.get_object().get(members) != SUCCESS)
		return false;
	for (auto member : members) {
		simdjson::ondemand::field at;

		if (std::move(member).get(at) != SUCCESS)
			return false;
		const char *quoted = at.key().raw() - 1;
		if (at.unescaped_key().error() != SUCCESS && !is_text(quoted, end))
			return false;
		if (!is_json(at.value(), end, depth))
			return false;
	}
	return true;
}

bool is_string(value &from, const char *end)
{
	std::string_view quoted = from.raw_json_token();
	auto error = from.get_string().error();

	return error == SUCCESS || (error == simdjson::STRING_ERROR && is_text(quoted.data(), end));
}

bool is_json(value &from, const char *end, int depth)
{
	json_type type;

	if (depth == 0 || from.type().get(type) != SUCCESS)
		return false;
	switch (type) {
	case json_type::array:
		return is_array(from, end, depth - 1);
	case json_type::object:
		return is_object(from, end, depth - 1);
	case json_type::string:
		return is_string(from, end);
	case json_type::number:
		return from.get_double().error() == SUCCESS;
	case json_type::boolean:
		return from.get_bool().error() == SUCCESS;
	default:
		return json_is_null(from);
	}
}

} // namespace

bool json_check(value &from, const char *end)
{
	return is_json(from, end, depth_max);
}

bool json_check_array(simdjson::ondemand::document &from, const char *end)
{
	return is_array(from, end, depth_max - 1);
}

bool json_is_null(value &from)
{
	const simdjson::simdjson_result<bool> null = from.is_null();

	return null.error() == SUCCESS && null.value_unsafe();
}
