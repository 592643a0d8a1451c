import Platform
import Shared

extension Timestamp {
    /// The system's real-time clock.
    static func now() -> Timestamp {
        Timestamp(milliseconds: UTCTime.now().millisecondsSinceEpoch)
    }
}

extension Identifier {
    /// A new identifier from the system's clock and random numbers.
    static func make() -> Identifier {
        var random = Random()
        return Identifier(
            milliseconds: UTCTime.now().millisecondsSinceEpoch,
            random: (random.next(), random.next()))
    }
}
