import HTTP
import Platform

extension S3Store: UnfinishedUploads {
    /// Has the provider forget uploads in parts that were begun below the store's prefix and never ended:
    /// those of processes that were killed, which it keeps and charges for.
    ///
    /// - Parameter age: how long ago they must have begun.
    /// - Returns: how many there were.
    /// - Throws: as `list`.
    @discardableResult
    public func sweep(olderThan age: Duration) async throws -> Int {
        let limit = bucket.options.now().millisecondsSinceEpoch - Int64(age / .milliseconds(1))
        var count = 0
        var markers: [(name: String, value: String)] = []
        var seen: Set<String> = []
        repeat {
            let page = try await uploads(after: markers)
            let isEncoded = page["EncodingType"] == "url"
            for upload in page.all("Upload") {
                guard let begun = upload["Initiated"].flatMap(UTCTime.init(listed:)),
                    begun.millisecondsSinceEpoch <= limit, let text = upload["Key"],
                    let key = isEncoded ? S3Text.decoded(text) : text,
                    key.hasPrefix(configuration.prefix.text), let id = upload["UploadId"]
                else { continue }
                try await abort(key, id)
                count += 1
            }
            markers = Self.markers(of: page, isEncoded: isEncoded)
            // A provider that repeats a page ends it as the last one does: the next sweep goes on.
        } while !markers.isEmpty && seen.insert("\(markers)").inserted
        return count
    }

    /// One page of the uploads in parts below the store's prefix.
    private func uploads(
        after markers: [(name: String, value: String)]
    ) async throws -> XMLElement {
        try await bucket.attempts("list uploads", on: bucket.reads) { _ in
            let answer = try await bucket.answer(
                S3Bucket.Request(
                    method: "GET", name: nil,
                    query: [
                        ("uploads", ""), ("prefix", configuration.prefix.text),
                        ("encoding-type", "url"),
                    ] + markers), "list uploads")
            return try bucket.document(answer.body, "list uploads")
        }
    }

    /// Where the next page begins; nothing behind the last one.
    private static func markers(
        of page: XMLElement, isEncoded: Bool
    ) -> [(name: String, value: String)] {
        guard page["IsTruncated"] == "true", let text = page["NextKeyMarker"],
            let key = isEncoded ? S3Text.decoded(text) : text, !key.isEmpty
        else { return [] }
        return [("key-marker", key)]
            + (page["NextUploadIdMarker"].map { [("upload-id-marker", $0)] } ?? [])
    }

    private func abort(_ key: String, _ id: String) async throws {
        try await bucket.attempts("abort an upload", on: bucket.writes) { _ in
            do {
                _ = try await bucket.answer(
                    S3Bucket.Request(
                        method: "DELETE",
                        name: String(key.dropFirst(configuration.prefix.text.count)),
                        query: [("uploadId", id)]), "abort an upload")
            } catch let error as ObjectStoreError where error.code == .notFound {
                return
            }
        }
    }
}

extension UTCTime {
    /// The instant of a signature, such as `20130524T000000Z`; nil when it is none.
    init?(stamp text: String) {
        let digits = text.filter(\.isNumber)
        guard text.utf8.count == 16, digits.utf8.count == 14, text.dropFirst(8).first == "T"
        else { return nil }
        func part(_ from: Int, _ count: Int) -> Substring {
            digits.dropFirst(from).prefix(count)
        }
        self.init(
            listed: "\(part(0, 4))-\(part(4, 2))-\(part(6, 2))T\(part(8, 2)):\(part(10, 2))"
                + ":\(part(12, 2))Z")
    }

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
