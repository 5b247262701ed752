import Communication
import ExpertParallel
import Foundation
import Kernels
import LanguageModel
import Tensors
import Topology
import Training

/// Runs a request to its end on one rank of a world, and keeps what a test wants to compare.
struct RunLog {
  let plan: TrainingPlan
  /// The weights' bits at the end, of this rank's layout.
  let weights: [UInt32]
  /// The folders that were reported as saved.
  let checkpoints: [String]
  let metrics: [StepMetrics]
  /// What the user was told before and during the run.
  let warnings: [String]

  init(_ request: TrainingRequest, over world: any Communicator, expertParallelSize: Int? = nil) throws {
    let plan = try TrainingPlan(request, over: world)
    let topology = ParallelTopology(
      worldSize: world.size,
      expertParallelSize: expertParallelSize
        ?? ParallelTopology.defaultExpertParallelSize(worldSize: world.size, expertCount: plan.model.expertCount))
    let (workers, workspace) = (WorkerPool(threadCount: 1), Workspace())
    let group = try world.split(color: topology.expertParallelGroup(of: world.rank))
    let experts = ExpertRuntime(
      group: group, expertCount: plan.model.expertCount, workers: workers, workspace: workspace)
    let run = try TrainingRun(
      plan,
      on: ModelRuntime(workers: workers, workspace: workspace, world: world, topology: topology, experts: experts))
    let observer = Observer()
    try run.train(observer: observer)
    weights = run.weights.values.elements.map(\.bitPattern)
    self.plan = run.plan
    checkpoints = observer.checkpoints
    warnings = run.plan.notices + observer.warnings
    metrics = observer.metrics
  }

  private final class Observer: TrainingObserver {
    var metrics: [StepMetrics] = []
    var checkpoints: [String] = []
    var warnings: [String] = []

    func finished(_ metrics: StepMetrics) { self.metrics.append(metrics) }
    func saved(checkpoint path: String, step: Int) { checkpoints.append(path) }
    func notSaved(step: Int, because reason: String) {
      warnings.append("the checkpoint of step \(step) was not saved: \(reason)")
    }
    func warned(_ message: String) { warnings.append(message) }
  }

  /// The lines of a metrics file, without what a clock measured and what counts from the start of the process.
  static func timelessLines(_ path: String) throws -> [String] {
    let fleeting = ["milliseconds", "per_second", "activation_bytes"]
    return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
      line.split(separator: ",").filter { field in !fleeting.contains { field.contains($0) } }
        .joined(separator: ",")
    }
  }
}
