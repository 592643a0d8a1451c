extension Duration {
    /// The whole milliseconds of it, as the database's intervals and the wire take them.
    var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
