import HTTP
import Platform

/// What a provider answered instead of doing what it was asked; the cause of an `ObjectStoreError`.
public struct S3Refusal: Error, Sendable, CustomStringConvertible {
    /// The HTTP status.
    public let status: Int
    /// S3's name of the error, such as `NoSuchBucket`; empty where the answer had none.
    public let code: String
    /// The provider's own words, shortened.
    public let message: String
    /// What the provider knows the request by; empty where the answer had none.
    public let requestID: String
    /// How much later the provider's clock is than ours; nil where it did not say.
    public let clockOffset: Duration?
    /// When the provider wants to be asked again; nil where it did not say.
    let retryAfter: Duration?
    /// The region that the provider names where ours is wrong.
    let region: String?

    /// Reads a refusal.
    ///
    /// - Parameters:
    ///   - body: what came with it; anything that is not S3's XML is ignored.
    ///   - sent: when the request was signed.
    init(status: Int, headers: HTTPHeaders, body: [UInt8], sent: UTCTime) {
        // A proxy may answer with anything: then the status alone counts.
        let document = body.isEmpty ? nil : try? XMLElement.parse(body)
        let error = document?.name == "Error" ? document : nil
        self.status = status
        code = String((error?["Code"] ?? "").prefix(100))
        message = String((error?["Message"] ?? "").prefix(300))
        let known = error?["RequestId"] ?? headers["x-amz-request-id"] ?? ""
        requestID = String(known.prefix(100))
        region = error?["Region"] ?? headers["x-amz-bucket-region"]
        let date = headers["Date"].flatMap(HTTPDate.parse)
        clockOffset = date.map {
            .milliseconds($0.millisecondsSinceEpoch - sent.millisecondsSinceEpoch)
        }
        retryAfter = headers["Retry-After"].flatMap { Int64($0) }.map {
            .seconds(min(max($0, 0), 300))
        }
    }

    /// Status, code and words.
    public var description: String {
        var text = "\(status)"
        if !code.isEmpty { text += " \(code)" }
        if !message.isEmpty { text += ": \(message)" }
        if !requestID.isEmpty { text += " (request \(requestID))" }
        return text
    }

    /// Signatures are refused when the clocks differ by 15 minutes; from here on the clock is named
    /// as the likely reason of a refusal that does not say so.
    static let skewLimit = Duration.seconds(900)

    private var isSkewed: Bool {
        guard let clockOffset else { return false }
        return abs(clockOffset.components.seconds) >= Self.skewLimit.components.seconds
    }

    /// The refusal in the words of object stores.
    ///
    /// - Parameter what: what was tried, as `store data/ab/…`.
    func error(_ what: String, _ configuration: S3Configuration) -> ObjectStoreError {
        let place = configuration.place
        let code = errorCode
        let message: String =
            switch code {
            case .clockSkew:
                "cannot \(what): \(skewText(configuration)); signatures hold only when they agree"
            case .credentialsRefused:
                "cannot \(what): \(place) does not accept the credentials"
            case .bucketMissing: "cannot \(what): there is no \(place)"
            case .failed where (300..<400).contains(status) || hasWrongRegion:
                "cannot \(what): \(place) is said to be elsewhere"
                    + (region.map { ", in region \($0.prefix(64))" } ?? "")
                    + "; redirects are not followed: correct its endpoint or region"
            default: "cannot \(what) in \(place)"
            }
        return ObjectStoreError(code: code, message: message, cause: self)
    }

    private func skewText(_ configuration: S3Configuration) -> String {
        guard let offset = clockOffset, abs(offset.components.seconds) >= 1 else {
            return "the clock of this machine differs from that of \(configuration.endpoint)"
        }
        let seconds = abs(offset.components.seconds)
        let side = offset < .zero ? "ahead of" : "behind"
        return "the clock of this machine is \(seconds) s \(side) that of \(configuration.endpoint)"
    }

    private var hasWrongRegion: Bool {
        [
            "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect",
            "IllegalLocationConstraintException",
        ].contains(code)
    }

    /// The code of `ObjectStoreError` that the refusal is.
    private var errorCode: ObjectStoreError.Code {
        switch code {
        case "RequestTimeTooSkewed": return .clockSkew
        case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
            "TokenRefreshRequired", "InvalidSecurity", "NotSignedUp":
            return isSkewed ? .clockSkew : .credentialsRefused
        case "AccessDenied", "AllAccessDisabled", "AccountProblem":
            return isSkewed ? .clockSkew : .denied
        case "NoSuchBucket": return .bucketMissing
        case "NoSuchKey": return .notFound
        case "BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch",
            "XAmzContentChecksumMismatch":
            return .digest
        case "IncompleteBody", "RequestTimeout", "SlowDown", "InternalError", "OperationAborted",
            "ConditionalRequestConflict", "ServiceUnavailable", "Busy", "TooManyRequests",
            "Throttling", "ThrottlingException", "RequestLimitExceeded":
            return .unavailable
        case "QuotaExceeded", "ServiceQuotaExceeded", "XMinioStorageFull",
            "XMinioAdminBucketQuotaExceeded":
            return .full
        case "EntityTooLarge": return .limitExceeded
        case "InvalidRange": return .outOfRange
        case "PreconditionFailed": return .alreadyExists
        default: return hasWrongRegion ? .failed : codeOfStatus
        }
    }

    private var codeOfStatus: ObjectStoreError.Code {
        switch status {
        case 404: .notFound
        case 401: isSkewed ? .clockSkew : .credentialsRefused
        case 403: isSkewed ? .clockSkew : .denied
        case 412: .alreadyExists
        case 413: .limitExceeded
        case 416: .outOfRange
        case 501: .failed
        case 507: .full
        case 408, 425, 429, 500...599: .unavailable
        default: .failed
        }
    }
}
