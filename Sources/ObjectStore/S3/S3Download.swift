import HTTP
import Platform

/// Reads one object or a range of it; what breaks off goes on where it stopped.
struct S3Download: Sendable {
    let bucket: S3Bucket
    let name: ObjectName
    let range: Range<Int64>?
    /// The most bytes that the caller wants; nil for any number.
    let limitBytes: Int?

    /// How far the download is.
    private struct Progress: Sendable {
        var next: Int64
        /// Where it ends, once that is known.
        var end: Int64?
        /// What the first answer was tagged with.
        var tag: String?
    }

    /// - Parameters:
    ///   - expects: told how many bytes will come, as soon as that is known.
    ///   - receive: takes the bytes in pieces of at most 1 MiB.
    func run(
        expects: @Sendable (Int) -> Void, receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        if let range {
            try checkLimit(Int64(range.count))
            if range.isEmpty {
                guard range.lowerBound <= (try await bucket.size(of: name)) else {
                    throw outOfRange("\(range.lowerBound) is beyond its end")
                }
                return
            }
        }
        let progress = Locked(Progress(next: range?.lowerBound ?? 0, end: range?.upperBound))
        let slots = limitBytes == nil ? bucket.relays : bucket.reads
        try await bucket.attempts("read \(name)", on: slots) { _ in
            try await read(progress, expects, receive)
        }
    }

    private func read(
        _ progress: Locked<Progress>, _ expects: @Sendable (Int) -> Void,
        _ receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let begin = progress.withLock { $0 }
        if begin.next == begin.end { return }
        var request = S3Bucket.Request(method: "GET", name: name.text)
        let isPart = range != nil || begin.next > 0
        if isPart {
            let last = begin.end.map { String($0 - 1) } ?? ""
            request.headers["Range"] = "bytes=\(begin.next)-\(last)"
        }
        let (response, sent) = try await bucket.send(request, isTimed: limitBytes != nil)
        try await bucket.refuse(response, "read \(name)", sent: sent)
        let end = try end(of: response, begin, isPart: isPart)
        if let end {
            try checkLimit(end - (range?.lowerBound ?? 0))
            if begin.next == (range?.lowerBound ?? 0) { expects(Int(clamping: end - begin.next)) }
        }
        progress.withLock { progress in
            progress.end = end
            if progress.tag == nil { progress.tag = response.headers["ETag"] }
        }
        var count = begin.next - (range?.lowerBound ?? 0)
        while let piece = try await response.body.next() {
            count += Int64(piece.count)
            try checkLimit(count)
            do {
                try await receive(piece)
            } catch {
                throw CallersFailure(cause: error)
            }
            progress.withLock { $0.next += Int64(piece.count) }
        }
        let reached = progress.withLock { $0.next }
        if let end, reached != end {
            throw unavailable("ended at \(reached) instead of \(end)")
        }
    }

    /// Where the answer's bytes end, nil when it does not say; checks that it is what was asked for.
    ///
    /// Some providers answer a range with 200 instead of 206: what counts is `Content-Range`.
    private func end(
        of response: HTTPClientResponse, _ begin: Progress, isPart: Bool
    ) throws -> Int64? {
        let length = response.headers["Content-Length"].flatMap { Int64($0) }
        guard isPart else {
            if let end = begin.end, let length, end != length { throw changed() }
            return length ?? begin.end
        }
        if let tag = begin.tag, let other = response.headers["ETag"], tag != other {
            throw changed()
        }
        guard let said = response.headers["Content-Range"].flatMap(Self.contentRange) else {
            throw ObjectStoreError(
                code: .failed,
                message: "\(bucket.configuration.place) ignores that only a part of \(name) "
                    + "was asked for")
        }
        if let total = said.total, let wanted = begin.end, wanted > total {
            throw outOfRange("it has \(total) bytes, up to \(wanted) was asked for")
        }
        let end = said.last + 1
        guard said.first == begin.next, end > said.first, begin.end == nil || end == begin.end,
            length == nil || length == end - said.first
        else {
            // Fewer bytes than asked for, and no total: the object may be shorter.
            throw unavailable("sent the bytes \(said.first) to \(said.last) instead")
        }
        return end
    }

    /// `bytes 0-99/1000` (RFC 9110 section 14.4).
    static func contentRange(_ text: String) -> (first: Int64, last: Int64, total: Int64?)? {
        let words = text.split(separator: " ")
        guard words.count == 2, words[0] == "bytes" else { return nil }
        let halves = words[1].split(separator: "/")
        let ends = halves.first?.split(separator: "-") ?? []
        guard halves.count == 2, ends.count == 2, let first = Int64(ends[0]),
            let last = Int64(ends[1]), first >= 0, last >= first, last < Int64.max
        else { return nil }
        return (first, last, Int64(halves[1]))
    }

    private func checkLimit(_ count: Int64) throws {
        guard let limitBytes, count > limitBytes else { return }
        throw ObjectStoreError(
            code: .limitExceeded,
            message: "\(name): at least \(count) bytes, more than \(limitBytes)")
    }

    private func changed() -> ObjectStoreError {
        ObjectStoreError(
            code: .failed,
            message: "\(name) in \(bucket.configuration.place) became another object while it was "
                + "read")
    }

    private func outOfRange(_ reason: String) -> ObjectStoreError {
        ObjectStoreError(code: .outOfRange, message: "\(name): \(reason)")
    }

    private func unavailable(_ what: String) -> ObjectStoreError {
        ObjectStoreError(
            code: .unavailable,
            message: "\(bucket.configuration.place) \(what) when \(name) was read")
    }
}
