import FoundationEssentials
import HTTP
import ObjectStore
import Platform
import Repository
import Shared

/// The repository of one operation, through what the hub grants it: opened for this operation only,
/// the key kept in memory only (D10).
enum RepositoryAccess {
    /// Asks the hub for what the operation may use.
    static func open(_ work: Work) async throws -> OpenRepository {
        let grant = try await work.hub.grants(work.operation, epoch: work.epoch)
        return OpenRepository(
            store: try store(grant, work), key: try RepositoryKey(SecretBytes(Array(grant.key))),
            polynomial: try ChunkerPolynomial(hex: grant.chunkerPolynomial))
    }

    private static func store(_ grant: GrantAnswer, _ work: Work) throws -> any ObjectStorage {
        var options = GrantedStore.Options()
        if let patience = grant.patienceMilliseconds { options.patience = .milliseconds(patience) }
        let gateway = GrantedStore(
            client: work.hub.http, url: work.hub.objectsURL(work.operation),
            headers: [
                "Authorization": work.hub.authorization, "Berth-Epoch": String(work.epoch),
            ], options: options)
        switch grant.mode {
        case .gateway: return gateway
        case .presigned:
            guard let place = grant.place else {
                throw AgentError(
                    .protocolViolation, "the hub grants URLs and does not say of what bucket")
            }
            return try SignedStore(
                gateway: gateway, configuration: try configuration(place), options: options
            ) { wishes in
                try await sign(wishes, work)
            }
        }
    }

    private static func configuration(_ place: GrantedPlace) throws -> S3Configuration {
        var configuration = try S3Configuration(
            endpoint: place.endpoint, region: place.signingRegion, bucket: place.bucket,
            addressing: place.style == .host ? .host : .path)
        configuration.authoritiesPEM = place.authorities.map { Array($0.utf8) }
        return configuration
    }

    private static func sign(
        _ wishes: [URLWish], _ work: Work
    ) async throws -> (urls: [SignedURL], holds: Duration) {
        let answer: SignAnswer
        do {
            answer = try await work.hub.sign(
                work.operation,
                SignRequest(
                    epoch: work.epoch,
                    wishes: wishes.map { .init(use: $0.use.rawValue, name: $0.name.text) }))
        } catch let error as AgentError {
            throw storeError(of: error)
        }
        let urls = answer.urls.map { url in
            var headers = HTTPHeaders()
            for header in url.headers { headers.append(header.name, header.value) }
            return SignedURL(url: url.url, headers: headers)
        }
        return (urls, .seconds(answer.validSeconds))
    }

    /// A hub that is away for a moment is waited for as a bucket is; what it says of the bucket
    /// stays as it is.
    static func storeError(of error: AgentError) -> any Error {
        switch error.code {
        case .unreachable where (error.cause as? Problem)?.code.hasPrefix("bucket-") != true:
            ObjectStoreError(
                code: .hubUnavailable, message: "the hub signs no URLs now", cause: error)
        case .leaseLost:
            ObjectStoreError(
                code: .leaseLost, message: "the hub signs no URLs any more", cause: error)
        default: error
        }
    }
}
