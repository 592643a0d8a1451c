import Shared

/// Where the hub finds one of a bucket's secrets; the only forms there are.
enum CredentialReference: Sendable, Equatable {
    /// A variable of the hub's own environment, named by the operator; none is ever looked for.
    case environment(String)
    /// A file on the hub's machine, readable by its owner only.
    case file(String)
    /// Among the hub's sealed secrets.
    case sealed

    /// Reads `env:NAME`, `file:PATH` or `sealed`.
    ///
    /// - Throws: `Problem` 400 `invalid-credential-reference`, which does not repeat what was given:
    ///   it may be the secret itself.
    init(_ text: String, of what: String) throws {
        if text == "sealed" {
            self = .sealed
            return
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let value = parts.count == 2 ? String(parts[1]) : ""
        switch parts.first {
        case "env" where Self.isVariable(value): self = .environment(value)
        case "file" where value.hasPrefix("/") && !value.contains("\0"): self = .file(value)
        default:
            throw Problem(
                status: 400, code: "invalid-credential-reference",
                title: "A credential is given by reference only",
                detail: "\(what) must be env:NAME, file:/PATH or sealed",
                hint: "if the secret itself was typed, take it out of the shell's history")
        }
    }

    private static func isVariable(_ name: String) -> Bool {
        let units = Array(name.utf8)
        guard (1...128).contains(units.count), !(0x30...0x39).contains(units[0]) else {
            return false
        }
        return units.allSatisfy { unit in
            (0x41...0x5A).contains(unit) || (0x61...0x7A).contains(unit)
                || (0x30...0x39).contains(unit) || unit == 0x5F
        }
    }
}
