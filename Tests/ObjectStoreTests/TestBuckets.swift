import ObjectStore
import Platform
import S3TestSupport

/// The S3 servers of this process: one of each kind, with a bucket of its own for each test.
///
/// Shared because a server takes seconds to start; it ends with the process.
actor TestBuckets {
    static let shared = TestBuckets()

    private enum Start {
        case running(S3Server)
        case starting([CheckedContinuation<Void, Never>])
    }

    private var starts: [S3Server.Kind: Start] = [:]

    /// A server that runs.
    func server(_ kind: S3Server.Kind) async throws -> S3Server {
        while case .starting = starts[kind] {
            await withCheckedContinuation { mine in
                if case .starting(let waiting) = starts[kind] {
                    starts[kind] = .starting(waiting + [mine])
                } else {
                    mine.resume()
                }
            }
        }
        if case .running(let server) = starts[kind] { return server }
        starts[kind] = .starting([])
        do {
            let server = try await S3Server.start(kind)
            settle(kind, .running(server))
            return server
        } catch {
            settle(kind, nil)
            throw error
        }
    }

    private func settle(_ kind: S3Server.Kind, _ start: Start?) {
        let before = starts[kind]
        starts[kind] = start
        if case .starting(let waiting) = before { waiting.forEach { $0.resume() } }
    }

    /// A store over an empty bucket, below a prefix that is not the whole of it.
    ///
    /// - Parameters:
    ///   - endpoint: where requests go, default the server itself.
    ///   - options: default the quick ones.
    func store(
        _ kind: S3Server.Kind, endpoint: String? = nil, options: S3Options = .quick,
        schedule: BucketSchedule = .quick
    ) async throws -> S3Store {
        let server = try await server(kind)
        let configuration = try S3Configuration(
            endpoint: server.endpoint, region: "us-east-1",
            bucket: "b-" + Random.hex(bytes: 6), prefix: ObjectPrefix("below/here/"),
            hasConditionalPut: server.hasConditionalPut)
        try await S3Store(configuration, credentials: server.credentials).makeBucket()
        guard let endpoint else {
            return try S3Store(
                configuration, credentials: server.credentials,
                health: BucketHealth(schedule: schedule), options: options)
        }
        let other = try S3Configuration(
            endpoint: endpoint, region: "us-east-1", bucket: configuration.bucket,
            prefix: configuration.prefix, hasConditionalPut: configuration.hasConditionalPut)
        return try S3Store(
            other, credentials: server.credentials, health: BucketHealth(schedule: schedule),
            options: options)
    }
}

extension S3Server {
    var credentials: S3Credentials {
        S3Credentials(accessKeyID: accessKeyID, secretKey: SecretBytes(secretKey.utf8))
    }
}

extension S3Options {
    /// Limits that let a test see a failure soon, and a loaded machine succeed.
    static var quick: S3Options {
        var options = S3Options()
        options.patience = .seconds(40)
        options.stallTimeout = .seconds(20)
        return options
    }
}

extension BucketSchedule {
    static let quick = BucketSchedule(
        waits: [.zero, .milliseconds(20), .milliseconds(40)], probeInterval: .milliseconds(50))
}
