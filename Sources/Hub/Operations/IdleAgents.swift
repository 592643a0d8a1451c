import Platform
import Postgres
import Shared

/// Long polls and heartbeats of agents that have nothing to do.
///
/// A poll that found nothing, and whose lane was not rung since, waits without asking the database;
/// heartbeats without work are written together, at most once a second.
final class IdleAgents: Service {
    fileprivate struct Beat {
        var request: HeartbeatRequest
        var host: HostID
        var answered: [CheckedContinuation<Outcome, any Error>]
    }

    /// What came of a heartbeat.
    enum Outcome: Sendable {
        /// With where the log ends.
        case renewed(LogHead)
        /// The session has work, or has ended: it is to be told so by itself.
        case single
    }

    fileprivate struct State {
        /// The bell's ticket at which a session's poll found nothing.
        var empty: [SessionID: (host: HostID, ticket: UInt64)] = [:]
        var beats: [SessionID: Beat] = [:]
        var isRunning = false
    }

    /// How long heartbeats are collected at most.
    private static let longestWindow: Duration = .seconds(1)
    /// How many are written with one statement.
    private static let limit = 1000
    /// A poll that does not wait for so long is always answered from the database.
    private static let patience: Duration = .seconds(1)

    private let pool: PostgresPool
    private let bell: OperationBell
    private let lease: Duration
    /// How long heartbeats are collected: an agent waits for its answer no longer than until the next
    /// one would be due.
    private let window: Duration
    private let state = Locked(State())

    init(pool: PostgresPool, bell: OperationBell, settings: OperationSettings) {
        self.pool = pool
        self.bell = bell
        lease = settings.lease
        window = min(Self.longestWindow, settings.heartbeat / 10)
    }

    // MARK: Polls

    /// Answers a poll; `claim` asks the database and does not wait.
    func poll(
        _ request: LeaseRequest, host: HostID,
        claim: (LeaseRequest) async throws -> LeaseAnswer
    ) async throws -> LeaseAnswer {
        var now = request
        now.waitMilliseconds = 0
        let wait = Duration.milliseconds(min(max(request.waitMilliseconds, 0), 60_000))
        let deadline = ContinuousClock.now + wait
        while true {
            let ticket = bell.ticket(host.uuid)
            if bell.isClosed { return LeaseAnswer(operations: []) }
            if wait < Self.patience || !isIdle(request.session, host, ticket) {
                let answer = try await claim(now)
                guard answer.operations.isEmpty else {
                    forget(request.session)
                    return answer
                }
                state.withLock { $0.empty[request.session] = (host, ticket) }
            }
            let rest = deadline - .now
            if rest <= .zero { return LeaseAnswer(operations: []) }
            try await bell.wait(host.uuid, after: ticket, atMost: rest)
            if deadline <= .now, bell.ticket(host.uuid) == ticket {
                return LeaseAnswer(operations: [])
            }
        }
    }

    private func isIdle(_ session: SessionID, _ host: HostID, _ ticket: UInt64) -> Bool {
        state.withLock { state in
            guard let known = state.empty[session] else { return false }
            return known.host == host && known.ticket == ticket
        }
    }

    private func forget(_ session: SessionID) {
        state.withLock { $0.empty[session] = nil }
    }

    /// Another session of a host begins: what was known of its earlier ones is not true any more.
    func opened(by host: HostID) {
        state.withLock { state in
            state.empty = state.empty.filter { $0.value.host != host }
        }
        bell.wake(host.uuid)
    }

    // MARK: Heartbeats

    /// Whether a heartbeat can be written together with others, and what came of it.
    func beat(_ request: HeartbeatRequest, host: HostID) async throws -> Outcome {
        guard request.held.isEmpty, (request.interrupted ?? []).isEmpty else { return .single }
        return try await withCheckedThrowingContinuation { waiter in
            let isTaken = state.withLock { state in
                guard state.isRunning else { return false }
                var beat =
                    state.beats[request.session] ?? Beat(request: request, host: host, answered: [])
                guard beat.host == host, beat.answered.count < 16 else { return false }
                beat.request = request
                beat.answered.append(waiter)
                state.beats[request.session] = beat
                return true
            }
            if !isTaken { waiter.resume(returning: .single) }
        }
    }

    func run() async throws {
        state.withLock { $0.isRunning = true }
        defer {
            answer(state.withLock { $0.take(isLast: true) }, .success(.init(open: [:], head: nil)))
        }
        while !Task.isCancelled {
            try await Task.sleep(for: window)
            let beats = state.withLock { $0.take(isLast: false) }
            var rest = beats[...]
            while !rest.isEmpty {
                let chunk = Array(rest.prefix(Self.limit))
                rest = rest.dropFirst(Self.limit)
                do {
                    let renewed = try await SessionBeatStore(pool: pool).renew(
                        chunk.map { ($0.request, $0.host) },
                        leaseMilliseconds: lease.milliseconds)
                    answer(chunk, .success(renewed))
                } catch {
                    answer(chunk, .failure(error))
                }
            }
        }
    }

    private func answer(
        _ beats: [Beat], _ result: Result<SessionBeatStore.Renewed, any Error>
    ) {
        for beat in beats {
            for waiter in beat.answered {
                switch result {
                case .success(let renewed):
                    guard let head = renewed.head, renewed.open[beat.request.session] == false
                    else {
                        waiter.resume(returning: .single)
                        continue
                    }
                    waiter.resume(returning: .renewed(head))
                case .failure(let error): waiter.resume(throwing: error)
                }
            }
        }
    }
}

extension IdleAgents.State {
    /// Takes what was collected.
    fileprivate mutating func take(isLast: Bool) -> [IdleAgents.Beat] {
        if isLast { isRunning = false }
        defer { beats = [:] }
        return Array(beats.values)
    }
}
