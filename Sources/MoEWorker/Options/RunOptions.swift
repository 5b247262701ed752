import ArgumentParser
import Communication
import ExpertParallel
import FlightRecorder
import Kernels
import LanguageModel
import Tensors
import Topology

/// How a job runs, whatever it computes.
struct RunOptions: ParsableArguments {
  @Option(help: "Threads of each rank. (default: cores ÷ ranks on the host, at least 1)", transform: Parse.threads)
  var threads: Int?

  @Option(
    help: "Seconds that a rank waits for others without any progress before the job ends. (default: 60)",
    transform: Parse.seconds)
  var waitLimit: Double?

  @Option(
    help: ArgumentHelp(
      "Seconds that a rank may give no sign of life, or do nothing in a step, before the job ends. "
        + "(default: 10, or 5 times the longest step if that is more)",
      valueName: "seconds"),
    transform: Parse.seconds)
  var heartbeatLimit: Double?

  /// Sets the limits of what ranks wait for.
  func setLimits(_ worker: Worker) {
    if let waitLimit { worker.world.waitLimit = .seconds(waitLimit) }
    worker.watch.setLimits(heartbeat: heartbeatLimit.map { .seconds($0) }, wait: worker.world.waitLimit)
  }

  /// Checks the hosts, sets the limits and starts the threads.
  func start(_ worker: Worker) throws(Refusal) -> WorkerPool {
    if let refusal = worker.instructionSetRefusal { throw refusal }
    setLimits(worker)
    let pool = WorkerPool(threadCount: threads ?? worker.defaultThreadCount(of: worker.world.rank.index))
    pool.afterTask = { [recorder = worker.watch.recorder] in recorder.noteTask() }
    return pool
  }

  /// Starts the threads and forms the groups of ranks that share one set of experts.
  ///
  /// - Parameter expertParallelSize: ranks of such a group; nil takes the largest divisor of the ranks up to the experts.
  func makeRuntime(_ worker: Worker, expertCount: Int, expertParallelSize: Int? = nil) throws -> ModelRuntime {
    let world = worker.world
    let topology = try Self.topology(
      rankCount: world.size, expertCount: expertCount, expertParallelSize: expertParallelSize)
    let workers = try start(worker)
    let workspace = Workspace()
    let group = try world.split(color: topology.expertParallelGroup(of: world.rank))
    let experts = ExpertRuntime(group: group, expertCount: expertCount, workers: workers, workspace: workspace)
    return ModelRuntime(workers: workers, workspace: workspace, world: world, topology: topology, experts: experts)
  }

  private static func topology(
    rankCount: Int, expertCount: Int, expertParallelSize: Int?
  ) throws(Refusal) -> ParallelTopology {
    let size =
      expertParallelSize
      ?? ParallelTopology.defaultExpertParallelSize(worldSize: rankCount, expertCount: expertCount)
    guard size <= expertCount else {
      throw Refusal(
        .usage, "--expert-parallel \(size) ranks cannot share \(expertCount) experts; give at most \(expertCount)")
    }
    return ParallelTopology(worldSize: rankCount, expertParallelSize: size)
  }
}
