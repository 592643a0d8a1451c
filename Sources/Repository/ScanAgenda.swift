/// What is still to be scanned: the latest first, so that few directories wait at a time.
struct ScanAgenda {
    /// Places handed out together; a source answers those that it did not come to.
    private static let placesAtOnce = 16

    private let scansAtOnce: Int
    private var places: [ScanPlace] = []
    /// What waits for everything to have been counted.
    private var blocked: [ScanPlace] = []
    private var running = 0
    /// Whether everything has been counted.
    var isCounted = false {
        didSet {
            guard isCounted else { return }
            places += blocked
            blocked = []
        }
    }

    init(scansAtOnce: Int) {
        self.scansAtOnce = scansAtOnce
    }

    /// Whether everything has been scanned.
    var isComplete: Bool { places.isEmpty && blocked.isEmpty && running == 0 }

    mutating func begin(_ place: ScanPlace) { places = [place] }

    /// What to scan now, or nil while there is nothing, or enough is being scanned.
    mutating func next() -> [ScanPlace]? {
        guard running < scansAtOnce, !places.isEmpty else { return nil }
        running += 1
        let taken = places.suffix(Self.placesAtOnce)
        places.removeLast(taken.count)
        return taken.reversed()
    }

    /// Takes what a scan has answered.
    mutating func handle(_ batch: ScanBatch) {
        running -= 1
        if batch.needsCount, !isCounted {
            blocked += batch.places.reversed()
        } else {
            places += batch.places.reversed()
        }
    }
}
