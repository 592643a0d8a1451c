public import HTTP
import Platform

/// An object that a URL is wanted for.
public struct URLWish: Hashable, Sendable {
    /// What the URL is to be used with.
    public enum Use: String, Sendable {
        /// Reading the object, or parts of it.
        case get
        /// Storing it.
        case put
    }

    /// What the URL is to be used with.
    public let use: Use
    /// The object.
    public let name: ObjectName

    /// A wish.
    public init(_ use: Use, _ name: ObjectName) {
        self.use = use
        self.name = name
    }
}

/// A URL that the hub signed for one object and one use.
public struct SignedURL: Sendable {
    /// The URL, percent-encoded.
    public let url: String
    /// What must be sent with it, because it was signed too.
    public let headers: HTTPHeaders
    /// When this process got it.
    let arrived = ContinuousClock.now

    /// A signed URL.
    public init(url: String, headers: HTTPHeaders) {
        self.url = url
        self.headers = headers
    }

    /// From when, by the clock of who signed it, and for how long it holds; nil where it does not
    /// say so.
    var period: (begin: UTCTime, length: Duration)? {
        let query = url.drop { $0 != "?" }.dropFirst().split(separator: "&")
        func value(_ name: String) -> Substring? {
            query.first { $0.hasPrefix(name + "=") }?.dropFirst(name.count + 1)
        }
        guard let date = value("X-Amz-Date"), let begin = UTCTime(stamp: String(date)),
            let seconds = value("X-Amz-Expires").flatMap({ Int64($0) })
        else { return nil }
        return (begin, .seconds(seconds))
    }
}

/// Signed URLs in batches: who asks while a batch is under way is in the next one. URLs to read
/// with are kept and used again until half of their time is over.
actor SignedURLs {
    /// Answers as many URLs as wishes, in their order, and how long they hold.
    typealias Sign = @Sendable ([URLWish]) async throws -> (urls: [SignedURL], holds: Duration)

    /// The most URLs of one batch, and the most that are kept.
    private static let batchLimit = 256
    private static let keptLimit = 4096

    /// What somebody who waited is told.
    private enum Turn: Sendable {
        case answer(SignedURL)
        case failure(any Error)
        /// It is theirs to ask for the next batch.
        case lead
        /// Whoever asked gave up.
        case again
    }

    private struct Kept {
        let url: SignedURL
        let until: ContinuousClock.Instant
    }

    private let sign: Sign
    private let clock = ContinuousClock()
    private var kept: [ObjectName: Kept] = [:]
    private var isAsking = false
    private var waiting: [(wish: URLWish, turn: CheckedContinuation<Turn, Never>)] = []

    init(sign: @escaping Sign) {
        self.sign = sign
    }

    /// How many wait for the next batch; for tests.
    var waitingCount: Int { waiting.count }

    /// The URL for a wish.
    func url(for wish: URLWish) async throws -> SignedURL {
        while true {
            try Task.checkCancellation()
            if wish.use == .get, let known = kept[wish.name], known.until > clock.now {
                return known.url
            }
            if !isAsking {
                isAsking = true
                return try await ask(for: wish)
            }
            switch await withCheckedContinuation({ waiting.append((wish, $0)) }) {
            case .answer(let url): return url
            case .failure(let error): throw error
            case .lead: return try await ask(for: wish)
            case .again: continue
            }
        }
    }

    /// Forgets a URL that the provider did not take.
    func forget(_ wish: URLWish) {
        kept[wish.name] = nil
    }

    /// Asks for this wish and for those that wait; then it is somebody else's turn.
    private func ask(for wish: URLWish) async throws -> SignedURL {
        let others = Array(waiting.prefix(Self.batchLimit - 1))
        waiting.removeFirst(others.count)
        defer { passOn() }
        do {
            let wishes = [wish] + others.map(\.wish)
            let begin = clock.now
            let (urls, holds) = try await sign(wishes)
            guard urls.count == wishes.count, let first = urls.first else {
                throw ObjectStoreError(
                    code: .failed, message: "the hub signed \(urls.count) of \(wishes.count) URLs")
            }
            for (wish, url) in zip(wishes, urls) { keep(wish, url, until: begin + holds / 2) }
            for (other, url) in zip(others, urls.dropFirst()) {
                other.turn.resume(returning: .answer(url))
            }
            return first
        } catch {
            let isGivenUp = error is CancellationError || Task.isCancelled
            for other in others {
                other.turn.resume(returning: isGivenUp ? .again : .failure(error))
            }
            throw error
        }
    }

    private func passOn() {
        guard !waiting.isEmpty else {
            isAsking = false
            return
        }
        waiting.removeFirst().turn.resume(returning: .lead)
    }

    private func keep(_ wish: URLWish, _ url: SignedURL, until: ContinuousClock.Instant) {
        guard wish.use == .get else { return }
        if kept.count >= Self.keptLimit {
            let now = clock.now
            kept = kept.filter { $0.value.until > now }
            if kept.count >= Self.keptLimit { kept = [:] }
        }
        kept[wish.name] = Kept(url: url, until: until)
    }
}
