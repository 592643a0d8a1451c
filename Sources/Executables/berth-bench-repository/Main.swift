import Glibc
import Platform
import Repository

/// What a backup's parts cost by themselves: `scripts/bench-repository.sh` compares the processor
/// time of a whole backup with their sum.
///
/// usage: berth-bench-repository DIRECTORY SCRATCH
///
/// Reads the files right below the directory and writes into a scratch file; one thread, one part
/// after the other, nothing between them. Prints processor seconds for each part.
@main
enum Main {
    static func main() {
        do {
            let words = Array(CommandLine.arguments.dropFirst())
            guard words.count == 2 else {
                throw PlatformError(
                    code: .childProcess, message: "usage: berth-bench-repository DIRECTORY SCRATCH")
            }
            HeapMemory.keep()
            let primitives = try Primitives(scratch: words[1])
            let names = try directoryEntries(
                of: Descriptor(opening: words[0], flags: O_RDONLY | O_DIRECTORY))
            for name in names.map({ String(decoding: $0, as: UTF8.self) }).sorted() {
                try primitives.store("\(words[0])/\(name)")
            }
            try primitives.finish()
            print(primitives.report, terminator: "")
        } catch {
            print("error: \(error)")
            exit(1)
        }
    }
}
