import Platform
import Postgres
import Shared

/// What is known of hosts' tokens: thousands of agents ask again and again, and hardly ever does a
/// token end.
///
/// What is kept is true only while this hub has looked for ended tokens within the last seconds;
/// otherwise everybody is looked up. So a token that was revoked works for a second or two at most.
final class PrincipalCache: Service {
    private struct Entry {
        var principal: TokenStore.Principal
        var until: ContinuousClock.Instant
    }

    private struct State {
        var entries: [[UInt8]: Entry] = [:]
        /// Until when what is kept may be believed.
        var trusted: ContinuousClock.Instant?
        var since: Timestamp?
        /// Rises when tokens have ended: what was looked up before is not kept.
        var turn: UInt64 = 0
    }

    private static let pause: Duration = .seconds(1)
    private static let trust: Duration = .seconds(3)
    private static let lifetime: Duration = .seconds(600)
    private static let limit = 20_000

    private let pool: PostgresPool
    private let log: Logger
    private let state = Locked(State())

    init(pool: PostgresPool, log: Logger) {
        self.pool = pool
        self.log = log
    }

    /// Whose a host's token is; nil when it is no host's, or nothing is known of it now.
    func host(hash: [UInt8]) -> TokenStore.Principal? {
        let now = ContinuousClock.now
        return state.withLock { state in
            guard let trusted = state.trusted, trusted > now, let entry = state.entries[hash],
                entry.until > now
            else { return nil }
            return entry.principal
        }
    }

    /// Taken before a token is looked up.
    var turn: UInt64 { state.withLock { $0.turn } }

    /// Keeps what was looked up, unless tokens have ended meanwhile.
    func keep(_ principal: TokenStore.Principal, hash: [UInt8], turn: UInt64) {
        guard principal.kind == .host else { return }
        state.withLock { state in
            guard state.turn == turn, state.trusted != nil else { return }
            if state.entries.count >= Self.limit { state.entries = [:] }
            state.entries[hash] = Entry(
                principal: principal, until: ContinuousClock.now + Self.lifetime)
        }
    }

    /// Looks for tokens that have ended.
    func run() async throws {
        defer { state.withLock { $0 = State() } }
        while !Task.isCancelled {
            let begin = ContinuousClock.now
            do {
                let since = state.withLock { $0.since }
                let found = try await TokenWatchStore(pool: pool).ended(since: since)
                state.withLock { state in
                    // The first look begins a new account of what is known.
                    if state.since == nil { state.entries = [:] }
                    state.since = found.now
                    state.trusted = begin + Self.trust
                    for hash in found.hashes { state.entries[hash] = nil }
                    if !found.hashes.isEmpty { state.turn += 1 }
                }
            } catch let error as PostgresError {
                log.debug("ended tokens cannot be seen", ["error": LogValue(describing: error)])
            }
            try await Task.sleep(for: Self.pause)
        }
    }
}
