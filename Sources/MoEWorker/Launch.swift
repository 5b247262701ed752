import Communication
import Foundation

/// How the processes of this job were started, and what they need before MPI begins.
enum Launch {
  /// Lets UCX send messages up to the size of a chunk of rows at once, without asking the receiver first.
  ///
  /// A rank that computes looks at messages every few milliseconds, and a rendezvous needs several looks of both ends: over
  /// TCP, 128 KiB messages reach 80 MB/s of a 1 Gbit/s link with it and 120 MB/s without. Larger messages keep the
  /// rendezvous, which copies less. Whoever sets the variable is left alone.
  static func prepareTransport() { setenv("UCX_RNDV_THRESH", "600k", 0) }

  /// The file that `mpirun` opened for this process to speak to it.
  static var processManager: Int32? { ProcessInfo.processInfo.environment["PMI_FD"].flatMap { Int32($0) } }

  /// Refuses a job whose processes do not know of each other, or were given different arguments.
  static func check(_ arguments: [String], over world: some Communicator) throws {
    let environment = ProcessInfo.processInfo.environment
    if world.size == 1, let size = environment["OMPI_COMM_WORLD_SIZE"], size != "1" {
      throw Refusal(
        .unavailable,
        "Open MPI's mpirun started \(size) processes that cannot join: moe-worker speaks MPICH; use mpirun.mpich")
    }
    let own = arguments.joined(separator: "\u{0}")
    let all = try world.allGatherBytes(Array(own.utf8))
    if let other = all.firstIndex(where: { $0 != all[0] }) {
      throw Refusal(
        .hostDiffers,
        "rank \(other) was started with other arguments than rank 0; give every rank the same, "
          + "with one 'mpirun -np N moe-worker …'")
    }
  }
}
