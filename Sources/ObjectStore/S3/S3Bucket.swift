import HTTP
import Platform

/// A caller's own closure failed: no failure of the bucket, and not tried again.
struct CallersFailure: Error {
    let cause: any Error
}

/// One bucket as requests see it: signs and sends them, translates what comes back, tries again.
struct S3Bucket: Sendable {
    let configuration: S3Configuration
    let signer: S3Signer
    let client: HTTPClient
    let health: BucketHealth
    let options: S3Options
    let reads: RequestSlots
    let writes: RequestSlots
    /// For bodies that are handed on piece by piece: somebody else decides how long they take, and
    /// holds up nobody's own reads and writes.
    let relays: RequestSlots
    let files = BlockingPool(label: "berth.s3", width: 4)

    /// The most that is read of an answer that is no object.
    static let answerLimitBytes = 16 << 20

    init(
        _ configuration: S3Configuration, _ credentials: S3Credentials, _ health: BucketHealth,
        _ options: S3Options
    ) throws {
        self.configuration = configuration
        signer = S3Signer(configuration: configuration, credentials: credentials)
        self.health = health
        self.options = options
        reads = RequestSlots(options.requestsAtOnce)
        writes = RequestSlots(options.requestsAtOnce)
        relays = RequestSlots(2 * options.requestsAtOnce)
        var settings = HTTPClientOptions()
        settings.connectTimeout = options.connectTimeout
        settings.refusesLocalServices = true
        settings.userAgent = "berth"
        if let pem = configuration.authoritiesPEM { settings.trust = .authorities(pem: pem) }
        client = try HTTPClient(options: settings)
    }

    /// A request before it is signed.
    struct Request: Sendable {
        var method: String
        /// The key below the configured prefix; nil for the bucket.
        var name: String?
        var query: [(name: String, value: String)] = []
        var headers: HTTPHeaders = [:]
        var body = HTTPBody.empty
        var bodyBytes: Int64 = 0
        /// The body's SHA-256 in hexadecimal digits.
        var payload = S3Bucket.emptyPayload
        /// How many bytes the provider moves by itself before it answers, without a sign of progress.
        var workBytes: Int64?
    }

    /// The SHA-256 of no bytes.
    static let emptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    /// Sends one request, once.
    ///
    /// - Returns: the answer, whatever its status, and when the request was signed.
    func send(
        _ request: Request, isTimed: Bool = true
    ) async throws -> (response: HTTPClientResponse, sent: UTCTime) {
        let sent = options.now()
        let signed = signer.sign(
            request.method, name: request.name, query: request.query, headers: request.headers,
            payload: request.payload, at: sent)
        var message = HTTPClientRequest(
            method: request.method, url: signed.url, headers: signed.headers, body: request.body,
            deadline: isTimed ? deadline(of: request) : nil,
            stallTimeout: request.workBytes == nil ? options.stallTimeout : nil)
        message.slowestBytesPerSecond = options.slowestBytesPerSecond
        return (try await client.send(message), sent)
    }

    /// What a provider moves by itself is expected to go 64 times as fast as what is sent.
    private func deadline(of request: Request) -> Duration {
        options.deadline(bodyBytes: request.workBytes.map { $0 / 64 } ?? request.bodyBytes)
    }

    /// Sends one request that nobody waits for, also from a task that is cancelled.
    func sendAndForget(_ request: Request) {
        let signed = signer.sign(
            request.method, name: request.name, query: request.query, headers: request.headers,
            payload: request.payload, at: options.now())
        client.sendAndForget(
            HTTPClientRequest(
                method: request.method, url: signed.url, headers: signed.headers,
                body: request.body, deadline: options.requestTimeout,
                stallTimeout: options.stallTimeout))
    }

    /// Sends one request, once, and reads its answer whole.
    ///
    /// - Throws: `ObjectStoreError` for what is no success; `HTTPError`.
    func answer(
        _ request: Request, _ what: String, limitBytes: Int = answerLimitBytes
    ) async throws -> (headers: HTTPHeaders, body: [UInt8]) {
        let (response, sent) = try await send(request)
        try await refuse(response, what, sent: sent)
        return (response.headers, try await response.body.collect(limitBytes: limitBytes))
    }

