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
    case signed
    case rclone
    case moto
    case rgw

    /// Those that tests run with.
    static let tested: [StoreKind] =
        [.directory, .prefixed, .granted, .signed]
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
        case .signed: try await signed(body)
        case .rclone: try await body(try await TestBuckets.shared.store(.rclone))
        case .moto: try await body(try await TestBuckets.shared.store(.moto))
        case .rgw: try await body(try await TestBuckets.shared.store(.rgw))
        }
    }

    /// By URLs to a provider that holds hosts to them, and through a gateway over the same bucket.
    private func signed(_ body: @Sendable (any ObjectStorage) async throws -> Void) async throws {
        let bucket = EnforcingBucket()
        try await bucket.serve { port in
            let configuration = try EnforcingBucket.configuration(port: port)
            let own = try S3Store(configuration, credentials: bucket.credentials, options: .quick)
            try await Gateway(store: own).serve { url in
                let gateway = GrantedStore(
                    client: try HTTPClient(), url: url,
                    headers: ["Authorization": "Bearer t", "Berth-Epoch": "7"], options: .quick)
                let store = try SignedStore(
                    gateway: gateway, configuration: configuration, options: .quick
                ) { wishes in
                    let condition: HTTPHeaders = ["if-none-match": "*"]
                    let presigns = wishes.map { wish in
                        S3Signer.Presign(
                            method: wish.use == .put ? "PUT" : "GET", name: wish.name,
                            headers: wish.use == .put ? condition : [:])
                    }
                    let urls = own.signer.presign(presigns, expires: .seconds(300))
                    let signed = zip(presigns, urls).map { SignedURL(url: $1, headers: $0.headers) }
                    return (signed, .seconds(300))
                }
                try await body(store)
            }
        }
    }

    /// Whether the store deletes.
    var deletes: Bool { self != .granted && self != .signed }
}

extension GrantedStore.Options {
    static let quick = GrantedStore.Options(
        patience: .seconds(60),
        backoff: Backoff(base: .milliseconds(5), cap: .milliseconds(50)),
        stallTimeout: .seconds(20))
}
