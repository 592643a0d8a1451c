import Glibc
import HTTP
import Platform
import Shared

/// `berth-agent join`: makes the file system, the ledger and its marker, then exchanges the join
/// token for an identity.
///
/// The identity file is written last: without it nothing has joined, and the command can be
/// repeated with a new token.
struct JoinCommand: Sendable {
    let options: JoinOptions
    let say: @Sendable (String) -> Void

    func run() async throws {
        guard geteuid() == 0 else {
            throw AgentError(.storage, "join needs root, for the file system; use sudo")
        }
        let directory = try DataDirectory(options.data)
        let token = try token()
        try makeDirectory(directory.path, 0o711)
        let lock = try FileLock(path: directory.lock, purpose: "join a hub")
        defer { extendLifetime(lock) }
        if unsafe access(directory.identity, F_OK) == 0 {
            let identity = try Identity.read(directory)
            throw AgentError(
                .identity,
                "\(directory.path) has joined as \(identity.name) already; use another directory, "
                    + "or berth-agent leave")
        }
        let mount = FilesystemMount(directory: directory, storage: options.storage)
        try await mount.make()
        do {
            try await enroll(directory, token)
        } catch {
            // What remains is a file system without any volume; the next try uses it.
            try? await mount.unmount()
            throw error
        }
    }

    private func enroll(_ directory: DataDirectory, _ token: JoinToken) async throws {
        for path in [directory.logs, directory.caches] { try makeDirectory(path, 0o700) }
        let ledger = try await Ledger.open(directory, creates: true)
        let layout = VolumeLayout(root: directory.root(of: options.storage))
        try claim(layout, ledger.id)
        let authority = try await fetchAuthority(token)
        var http = HTTPClientOptions()
        http.trust = .authorities(pem: authority.pem)
        let answer = try await enroll(token, ledger.id, try HTTPClient(options: http))
        let configuration = AgentConfiguration(hubs: token.hubs, storage: options.storage)
        try DurableFile.write(authority.pem, to: directory.authority, mode: 0o644)
        try DurableFile.write(Array(answer.token.utf8), to: directory.token, mode: 0o600)
        try DurableFile.write(
            Array(configuration.document.utf8), to: directory.configuration, mode: 0o644)
        try Identity(
            host: answer.host, name: answer.name, ledger: ledger.id, timeline: answer.timeline
        ).write(directory)
        await ledger.close()
        say("This machine is host \(answer.name) (\(answer.host)).")
        say("Start its agent: berth-agent run --data \(directory.path)")
    }

    /// Writes the marker, unless the file system is another ledger's.
    private func claim(_ layout: VolumeLayout, _ ledger: LedgerID) throws {
        let filesystem = try VolumeFiles.filesystem(at: layout.root)
        if unsafe access(layout.marker, F_OK) == 0 {
            try Marker.read(layout).check(filesystem: filesystem, ledger: ledger, layout)
        } else {
            for (path, _) in layout.directories where unsafe access(path, F_OK) == 0 {
                throw AgentError(
                    .storage,
                    "\(path) exists on a file system without a marker; look at it, and move it "
                        + "away")
            }
            try Marker(filesystem: filesystem, ledger: ledger).write(layout)
        }
        for (path, mode) in layout.directories { try makeDirectory(path, mode) }
    }

    private func token() throws -> JoinToken {
        let text: String
        switch options.token {
        case .text(let given): text = given
        case .file(let path):
            let bytes = try DurableFile.read(path, limitBytes: 16 << 10)
            text = String(decoding: bytes.filter { $0 > 0x20 }, as: UTF8.self)
        }
        guard let token = JoinToken(text), !token.hubs.isEmpty else {
            throw AgentError(
                .usage, "this is no join token; make one with berth host enroll NAME")
        }
        return token
    }

    private func fetchAuthority(_ token: JoinToken) async throws -> Certificate {
        guard let fingerprint = Fingerprint(hex: token.fingerprint) else {
            throw AgentError(.usage, "the join token holds no fingerprint")
        }
        var last: (any Error)?
        for hub in token.hubs {
            do {
                return try await HTTPClient.fetchAuthority(
                    from: hub + "/v1/ca.pem", fingerprint: fingerprint)
            } catch let error as HTTPError where error.code == .fingerprintMismatch {
                throw AgentError(
                    .refused,
                    "the server at \(hub) is not the hub that made this join token: its "
                        + "certificate differs; nothing secret was sent", cause: error)
            } catch {
                last = error
            }
        }
        throw AgentError(
            .unreachable, "no hub of the join token can be reached", cause: last)
    }

    private func enroll(
        _ token: JoinToken, _ ledger: LedgerID, _ http: HTTPClient
    ) async throws -> EnrollAnswer {
        let body = try JSON.encode(
            EnrollRequest(
                secret: token.secret, agentVersion: AgentVersion.text, ledger: ledger))
        var last: (any Error)?
        for hub in token.hubs {
            do {
                return try await HubClient.exchange(
                    http, "POST", hub + "/v1/agent/enroll", body, authorization: nil,
                    deadline: .seconds(30))
            } catch let error as AgentError where error.code == .unreachable {
                last = error
            }
        }
        throw last ?? AgentError(.unreachable, "the join token names no hub")
    }

    private func makeDirectory(_ path: String, _ mode: UInt32) throws {
        if unsafe mkdir(path, mode) != 0, errno != EEXIST {
            throw PlatformError(
                code: .systemCall, message: "make the directory \(path)", errno: errno)
        }
        try systemCall("set the mode of \(path)") { unsafe chmod(path, mode) }
    }
}
