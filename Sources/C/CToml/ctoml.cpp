#include "ctoml.h"

#include <cstring>
#include <sstream>
#include <string>

#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

namespace {

struct Visit {
    berth_toml_visitor visitor;
    void *context;

    void tell(const toml::node &node, const std::string &path, char kind,
              const std::string &text) const {
        const auto place = node.source().begin;
        visitor(context, path.c_str(), kind, text.c_str(), static_cast<int>(place.line),
                static_cast<int>(place.column));
    }

    void value(const toml::node &node, const std::string &path) const {
        if (const auto *table = node.as_table()) {
            tell(node, path, 't', "");
            for (const auto &[key, member] : *table) {
                value(member, path + std::string(key.str()) + '\x1f');
            }
        } else if (const auto *array = node.as_array()) {
            tell(node, path, 'a', "");
            for (size_t index = 0; index < array->size(); index++) {
                value((*array)[index], path + std::to_string(index) + '\x1f');
            }
        } else if (const auto *text = node.as_string()) {
            tell(node, path, 's', text->get());
        } else if (const auto *flag = node.as_boolean()) {
            tell(node, path, 'b', flag->get() ? "true" : "false");
        } else if (const auto *whole = node.as_integer()) {
            tell(node, path, 'i', std::to_string(whole->get()));
        } else {
            std::ostringstream plain;
            node.visit([&](const auto &inner) {
                if constexpr (toml::is_value<decltype(inner)>) plain << inner.get();
            });
            tell(node, path, node.is_floating_point() ? 'f' : 'd', plain.str());
        }
    }
};

}  // namespace

int berth_toml_parse(const char *source, size_t length, berth_toml_visitor visitor, void *context,
                     char **message, int *line, int *column) {
    *line = 0;
    *column = 0;
    try {
        const toml::table table = toml::parse(std::string_view(source, length));
        Visit{visitor, context}.value(table, "");
        return 1;
    } catch (const toml::parse_error &error) {
        *line = static_cast<int>(error.source().begin.line);
        *column = static_cast<int>(error.source().begin.column);
        *message = strdup(std::string(error.description()).c_str());
        return 0;
    } catch (const std::exception &error) {
        *message = strdup(error.what());
        return 0;
    }
}
