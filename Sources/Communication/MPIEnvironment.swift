import CMPI
import Glibc
import Topology

/// MPI's beginning and end in this process. Without `mpirun` the job is this one rank.
///
/// One thread at a time may use MPI (`MPI_THREAD_SERIALIZED`): the one that made it, or a `ProgressThread`.
package final class MPIEnvironment {
  /// All ranks of the job.
  package let world: MPICommunicator
  /// Called once when the process is about to leave: with nil when all ranks have come to the end, else with the error.
  package var farewell: ((CommunicationError?) -> Void)?
  private let processManager: ProcessManager?

  /// Starts MPI; a process can do that once.
  ///
  /// Errors are returned from then on instead of ending the job inside MPI.
  ///
  /// - Parameter processManager: the number that `mpirun` gives in the variable `PMI_FD` of the environment.
  package init(waitLimit: Duration = .seconds(60), processManager: Int32? = nil) throws(CommunicationError) {
    let beginning = JobState(worldRank: Rank(0), worldSize: 1, waitLimit: waitLimit)
    Self.prepareTransport()
    var level: Int32 = 0
    try beginning.callMPI("MPI_Init_thread") { MPI_Init_thread(nil, nil, MPI_THREAD_SERIALIZED, &level) }
    try beginning.callMPI("MPI_Comm_set_errhandler") { MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN) }
    guard level >= MPI_THREAD_SERIALIZED else {
      throw beginning.fail(.callFailed("level \(level)"), "this MPI does not let threads take turns")
    }
    var rank: Int32 = 0
    var size: Int32 = 0
    try beginning.callMPI("MPI_Comm_rank") { MPI_Comm_rank(MPI_COMM_WORLD, &rank) }
    try beginning.callMPI("MPI_Comm_size") { MPI_Comm_size(MPI_COMM_WORLD, &size) }
    self.processManager = ProcessManager(descriptor: processManager)
    world = MPICommunicator(world: MPI_COMM_WORLD, rank: Int(rank), size: Int(size), waitLimit: waitLimit)
  }

  /// Lets UCX send messages up to the size of a chunk of rows at once, without asking the receiver first.
  ///
  /// A rank that computes looks at messages every few milliseconds, and a rendezvous needs several looks of both ends: over
  /// TCP, 128 KiB messages reach 80 MB/s of a 1 Gbit/s link with it and 120 MB/s without. Larger messages keep the
  /// rendezvous, which copies less. Whoever sets the variable is left alone.
  private static func prepareTransport() { setenv("UCX_RNDV_THRESH", "600k", 0) }

  /// Ends the process together with all other ranks, which call this too.
  ///
  /// All is well: `mpirun` ends with the exit code and no words of its own. When the job has
  /// failed, or a peer does not come within the wait limit, finalizing could hang, so the rank abandons the job.
  package func end(exitCode: Int32) -> Never {
    world.activity = Activity(.end)
    do throws(CommunicationError) {
      guard !world.job.hasFailed else { abandon(exitCode: exitCode) }
      try world.barrier()
      world.job.endProgressThread()
      if let processManager {
        try processManager.leave(world)
        farewell?(nil)
        fflush(nil)
        // No exit handlers: those of the libraries would find MPI as it is while it runs.
        _exit(exitCode)
      }
      try world.job.callMPI("MPI_Finalize") { MPI_Finalize() }
      farewell?(nil)
    } catch {
      farewell?(error)
      // A job whose ranks could not leave together has not ended well, whatever it did before.
      abandon(exitCode: exitCode == 0 ? error.refusal.kind.rawValue : exitCode)
    }
    exit(exitCode)
  }

  /// Ends the whole job at once, though the other ranks know nothing of it. `mpirun` passes the exit code on.
  ///
  /// `MPI_Abort` is what keeps the exit code: of ranks that just leave, `mpirun` reports every other time the signal
  /// with which it killed the rest. It has words of its own, which would hide the caller's, so this rank's standard
  /// error is closed to it. Should the abort hang, an alarm ends this rank.
  package func abandon(exitCode: Int32) -> Never {
    fflush(nil)
    let nowhere = open("/dev/null", O_WRONLY)
    if nowhere >= 0 { dup2(nowhere, STDERR_FILENO) }
    signal(SIGALRM, SIG_DFL)
    alarm(Self.secondsToAbort)
    MPI_Abort(MPI_COMM_WORLD, exitCode)
    _exit(exitCode)
  }

  private static let secondsToAbort: UInt32 = 3
}
