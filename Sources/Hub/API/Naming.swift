import Shared

/// The rule for names of projects, hosts and buckets.
enum Naming {
    /// Refuses a name that is not 1 to 63 of `a-z`, `0-9` and `-`, with no `-` at its ends.
    ///
    /// - Throws: `Problem` 400 `invalid-name`.
    static func check(_ name: String, what: String) throws {
        let units = Array(name.utf8)
        let isValid =
            (1...63).contains(units.count) && units.first != 0x2D && units.last != 0x2D
            && units.allSatisfy { unit in
                (0x61...0x7A).contains(unit) || (0x30...0x39).contains(unit) || unit == 0x2D
            }
        guard isValid else {
            throw Problem(
                status: 400, code: "invalid-name", title: "The name is not usable",
                detail: "\"\(name.prefix(80))\" cannot be a \(what)'s name",
                hint: "use 1 to 63 of a-z, 0-9 and -, as in \(what)-1")
        }
    }
}
