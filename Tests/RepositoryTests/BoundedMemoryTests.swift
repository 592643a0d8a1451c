import Glibc
import Platform
import Testing

@testable import Repository

/// What a backup holds in memory does not grow with the file.
@Suite(.timeLimit(.minutes(3)))
struct BoundedMemoryTests {
    /// Counts the bytes that have been prepared and not yet taken.
    private final class CountingSink: BlobSink {
        private let state = Locked((held: 0, most: 0, total: 0))

        var most: Int { state.withLock { $0.most } }
        var total: Int { state.withLock { $0.total } }

        func prepare(_ plaintext: [UInt8], kind: BlobKind) -> PreparedBlob {
            state.withLock {
                $0.held += plaintext.count
                $0.total += plaintext.count
                $0.most = max($0.most, $0.held)
            }
            return PreparedBlob(
                id: BlobID(hashing: plaintext), kind: kind, sealed: plaintext,
                plaintextBytes: plaintext.count, isCompressed: false)
        }

        func add(_ blob: PreparedBlob) async {
            // Slower than the reading, as a store is.
            for _ in 0..<20 { await Task.yield() }
            state.withLock { $0.held -= blob.plaintextBytes }
        }
    }

    @Test("A large file and many small ones are held only in part, and holes are not read")
    func bounded() async throws {
        let place = try TemporaryDirectory()
        let made = try await ChildProcess.run(
            "bash",
            [
                "-c",
                """
                cd "$0" && mkdir volume && cd volume && head -c 32M /dev/urandom > large \
                && head -c 16M /dev/urandom | split -b 100K -a 4 - small \
                && truncate -s 300G hole
                """, place.path,
            ], deadline: .seconds(60))
        #expect(made.isSuccess, "\(made.errorText)")
        let sink = CountingSink()
        let progress = Locked(TransferProgress())
        let summary = try await Backup(
            path: place.path + "/volume", sink: sink,
            polynomial: try ChunkerPolynomial(hex: "3da3358b4dc173"), workers: 2
        ) { now in progress.withLock { $0 = now } }.run()
        #expect(summary.isComplete)
        #expect(summary.bytes == 300 << 30 + 48 << 20)
        // The tree with the hole's list of 614,400 equal chunks comes last, alone. Before it: two
        // chunks of at most 8 MiB and four pieces of small files of 4 MiB, far below this where all
        // are of the usual size.
        #expect(sink.most <= 44 << 20)
        #expect(sink.total >= 48 << 20)
        let last = progress.withLock { $0 }
        #expect(last.bytesDone == last.bytesTotal && last.bytesTotal == summary.bytes)
        #expect(last.entriesDone == last.entriesTotal && last.entriesTotal == summary.files)
    }
}
