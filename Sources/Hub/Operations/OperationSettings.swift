/// The engine's limits and times.
struct OperationSettings: Sendable {
    /// How long a lease lasts, 1 s to 10 min; default 30 s.
    var lease: Duration = .seconds(30)
    /// How often an agent sends a heartbeat, at most a third of the lease; default 10 s.
    var heartbeat: Duration = .seconds(10)
    /// How often the tables are looked at although nobody rang; default 250 ms.
    var poll: Duration = .milliseconds(250)
    /// How often expired leases and due work are looked for; default 500 ms.
    var sweep: Duration = .milliseconds(500)
    /// How many days operations are kept, 2 to 3,650; default 30.
    ///
    /// A day goes as a whole, once nothing in it belongs to a living operation.
    var keptDays = 30
    /// How many days there are partitions for ahead; default 7.
    var daysAhead = 7
    /// For how long at least a hub takes for true what it knows of a lane's shares; default 50 ms.
    var turnPause: Duration = .milliseconds(50)
    /// How many workflows one hub works on at once, 1 to 64; default 8.
    var workers = 8
    /// How many backups one host runs at once; default 2.
    var backupsPerHost = 2
    /// How many restores and copies one host runs at once; default 2.
    var restoresPerHost = 2
    /// How many moves the fleet runs at once; default 4.
    var moves = 4
    /// How many progress messages are kept of an operation; default 200.
    var progressKept = 200
    /// How long the hub's work in a repository may say nothing before it is stopped and then tried
    /// again; default 4 hours, because walks through all trees of a large one are silent.
    var choreSilence: Duration = .seconds(4 * 3600)
    /// How long a copy waits for its destination; default 7 days.
    var copyLifetime: Duration = .seconds(7 * 86_400)
    /// How long a bucket may fail before what needs it is parked; default 15 min.
    var bucketPatience: Duration = .seconds(900)
}
