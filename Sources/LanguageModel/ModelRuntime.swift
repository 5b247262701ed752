package import Communication
package import ExpertParallel
package import Kernels
package import Routing
package import Tensors
package import Topology

/// What a rank computes with: its threads, its temporary memory, its peers. One for a job; one thread owns it.
package final class ModelRuntime {
  package let workers: WorkerPool
  package let workspace: Workspace
  /// All ranks of the job.
  package let world: any Communicator
  package let topology: ParallelTopology
  /// The exchange of tokens with this rank's expert-parallel group.
  package let experts: ExpertRuntime
  /// Limits the rows that leave this rank's host in training; evaluation and generation route freely.
  package var topologyGate: TopologyGate?
  /// The optimizer step that messages name.
  package var step: Int?

  package init(
    workers: WorkerPool, workspace: Workspace, world: any Communicator, topology: ParallelTopology,
    experts: ExpertRuntime
  ) {
    self.workers = workers
    self.workspace = workspace
    self.world = world
    self.topology = topology
    self.experts = experts
  }

  /// Says what this rank is doing, for the messages of errors.
  package func enter(_ phase: Activity.Phase, layer: Int? = nil) {
    world.activity = Activity(phase, step: step, layer: layer)
  }
}
