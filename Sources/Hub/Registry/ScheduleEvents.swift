import Shared

/// A schedule was made or changed; all of it as it is from now on.
struct ScheduleRecorded: Codable, Sendable {
    var schedule: ScheduleID
    var name: String
    var definition: ScheduleDefinition
}

/// A schedule fires no more.
struct ScheduleDeleted: Codable, Sendable {
    var schedule: ScheduleID
}
