/// The script that `berth completion bash` prints, made from the table.
struct BashCompletion: Sendable {
    let table: CommandTable

    var script: String {
        var cases = ""
        for noun in table.nouns where !table.verbs(of: noun).isEmpty {
            cases += "        \(noun)) words='\(table.verbs(of: noun).joined(separator: " "))' ;;\n"
        }
        var flags = ""
        for command in table.commands where !command.options.isEmpty {
            let own = command.options.map { "--" + $0.name }.joined(separator: " ")
            flags += "        '\(command.name)') words=\"$words \(own)\" ;;\n"
        }
        let global = table.globalOptions.map { "--" + $0.name }.joined(separator: " ")
        return """
            # bash completion of berth; put this into your ~/.bashrc:
            #   eval "$(berth completion bash)"
            _berth() {
                local current="${COMP_WORDS[COMP_CWORD]}" words='' path=() word
                for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
                    [[ $word == -* ]] || path+=("$word")
                done
                if [[ $current == -* ]]; then
                    words='\(global)'
                    case "${path[*]:0:2}" in
            \(flags)        esac
                elif ((${#path[@]} == 0)); then
                    words='\(table.nouns.joined(separator: " "))'
                elif ((${#path[@]} == 1)); then
                    case "${path[0]}" in
            \(cases)        esac
                fi
                mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
            }
            complete -F _berth berth

            """
    }
}
