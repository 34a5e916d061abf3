import FoundationEssentials

/// The documents of the OCI image specification, as far as the store reads and writes them. Docker's schema 2 documents have the same
/// fields.
enum OCI {
    struct Platform: Codable, Hashable {
        var architecture: String
        var os: String
        var variant: String?
    }

    struct Descriptor: Codable, Hashable {
        var mediaType: String?
        var digest: Digest
        var size: Int64
        var platform: Platform?
        var annotations: [String: String]?
    }

    struct Index: Codable {
        var schemaVersion: Int
        var mediaType: String?
        var manifests: [Descriptor]
    }

    struct Manifest: Codable {
        var schemaVersion: Int
        var mediaType: String?
        var config: Descriptor
        var layers: [Descriptor]
        var annotations: [String: String]?
    }

    struct Configuration: Codable {
        struct Process: Codable {
            var User: String?
            var Env: [String]?
            var Entrypoint: [String]?
            var Cmd: [String]?
            var WorkingDir: String?
            var Labels: [String: String]?
            var StopSignal: String?
            var ExposedPorts: [String: Nothing]?
            var Volumes: [String: Nothing]?
        }

        struct RootFS: Codable {
            var type: String
            var diff_ids: [Digest]
        }

        struct History: Codable {
            var created: String?
            var created_by: String?
            var author: String?
            var comment: String?
            var empty_layer: Bool?
        }

        var created: String?
        var architecture: String
        var os: String
        var config: Process?
        var rootfs: RootFS
        var history: [History]?
    }

    /// The empty objects that stand as values of sets.
    struct Nothing: Codable {}

    /// One image of a `docker save` archive's manifest.json.
    struct DockerArchiveImage: Codable {
        var Config: String
        var RepoTags: [String]?
        var Layers: [String]
    }

    static func read<Document: Decodable>(_: Document.Type, _ bytes: [UInt8], what: @autoclosure () -> String) throws(ImageError)
        -> Document
    {
        do {
            return try JSONDecoder().decode(Document.self, from: Data(bytes))
        } catch {
            throw ImageError(.corrupt, "\(what()) cannot be read", cause: explain(error))
        }
    }

    static func write(_ document: some Encodable, what: @autoclosure () -> String) throws(ImageError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return [UInt8](try encoder.encode(document))
        } catch {
            throw ImageError(.corrupt, "\(what()) cannot be written", cause: explain(error))
        }
    }

    private static func explain(_ error: any Error) -> String {
        func place(_ path: [any CodingKey]) -> String {
            path.isEmpty ? "" : path.map(\.stringValue).joined(separator: ".") + ": "
        }
        return switch error {
        case DecodingError.keyNotFound(let key, let context): "\(place(context.codingPath))‘\(key.stringValue)’ is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context):
            place(context.codingPath) + context.debugDescription
        default: "\(error)"
        }
    }
}

extension ImageConfiguration {
    init(_ document: OCI.Configuration) {
        self.init()
        architecture = document.architecture
        operatingSystem = document.os
        guard let process = document.config else { return }
        entrypoint = process.Entrypoint ?? []
        command = process.Cmd ?? []
        environment = process.Env ?? []
        workingDirectory = process.WorkingDir.flatMap { $0.isEmpty ? nil : $0 } ?? "/"
        user = process.User ?? ""
        stopSignal = process.StopSignal.flatMap { $0.isEmpty ? nil : $0 }
        labels = process.Labels ?? [:]
    }

    /// The configuration document of an image with these layers, bottom first. It holds no time of making: equal content gives an equal
    /// digest.
    func document(layers: [Digest], history: [OCI.Configuration.History]) -> OCI.Configuration {
        OCI.Configuration(
            created: nil, architecture: architecture, os: operatingSystem,
            config: OCI.Configuration.Process(
                User: user.isEmpty ? nil : user, Env: environment.isEmpty ? nil : environment,
                Entrypoint: entrypoint.isEmpty ? nil : entrypoint, Cmd: command.isEmpty ? nil : command,
                WorkingDir: workingDirectory, Labels: labels.isEmpty ? nil : labels, StopSignal: stopSignal),
            rootfs: OCI.Configuration.RootFS(type: "layers", diff_ids: layers), history: history)
    }
}
