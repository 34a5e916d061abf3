import ArgumentParser
import ScalerTools

struct AutoscalerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autoscaler", abstract: "Drive the production autoscaler from outside.",
        discussion:
            "With --judge it speaks JSON lines on standard input and output: hello, then a line for each tick, answered by a decision."
    )
    @Flag(help: "Speak the autoscaler judge's protocol.") var judge = false

    func run() throws {
        guard judge else { throw ValidationError("give --judge") }
        runJudge()
    }
}
