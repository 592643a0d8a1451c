import Glibc
import Platform

/// Where the numbered SQL files are: named in the configuration, beside the program, in the
/// program's `share` directory, or in the source tree that it was built in.
enum MigrationsDirectory {
    /// - Throws: `HubError` `.configuration` when it is nowhere.
    static func find(_ configured: String?) throws -> String {
        if let configured {
            guard exists(configured) else {
                throw HubError(
                    .configuration, "the migrations directory \(configured) does not exist",
                    hint: "set `migrations` in hub.toml to the directory of the SQL files")
            }
            return configured
        }
        var directory = programDirectory()
        for _ in 0..<6 {
            for candidate in [directory + "/Migrations", directory + "/share/berth/migrations"] {
                if exists(candidate) { return candidate }
            }
            guard let slash = directory.lastIndex(of: "/"), slash > directory.startIndex else {
                break
            }
            directory = String(directory[..<slash])
        }
        throw HubError(
            .configuration, "the directory of the SQL files was not found near the program",
            hint: "set `migrations` in hub.toml")
    }

    private static func exists(_ path: String) -> Bool {
        unsafe access(path + "/0001_registry.sql", R_OK) == 0
    }

    private static func programDirectory() -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count)
        let path = String(
            decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "/"
    }
}
