import HTTP
import Platform

/// A provider's refusal of a signed URL.
///
/// The hub's clock dated the URL, not this machine's: whether the clocks are to blame is told by that
/// date, the provider's own, and how long this process has had it.
struct SignedRefusal {
    let refusal: S3Refusal
    let signed: SignedURL
    let configuration: S3Configuration

    /// The refusal in the words of object stores.
    func error(_ what: String) -> ObjectStoreError {
        let plain = refusal.error(what, configuration)
        guard [400, 401, 403].contains(refusal.status), let period = signed.period,
            let offset = refusal.clockOffset
        else { return plain }
        let kept = ContinuousClock.now - signed.arrived
        // Dates are whole seconds, and the answer took its time.
        let apart = offset - kept
        if apart > period.length || apart < .zero - S3Refusal.skewLimit {
            let seconds = Int64((abs(apart / .seconds(1))).rounded())
            let side = apart < .zero ? "ahead of" : "behind"
            return ObjectStoreError(
                code: .clockSkew,
                message: "cannot \(what): the clock of the hub, which signs URLs, is \(seconds) s "
                    + "\(side) that of \(configuration.endpoint); set it",
                cause: refusal)
        }
        if offset > period.length {
            return ObjectStoreError(
                code: .unavailable,
                message: "cannot \(what) in \(configuration.place): the URL had run out",
                cause: refusal)
        }
        return plain
    }
}
