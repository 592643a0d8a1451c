import Glibc

/// Which parts of a bench are run, and how big it is: from the environment, so that one part can be
/// looked at alone.
struct BenchParts: Sendable {
    /// `BERTH_BENCH_PARTS`: words; empty for all parts.
    private let chosen: Set<String>
    /// `BERTH_BENCH_PROJECTS`: how many projects the registry's fleet has; default 1,000,000.
    let projects: Int

    /// - Parameter variable: the value of a variable of the environment.
    init(_ variable: (String) -> String?) {
        chosen = Set((variable("BERTH_BENCH_PARTS") ?? "").split(separator: " ").map(String.init))
        projects = max(10_000, variable("BERTH_BENCH_PROJECTS").flatMap { Int($0) } ?? 1_000_000)
    }

    /// Whether a part is run.
    func has(_ part: String) -> Bool { chosen.isEmpty || chosen.contains(part) }
}
