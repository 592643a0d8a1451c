import Glibc

/// The package's own files, found from this file's place in it.
enum SourceTree {
    struct Unreadable: Error {
        let path: String
        let reason: Int32
    }

    static let root: String = {
        let parts = #filePath.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/")
    }()

    static func read(_ path: String) throws -> String {
        guard let file = unsafe fopen(root + "/" + path, "r") else {
            throw Unreadable(path: path, reason: errno)
        }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let got = unsafe fread(&chunk, 1, chunk.count, file)
            if got == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk.prefix(got)
        }
    }

    /// Every Swift file below `Sources` and `Tests`.
    static func swiftFiles() throws -> [SourceFile] {
        try (paths(below: "Sources") + paths(below: "Tests"))
            .filter { $0.hasSuffix(".swift") }.sorted()
            .map { SourceFile(path: $0, text: try read($0)) }
    }

    private static func paths(below directory: String) throws -> [String] {
        guard let stream = unsafe opendir(root + "/" + directory) else {
            throw Unreadable(path: directory, reason: errno)
        }
        defer { unsafe closedir(stream) }
        var found: [String] = []
        while let entry = unsafe readdir(stream) {
            let bytes = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { name in
                unsafe Array(name.prefix { $0 != 0 })
            }
            let name = String(decoding: bytes, as: UTF8.self)
            if name.hasPrefix(".") { continue }
            let path = directory + "/" + name
            let isDirectory = unsafe entry.pointee.d_type == UInt8(DT_DIR)
            found += isDirectory ? try paths(below: path) : [path]
        }
        return found
    }
}
