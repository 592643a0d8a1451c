import Glibc
import HTTP
import Platform

/// A provider of other people's making on loopback, that ends with the process of the tests.
///
/// `scripts/setup.sh` installs them into a virtual environment in `var`.
public final class S3Server: Sendable {
    /// Whose server.
    public enum Kind: String, Sendable {
        /// `rclone serve s3` over a directory: knows no conditional PUT.
        case rclone
        /// moto's server with authentication switched on: knows conditional PUT.
        case moto
        /// Ceph's object gateway: holds whoever has a signed URL to what was signed.
        case rgw

        /// Those that tests run with: rclone and moto, and Ceph's gateway in `make test-rgw`, which
        /// installs it.
        public static let tested: [Kind] = [.rclone, .moto] + (isGatewayTested ? [.rgw] : [])

        /// Whether this is `make test-rgw`.
        public static let isGatewayTested = unsafe getenv("BERTH_TEST_RGW") != nil
    }

    /// Whose server it is.
    public let kind: Kind
    /// Its port on loopback.
    public let port: UInt16
    /// The only access key that it knows.
    public let accessKeyID: String
    /// The secret of that key.
    public let secretKey: String
    /// Whether `If-None-Match: *` keeps what is there.
    public var hasConditionalPut: Bool { kind != .rclone }
    /// The address for clients.
    public var endpoint: String { "http://127.0.0.1:\(port)" }

    private let place: TemporaryDirectory
    private let process: SpawnedProcess

    private init(
        kind: Kind, port: UInt16, key: (id: String, secret: String), place: TemporaryDirectory,
        process: SpawnedProcess
    ) {
        self.kind = kind
        self.port = port
        (accessKeyID, secretKey) = key
        self.place = place
        self.process = process
    }

    deinit {
        stop()
    }

    /// Ends the server; it is also killed when this process ends, however that is.
    public func stop() {
        // It may have ended by itself.
        try? process.signalGroup(SIGKILL)
    }

    /// Starts a server and waits until it answers.
    ///
    /// - Parameter root: where rclone keeps the objects, below a directory a bucket; default a
    ///   directory that goes with the server.
    public static func start(_ kind: Kind, root: String? = nil) async throws -> S3Server {
        let place = try TemporaryDirectory(prefix: "berth-s3")
        let data = root ?? place.path + "/data"
        if root == nil { try systemCall("mkdir \(data)") { unsafe mkdir(data, 0o700) } }
        let key = (id: "BERTHTEST" + Random.hex(bytes: 4), secret: Random.hex(bytes: 20))
        let log = try Descriptor(
            opening: place.path + "/log", flags: O_WRONLY | O_CREAT | O_APPEND)
        let environment = [
            "PATH": "/usr/bin:/bin", "HOME": place.path, "LC_ALL": "C.UTF-8",
            "INITIAL_NO_AUTH_ACTION_COUNT": "3", "PYTHONUNBUFFERED": "1",
        ]
        if kind == .rgw {
            try DurableFile.write(Array(key.secret.utf8), to: place.path + "/secret", mode: 0o600)
        }
        let (program, arguments) =
            switch kind {
            case .rclone:
                (
                    toolDirectory + "rclone",
                    [
                        "serve", "s3", "--addr", "127.0.0.1:0", "--auth-key",
                        "\(key.id),\(key.secret)", "--config", "/dev/null", "--cache-dir",
                        place.path + "/cache", data,
                    ]
                )
            case .moto: (toolDirectory + "moto_server", ["-H", "127.0.0.1", "-p", "0"])
            case .rgw:
                (projectDirectory + "scripts/rgw.sh", [data, key.id, place.path + "/secret"])
            }
        let process = try await SpawnedProcess.start(
            program, arguments, environment: environment, directory: place.path, log: log,
            diesWithParent: true)
        do {
            let port = try await port(of: process, log: place.path + "/log")
            let known = kind == .moto ? try await MotoUser(port: port).create() : key
            return S3Server(kind: kind, port: port, key: known, place: place, process: process)
        } catch {
            // What is wrong is told below.
            try? process.signalGroup(SIGKILL)
            throw error
        }
    }

    /// `var/venv/bin/` of this project.
    public static var toolDirectory: String { projectDirectory + "var/venv/bin/" }

    private static var projectDirectory: String {
        let parts = #filePath.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/") + "/"
    }

    /// All servers say which free port they took.
    private static func port(of process: SpawnedProcess, log: String) async throws -> UInt16 {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(90)
        while clock.now < end, process.exit == nil {
            let text = try read(log)
            if let start = text.ranges(of: "http://127.0.0.1:").last,
                let port = UInt16(text[start.upperBound...].prefix { $0.isNumber }),
                port > 0, text[start.upperBound...].contains(where: { !$0.isNumber })
            {
                return port
            }
            try await clock.sleep(for: .milliseconds(30))
        }
        throw PlatformError(
            code: .childProcess, message: "the S3 server did not start: \(try read(log))")
    }

    private static func read(_ path: String) throws -> String {
        let file = try Descriptor(opening: path, flags: O_RDONLY)
        return try file.withNumber { number in
            let bytes = try unsafe [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, count in
                count = try systemCall("read \(path)") {
                    unsafe Glibc.read(number, buffer.baseAddress, buffer.count)
                }
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}

/// The user that moto's first unauthenticated calls make; behind them every request is checked.
private struct MotoUser {
    let port: UInt16

    func create() async throws -> (id: String, secret: String) {
        let client = try HTTPClient()
        _ = try await call(client, "Action=CreateUser&UserName=berth")
        let answer = try await call(client, "Action=CreateAccessKey&UserName=berth")
        let policy =
            "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow"
            + "%22%2C%22Action%22%3A%22s3%3A*%22%2C%22Resource%22%3A%22*%22%7D%5D%7D"
        _ = try await call(
            client,
            "Action=PutUserPolicy&UserName=berth&PolicyName=all&PolicyDocument=\(policy)")
        guard let id = element("AccessKeyId", of: answer),
            let secret = element("SecretAccessKey", of: answer)
        else {
            throw PlatformError(code: .childProcess, message: "moto gave no key: \(answer)")
        }
        return (id, secret)
    }

    private func call(_ client: HTTPClient, _ form: String) async throws -> String {
        let response = try await client.send(
            HTTPClientRequest(
                method: "POST", url: "http://127.0.0.1:\(port)/",
                headers: [
                    "Content-Type": "application/x-www-form-urlencoded",
                    "Authorization": "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/iam/"
                        + "aws4_request, SignedHeaders=host, Signature=any",
                ], body: .text(form + "&Version=2010-05-08")))
        let text = String(
            decoding: try await response.body.collect(limitBytes: 1 << 20), as: UTF8.self)
        guard response.status == 200 else {
            throw PlatformError(code: .childProcess, message: "moto: \(response.status) \(text)")
        }
        return text
    }

    private func element(_ name: String, of text: String) -> String? {
        guard let begin = text.firstRange(of: "<\(name)>"),
            let end = text.firstRange(of: "</\(name)>")
        else { return nil }
        return String(text[begin.upperBound..<end.lowerBound])
    }
}
