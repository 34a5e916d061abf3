package import SidekickModel
import Yams

/// Reads spec files: YAML, or JSON (which is YAML too), one service per document.
package enum SpecReader {
    /// The largest text read, far above any real spec and far below what would strain the reader.
    package static let maximumBytes = 1 << 20

    /// The services in `text`, defaults filled in and validated.
    /// - Parameters:
    ///   - text: the file's content.
    ///   - file: what problems call the file.
    /// - Throws: `SpecFileError` with every problem found.
    package static func services(text: String, file: String) throws(SpecFileError) -> [ServiceSpec] {
        guard text.utf8.count <= maximumBytes else {
            throw problem(file, nil, "is larger than \(maximumBytes) bytes, which no spec is")
        }
        let documents = try compose(text, file)
        guard !documents.isEmpty else { throw problem(file, nil, "holds no service: a spec starts with ‘service: NAME’") }
        var services: [ServiceSpec] = []
        var problems: [SpecProblem] = []
        for document in documents {
            var tree = SpecTree(file: file)
            let service = read(document, &tree)
            if services.contains(where: { $0.service == service.service }) {
                tree.report(
                    document.mark, "service", "‘\(service.service)’ is already specified by an earlier document of this file")
            }
            problems += tree.problems
            services.append(service)
        }
        guard problems.isEmpty else {
            throw SpecFileError(problems: problems.sorted { ($0.line, $0.column, $0.message) < ($1.line, $1.column, $1.message) })
        }
        return services
    }

    /// The one service in `text`; more than one is a problem.
    package static func service(text: String, file: String) throws(SpecFileError) -> ServiceSpec {
        let services = try services(text: text, file: file)
        guard services.count == 1 else { throw problem(file, nil, "holds \(services.count) services where one is wanted") }
        return services[0]
    }

    private static func read(_ document: Node, _ tree: inout SpecTree) -> ServiceSpec {
        var service = ServiceSpec(service: "", image: "")
        tree.mapping(document, "", SpecSchema.service, into: &service)
        guard let mapping = document.mapping else { return service }
        let missing = ["service", "image"].filter { mapping[Node($0)] == nil }
        for key in missing { tree.report(document.mark, key, "is missing") }
        // A value that could not be read was reported and left at its default, so its own rules are not held against it again.
        let reported = Set(tree.problems.map(\.key))
        for issue in service.issues() where !reported.contains(issue.path) { tree.report(issue) }
        return service
    }

    private static func compose(_ text: String, _ file: String) throws(SpecFileError) -> [Node] {
        do {
            let parser = try Parser(yaml: text, encoding: .utf8)
            var documents: [Node] = []
            while let document = try parser.nextRoot() {
                if !isEmpty(document) { documents.append(document) }
            }
            return documents
        } catch let error as YamlError {
            throw syntaxError(error, file)
        } catch {
            throw problem(file, nil, "cannot be read as YAML: \(error)")
        }
    }

    /// A document of nothing but comments, as between two `---` lines.
    private static func isEmpty(_ document: Node) -> Bool { document.scalar?.string.isEmpty == true }

    private static func syntaxError(_ error: YamlError, _ file: String) -> SpecFileError {
        switch error {
        case .scanner(_, let text, let mark, _), .parser(_, let text, let mark, _), .composer(_, let text, let mark, _):
            problem(file, mark, "is not valid YAML here: \(text)")
        case .duplicatedKeysInMapping(let keys, let context):
            SpecFileError(
                problems: keys.map {
                    SpecProblem(
                        file: file, line: context.mark.line, column: context.mark.column, key: $0,
                        message: "is given more than once in the same section; keep one")
                })
        case .reader(let text, let offset, _, _):
            problem(file, nil, "is not valid YAML: \(text)\(offset.map { " at byte \($0)" } ?? "")")
        default:
            problem(file, nil, "cannot be read as YAML: \(error)")
        }
    }

    private static func problem(_ file: String, _ mark: Mark?, _ message: String) -> SpecFileError {
        SpecFileError(problems: [
            SpecProblem(file: file, line: mark?.line ?? 0, column: mark?.column ?? 0, key: "", message: message)
        ])
    }
}