    /// Reads an answer that is XML.
    func document(_ body: [UInt8], _ what: String) throws -> XMLElement {
        do {
            return try XMLElement.parse(body)
        } catch {
            throw ObjectStoreError(
                code: .failed,
                message: "cannot \(what) in \(configuration.place)", cause: error)
        }
    }

    /// - Throws: `ObjectStoreError` with an `S3Refusal` as its cause, unless the answer is a success.
    func refuse(_ response: HTTPClientResponse, _ what: String, sent: UTCTime) async throws {
        guard !(200..<300).contains(response.status) else { return }
        let body = try await response.body.collect(limitBytes: 1 << 20)
        let refusal = S3Refusal(
            status: response.status, headers: response.headers, body: body, sent: sent)
        throw refusal.error(what, configuration)
    }

    /// Looks for an object, once.
    ///
    /// A HEAD has no body and so no reason: what is not plainly found or missing is asked again with
    /// a GET of one byte.
    /// - Parameter asksWhy: whether a 404 is asked again as well: it may be the bucket that is missing.
    /// - Returns: its length; nil when there is none.
    func look(
        for name: ObjectName, _ what: String, asksWhy: Bool
    ) async throws -> Int64? {
        let (response, _) = try await send(Request(method: "HEAD", name: name.text))
        _ = try await response.body.collect(limitBytes: 1 << 20)
        if response.status == 200 {
            guard let length = response.headers["Content-Length"], let bytes = Int64(length),
                bytes >= 0
            else {
                throw ObjectStoreError(
                    code: .failed,
                    message: "\(configuration.place) does not say how long \(name) is")
            }
            return bytes
        }
        if response.status == 404, !asksWhy { return nil }
        do {
            _ = try await answer(
                Request(method: "GET", name: name.text, headers: ["Range": "bytes=0-0"]), what)
        } catch let error as ObjectStoreError where error.code == .notFound {
            return nil
        }
        throw ObjectStoreError(
            code: .unavailable,
            message: "\(configuration.place) answers \(response.status) when it is looked for "
                + "\(name), and yet has it")
    }

    /// Runs `body` until it succeeds, fails for good, or the patience is over; the waits between are
    /// those of the bucket's health.
    ///
    /// - Parameters:
    ///   - what: what is tried, as `store data/ab/…`.
    ///   - slots: where its requests count.
    ///   - mayRepeat: whether a failure may be followed by another attempt.
    ///   - body: one attempt; told how many there were, counted from 1.
    /// - Throws: `ObjectStoreError`; what a caller's closure threw; `CancellationError`.
    func attempts<Answer: Sendable>(
        _ what: String, on slots: RequestSlots, mayRepeat: () -> Bool = { true },
        _ body: (Int) async throws -> Answer
    ) async throws -> Answer {
        let clock = ContinuousClock()
        let end = clock.now + options.patience
        var attempt = 0
        while true {
            attempt += 1
            let pass = try await health.admit(waitingAtMost: max(.zero, end - clock.now))
            let failure: ObjectStoreError
            do {
                let number = attempt
                let answer = try await slots.run { try await body(number) }
                await health.end(pass, nil)
                return answer
            } catch let error as CallersFailure {
                throw error.cause
            } catch let error as ObjectStoreError {
                failure = error
            } catch let error as HTTPError {
                failure = Self.failure(of: error, what, configuration)
            }
            await health.end(pass, failure)
            // The shared wait may be over by others' success: this call's own one is not.
            let wait = health.schedule.wait(
                afterFailures: attempt, chance: BucketHealth.chance())
            guard failure.isRetryable, mayRepeat(), clock.now + wait < end else { throw failure }
            try await clock.sleep(for: wait)
        }
    }

    /// The error that a failed exchange is.
    static func failure(
        of error: HTTPError, _ what: String, _ configuration: S3Configuration
    ) -> ObjectStoreError {
        let code: ObjectStoreError.Code =
            switch error.code {
            case .couldNotConnect, .timeout, .connectionReset, .overloaded, .protocolViolation,
                .closed:
                .unavailable
            case .tooLarge: .limitExceeded
            case .tls, .certificate, .fingerprintMismatch, .addressRefused: .denied
            case .invalidMessage: .digest
            case .badRequest, .couldNotListen: .failed
            }
        return ObjectStoreError(
            code: code, message: "cannot \(what) in \(configuration.place)", cause: error)
    }
}
