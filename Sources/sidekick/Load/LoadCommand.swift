import ArgumentParser

struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load", abstract: "Send HTTP load and account for every request.",
        discussion: """
            Only to addresses in numbers or localhost. Exit code 1 if any request was not answered in full with 2xx or 3xx.

              sidekick load run --url http://127.0.0.1:8080/ --phase rise:0-800:15s --phase steady:800:30s
              sidekick load cold --url http://127.0.0.1:8080/ --service web --count 20
            """,
        subcommands: [Run.self, Cold.self], defaultSubcommand: Run.self)
}
