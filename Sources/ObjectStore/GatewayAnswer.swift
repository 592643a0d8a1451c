import FoundationEssentials
import HTTP

/// What a hub's gateway answers, read.
enum GatewayAnswer {
    static let listLimitBytes = 1 << 30
    static let problemLimitBytes = 64 << 10

    private struct List: Decodable {
        struct Entry: Decodable {
            let name: String
            let bytes: Int64
        }
        let objects: [Entry]
    }

    private struct Problem: Decodable {
        let code: String?
        let detail: String?
    }

    /// The objects of a listing.
    static func entries(of body: [UInt8]) throws -> [ObjectEntry] {
        let list: List
        do {
            list = try JSONDecoder().decode(List.self, from: Data(body))
        } catch {
            throw ObjectStoreError(
                code: .failed, message: "the hub's list of objects cannot be read", cause: error)
        }
        return try list.objects.map {
            ObjectEntry(name: try ObjectName($0.name), bytes: $0.bytes)
        }
    }

    /// The error that a refusal is: the problem's code where it is known, else the status.
    static func failure(status: Int, problem: [UInt8], _ what: String) -> ObjectStoreError {
        // A proxy may answer with anything: then the status alone counts.
        let problem = try? JSONDecoder().decode(Problem.self, from: Data(problem))
        let detail = problem?.detail.map { ": " + $0.prefix(500) } ?? ""
        return ObjectStoreError(
            code: code(status: status, problem: problem?.code),
            message: "the hub refuses to \(what) (\(status))\(detail)")
    }

    private static func code(status: Int, problem: String?) -> ObjectStoreError.Code {
        switch (status, problem) {
        case (409, "object-exists"): .alreadyExists
        case (409, _): .leaseLost
        case (503, "bucket-missing"): .bucketMissing
        case (503, "bucket-credentials"): .credentialsRefused
        case (503, "bucket-clock-skew"): .clockSkew
        case (404, _): .notFound
        case (401, _), (403, _): .denied
        case (411, _), (413, _): .limitExceeded
        case (416, _): .outOfRange
        case (422, _): .digest
        case (507, _): .full
        case (500...599, let problem?) where problem.hasPrefix("bucket-"): .unavailable
        case (408, _), (429, _), (500, _), (502, _), (503, _), (504, _): .hubUnavailable
        default: .failed
        }
    }

    /// The error that a failed exchange is.
    static func failure(of error: HTTPError, _ what: String) -> ObjectStoreError {
        let code: ObjectStoreError.Code =
            switch error.code {
            case .couldNotConnect, .timeout, .connectionReset, .overloaded, .protocolViolation,
                .tls, .certificate, .fingerprintMismatch, .addressRefused:
                .hubUnavailable
            case .tooLarge: .limitExceeded
            case .invalidMessage: .digest
            case .badRequest, .couldNotListen, .closed: .failed
            }
        return ObjectStoreError(code: code, message: "cannot \(what) at the hub", cause: error)
    }
}
