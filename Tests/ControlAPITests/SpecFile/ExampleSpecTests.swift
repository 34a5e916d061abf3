import FoundationEssentials
import SidekickModel
import Testing

@testable import ControlAPI

struct ExampleSpecTests {
    @Test func `the demo's spec reads and is valid`() throws {
        let path = (#filePath.components(separatedBy: "/Tests/").first ?? "") + "/deploy/examples/hello.yaml"
        let spec = try SpecReader.service(text: String(contentsOfFile: path, encoding: .utf8), file: path)
        #expect(spec.issues().isEmpty)
        #expect(spec.replicas.min == 0)
        #expect(spec.env["CONCURRENCY"] == spec.scale.concurrency.map { "\($0)" })
    }
}
