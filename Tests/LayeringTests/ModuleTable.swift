/// Which module may import what, as `Package.swift` says it; the table is kept only there.
struct ModuleTable: Sendable {
    let modules: [String: Set<String>]
    let tests: [String: Set<String>]
    let executables: [String: Set<String>]
    /// The libraries that test targets share.
    let supports: [String: Set<String>]

    /// What comes with the toolchain and is allowed everywhere but in `Shared`.
    static let system: Set<String> = ["Glibc", "FoundationEssentials", "Dispatch", "Swift"]

    init(manifest: String) {
        let pairs = Self.literals(after: "let modules:", in: manifest)
        modules = Dictionary(uniqueKeysWithValues: pairs.map { ($0.first, Set($0.rest)) })
        let more = Self.literals(after: "let tests:", in: manifest)
        tests = Dictionary(uniqueKeysWithValues: more.map { ($0.first, Set($0.rest)) })
        let shared = Self.literals(after: "let supports:", in: manifest)
        supports = Dictionary(uniqueKeysWithValues: shared.map { ($0.first, Set($0.rest)) })
        let programs = Self.literals(after: "let executables:", in: manifest)
        executables = Dictionary(
            uniqueKeysWithValues: programs.map { ($0.first, Set($0.rest)) })
    }

    /// What a file may import, or nil when it lies in no module of the table.
    func allowed(_ file: SourceFile) -> Set<String>? {
        if file.path.hasPrefix("Tests/") {
            if let imports = supports[file.folder] { return imports.union(Self.system) }
            // The program of the simulator's long runs.
            if file.folder == "Simulate" { return Self.system.union(["Simulator"]) }
            guard file.folder.hasSuffix("Tests") else { return nil }
            let module = String(file.folder.dropLast(5))
            if module == "Layering" { return Self.system.union(["Testing"]) }
            // These run the programs as processes and know only what goes over the wire.
            if module == "EndToEnd" {
                return Self.system.union(supports.keys).union(["Testing", "Shared", "Platform"])
            }
            if module == "Simulator" {
                return Self.system.union(["Testing", "Shared", "Simulator"])
            }
            guard let imports = tests[module] else { return nil }
            return imports.union(Self.system).union(["Testing", module])
        }
        if file.folder == "Executables" {
            let parts = file.path.split(separator: "/")
            guard parts.count > 2, let modules = executables[String(parts[2])] else { return nil }
            return Self.system.union(modules).union(["Platform"])
        }
        guard let imports = modules[file.folder] else { return nil }
        // The domain has no I/O, no clock and no C.
        if file.folder == "Shared" { return imports.union(["FoundationEssentials"]) }
        return imports.union(Self.system)
    }

    /// The tuples of one array literal: the first text literal of each and the others.
    private static func literals(
        after start: String, in manifest: String
    ) -> [(first: String, rest: [String])] {
        guard let begin = manifest.range(of: start),
            let equals = manifest[begin.upperBound...].firstIndex(of: "=")
        else { return [] }
        var tuples: [(first: String, rest: [String])] = []
        var words: [String] = []
        var depth = 0
        var rest = manifest[manifest.index(after: equals)...]
        while let character = rest.popFirst() {
            switch character {
            case "(", "[":
                depth += 1
            case ")", "]":
                depth -= 1
                if depth == 1, let first = words.first {
                    tuples.append((first, Array(words.dropFirst())))
                    words = []
                }
                if depth == 0 { return tuples }
            case "\"":
                words.append(String(rest.prefix { $0 != "\"" }))
                rest = rest.drop { $0 != "\"" }.dropFirst()
            default: break
            }
        }
        return tuples
    }
}

extension String {
    /// Where a text first occurs.
    fileprivate func range(of text: String) -> Range<String.Index>? {
        ranges(of: text).first
    }
}
