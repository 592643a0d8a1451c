/// Chores in repositories are not simulated: there is none, and so no answer to one.
enum ChoreAnswer: Sendable {}
