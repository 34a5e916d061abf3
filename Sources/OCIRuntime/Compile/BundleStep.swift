import ContainerCore
import LinuxShims

/// One step of building the root of a bundle's container; `SkPlan.h` says what each does.
enum BundleStep {
    case mount(type: String, target: String, data: [(key: String, value: String)], attributes: UInt64, flags: Int = 0)
    case bind(source: String, target: String, flags: Int, maps: (user: String, group: String)? = nil)
    case change(target: String, set: UInt64 = 0, clear: UInt64 = 0, flags: UInt32 = 0)
    /// A node made on the host and mounted; `uid` and `gid` are the host's.
    case hostDevice(target: String, mode: UInt32, number: UInt64, uid: UInt32, gid: UInt32)
    case node(target: String, mode: UInt32, number: UInt64, uid: UInt32, gid: UInt32)
    case link(target: String, to: String)
    case mask(String)
    case readOnly(String)
    case setting(path: String, text: String)
    case console
    case cgroups
    case hooks
    case rootReadOnly
    case directory(String)

    func record(_ writer: inout PlanWriter) -> sk_step {
        var record = sk_step()
        record.source = writer.none
        record.target = writer.none
        record.options = sk_list(offset: writer.none, count: 0)
        func kind(_ value: Int) { record.kind = UInt32(value) }
        switch self {
        case .mount(let type, let target, let data, let attributes, let flags):
            kind(SK_STEP_MOUNT)
            record.source = writer.string(type)
            record.target = writer.string(target)
            record.options = writer.strings(data.flatMap { [$0.key, $0.value] })
            record.attributes = attributes
            record.flags = UInt32(flags)
        case .bind(let source, let target, let flags, let maps):
            kind(SK_STEP_BIND)
            record.source = writer.string(source)
            record.target = writer.string(target)
            record.flags = UInt32(flags)
            if let maps { record.options = writer.strings([maps.user, maps.group]) }
        case .change(let target, let set, let clear, let flags):
            kind(SK_STEP_ATTRIBUTES)
            record.target = writer.string(target)
            record.attributes = set
            record.value = clear
            record.flags = flags
        case .hostDevice(let target, let mode, let number, let uid, let gid):
            kind(SK_STEP_BIND)
            record.source = writer.string(target)
            record.target = writer.string(target)
            record.flags = UInt32(SK_BIND_NODE) | mode << 16
            record.value = number
            record.attributes = UInt64(uid) << 32 | UInt64(gid)
        case .node(let target, let mode, let number, let uid, let gid):
            kind(SK_STEP_NODE)
            record.target = writer.string(target)
            record.flags = mode
            record.value = number
            record.attributes = UInt64(uid) << 32 | UInt64(gid)
        case .link(let target, let to):
            kind(SK_STEP_LINK)
            record.target = writer.string(target)
            record.source = writer.string(to)
        case .mask(let target): (record.kind, record.target) = (UInt32(SK_STEP_MASK), writer.string(target))
        case .readOnly(let target): (record.kind, record.target) = (UInt32(SK_STEP_READ_ONLY), writer.string(target))
        case .setting(let path, let text):
            kind(SK_STEP_SETTING)
            record.source = writer.string(text)
            record.target = writer.string(path)
        case .directory(let target): (record.kind, record.target) = (UInt32(SK_STEP_DIRECTORY), writer.string(target))
        case .console: (record.kind, record.target) = (UInt32(SK_STEP_CONSOLE), writer.string("/dev/console"))
        case .cgroups: kind(SK_STEP_CGROUPS)
        case .hooks: kind(SK_STEP_HOOKS)
        case .rootReadOnly: kind(SK_STEP_ROOT_READ_ONLY)
        }
        return record
    }
}
