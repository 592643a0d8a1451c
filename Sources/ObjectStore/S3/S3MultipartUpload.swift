import HTTP
import Platform

/// Stores one large object in parts, in ascending order, a few at once; aborted when it fails.
struct S3MultipartUpload: Sendable {
    let upload: S3Upload

    private static let partLimit = 10_000

    private struct Part: Sendable {
        let number: Int
        let tag: String
    }

    private var bucket: S3Bucket { upload.bucket }
    private var name: ObjectName { upload.name }

    /// The size of a part: as configured, or what makes 10 000 enough, in whole MiB.
    private var partBytes: Int {
        let least = (upload.body.bytes + Int64(Self.partLimit) - 1) / Int64(Self.partLimit)
        let rounded = (least / (1 << 20) + 1) * (1 << 20)
        return max(bucket.options.partBytes, Int(rounded))
    }

    /// - Returns: whether this created the object.
    func run() async throws -> Bool {
        let what = "store \(name)"
        let known = try await bucket.attempts(what, on: bucket.writes) { _ in
            try await bucket.look(for: name, what, asksWhy: false)
        }
        if let known { return try upload.acknowledge(known) }
        let id = try await begin()
        do {
            let parts = try await sendParts(id)
            try await complete(id, parts)
        } catch {
            // Also when the task is cancelled: the provider would keep the parts, and charge for them.
            abort(id)
            throw error
        }
        return true
    }

    private func begin() async throws -> String {
        let what = "store \(name)"
        return try await bucket.attempts(what, on: bucket.writes) { _ in
            var headers = bucket.signer.storageHeaders
            headers.append("Content-Type", "application/octet-stream")
            let answer = try await bucket.answer(
                S3Bucket.Request(
                    method: "POST", name: name.text, query: [("uploads", "")], headers: headers),
                what)
            guard let id = try bucket.document(answer.body, what)["UploadId"], !id.isEmpty else {
                throw ObjectStoreError(
                    code: .failed,
                    message: "\(bucket.configuration.place) begins an upload without an id")
            }
            return id
        }
    }

    private func sendParts(_ id: String) async throws -> [Part] {
        let source = PartSource(upload, partBytes: partBytes)
        return try await withThrowingTaskGroup(of: Part.self) { group in
            var parts: [Part] = []
            var number = 0
            while let pieces = try await source.next() {
                number += 1
                let this = number
                group.addTask { try await send(pieces, number: this, id) }
                // Before the next part comes into memory.
                if number >= bucket.options.partsAtOnce, let part = try await group.next() {
                    parts.append(part)
                }
            }
            for try await part in group { parts.append(part) }
            return parts.sorted { $0.number < $1.number }
        }
    }

    private func send(_ pieces: [[UInt8]], number: Int, _ id: String) async throws -> Part {
        let what = "store part \(number) of \(name)"
        let digest = try await bucket.files.run { PayloadDigest(of: pieces) }
        let query = [("partNumber", String(number)), ("uploadId", id)]
        return try await bucket.attempts(what, on: bucket.writes) { _ in
            var request = S3Bucket.Request(method: "PUT", name: name.text, query: query)
            request.body = .pieces(pieces)
            request.bodyBytes = digest.bytes
            request.payload = S3Text.hex(digest.sha256)
            if let md5 = digest.md5 { request.headers["Content-MD5"] = S3Text.base64(md5) }
            let answer = try await bucket.answer(request, what)
            guard let tag = answer.headers["ETag"], !tag.isEmpty else {
                throw ObjectStoreError(
                    code: .failed,
                    message: "\(bucket.configuration.place) acknowledges a part without an ETag")
            }
            return Part(number: number, tag: tag)
        }
    }

    private func complete(_ id: String, _ parts: [Part]) async throws {
        var text = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        for part in parts {
            text +=
                "<Part><PartNumber>\(part.number)</PartNumber>"
                + "<ETag>\(XMLElement.escaped(part.tag))</ETag></Part>"
        }
        text += "</CompleteMultipartUpload>"
        let body = Array(text.utf8)
        let what = "complete \(name)"
        try await bucket.attempts(what, on: bucket.writes) { attempt in
            // After a failure it may be complete already, and the upload unknown.
            if attempt > 1,
                let bytes = try await bucket.look(for: name, what, asksWhy: false),
                bytes == upload.body.bytes
            {
                return
            }
            var request = S3Bucket.Request(
                method: "POST", name: name.text, query: [("uploadId", id)])
            request.set(body: body)
            request.workBytes = upload.body.bytes
            if bucket.configuration.hasConditionalPut { request.headers["If-None-Match"] = "*" }
            do {
                try await complete(request, what)
            } catch let error as ObjectStoreError where error.code == .notFound {
                // The request came twice, and the second found the upload done: or lost.
                guard try await bucket.look(for: name, what, asksWhy: false) != nil else {
                    throw error
                }
            }
            try await upload.confirm()
        }
    }

    /// A provider may answer 200 before it knows, and then an error as the body.
    private func complete(_ request: S3Bucket.Request, _ what: String) async throws {
        let (response, sent) = try await bucket.send(request)
        do {
            try await bucket.refuse(response, what, sent: sent)
        } catch let error as ObjectStoreError where error.code == .alreadyExists {
            // Somebody else's came first: the look behind this compares the lengths.
            return
        }
        let body = try await response.body.collect(limitBytes: S3Bucket.answerLimitBytes)
        guard let document = try? XMLElement.parse(body), document.name == "Error" else { return }
        let refusal = S3Refusal(status: 500, headers: response.headers, body: body, sent: sent)
        throw refusal.error(what, bucket.configuration)
    }

    /// Has the provider forget the parts; nobody waits for it, and what it does not hear is swept later.
    private func abort(_ id: String) {
        bucket.sendAndForget(
            S3Bucket.Request(method: "DELETE", name: name.text, query: [("uploadId", id)]))
    }
}
