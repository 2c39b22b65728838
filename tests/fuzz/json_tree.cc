// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/json_tree.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

namespace
{

using nlohmann::json;

class builder : public json::json_sax_t
{
	std::vector<json_tree *> open; // those that are not at their end
	json_tree *root;

	// The place of the next value.
	json_tree *next()
	{
		if (open.empty())
			return root;
		open.back()->items.emplace_back();
		return &open.back()->items.back();
	}

	bool put_number(json_tree::kind is, uint64_t number, double real)
	{
		json_tree *to = next();

		to->is = is;
		to->number = number;
		to->real = real;
		return true;
	}

	bool begin(json_tree::kind is)
	{
		json_tree *to = next();

		to->is = is;
		open.push_back(to);
		return true;
	}

	bool end()
	{
		open.pop_back();
		return true;
	}

public:
	explicit builder(json_tree *root_) : root(root_)
	{
	}

	bool null() override
	{
		next();
		return true;
	}

	bool boolean(bool truth) override
	{
		json_tree *to = next();

		to->is = json_tree::TRUTH;
		to->truth = truth;
		return true;
	}

	bool number_integer(int64_t number) override
	{
		return put_number(json_tree::NEGATIVE, static_cast<uint64_t>(number),
				  static_cast<double>(number));
	}

	bool number_unsigned(uint64_t number) override
	{
		return put_number(json_tree::WHOLE, number, static_cast<double>(number));
	}

	bool number_float(double real, const std::string &text) override
	{
		put_number(json_tree::REAL, 0, real);
		json_tree *to = open.empty() ? root : &open.back()->items.back();
		to->is_beyond = text.find_first_of(".eE") == text.npos;
		const size_t exponent = text.find_first_of("eE");
		to->is_odd = exponent != text.npos && text.size() - exponent > 19;
		return true;
	}

	bool string(std::string &text) override
	{
		json_tree *to = next();

		to->is = json_tree::TEXT;
		to->text = text;
		return true;
	}

	bool binary(json::binary_t &) override
	{
		return false;
	}

	bool start_object(size_t) override
	{
		return begin(json_tree::OBJECT);
	}

	bool key(std::string &name) override
	{
		open.back()->names.push_back(name);
		return true;
	}

	bool end_object() override
	{
		return end();
	}

	bool start_array(size_t) override
	{
		return begin(json_tree::ARRAY);
	}

	bool end_array() override
	{
		return end();
	}

	bool parse_error(size_t, const std::string &, const json::exception &) override
	{
		return false;
	}
};

// \ud8xx to \udfxx become \ue0xx to \ue7xx.
void replace_halves(std::string *text)
{
	for (size_t i = 0; i + 3 < text->size(); i++) {
		char *at = &(*text)[i];

		if (at[0] != '\\')
			continue;
		if (at[1] == 'u' && (at[2] == 'd' || at[2] == 'D') &&
		    (at[3] == '8' || at[3] == '9' || std::isalpha(static_cast<uint8_t>(at[3]))))
			at[2] = 'e';
		i++; // what a backslash stands before
	}
}

} // namespace

bool json_tree_has_odd(const json_tree &tree)
{
	return tree.is_odd || std::any_of(tree.items.begin(), tree.items.end(), json_tree_has_odd);
}

bool json_tree_read(const char *json, size_t count, bool with_halves, json_tree *ret_tree)
{
	std::string text(json, count);
	builder sax(ret_tree);

	*ret_tree = json_tree();
	// nlohmann's ends where a NUL is, and passes over a mark of byte order
	if (text.find('\0') != text.npos || text.compare(0, 3, "\xef\xbb\xbf") == 0)
		return false;
	if (with_halves)
		replace_halves(&text);
	return json::sax_parse(text, &sax);
}
