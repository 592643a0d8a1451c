import Platform
import Postgres
import Shared

/// A history of events in the proportions of a fleet, made by the hub's own writer.
struct BenchHistory: Sendable {
    let changes: ChangeRunner
    let identifiers: Identifiers

    struct Fleet: Sendable {
        var projects: [ProjectID] = []
    }

    private static let projectsPerChange = 100

    /// Makes projects, each with ten events of its life: made, repository, volume, wanted, two
    /// backups, a base's pins and a move.
    func make(projects: Int) async throws -> Fleet {
        let hosts = try await makeHosts(100)
        let bucket = identifiers.make(BucketIdentity.self)
        try await changes.run { change in
            try await change.record(.bucketCreated(Self.bucket(bucket)))
        }
        var fleet = Fleet()
        for first in stride(from: 0, to: projects, by: Self.projectsPerChange) {
            let numbers = first..<min(projects, first + Self.projectsPerChange)
            fleet.projects += try await changes.run { change in
                var made: [ProjectID] = []
                for number in numbers {
                    made.append(
                        try await live(number, hosts: hosts, bucket: bucket, in: &change))
                }
                return made
            }
        }
        return fleet
    }

    /// A project that is meant to run, on the first of two hosts.
    struct Pair: Sendable {
        var hosts: [(host: HostID, ledger: LedgerID)]
        var project: ProjectID
        var repository: RepositoryID
    }

    /// Makes a project with its repository on one of two hosts.
    func pair() async throws -> Pair {
        let pair = Pair(
            hosts: (0..<2).map { _ in
                (identifiers.make(HostIdentity.self), identifiers.make(LedgerIdentity.self))
            },
            project: identifiers.make(ProjectIdentity.self),
            repository: identifiers.make(RepositoryIdentity.self))
        let bucket = identifiers.make(BucketIdentity.self)
        try await changes.run { change in
            for (number, host) in pair.hosts.enumerated() {
                try await change.record(
                    .hostExpected(
                        HostExpected(host: host.host, name: "host-\(number)", region: "default")))
                try await change.record(
                    .hostEnrolled(HostEnrolled(host: host.host, ledger: host.ledger)))
            }
            try await change.record(.bucketCreated(Self.bucket(bucket)))
            try await change.record(
                .projectCreated(
                    ProjectCreated(
                        project: pair.project, name: "web", owner: "bench", region: "default",
                        uid: 200_000, gid: 200_000,
                        runtime: RuntimeDescription(command: ["/bin/serve"]),
                        host: pair.hosts[0].host)))
            try await change.record(
                .repositoryCreated(
                    RepositoryCreated(
                        repository: pair.repository, project: pair.project, bucket: bucket,
                        prefix: "web", chunkerPolynomial: "3abc9bff07d9e5")))
            try await change.record(
                .placementProvisioned(
                    PlacementProvisioned(
                        project: pair.project, host: pair.hosts[0].host, generation: 1,
                        isProvisioned: true)))
            try await change.record(
                .projectWanted(ProjectWanted(project: pair.project, isWantedRunning: true)))
        }
        return pair
    }

    private static func bucket(_ bucket: BucketID) -> BucketCreated {
        BucketCreated(
            bucket: bucket, name: "local", kind: "directory", region: "default",
            settings: .object(["path": .string("/srv/bucket")]), grantMode: .gateway,
            isDefault: true)
    }

    private func makeHosts(_ count: Int) async throws -> [HostID] {
        try await changes.run { change in
            var hosts: [HostID] = []
            for number in 0..<count {
                let host = identifiers.make(HostIdentity.self)
                try await change.record(
                    .hostExpected(
                        HostExpected(host: host, name: "host-\(number)", region: "default")))
                try await change.record(
                    .hostEnrolled(
                        HostEnrolled(host: host, ledger: identifiers.make(LedgerIdentity.self))))
                hosts.append(host)
            }
            return hosts
        }
    }

    private func live(
        _ number: Int, hosts: [HostID], bucket: BucketID, in change: inout Change
    ) async throws -> ProjectID {
        let project = identifiers.make(ProjectIdentity.self)
        let repository = identifiers.make(RepositoryIdentity.self)
        let host = hosts[number % hosts.count]
        let target = hosts[(number + 1) % hosts.count]
        let user = UInt32(200_000 + number)
        try await change.record(
            .projectCreated(
                ProjectCreated(
                    project: project, name: "project-\(number)", owner: "owner-\(number % 100)",
                    region: "default", uid: user, gid: user,
                    runtime: RuntimeDescription(command: ["/bin/serve", "--port", "8080"]),
                    host: host)))
        try await change.record(
            .repositoryCreated(
                RepositoryCreated(
                    repository: repository, project: project, bucket: bucket,
                    prefix: "\(project)/\(repository)", chunkerPolynomial: "3abc9bff07d9e5")))
        try await change.record(
            .placementProvisioned(
                PlacementProvisioned(
                    project: project, host: host, generation: 1, isProvisioned: true)))
        try await change.record(
            .projectWanted(ProjectWanted(project: project, isWantedRunning: true)))
        var base: BackupID?
        for _ in 0..<2 {
            let backup = identifiers.make(BackupIdentity.self)
            try await change.record(
                .backupRecorded(self.backup(backup, of: project, in: repository, from: host)))
            try await change.record(
                .pinAdded(
                    PinChanged(project: project, backup: backup, reason: .base, holder: host.uuid)))
            if let base {
                try await change.record(
                    .pinReleased(
                        PinChanged(
                            project: project, backup: base, reason: .base, holder: host.uuid)))
            }
            base = backup
        }
        try await change.record(
            .placementChanged(
                PlacementChanged(
                    project: project, host: target, generation: 2, isProvisioned: true)))
        return project
    }

    private func backup(
        _ backup: BackupID, of project: ProjectID, in repository: RepositoryID, from host: HostID
    ) -> BackupRecorded {
        BackupRecorded(
            backup: backup, project: project, repository: repository,
            snapshot: Random.hex(bytes: 32), rootTree: Random.hex(bytes: 32),
            takenAt: identifiers.currentTime, host: host, generation: 1,
            operation: identifiers.make(OperationIdentity.self), files: 1234, bytes: 5_678_901,
            addedBytes: 2345, storedBytes: 1234, omissions: [], tags: ["scheduled"])
    }
}
