/// The name by which containers find a service: `NAME.sidekick.internal`, which no ingress may claim.
package enum InternalName {
    /// What stands behind the service's name.
    package static let suffix = ".sidekick.internal"
}
