import Glibc
import HTTP
import ObjectStore
import Platform
import Repository

/// A first backup of a directory: with the bucket's credentials at hand, or with URLs that another
/// process signs, as a hub does for its hosts.
struct BackupBench {
    let store: S3Store

    /// Backs a directory up into a new repository.
    ///
    /// - Parameter signer: the address of `serve`; nil: with the credentials.
    /// - Returns: the seconds from the first look at the directory until all packs, their index and
    ///   the snapshot are stored.
    func run(directory: String, signer: String?) async throws -> Double {
        let prefix = try ObjectPrefix("backup-\(Random.hex(bytes: 4))/")
        let whole = PrefixedStore(store, prefix: prefix)
        let repository = try await OpenRepository.create(
            in: whole, password: SecretBytes(Random.bytes(32)),
            origin: KeyFile.Origin(
                created: NodeTime(seconds: 0), username: "bench", hostname: "bench"),
            cost: .randomPassword)
        var packs: any ObjectStorage = whole
        if let signer { packs = try signed(whole, prefix, signer) }
        let target = packs
        let clock = ContinuousClock()
        let begin = clock.now
        let writer = PackWriter(store: target, codec: repository.codec)
        let summary = try await Backup(
            path: directory, sink: writer, polynomial: repository.config.polynomial
        ).run()
        let stored = try await writer.finish()
        // What is the hub's part in either case.
        try await repository.verifyPackHeaders(stored)
        _ = try await repository.writeIndex(stored)
        _ = try await repository.writeSnapshot(
            SnapshotFile(
                time: NodeTime(seconds: 0), tree: summary.rootTree, paths: ["/project"],
                hostname: "bench"))
        let time = clock.now - begin
        precondition(summary.isComplete && summary.bytes > 0, "all of it")
        return time / .seconds(1)
    }

    /// The store of a host: packs by URLs; nothing else is asked of it.
    private func signed(
        _ whole: PrefixedStore, _ prefix: ObjectPrefix, _ signer: String
    ) throws -> SignedStore {
        let client = try HTTPClient()
        return try SignedStore(
            gateway: GrantedStore(client: client, url: signer, headers: [:]),
            configuration: store.configuration
        ) { wishes in
            let names = wishes.map { "\($0.use.rawValue) \(prefix.text)\($0.name)" }
            let response = try await client.send(
                HTTPClientRequest(
                    method: "POST", url: signer,
                    body: .text(names.joined(separator: "\n"))))
            let text = String(
                decoding: try await response.body.collect(limitBytes: 4 << 20), as: UTF8.self)
            let urls = text.split(separator: "\n").map { SignedURL(url: String($0), headers: [:]) }
            return (urls, .seconds(300))
        }
    }

    /// Signs for others until the process is ended; says its address first.
    func serve(_ say: @escaping @Sendable (String) -> Void) async throws {
        // rclone takes the hash of a presigned payload for a header like others.
        let signer = store.signer.withoutPayloads
        let server = try HTTPServer(options: HTTPServerOptions()) { _, body in
            do {
                let text = String(
                    decoding: try await body.collect(limitBytes: 1 << 20), as: UTF8.self)
                let wishes = try text.split(separator: "\n").map { line in
                    let words = line.split(separator: " ")
                    return S3Signer.Presign(
                        method: words.first == "put" ? "PUT" : "GET",
                        name: try ObjectName(String(words.last ?? "")))
                }
                let urls = signer.presign(wishes, expires: .seconds(300))
                return HTTPResponse(status: 200, body: .text(urls.joined(separator: "\n")))
            } catch {
                return HTTPResponse(status: 400, body: .text("\(error)"))
            }
        }
        say("http://127.0.0.1:\(server.port)")
        try await server.run()
    }
}
