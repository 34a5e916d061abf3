/// Which kind of control groups this host has.
package enum Cgroups {
    /// The driver for this host; `parent` (such as `/sidekick-NAME`) is below the root of each hierarchy as this process sees it mounted.
    package static func detect(parent: String) throws(ContainerError) -> any CgroupDriver {
        throw ContainerError(.resourceMissing, "detect cgroups below \(parent): not made yet")
    }
}
