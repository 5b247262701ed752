import CMPI
import Glibc

/// The launcher's side channel to this process, spoken to directly when the job ends.
///
/// `MPI_Finalize` of MPICH before 4.2 with UCX over TCP can hang: closing a connection needs an answer of the peer, and
/// a peer whose own connections are closed waits for the others in a barrier of the launcher without looking at its
/// connections any more (pmodels/mpich pull request 6596). With 4 ranks on 2 cores, 6 of 15 jobs did. So the ranks meet
/// in the same barrier with MPI still moving, and then leave without `MPI_Finalize`: nobody needs anything of anybody
/// from there on. The messages are lines of text, those of version 1 of the process management interface.
struct ProcessManager {
  private let descriptor: Int32

  /// - Parameter descriptor: the open file that the launcher names in `PMI_FD`.
  /// - Returns: nil where `MPI_Finalize` can be trusted.
  init?(descriptor: Int32?) {
    guard MPICH_NUMVERSION < 40_200_000, let descriptor, fcntl(descriptor, F_GETFD) >= 0 else { return nil }
    self.descriptor = descriptor
  }

  /// Waits until every rank of the job has come here, then takes leave of the launcher.
  func leave(_ world: some Communicator) throws(CommunicationError) {
    try ask("cmd=barrier_in\n", world)
    try ask("cmd=finalize\n", world)
  }

  /// Writes a line and waits for the launcher's to come back.
  private func ask(_ question: String, _ world: some Communicator) throws(CommunicationError) {
    let bytes = Array(question.utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count else { throw lost(world) }
    var last: UInt8 = 0
    try world.wait(in: "leaving the job", missing: EmptyCollection()) { () throws(CommunicationError) in
      try world.poke([])
      var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      while last != UInt8(ascii: "\n"), poll(&query, 1, 0) > 0 {
        guard read(descriptor, &last, 1) == 1 else { throw lost(world) }
      }
      return last == UInt8(ascii: "\n")
    }
  }

  private func lost(_ world: some Communicator) -> CommunicationError {
    world.job.fail(.callFailed("PMI"), "the launcher is gone")
  }
}
