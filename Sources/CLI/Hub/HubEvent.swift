/// An event of the hub's stream (WHATWG server-sent events).
struct HubEvent: Sendable, Equatable {
    /// What it is, such as `progress`.
    let name: String
    let data: String
    /// Where to go on after a lost connection.
    let id: String?
}
