#include "ctoml.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>

#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

namespace {

void quote(std::ostringstream &out, std::string_view text) {
    out << '"';
    for (unsigned char byte : text) {
        if (byte == '"' || byte == '\\') {
            out << '\\' << byte;
        } else if (byte < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", byte);
            out << escape;
        } else {
            out << byte;
        }
    }
    out << '"';
}

void write(std::ostringstream &out, const toml::node &node) {
    const auto place = node.source().begin;
    out << "{\"line\":" << place.line << ",\"column\":" << place.column << ",\"value\":";
    if (const auto *table = node.as_table()) {
        out << '{';
        bool first = true;
        for (const auto &[key, value] : *table) {
            if (!first) out << ',';
            first = false;
            quote(out, key.str());
            out << ':';
            write(out, value);
        }
        out << '}';
    } else if (const auto *array = node.as_array()) {
        out << '[';
        for (size_t index = 0; index < array->size(); index++) {
            if (index > 0) out << ',';
            write(out, (*array)[index]);
        }
        out << ']';
    } else if (const auto *text = node.as_string()) {
        quote(out, text->get());
    } else if (const auto *flag = node.as_boolean()) {
        out << (flag->get() ? "true" : "false");
    } else if (const auto *whole = node.as_integer()) {
        out << whole->get();
    } else {
        std::ostringstream plain;
        node.visit([&](const auto &value) {
            if constexpr (toml::is_value<decltype(value)>) plain << value.get();
        });
        quote(out, plain.str());
    }
    out << '}';
}

}  // namespace

int berth_toml_parse(const char *source, size_t length, char **text, int *line, int *column) {
    *line = 0;
    *column = 0;
    try {
        const toml::table table = toml::parse(std::string_view(source, length));
        std::ostringstream out;
        write(out, table);
        *text = strdup(out.str().c_str());
        return 1;
    } catch (const toml::parse_error &error) {
        *line = static_cast<int>(error.source().begin.line);
        *column = static_cast<int>(error.source().begin.column);
        *text = strdup(std::string(error.description()).c_str());
        return 0;
    } catch (const std::exception &error) {
        *text = strdup(error.what());
        return 0;
    }
}
