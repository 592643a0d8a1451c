public import HTTP
import Platform

/// The answer to one request of `S3Store.exchange`, whatever it is.
public struct S3Exchange: Sendable {
    /// The HTTP status.
    public let status: Int
    /// The header fields.
    public let headers: HTTPHeaders
    /// The body, at most 1 MiB.
    public let body: [UInt8]
    /// S3's name of the error, such as `PreconditionFailed`; nil for a success.
    public let errorCode: String?
    /// How much later the provider's clock is than ours; nil where it did not say.
    public let clockOffset: Duration?
}

extension S3Store {
    /// Sends one signed request, once and past the bucket's health: how a test of the bucket tries what
    /// its provider really enforces.
    ///
    /// - Parameters:
    ///   - method: the method.
    ///   - name: the object; nil for the bucket.
    ///   - query: pairs of the query, not encoded.
    ///   - headers: further headers; they are signed.
    ///   - body: the body, default none.
    ///   - payloadHash: the SHA-256 that is signed, in hexadecimal digits; default the body's own.
    /// - Throws: `ObjectStoreError` when no answer comes; `CancellationError`.
    public func exchange(
        _ method: String, _ name: ObjectName?, query: [(name: String, value: String)] = [],
        headers: HTTPHeaders = [:], body: [UInt8] = [], payloadHash: String? = nil
    ) async throws -> S3Exchange {
        let payload = payloadHash ?? S3Text.hex(Digest.sha256(body))
        let sent = bucket.options.now()
        let signed = signer.sign(
            method, name: name?.text, query: query, headers: headers, payload: payload, at: sent)
        return try await exchange(method, url: signed.url, headers: signed.headers, body: body)
    }

    /// Sends one request to a presigned URL as it is, under the store's rules of addresses and times.
    ///
    /// - Parameters:
    ///   - method: the method.
    ///   - url: the URL with its signature.
    ///   - headers: what is sent with it.
    ///   - body: the body, default none.
    /// - Throws: `ObjectStoreError` when no answer comes; `CancellationError`.
    public func exchange(
        _ method: String, url: String, headers: HTTPHeaders = [:], body: [UInt8] = []
    ) async throws -> S3Exchange {
        let sent = bucket.options.now()
        var message = HTTPClientRequest(
            method: method, url: url, headers: headers, body: .bytes(body),
            deadline: bucket.options.deadline(bodyBytes: Int64(body.count)),
            stallTimeout: bucket.options.stallTimeout)
        message.slowestBytesPerSecond = bucket.options.slowestBytesPerSecond
        do {
            let response = try await bucket.client.send(message)
            let answer = try await response.body.collect(limitBytes: 1 << 20)
            let refusal = S3Refusal(
                status: response.status, headers: response.headers,
                body: response.status < 300 ? [] : answer, sent: sent)
            return S3Exchange(
                status: response.status, headers: response.headers, body: answer,
                errorCode: refusal.code.isEmpty ? nil : refusal.code,
                clockOffset: refusal.clockOffset)
        } catch let error as HTTPError {
            throw S3Bucket.failure(of: error, "try \(method)", configuration)
        }
    }
}
