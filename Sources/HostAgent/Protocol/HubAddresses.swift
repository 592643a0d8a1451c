/// Which of the hub's addresses is used: the one that answered last, and the next after a failure.
struct HubAddresses: Sendable, Equatable {
    private let all: [String]
    private var index = 0

    /// - Parameter all: at least one, each `https://host:port`.
    init(_ all: [String]) {
        precondition(!all.isEmpty, "the configuration has an address")
        self.all = all.map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
    }

    var current: String { all[index] }
    var count: Int { all.count }

    /// Moves on from an address that failed; when another task has moved on already, nothing.
    mutating func failed(_ address: String) {
        if current == address { index = (index + 1) % all.count }
    }
}
