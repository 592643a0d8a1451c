/// The way from the target of a restore to something in it, shared between all that is on it.
final class RestorePath: Sendable {
    private let parent: RestorePath?
    private let name: [UInt8]

    /// One step further.
    init(_ name: [UInt8], in parent: RestorePath?) {
        self.name = name
        self.parent = parent
    }

    /// The way through these names; nil where there are none, which is the target itself.
    static func through(_ names: [[UInt8]]) -> RestorePath? {
        names.reduce(nil) { RestorePath($1, in: $0) }
    }

    /// The names, from the target down.
    var names: [[UInt8]] {
        var names: [[UInt8]] = []
        var next: RestorePath? = self
        while let step = next {
            names.append(step.name)
            next = step.parent
        }
        return names.reversed()
    }
}
