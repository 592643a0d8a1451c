import Shared
import Testing

/// Stock restic keeps its hands off a repository while a backup into it is in flight.
@Suite("The hub's restic lock", .serialized)
struct LockTests {
    @Test(
        "is there during a backup and gone after it, also of a hub that was killed",
        .timeLimit(.minutes(3)))
    func comesAndGoes() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            let corpus = try await fleet.makeCorpus(bigMebibytes: 64)
            try await fleet.done("project", "create", "thesis", "--host", "host-1")
            try await fleet.done(
                "project", "import", "thesis", corpus, "--to", "corpus", "--faithful")
            let id = try await fleet.done("backup", "create", "thesis", "--detach").trimmed
            try await fleet.eventually("a lock during the backup") {
                try await fleet.lockCount() > 0
            }
            // A lock that a killed hub leaves behind goes with the next hub.
            try await fleet.kill("hub")
            try await fleet.startHub()
            try await fleet.done("operation", "wait", id, "--timeout", "90s")
            try await fleet.eventually("no lock after the backup", within: .seconds(20)) {
                try await fleet.lockCount() == 0
            }
        }
    }
}

extension Fleet {
    fileprivate func lockCount() async throws -> Int {
        let count = try await shell(
            "find '\(path("hub/bucket"))' -path '*/locks/*' -type f | wc -l")
        return Int(count.trimmed) ?? -1
    }
}
