import Shared

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

    /// The file that it is kept in cannot be read or written.
    static func cacheDamaged(_ detail: String) -> FullScanReason {
        FullScanReason("cache-damaged", detail)
    }

    /// An audit found that a change had been missed.
    static func auditMismatch(_ detail: String) -> FullScanReason {
        FullScanReason(BackupDetection.auditMismatch, detail)
    }

    /// Whether what is kept of the base is to blame, which is missing, damaged or of another base, and
    /// nothing was found out about the volume.
    var saysNothingOfTheVolume: Bool {
        ["cache-missing", "cache-damaged", "cache-of-another-base"].contains(code)
    }

    var description: String { "\(code): \(detail)" }
}
