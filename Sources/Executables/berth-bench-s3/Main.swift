import Glibc
import ObjectStore
import Platform

/// What `scripts/bench-s3.sh` measures of the S3 client; prints seconds, or a rate.
///
/// The bucket comes in `BERTH_BENCH_ENDPOINT`, `…_BUCKET`, `…_KEY` and `…_SECRET`.
@main
enum Main {
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        do {
            try await run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            say("error: \(error)", to: 2)
            exit(1)
        }
    }

    private static func run(_ words: [String]) async throws {
        let store = try store()
        let bench = Bench(store: store)
        let backup = BackupBench(store: store)
        let number = words.last.flatMap { Int($0) } ?? 0
        switch words.first {
        case "put" where words.count == 4:
            try await bench.put(directory: words[1], below: words[2], count: number)
        case "get" where words.count == 4:
            try await bench.get(below: words[2], directory: words[1], count: number)
        case "small": say(try await bench.small(count: number))
        case "presign": say(try bench.presign(count: number))
        case "stream":
            try await bench.stream(bytes: Int64(number))
            say(try peakMiB())
        case "backup" where words.count == 2 || words.count == 3:
            let signer = words.count == 3 ? words[2] : nil
            say(try await backup.run(directory: words[1], signer: signer))
        case "serve": try await backup.serve { say($0, to: 1) }
        default:
            throw PlatformError(
                code: .childProcess,
                message: "put DIR NAME N | get DIR NAME N | small N | presign N | stream BYTES "
                    + "| backup DIR [SIGNER] | serve")
        }
    }

    private static func store() throws -> S3Store {
        try S3Store(
            S3Configuration(
                endpoint: variable("ENDPOINT"), region: "us-east-1", bucket: variable("BUCKET")),
            credentials: S3Credentials(
                accessKeyID: variable("KEY"), secretKey: SecretBytes(variable("SECRET").utf8)))
    }

    private static func variable(_ name: String) throws -> String {
        guard let text = unsafe getenv("BERTH_BENCH_" + name) else {
            throw PlatformError(code: .childProcess, message: "BERTH_BENCH_\(name) is not set")
        }
        return unsafe String(cString: text)
    }

    /// The most memory that this process ever held (VmHWM of proc(5)).
    private static func peakMiB() throws -> Double {
        let file = try Descriptor(opening: "/proc/self/status", flags: O_RDONLY)
        let text = try file.withNumber { number in
            let bytes = try unsafe [UInt8](unsafeUninitializedCapacity: 16384) { buffer, count in
                count = try systemCall("read") {
                    unsafe read(number, buffer.baseAddress, buffer.count)
                }
            }
            return String(decoding: bytes, as: UTF8.self)
        }
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
        return line.split { !$0.isNumber }.first.flatMap { Double($0) }.map { $0 / 1024 } ?? 0
    }

    private static func say(_ number: Double) {
        say("\((number * 1000).rounded() / 1000)", to: 1)
    }

    private static func say(_ text: String, to number: Int32) {
        let line = Array((text + "\n").utf8)
        unsafe write(number, line, line.count)
    }
}
