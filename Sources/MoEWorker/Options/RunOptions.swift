import ArgumentParser
import Communication
import Kernels
import Topology

/// How a job runs, whatever it computes.
struct RunOptions: ParsableArguments {
  @Option(help: "Threads of each rank. (default: cores ÷ ranks on the host, at least 1)", transform: Parse.threads)
  var threads: Int?

  @Option(
    help: "Seconds that a rank waits for others without any progress before the job ends.", transform: Parse.seconds)
  var waitLimit: Double?

  /// Checks the hosts, sets the limit and starts the threads.
  func start(_ worker: Worker) throws(Refusal) -> WorkerPool {
    if let refusal = worker.instructionSetRefusal { throw refusal }
    if let waitLimit { worker.world.waitLimit = .seconds(waitLimit) }
    return WorkerPool(threadCount: threads ?? worker.defaultThreadCount(of: worker.world.rank.index))
  }
}
