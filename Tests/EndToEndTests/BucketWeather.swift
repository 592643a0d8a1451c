import Platform
import S3TestSupport

/// Which request meets a fault: the n-th from when it is aimed, or where the fault is one of
/// listings the n-th listing.
struct FaultAim: Sendable, Hashable, CustomStringConvertible {
    let fault: Fault
    let number: Int

    var description: String { "\(fault) at \(number)" }
}

/// What the requests to a bucket meet.
final class BucketWeather: Sendable {
    private struct State {
        var always: Fault?
        var aim: FaultAim?
        var requests = 0
        var listings = 0
        var hasMet = false
    }

    private let state = Locked(State())

    /// For a fault proxy.
    var plan: FaultProxy.Plan {
        { [self] request in meet(request) }
    }

    /// Has all requests meet a fault; nil: none.
    func always(_ fault: Fault?) {
        state.withLock { $0.always = fault }
    }

    /// Counts from now on, and spoils the request that is aimed at.
    func aim(_ aim: FaultAim?) {
        state.withLock { $0 = State(aim: aim) }
    }

    /// Stops spoiling.
    ///
    /// - Returns: whether the aim was met, and how many requests and listings there were.
    func clear() -> (hasMet: Bool, requests: Int, listings: Int) {
        state.withLock { state in
            state.aim = nil
            return (state.hasMet, state.requests, state.listings)
        }
    }

    private func meet(_ request: ProxiedRequest) -> Fault? {
        state.withLock { state in
            if let always = state.always { return always }
            state.requests += 1
            // The pages of a listing that goes in circles are one listing.
            let isPage = request.isListing && request.target.contains("continuation-token")
            if request.isListing, !isPage { state.listings += 1 }
            guard let aim = state.aim else { return nil }
            if aim.fault.isOfListings {
                guard request.isListing, state.listings == aim.number else { return nil }
            } else {
                guard state.requests == aim.number else { return nil }
            }
            state.hasMet = true
            return aim.fault
        }
    }
}

extension Fault {
    /// Whether it changes nothing but listings.
    var isOfListings: Bool {
        switch self {
        case .staleList, .listTwice, .listLoop: true
        case .refuse, .refuseAfter, .resetBefore, .resetAfter, .truncate, .stall, .wrongBytes,
            .duplicate, .acknowledgeAndLose, .redirect:
            false
        }
    }
}
