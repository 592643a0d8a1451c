/// When a bucket that failed is tried again; one for everybody who uses the bucket.
public struct BucketSchedule: Sendable, Hashable {
    /// The waits after the first, second, … failure in a row; the last one repeats.
    public let waits: [Duration]
    /// How much longer a wait may get by chance, as a part of it: so that many that wait for one
    /// bucket do not come back together.
    public let jitter: Double
    /// How often a paused bucket is tried with one request.
    public let probeInterval: Duration

    /// - Parameters:
    ///   - waits: default 0, 5, 10, 20, 40, 60 seconds; at least one.
    ///   - jitter: 0 to 1, default 0.2.
    ///   - probeInterval: default 60 seconds.
    public init(
        waits: [Duration] = [
            .zero, .seconds(5), .seconds(10), .seconds(20), .seconds(40), .seconds(60),
        ],
        jitter: Double = 0.2, probeInterval: Duration = .seconds(60)
    ) {
        precondition(!waits.isEmpty && (0...1).contains(jitter), "a schedule has a wait")
        self.waits = waits
        self.jitter = jitter
        self.probeInterval = probeInterval
    }

    /// The wait after so many failures in a row, without jitter; none after none.
    func wait(afterFailures count: Int) -> Duration {
        count <= 0 ? .zero : waits[min(count, waits.count) - 1]
    }

    /// The wait after so many failures in a row, made longer by `chance`, 0 to 1, of the jitter.
    func wait(afterFailures count: Int, chance: Double) -> Duration {
        wait(afterFailures: count) * (1 + jitter * chance)
    }
}
