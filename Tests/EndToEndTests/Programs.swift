import Glibc
import Platform
import Testing

/// The built programs and the source tree that they came from.
struct Programs: Sendable {
    let directory: String
    let root: String

    /// Finds the programs beside the bundle that these tests are in.
    init() throws {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = try systemCall("find the test bundle") {
            unsafe readlink("/proc/self/exe", &buffer, buffer.count - 1)
        }
        let path = String(
            decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? path
        let candidates = try [path, bundle].map { file in
            String(file[..<(try #require(file.lastIndex(of: "/")))])
        }
        directory = try #require(
            candidates.first { unsafe access($0 + "/berth-hub", X_OK) == 0 },
            "build the programs first: swift build --build-tests")
        // This file is <root>/Tests/EndToEndTests/Programs.swift.
        root = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false)
            .dropLast(3).joined(separator: "/")
    }

    func path(_ program: String) -> String { directory + "/" + program }
}
