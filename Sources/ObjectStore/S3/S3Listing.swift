import HTTP
import Platform

/// Lists what is below a prefix, page after page (ListObjectsV2), and ends with any provider: one that
/// repeats a token or brings nothing new is found out.
struct S3Listing: Sendable {
    let bucket: S3Bucket
    let prefix: ObjectPrefix

    /// Pages without anything new that are borne in a row: providers may send empty ones.
    private static let idlePageLimit = 8

    private struct Page {
        let entries: [ObjectEntry]
        /// The greatest key, also one that is no name of ours.
        let lastKey: String
        let next: String?
    }

    /// All objects, in the order of their names, each once.
    func run() async throws -> [ObjectEntry] {
        var found: [ObjectName: Int64] = [:]
        var tokens: Set<String> = []
        var token: String?
        var idlePages = 0
        var lastKey = ""
        repeat {
            let page = try await page(after: token)
            for entry in page.entries { found[entry.name] = entry.bytes }
            guard found.count <= bucket.options.listLimit else {
                throw ObjectStoreError(
                    code: .limitExceeded,
                    message: "\(what): more than \(bucket.options.listLimit) objects")
            }
            idlePages = page.lastKey > lastKey ? 0 : idlePages + 1
            lastKey = max(lastKey, page.lastKey)
            token = page.next
            if let token, !tokens.insert(token).inserted || idlePages > Self.idlePageLimit {
                throw ObjectStoreError(
                    code: .failed,
                    message: "\(what): the listing goes in circles after \(found.count) objects")
            }
        } while token != nil
        return found.map { ObjectEntry(name: $0.key, bytes: $0.value) }
            .sorted { $0.name < $1.name }
    }

    private var what: String {
        "list \(prefix.text.isEmpty ? "all" : prefix.text) in \(bucket.configuration.place)"
    }

    private func page(after token: String?) async throws -> Page {
        var query = [
            ("list-type", "2"), ("encoding-type", "url"), ("max-keys", "1000"),
            ("prefix", bucket.configuration.prefix.text + prefix.text),
        ]
        if let token { query.append(("continuation-token", token)) }
        let request = S3Bucket.Request(method: "GET", name: nil, query: query)
        let what = "list \(prefix)"
        return try await bucket.attempts(what, on: bucket.reads) { _ in
            try read(try await bucket.answer(request, what).body)
        }
    }

    private func read(_ body: [UInt8]) throws -> Page {
        let document = try bucket.document(body, "list \(prefix)")
        guard document.name == "ListBucketResult" else {
            throw malformed("it is a \(document.name.prefix(40))")
        }
        let isEncoded = document["EncodingType"] == "url"
        let own = bucket.configuration.prefix.text
        var entries: [ObjectEntry] = []
        var lastKey = ""
        for content in document.all("Contents") {
            guard let text = content["Key"], let size = content["Size"],
                let bytes = Int64(size), bytes >= 0,
                let key = isEncoded ? S3Text.decoded(text) : text
            else { throw malformed("an entry has no key or no size") }
            guard key.hasPrefix(own + prefix.text) else {
                throw malformed("it has \(key.prefix(100).debugDescription), outside the prefix")
            }
            lastKey = max(lastKey, key)
            // A foreign object, whose name none of ours can have, is not listed: hence no error.
            guard let name = try? ObjectName(String(key.dropFirst(own.count))) else { continue }
            entries.append(ObjectEntry(name: name, bytes: bytes))
        }
        guard document["IsTruncated"] == "true" else {
            return Page(entries: entries, lastKey: lastKey, next: nil)
        }
        guard let next = document["NextContinuationToken"], !next.isEmpty else {
            throw malformed("it is cut off without a token")
        }
        return Page(entries: entries, lastKey: lastKey, next: next)
    }

    private func malformed(_ reason: String) -> ObjectStoreError {
        ObjectStoreError(code: .failed, message: "\(what): the page cannot be used: \(reason)")
    }
}
