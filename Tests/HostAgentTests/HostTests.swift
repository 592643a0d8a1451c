import Testing

/// Everything that runs a real agent with a file system of its own: one after another, because each
/// of them keeps the machine's processors busy.
@Suite("With a real agent", .serialized)
enum HostTests {}
