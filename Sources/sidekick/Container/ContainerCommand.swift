import ArgumentParser

struct ContainerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "container", abstract: "Run single containers on this host, without a controller.",
        discussion: """
            Needs root. Each container has a guard that outlives this command.

              sidekick container run --rm hello:1
              sidekick container run -d --name web --memory 64MiB hello:1
              sidekick container exec -it web /bin/sh
            """,
        subcommands: [
            Run.self, List.self, Attach.self, Exec.self, Processes.self, Logs.self, Stop.self, Remove.self, Statistics.self,
            Inspect.self, Wait.self,
            Commit.self, Volume.self,
            ImportImage.self, Destroy.self,
        ])
}
