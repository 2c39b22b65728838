// SPDX-License-Identifier: Apache-2.0
// A fault is thrown: it ends the reading of a body wherever it is met, and is what a caller did wrong, so
// that its cost does not matter.
#include "tools/ringdexd/ask.h"

#include "tools/ringdexd/worth.h"

#include <cerrno>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>
#include <simdjson.h>
#include <string>
#include <vector>

namespace
{

using simdjson::dom::element;

constexpr size_t shown_bytes = 40; // of a value that is wrong

struct fault {
	char text[ASK_FAULT_BYTES];
};

[[noreturn]] __attribute__((format(printf, 1, 2))) void refuse(const char *format, ...)
{
	fault made;
	va_list arguments;

	va_start(arguments, format);
	std::vsnprintf(made.text, sizeof(made.text), format, arguments);
	va_end(arguments);
	throw made;
}

std::string shown(const element &value)
{
	if (value.is_array())
		return "an array";
	if (value.is_object())
		return "an object";
	const std::string text = simdjson::minify(value);
	return text.size() <= shown_bytes ? text : text.substr(0, shown_bytes) + "...";
}

[[noreturn]] void refuse_value(const std::string &where, const element &value, const char *wanted)
{
	refuse("%s is %s: give %s", where.c_str(), shown(value).c_str(), wanted);
}

/*
 * Values
 */

// A whole number as some writers have it, 7.0: JSON Schema calls it an integer. Not where it may have been
// rounded.
bool take_with_point(const element &from, int64_t *to)
{
	constexpr double exact = 9007199254740992; // 2^53
	double real;

	if (!from.is_double() || from.get_double().get(real) != simdjson::SUCCESS ||
	    !(real > -exact && real < exact) || std::trunc(real) != real)
		return false;
	*to = static_cast<int64_t>(real);
	return true;
}

// 64 bits: a hash may be written with a sign or without.
bool take(const element &from, uint64_t *to)
{
	int64_t with_sign;

	if (from.get_uint64().get(*to) == simdjson::SUCCESS)
		return true;
	if (from.get_int64().get(with_sign) != simdjson::SUCCESS &&
	    !take_with_point(from, &with_sign))
		return false;
	*to = static_cast<uint64_t>(with_sign);
	return true;
}

bool take_unsigned(const element &from, uint64_t most, uint64_t *to)
{
	int64_t with_point;

	if (from.get_uint64().get(*to) != simdjson::SUCCESS) {
		if (!take_with_point(from, &with_point) || with_point < 0)
			return false;
		*to = static_cast<uint64_t>(with_point);
	}
	return *to <= most;
}

bool take(const element &from, uint32_t *to)
{
	uint64_t number;

	if (!take_unsigned(from, UINT32_MAX, &number))
		return false;
	*to = static_cast<uint32_t>(number);
	return true;
}

template <typename Number>
void append(const std::string &where, const element &from, const char *wanted,
	    std::vector<Number> *to)
{
	simdjson::dom::array array;
	size_t i = 0;

	if (from.get_array().get(array) != simdjson::SUCCESS)
		refuse_value(where, from, "an array");
	for (const element value : array) {
		Number number;

		if (!take(value, &number))
			refuse_value(where + "[" + std::to_string(i) + "]", value, wanted);
		to->push_back(number);
		i++;
	}
}

uint32_t read_rank(const std::string &where, const element &from)
{
	uint32_t rank;

	if (!take(from, &rank))
		refuse_value(where, from, "a whole number from 0 to 4294967295");
	return rank;
}

uint32_t read_block_tokens(const element &from)
{
	uint64_t tokens;

	if (!take_unsigned(from, RDX_BLOCK_TOKENS_MAX, &tokens) || !tokens)
		refuse_value("block_tokens", from, "a whole number from 1 to 65536");
	return static_cast<uint32_t>(tokens);
}

uint64_t read_worker(const std::string &where, const element &from)
{
	uint64_t worker;

	if (!take_unsigned(from, UINT64_MAX, &worker))
		refuse_value(where, from, "a whole number from 0 to 18446744073709551615");
	return worker;
}

double read_real(const std::string &where, const element &from, double most)
{
	double real;

	if (from.get_double().get(real) != simdjson::SUCCESS || !(real >= 0 && real <= most)) {
		char wanted[64];

		std::snprintf(wanted, sizeof(wanted), "a number from 0 to %.0f", most);
		refuse_value(where, from, wanted);
	}
	return real;
}

void read_text(const std::string &where, const element &from, char (&to)[RDX_TEXT_BYTES])
{
	std::string_view text;

	if (from.get_string().get(text) != simdjson::SUCCESS || text.size() >= sizeof(to) ||
	    text.find('\0') != text.npos)
		refuse_value(where, from, "a text of 255 bytes at most, none of them NUL");
	std::memcpy(to, text.data(), text.size());
	to[text.size()] = 0;
}

uint8_t read_state(const std::string &where, const element &from)
{
	std::string_view text;
	uint8_t state;

	if (from.get_string().get(text) != simdjson::SUCCESS ||
	    !worth_find(text.data(), text.size(), &state))
		refuse_value(where, from, "\"exact\", \"lacking\", \"inexact\" or \"stale\"");
	return state;
}

// How many there are in it, nulls and itself not counted. simdjson takes no more than 1,024 levels.
size_t values_within(const element &of)
{
	simdjson::dom::array array;
	simdjson::dom::object object;
	size_t count = 0;

	if (of.get_array().get(array) == simdjson::SUCCESS)
		for (const element value : array)
			count += value.is_null() ? 0 : 1 + values_within(value);
	else if (of.get_object().get(object) == simdjson::SUCCESS)
		for (const auto member : object)
			count += 1 + values_within(member.value);
	return count;
}

/*
 * Objects
 */

struct name {
	const char *text;
	int member;
};

template <size_t Count> std::string list(const name (&names)[Count])
{
	std::string all;

	for (size_t i = 0; i < Count; i++)
		all += (i ? ", " : "") + std::string(names[i].text);
	return all;
}

// Call `read(member, value)` for each member that is not null. Bits of those that it was called for.
template <size_t Count, typename Read>
uint32_t read_members(const std::string &where, const element &from, const name (&names)[Count],
		      Read read)
{
	simdjson::dom::object object;
	uint32_t there = 0, said = 0;

	if (from.get_object().get(object) != simdjson::SUCCESS)
		refuse_value(where, from, "an object");
	for (const auto member : object) {
		size_t i = 0;

		while (i < Count && member.key != names[i].text)
			i++;
		if (i == Count)
			refuse("%s has no member \"%.*s\": it may have %s", where.c_str(),
			       static_cast<int>(member.key.size() < shown_bytes ? member.key.size()
										: shown_bytes),
			       member.key.data(), list(names).c_str());
		if (there & 1u << i)
			refuse("%s: \"%s\" stands there twice: give it once", where.c_str(),
			       names[i].text);
		there |= 1u << i;
		if (member.value.is_null())
			continue;
		read(names[i].member, member.value);
		said |= 1u << names[i].member;
	}
	return said;
}

enum root_member { MODEL, TENANT, BLOCK_TOKENS, MIN_STATE, PROMPTS, PROMPT, LOADS, OVERLAP_WEIGHT };

constexpr name query_names[] = {
	{"model", MODEL},         {"tenant", TENANT},   {"block_tokens", BLOCK_TOKENS},
	{"min_state", MIN_STATE}, {"prompts", PROMPTS},
};
constexpr name choice_names[] = {
	{"model", MODEL},
	{"tenant", TENANT},
	{"block_tokens", BLOCK_TOKENS},
	{"min_state", MIN_STATE},
	{"prompt", PROMPT},
	{"loads", LOADS},
	{"overlap_weight", OVERLAP_WEIGHT},
};

enum prompt_member {
	TOKENS,
	LOCAL_HASHES,
	PREFIX_HASHES,
	LORA_NAME,
	CACHE_SALT,
	EXTRA_KEYS,
	MM_KEYS,
	EAGLE,
};

constexpr name prompt_names[] = {
	{"tokens", TOKENS},
	{"local_hashes", LOCAL_HASHES},
	{"prefix_hashes", PREFIX_HASHES},
	{"lora_name", LORA_NAME},
	{"cache_salt", CACHE_SALT},
	{"extra_keys", EXTRA_KEYS},
	{"mm_keys", MM_KEYS},
	{"eagle", EAGLE},
};

enum load_member { WORKER, DP_RANK, LOAD };

constexpr name load_names[] = {
	{"worker", WORKER},
	{"dp_rank", DP_RANK},
	{"load", LOAD},
};

constexpr uint32_t bit(int member)
{
	return 1u << member;
}

// What is said of tokens besides; hashes hold it.
constexpr uint32_t of_tokens =
	bit(LORA_NAME) | bit(CACHE_SALT) | bit(EXTRA_KEYS) | bit(MM_KEYS) | bit(EAGLE);
constexpr uint32_t forms = bit(TOKENS) | bit(LOCAL_HASHES) | bit(PREFIX_HASHES);

void check_prompt(const std::string &where, uint32_t said)
{
	uint32_t form = said & forms;

	if (!form || form & (form - 1))
		refuse("%s: give one of tokens, local_hashes and prefix_hashes", where.c_str());
	if (form != bit(TOKENS) && said & of_tokens)
		refuse("%s: lora_name, cache_salt, extra_keys, mm_keys and eagle go with tokens: "
		       "hashes hold them",
		       where.c_str());
	if ((said & bit(EXTRA_KEYS)) && (said & bit(MM_KEYS)))
		refuse("%s: extra_keys and mm_keys: give one of them", where.c_str());
}

} // namespace

