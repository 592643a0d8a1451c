/// Asks before something is stopped or lost; where nobody can be asked, the flag that answers is
/// named instead.
struct Confirmation: Sendable {
    let invocation: Invocation

    /// A yes or no, for what can be undone; `--yes` answers it.
    ///
    /// - Throws: `CommandFailure` with `confirmationNeeded` when nobody can be asked, `refused`
    ///   for any answer but yes.
    func agree(to question: String) async throws {
        if invocation.settings.isYes { return }
        guard invocation.settings.canAsk else {
            throw CommandFailure(
                .confirmationNeeded, code: "confirmation-needed",
                "a confirmation is needed: \(question)",
                hint: "add --yes where nobody can be asked")
        }
        await invocation.console.ask("\(question) [y/N] ")
        let answer = try await invocation.input.line()?.lowercased() ?? ""
        guard answer == "y" || answer == "yes" else { throw Self.declined }
    }

    /// The name typed in, for what cannot be undone; `--confirm NAME` answers it, `--yes` does not.
    ///
    /// - Returns: the name, as the hub wants it.
    /// - Throws: as above.
    func name(_ name: String, of what: String) async throws -> String {
        let shown = HarmlessText.text(name)
        if let given = invocation.settings.confirmation {
            guard given == name else {
                throw CommandFailure(
                    .confirmationNeeded, code: "confirmation-needed",
                    "--confirm says \"\(HarmlessText.text(given))\", but \(what) is \"\(shown)\"",
                    hint: "--confirm \(shown)")
            }
            return given
        }
        guard invocation.settings.canAsk else {
            throw CommandFailure(
                .confirmationNeeded, code: "confirmation-needed",
                "this cannot be undone, and needs the name of \(what)",
                hint: "--confirm \(shown)")
        }
        await invocation.console.ask("This cannot be undone. Type \"\(shown)\" to go on: ")
        guard try await invocation.input.line() == name else { throw Self.declined }
        return name
    }

    private static let declined = CommandFailure(
        .refused, code: "declined", "nothing was done: it was not confirmed")
}
