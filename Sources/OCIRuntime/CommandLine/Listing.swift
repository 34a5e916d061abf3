import ContainerCore
import Glibc

/// What `list` and `ps` print.
enum Listing {
    private struct Entry: Encodable {
        var ociVersion: String
        var id: String
        var pid: Int32
        var status: String
        var bundle: String
        var rootfs: String
        var created: String
        var owner: String
        var annotations: [String: String]
    }

    static func print(_ containers: [StateDocument], quiet: Bool, format: String) throws {
        if quiet { return say(containers.map { "\($0.id)\n" }.joined()) }
        switch format {
        case "json":
            say(
                try json(
                    containers.map {
                        Entry(
                            ociVersion: $0.ociVersion, id: $0.id, pid: $0.pid, status: $0.status.rawValue, bundle: $0.bundle,
                            rootfs: $0.rootfs ?? "", created: $0.created ?? "", owner: $0.owner ?? "", annotations: $0.annotations
                        )
                    }, pretty: false))
        case "table":
            var rows = [["NAME", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]]
            rows += containers.map { [$0.id, String($0.pid), $0.status.rawValue, $0.bundle, $0.created ?? "", $0.owner ?? ""] }
            say(table(rows))
        default: throw invalid("option --format: \(format) must be table or json")
        }
    }

    static func print(processes: [Int32], format: String) throws {
        switch format {
        case "json": say(try json(processes, pretty: false))
        case "table":
            var rows = [["UID", "PID", "PPID", "CMD"]]
            for process in processes {
                let status = (readSmallFile("/proc/\(process)/status") ?? "").split(separator: "\n")
                func field(_ name: String) -> String {
                    status.first { $0.hasPrefix("\(name):") }?.split(whereSeparator: \.isWhitespace).dropFirst().first.map(
                        String.init) ?? "-"
                }
                let command = (readSmallFile("/proc/\(process)/cmdline") ?? "").split(separator: "\0").joined(separator: " ")
                rows.append([field("Uid"), String(process), field("PPid"), command.isEmpty ? "[\(field("Name"))]" : command])
            }
            say(table(rows))
        default: throw invalid("option --format: \(format) must be table or json")
        }
    }

    private static func table(_ rows: [[String]]) -> String {
        let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, text in
                column + 1 == row.count ? text : text + String(repeating: " ", count: widths[column] - text.count + 1)
            }
            return cells.joined() + "\n"
        }.joined()
    }
}
