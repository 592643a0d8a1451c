import HTTP
import Platform

extension S3Store {
    /// Has the provider forget uploads in parts that were begun below the store's prefix and never ended:
    /// those of processes that were killed, which it keeps and charges for.
    ///
    /// - Parameter age: how long ago they must have begun.
    /// - Returns: how many there were.
    /// - Throws: as `list`.
    @discardableResult
    public func sweep(olderThan age: Duration) async throws -> Int {
        let limit = bucket.options.now().millisecondsSinceEpoch - Int64(age / .milliseconds(1))
        let own = configuration.prefix.text
        let uploads = try await bucket.attempts("list uploads", on: bucket.reads) { _ in
            let answer = try await bucket.answer(
                S3Bucket.Request(
                    method: "GET", name: nil,
                    query: [("uploads", ""), ("prefix", own), ("encoding-type", "url")]),
                "list uploads")
            return try bucket.document(answer.body, "list uploads")
        }
        let isEncoded = uploads["EncodingType"] == "url"
        var count = 0
        for upload in uploads.all("Upload") {
            guard let text = upload["Key"], let id = upload["UploadId"],
                let key = isEncoded ? S3Text.decoded(text) : text, key.hasPrefix(own),
                let begun = upload["Initiated"].flatMap(UTCTime.init(listed:)),
                begun.millisecondsSinceEpoch <= limit
            else { continue }
            try await bucket.attempts("abort an upload", on: bucket.writes) { _ in
                do {
                    _ = try await bucket.answer(
                        S3Bucket.Request(
                            method: "DELETE", name: String(key.dropFirst(own.count)),
                            query: [("uploadId", id)]), "abort an upload")
                } catch let error as ObjectStoreError where error.code == .notFound {
                    return
                }
            }
            count += 1
        }
        return count
    }
}

extension UTCTime {
    /// The instant of a listing, such as `2013-05-24T00:00:00.000Z`; nil when it is none.
    init?(listed text: String) {
        let words = text.split { "-T:.Z".contains($0) }
        guard words.count >= 6, text.hasSuffix("Z"), let month = Int(words[1]),
            (1...12).contains(month)
        else { return nil }
        let months = "JanFebMarAprMayJunJulAugSepOctNovDec"
        let name = months.dropFirst(3 * (month - 1)).prefix(3)
        let time = "\(words[3]):\(words[4]):\(words[5])"
        guard let parsed = HTTPDate.parse("Any, \(words[2]) \(name) \(words[0]) \(time) GMT") else {
            return nil
        }
        self = parsed
    }
}
