import Platform
import Shared

/// Makes identifiers: the wall clock and the system's random numbers.
struct Identifiers: Sendable {
    private let now: @Sendable () -> Int64
    private let random: @Sendable () -> UInt64

    /// - Parameters:
    ///   - now: Unix time in milliseconds.
    ///   - random: a word from a cryptographic generator.
    init(now: @escaping @Sendable () -> Int64, random: @escaping @Sendable () -> UInt64) {
        self.now = now
        self.random = random
    }

    /// The wall clock, for what people are shown; decisions go by the database's clock.
    var currentTime: Timestamp { Timestamp(milliseconds: now()) }

    /// A new identifier.
    func make<Kind: IdentifierKind>(_ kind: Kind.Type) -> Identifier<Kind> {
        Identifier(milliseconds: now(), random: (random(), random()))
    }
}
