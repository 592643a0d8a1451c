import Glibc
import Platform
import SQLite
import Testing

/// A second process that writes through this module until it is killed: these tests themselves,
/// started again for the one test below, which otherwise does nothing.
enum KilledWriter {
    private static let variable = "BERTH_SQLITE_TEST_WRITER"

    static func start(path: String) async throws -> SpawnedProcess {
        var arguments = String(
            decoding: try DurableFile.read("/proc/self/cmdline"), as: UTF8.self
        ).split(separator: "\0").map(String.init)
        while let index = arguments.firstIndex(where: { $0 == "--filter" || $0 == "--skip" }) {
            arguments.removeSubrange(index...min(index + 1, arguments.count - 1))
        }
        arguments += ["--filter", "KilledWriterTests"]
        let log = try Descriptor(opening: path + ".writer-log", flags: O_WRONLY | O_CREAT)
        return try await SpawnedProcess.start(
            try program(), Array(arguments.dropFirst()),
            environment: ["PATH": "/usr/bin:/bin", variable: path], log: log, diesWithParent: true)
    }

    private static func program() throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = try systemCall("readlink") {
            unsafe readlink("/proc/self/exe", &buffer, buffer.count)
        }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// How many transactions the writers said they had committed.
    static func committed(path: String) throws -> Int {
        var status = stat()
        guard unsafe stat(path + ".committed", &status) == 0 else { return 0 }
        return Int(status.st_size)
    }

    /// The path to write to, in the process that is to write.
    static var path: String? {
        unsafe getenv(variable).map { unsafe String(cString: $0) }
    }

    /// Writes transactions of two rows, and a byte into a file after each commit.
    static func write(path: String) async throws {
        let database = try await SQLiteDatabase.open(path)
        try await database.migrate(["CREATE TABLE t (n INTEGER, part INTEGER)"])
        let done = try Descriptor(
            opening: path + ".committed", flags: O_WRONLY | O_CREAT | O_APPEND)
        while true {
            try await database.write { connection in
                let next = try connection.queryFirst("SELECT coalesce(max(n), 0) + 1 FROM t")
                let n = try next?.decode(0, as: Int.self) ?? 0
                try connection.execute("INSERT INTO t VALUES (\(n), 1)")
                try connection.execute("INSERT INTO t VALUES (\(n), 2)")
            }
            try done.withNumber { number in
                try systemCall("write") { unsafe Glibc.write(number, "x", 1) }
            }
        }
    }
}

@Suite("The killed writer")
struct KilledWriterTests {
    @Test("writes until it is killed", .enabled(if: KilledWriter.path != nil))
    func write() async throws {
        try await KilledWriter.write(path: try #require(KilledWriter.path))
    }
}
