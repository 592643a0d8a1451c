/// What recurs: what is done, with what, and when.
public struct ScheduleDefinition: Sendable, Codable, Hashable {
    public var work: BatchWorkRequest
    /// One project, by its id; otherwise those that the filter finds each time.
    public var project: ProjectID?
    public var filter: ProjectFilter?
    public var cadence: Cadence
    public var isPaused: Bool

    public init(
        work: BatchWorkRequest, project: ProjectID?, filter: ProjectFilter?, cadence: Cadence,
        isPaused: Bool = false
    ) {
        self.work = work
        self.project = project
        self.filter = filter
        self.cadence = cadence
        self.isPaused = isPaused
    }
}

/// Makes a schedule.
public struct CreateScheduleRequest: Sendable, Codable, Hashable {
    /// 1 to 63 of `a-z`, `0-9` and `-`, unique among schedules.
    public var name: String
    public var work: BatchWorkRequest
    /// A project, by name or id; or a filter, which is looked at each time.
    public var project: String?
    public var filter: ProjectFilter?
    public var cadence: Cadence
    public var isPaused: Bool

    public init(
        name: String, work: BatchWorkRequest, project: String?, filter: ProjectFilter?,
        cadence: Cadence, isPaused: Bool = false
    ) {
        self.name = name
        self.work = work
        self.project = project
        self.filter = filter
        self.cadence = cadence
        self.isPaused = isPaused
    }
}

/// Changes a schedule: what is nil stays.
public struct SetScheduleRequest: Sendable, Codable, Hashable {
    public var cadence: Cadence?
    public var isPaused: Bool?
    public var maxParallel: Int?
    public var tries: Int?

    public init(
        cadence: Cadence? = nil, isPaused: Bool? = nil, maxParallel: Int? = nil, tries: Int? = nil
    ) {
        self.cadence = cadence
        self.isPaused = isPaused
        self.maxParallel = maxParallel
        self.tries = tries
    }
}

/// A schedule.
public struct ScheduleDescription: Sendable, Codable, Hashable {
    public var id: ScheduleID
    public var name: String
    public var definition: ScheduleDefinition
    public var projectName: String?
    /// When it fires next; nil while it is paused.
    public var nextDue: Timestamp?
    /// When it fired last, and the operation that it made.
    public var lastFiredAt: Timestamp?
    public var lastOperation: OperationID?
    public var lastState: OperationState?
    /// Why the last firing made no operation; nil where it did.
    public var lastProblem: String?
    /// Firings that were missed while no hub ran, since the schedule was made: of those that follow
    /// each other one is made good.
    public var missed: Int64
    public var createdAt: Timestamp

    public init(
        id: ScheduleID, name: String, definition: ScheduleDefinition, projectName: String?,
        nextDue: Timestamp?, lastFiredAt: Timestamp?, lastOperation: OperationID?,
        lastState: OperationState?, lastProblem: String?, missed: Int64, createdAt: Timestamp
    ) {
        self.id = id
        self.name = name
        self.definition = definition
        self.projectName = projectName
        self.nextDue = nextDue
        self.lastFiredAt = lastFiredAt
        self.lastOperation = lastOperation
        self.lastState = lastState
        self.lastProblem = lastProblem
        self.missed = missed
        self.createdAt = createdAt
    }
}
