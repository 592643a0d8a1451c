import ObjectStore
import Shared
import Testing

@testable import HostAgent

@Suite("What a host says of a failure")
struct FailureTranslationTests {
    private func store(_ code: ObjectStoreError.Code) -> Failure {
        FailureTranslation.failure(of: ObjectStoreError(code: code, message: "it failed"))
    }

    private func hub(_ code: String) -> Failure {
        let problem = Problem(status: 503, code: code, title: "", detail: "it failed")
        return FailureTranslation.failure(
            of: AgentError(.unreachable, "the hub refused", cause: problem))
    }

    @Test("blames the bucket for what is the bucket's, and the hub for what is the hub's")
    func blame() {
        #expect(store(.unavailable).code == "bucket-unavailable")
        #expect(store(.hubUnavailable).code == "hub-unreachable")
        #expect(store(.hubUnavailable).class == .retryable)
        #expect(hub("bucket-missing").code == "bucket-missing")
        #expect(hub("database-unavailable").code == "hub-unreachable")
    }

    @Test("pauses a bucket only where nothing succeeds in it until somebody mends it")
    func pausing() {
        for code in [
            "bucket-missing", "bucket-full", "bucket-credentials", "bucket-clock-skew",
            "bucket-paused",
        ] { #expect(hub(code).class == .pausesBucket) }
        for code in ["bucket-unavailable", "bucket-failed"] {
            #expect(hub(code).class == .retryable)
        }
    }

    @Test("waits for a hub that signs nothing for a moment, and hears that a lease is lost")
    func signing() throws {
        func translated(_ error: AgentError) -> ObjectStoreError? {
            RepositoryAccess.storeError(of: error) as? ObjectStoreError
        }
        #expect(translated(AgentError(.unreachable, "no hub"))?.isRetryable == true)
        #expect(translated(AgentError(.leaseLost, "gone"))?.code == .leaseLost)
        let problem = Problem(status: 503, code: "bucket-credentials", title: "", detail: "no")
        let bucket = RepositoryAccess.storeError(
            of: AgentError(.unreachable, "refused", cause: problem))
        #expect(FailureTranslation.failure(of: bucket).code == "bucket-credentials")
    }
}
