import FoundationEssentials
import HTTP
import ObjectStore
import Postgres
import Shared

/// What an operation's worker is granted of a repository: its key, and URLs where the bucket's
/// provider holds hosts to them (D10).
struct GrantRoutes: Sendable {
    let pool: PostgresPool
    let operations: OperationService
    let vault: RepositoryVault
    let locks: RepositoryLocks

    /// How long a signed URL holds: what a host has outlives no more than these minutes.
    static let validSeconds: Int64 = 300

    var routes: [Route] {
        [
            Route("POST", "/v1/agent/operations/:operation/grants", .host, grant),
            Route("POST", "/v1/agent/operations/:operation/urls", .host, sign),
        ]
    }

    private func grant(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(GrantRequest.self, limitBytes: 4096)
        let operation = try await context.fenced(epoch: request.epoch, by: operations)
        guard let project = try ObjectAccess.project(of: operation) else {
            throw Problem.forbidden
        }
        try await refusePaused(project, writing: operation.kind == .volumeBackup)
        let repository =
            operation.kind == .volumeBackup
            ? try await vault.ensure(project, author: context.author)
            : try await vault.require(project)
        if operation.kind == .volumeBackup { try await locks.hold(repository) }
        let bucket = repository.bucket
        return try .json(
            GrantAnswer(
                mode: bucket.grantMode, repository: repository.id,
                key: Data(try await vault.key(of: repository)),
                chunkerPolynomial: repository.chunkerPolynomial, place: place(of: bucket),
                patienceMilliseconds: (operations.settings.bucketPatience / 8).milliseconds))
    }

    /// A paused bucket is told at once, before a host reads a whole volume for nothing.
    private func refusePaused(_ project: ProjectID, writing: Bool) async throws {
        let trouble = try await pool.withTransaction {
            transaction -> BucketHealthStore.Trouble? in
            let health = BucketHealthStore(transaction)
            guard let bucket = try await health.bucket(of: project) else { return nil }
            return try await health.trouble(of: bucket)
        }
        guard let trouble, trouble.refuses(writing: writing) else { return }
        throw Problem(
            status: 503, code: "bucket-paused", title: "The bucket cannot be used",
            detail: "bucket \(trouble.name) is paused since \(trouble.since): \(trouble.reason)",
            hint: "see berth bucket show \(trouble.name)")
    }

    private func place(of bucket: BucketCatalog.Row) -> GrantedPlace? {
        guard bucket.grantMode == .presigned, let endpoint = bucket.settings.endpoint,
            let name = bucket.settings.bucket
        else { return nil }
        return GrantedPlace(
            endpoint: endpoint, bucket: name,
            signingRegion: bucket.settings.signingRegion ?? "us-east-1",
            style: bucket.settings.style ?? .path, authorities: bucket.settings.authorities)
    }

    /// Signs a batch: PUT of packs by the operation that backs up, GET of what it may read.
    private func sign(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(SignRequest.self)
        guard (1...SignRequest.limit).contains(request.wishes.count) else {
            throw Problem.invalidParameter("wishes", "must be 1 to \(SignRequest.limit)")
        }
        let operation = try await context.fenced(epoch: request.epoch, by: operations)
        guard let project = try ObjectAccess.project(of: operation) else {
            throw Problem.forbidden
        }
        let repository = try await vault.require(project)
        guard repository.bucket.grantMode == .presigned else { throw Problem.forbidden }
        let signer = try await vault.catalog.s3(repository.bucket).signer
        let isConditional = repository.bucket.test?.hasConditionalPut ?? false
        let prefix = try ObjectPrefix(repository.prefix + "/")
        let presigns = try request.wishes.map { wish -> S3Signer.Presign in
            let name = try ObjectName(wish.name)
            let key = try prefix.appending(name.text)
            switch wish.use {
            case "get" where ObjectAccess.mayRead(name):
                return S3Signer.Presign(method: "GET", name: key)
            case "put":
                guard let hash = ObjectAccess.packHash(name, kind: operation.kind) else {
                    throw Problem.forbidden
                }
                var headers = signer.putHeaders(sha256: hash, isConditional: isConditional)
                // Only where an operator chose URLs for a provider that does not hold hosts to them.
                if repository.bucket.test?.signsPayloads == false {
                    headers["x-amz-content-sha256"] = nil
                }
                return S3Signer.Presign(method: "PUT", name: key, headers: headers)
            default: throw Problem.forbidden
            }
        }
        let urls = signer.presign(presigns, expires: .seconds(Self.validSeconds))
        return try .json(
            SignAnswer(
                urls: zip(presigns, urls).map { presign, url in
                    SignAnswer.URL(
                        url: url,
                        headers: presign.headers.fields.map {
                            .init(name: $0.name, value: $0.value)
                        })
                }, validSeconds: Self.validSeconds))
    }
}

extension RequestContext {
    /// The operation that the path names, under its lease (D7).
    func fenced(epoch: Int64, by operations: OperationService) async throws -> FencedOperation {
        guard let id = OperationID(parameter("operation")) else {
            throw Problem.notFound("no such operation")
        }
        let host = try host()
        return try await operations.pool.withTransaction { transaction in
            try await operations.fence(id, epoch: epoch, host: host, in: transaction)
        }
    }
}
