package import Orchestration
package import SidekickModel

/// One change of the durable state.
package enum FleetWrite: Hashable, Sendable {
    /// What the reconciler ordered.
    case action(FleetAction)
    /// An operator's change of a service's record; the store raises its resource version.
    /// - Parameter expecting: the resource version it must have now, 0 when it must not exist; nil for any.
    case service(ServiceRecord, expecting: Int64?)
    /// The autoscaler's counts; the resource version stays.
    case counts(service: String, online: Int, standby: Int)
    case revision(Revision)
    /// A new rollout; the store gives it its id. An unfinished one of the same service becomes superseded.
    case startRollout(RolloutRecord)
    /// Replicas of the service with one of these revisions belong to `to` from now on, which runs the same; their generation rises.
    case retag(service: String, from: [Int], to: Int)
    case decision(Decision)
    case host(HostRecord)
    case removeHost(String)
    /// What the autoscaler remembers of a service, in its own words.
    case scalerMemory(service: String, String)
    /// A piece of the service's load, to be kept for some days.
    case load(service: String, LoadRecord)
}

/// One part of the durable state as it is after a commit.
package enum FleetFact: Hashable, Sendable {
    case service(ServiceRecord)
    case serviceGone(String)
    case revision(Revision)
    case replica(ReplicaRecord)
    case replicaGone(ReplicaRecord)
    case rollout(RolloutRecord)
    case decision(Decision)
    case event(FleetEvent)
    case host(HostRecord)
    case hostGone(String)
}
