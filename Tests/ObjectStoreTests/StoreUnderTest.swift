import HTTP
import ObjectStore
import Platform
import S3TestSupport
import Testing

/// The kinds of stores that the contract holds for.
enum StoreKind: String, CustomTestStringConvertible {
    case directory
    case prefixed
    case granted
    case rclone
    case moto
    case rgw

    /// Those that tests run with.
    static let tested: [StoreKind] =
        [.directory, .prefixed, .granted]
        + S3Server.Kind.tested.compactMap { StoreKind(rawValue: $0.rawValue) }

    var testDescription: String { rawValue }

    /// Runs `body` with an empty store of this kind.
    func with(_ body: @Sendable (any ObjectStorage) async throws -> Void) async throws {
        let place = try TemporaryDirectory()
        let directory = try DirectoryStore(root: place.path + "/bucket", create: true)
        switch self {
        case .directory: try await body(directory)
        case .prefixed:
            let prefix = try ObjectPrefix("projects/p1/")
            try await directory.put(ObjectName("projects/p10/other"), .bytes([1]))
            try await directory.put(ObjectName("outside"), .bytes([1]))
            try await body(PrefixedStore(directory, prefix: prefix))
        case .granted:
            try await Gateway(store: directory).serve { url in
                try await body(
                    GrantedStore(
                        client: try HTTPClient(), url: url,
                        headers: ["Authorization": "Bearer t", "Berth-Epoch": "7"],
                        options: .quick))
            }
        case .rclone: try await body(try await TestBuckets.shared.store(.rclone))
        case .moto: try await body(try await TestBuckets.shared.store(.moto))
        case .rgw: try await body(try await TestBuckets.shared.store(.rgw))
        }
    }

    /// Whether the store deletes.
    var deletes: Bool { self != .granted }
}

extension GrantedStore.Options {
    static let quick = GrantedStore.Options(
        patience: .seconds(60),
        backoff: Backoff(base: .milliseconds(5), cap: .milliseconds(50)),
        stallTimeout: .seconds(20))
}