struct ask_reader {
	// Where a prompt's part of what all of them share begins: what grows may move.
	struct share {
		size_t tokens, hashes, keys;
	};

	simdjson::dom::parser parser;
	std::vector<uint32_t> tokens;
	std::vector<uint64_t> hashes;
	std::string keys;
	size_t key_values, key_entries; // of all prompts; in the list of the last one
	share shares[ASK_PROMPTS_MAX];
	struct ask ask;

	void read(const element &root, enum ask_kind kind);

private:
	void read_root(int member, const element &value);
	void read_prompts(const element &from);
	void read_prompt(const std::string &where, const element &from);
	void read_member(const std::string &where, struct ask_prompt *prompt, int member,
			 const element &value);
	void read_keys(const std::string &where, struct ask_prompt *prompt, const element &from,
		       bool are_objects);
	void read_loads(const element &from);
	void settle();
};

void ask_reader::read_keys(const std::string &where, struct ask_prompt *prompt, const element &from,
			   bool are_objects)
{
	simdjson::dom::array list;

	if (from.get_array().get(list) != simdjson::SUCCESS)
		refuse_value(where, from, "an array");
	key_entries = list.size();
	key_values += values_within(from);
	if (key_values > ASK_KEY_VALUES_MAX)
		refuse("%s: the keys of all prompts have more than %d values besides null: ask in "
		       "several requests",
		       where.c_str(), ASK_KEY_VALUES_MAX);
	const std::string text = simdjson::minify(from);
	keys += text;
	prompt->key_bytes = text.size();
	prompt->are_objects = are_objects;
}

