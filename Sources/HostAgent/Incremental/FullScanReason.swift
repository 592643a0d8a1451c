/// Why a backup could not rely on its base and reads the whole volume, in one word for results and
/// metrics, and in a sentence.
struct FullScanReason: Error, Sendable, Equatable, CustomStringConvertible {
    let code: String
    let detail: String

    init(_ code: String, _ detail: String) {
        self.code = code
        self.detail = detail
    }

    /// What is kept of the base does not fit to the base.
    static func cacheIncomplete(_ detail: String) -> FullScanReason {
        FullScanReason("cache-incomplete", detail)
    }

    var description: String { "\(code): \(detail)" }
}
