import Communication
import Foundation
import Topology

/// Whether the processes of this job were started as one job.
enum Launch {
  /// The file that `mpirun` opened for this process to speak to it.
  static var processManager: Int32? { ProcessInfo.processInfo.environment["PMI_FD"].flatMap { Int32($0) } }

  /// What a test asks this rank to suffer. None in any other run.
  static func failPoints(of rank: Rank) throws(Refusal) -> [FailPoint] {
    let environment = ProcessInfo.processInfo.environment
    guard let text = environment["SWITCHYARD_FAILPOINT"] else { return [] }
    let attempt = environment[Supervisor.attemptVariable].flatMap { Int($0) } ?? 1
    guard let points = FailPoint.parse(text, rank: rank, attempt: attempt) else {
      throw Refusal(
        .usage, "SWITCHYARD_FAILPOINT=\(text): conditions, a colon and a fault are needed, as in rank=1,phase=save:kill"
      )
    }
    return points
  }

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