void ask_reader::read_member(const std::string &where, struct ask_prompt *prompt, int member,
			     const element &value)
{
	bool is_eagle;

	switch (member) {
	case TOKENS:
		append(where, value, "a whole number from 0 to 4294967295", &tokens);
		prompt->form = ASK_TOKENS;
		break;
	case LOCAL_HASHES:
	case PREFIX_HASHES:
		append(where, value, "a whole number of 64 bits, with a sign or without", &hashes);
		prompt->form = member == LOCAL_HASHES ? ASK_LOCAL_HASHES : ASK_PREFIX_HASHES;
		break;
	case LORA_NAME:
		read_text(where, value, prompt->lora_name);
		break;
	case CACHE_SALT:
		read_text(where, value, prompt->cache_salt);
		break;
	case EXTRA_KEYS:
	case MM_KEYS:
		read_keys(where, prompt, value, member == MM_KEYS);
		break;
	case EAGLE:
		if (value.get_bool().get(is_eagle) != simdjson::SUCCESS)
			refuse_value(where, value, "true or false");
		prompt->is_eagle = is_eagle;
		break;
	}
}

void ask_reader::read_prompt(const std::string &where, const element &from)
{
	struct ask_prompt *prompt = &ask.prompts[ask.prompt_count];

	*prompt = ask_prompt();
	key_entries = 0;
	shares[ask.prompt_count] = {tokens.size(), hashes.size(), keys.size()};
	check_prompt(where,
		     read_members(where, from, prompt_names, [&](int member, const element &value) {
			     read_member(where + "." + prompt_names[member].text, prompt, member,
					 value);
		     }));
	prompt->count = prompt->form == ASK_TOKENS
				? tokens.size() - shares[ask.prompt_count].tokens
				: hashes.size() - shares[ask.prompt_count].hashes;
	if (key_entries > prompt->count)
		refuse("%s: there are keys for %zu blocks, and %zu tokens: give an entry for each "
		       "block, null where there is none",
		       where.c_str(), key_entries, prompt->count);
	ask.prompt_count++;
}

void ask_reader::read_prompts(const element &from)
{
	simdjson::dom::array array;

	if (from.get_array().get(array) != simdjson::SUCCESS)
		refuse_value("prompts", from, "an array");
	for (const element prompt : array) {
		if (ask.prompt_count == ASK_PROMPTS_MAX)
			refuse("more than %d prompts: give them in several requests",
			       ASK_PROMPTS_MAX);
		read_prompt("prompts[" + std::to_string(ask.prompt_count) + "]", prompt);
	}
	if (!ask.prompt_count)
		refuse("prompts is empty: give one at least");
}

