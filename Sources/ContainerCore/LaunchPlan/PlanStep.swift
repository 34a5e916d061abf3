/// One step of building a container's root; `SkPlan.h` says what each does.
enum PlanStep: Sendable {
    case mount(type: String, target: String, options: [(String, String)], MountAttributes)
    case bind(source: String, target: String, MountAttributes, recursive: Bool, idmapped: Bool, refusesLinks: Bool = false)
    case device(source: String, target: String, number: UInt64)
    case node(target: String, number: UInt64)
    case link(target: String, to: String)
    case mask(String)
    case readOnly(String)
    case directory(String)
    case write(String, to: String)
    /// Takes a mount of the scaffold, with all that is mounted below it.
    case move(String)
    case setting(path: String, text: String)
    case file(text: String, target: String)
    case cgroups
    case rootReadOnly
}

/// `MOUNT_ATTR_*` of mount_setattr(2).
struct MountAttributes: OptionSet, Hashable, Sendable {
    let rawValue: UInt64

    static let readOnly = MountAttributes(rawValue: 0x1)
    static let noSetUserID = MountAttributes(rawValue: 0x2)
    static let noDevices = MountAttributes(rawValue: 0x4)
    static let noExecution = MountAttributes(rawValue: 0x8)
    static let inert: MountAttributes = [.noSetUserID, .noDevices, .noExecution]
}
