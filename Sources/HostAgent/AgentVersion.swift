/// The version of this program.
enum AgentVersion {
    /// What `berth-agent version` prints and the hub is told.
    static let text = "0.1.0"
}