void ask_reader::read_loads(const element &from)
{
	simdjson::dom::array array;

	if (from.get_array().get(array) != simdjson::SUCCESS)
		refuse_value("loads", from, "an array");
	for (const element load : array) {
		const std::string where = "loads[" + std::to_string(ask.load_count) + "]";
		struct ask_load *to = &ask.loads[ask.load_count];

		if (ask.load_count == ASK_LOADS_MAX)
			refuse("more than %d loads: an index has no more ranks", ASK_LOADS_MAX);
		*to = ask_load();
		uint32_t said = read_members(
			where, load, load_names, [&](int member, const element &value) {
				const std::string at = where + "." + load_names[member].text;

				if (member == WORKER)
					to->worker_id = read_worker(at, value);
				else if (member == DP_RANK)
					to->dp_rank = read_rank(at, value);
				else
					to->load = read_real(at, value, ASK_LOAD_MAX);
			});
		if (!(said & bit(WORKER)))
			refuse("%s has no worker: give its number", where.c_str());
		ask.load_count++;
	}
	if (!ask.load_count)
		refuse("loads is empty: give each worker that may be chosen, with load 0 if "
		       "nothing is known");
}

void ask_reader::read_root(int member, const element &value)
{
	switch (member) {
	case MODEL:
		read_text("model", value, ask.model);
		break;
	case TENANT:
		read_text("tenant", value, ask.tenant);
		break;
	case BLOCK_TOKENS:
		ask.block_tokens = read_block_tokens(value);
		break;
	case MIN_STATE:
		ask.min_state = read_state("min_state", value);
		break;
	case PROMPTS:
		read_prompts(value);
		break;
	case PROMPT:
		read_prompt("prompt", value);
		break;
	case LOADS:
		read_loads(value);
		break;
	case OVERLAP_WEIGHT:
		ask.overlap_weight = read_real("overlap_weight", value, ASK_WEIGHT_MAX);
		break;
	}
}

// Nothing grows any more: where each prompt's part is.
void ask_reader::settle()
{
	for (uint32_t i = 0; i < ask.prompt_count; i++) {
		struct ask_prompt *prompt = &ask.prompts[i];

		prompt->tokens = tokens.data() + shares[i].tokens;
		prompt->hashes = hashes.data() + shares[i].hashes;
		prompt->keys = prompt->key_bytes ? keys.data() + shares[i].keys : nullptr;
	}
}

void ask_reader::read(const element &root, enum ask_kind kind)
{
	const auto take_member = [this](int member, const element &value) {
		read_root(member, value);
	};
	uint32_t said;

	tokens.clear();
	hashes.clear();
	keys.clear();
	key_values = 0;
	ask.model[0] = ask.tenant[0] = 0;
	ask.prompt_count = ask.load_count = ask.block_tokens = 0;
	ask.min_state = RDX_STATE_INEXACT;
	ask.overlap_weight = 1;
	if (kind == ASK_QUERY)
		said = read_members("the request", root, query_names, take_member);
	else
		said = read_members("the request", root, choice_names, take_member);
	if (!(said & bit(MODEL)))
		refuse("there is no model: give its name as the engines publish it");
	if (kind == ASK_QUERY && !(said & bit(PROMPTS)))
		refuse("there are no prompts: give an array of them");
	if (kind == ASK_CHOICE && !(said & bit(PROMPT)))
		refuse("there is no prompt: give one");
	if (kind == ASK_CHOICE && !(said & bit(LOADS)))
		refuse("there are no loads: give each worker that may be chosen");
	settle();
}

struct ask_reader *ask_reader_new(void)
{
	return new (std::nothrow) ask_reader();
}

void ask_reader_free(struct ask_reader *reader)
{
	delete reader;
}

int ask_read(struct ask_reader *reader, const char *json, size_t count, enum ask_kind kind,
	     const struct ask **ret_ask, char ret_fault[ASK_FAULT_BYTES])
try {
	element root;

	if (const auto error = reader->parser.parse(json, count, false).get(root)) {
		std::snprintf(ret_fault, ASK_FAULT_BYTES, "no JSON: %s",
			      simdjson::error_message(error));
		return error == simdjson::MEMALLOC ? -ENOMEM : -EBADMSG;
	}
	reader->read(root, kind);
	*ret_ask = &reader->ask;
	return 0;
} catch (const fault &met) {
	std::memcpy(ret_fault, met.text, sizeof(met.text));
	return -EINVAL;
} catch (const std::bad_alloc &) {
	return -ENOMEM;
}
