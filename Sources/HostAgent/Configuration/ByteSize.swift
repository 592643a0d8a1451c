/// A size as people write it: `20G`, `512M`, or plain bytes; K, M, G and T are powers of 1,024.
struct ByteSize: Sendable, Equatable {
    let bytes: Int64

    /// Reads the written form; nil when it is anything else, zero, or above 8 EiB.
    init?(_ text: String) {
        var digits = Substring(text)
        var factor: Int64 = 1
        for (suffix, power) in [("K", 10), ("M", 20), ("G", 30), ("T", 40)]
        where text.hasSuffix(suffix) {
            digits = digits.dropLast()
            factor = 1 << Int64(power)
        }
        guard digits.allSatisfy(\.isNumber), let number = Int64(digits), number > 0 else {
            return nil
        }
        let (product, isOverflow) = number.multipliedReportingOverflow(by: factor)
        guard !isOverflow else { return nil }
        bytes = product
    }
}
