import CMPI
package import Topology

/// A group of processes joined by MPI.
///
/// Its MPI communicator lives until the job ends: freeing one is a collective that may block.
package final class MPICommunicator: Communicator {
  package let rank: Rank
  package let worldRanks: [Rank]
  package let job: JobState
  package let collectives = CollectiveState()
  private let handle: MPI_Comm
  private let pokeWindow: MPIPokeWindow

  /// The whole job. MPI has been initialised.
  init(world handle: MPI_Comm, rank: Int, size: Int, waitLimit: Duration) {
    self.handle = handle
    self.rank = Rank(rank)
    worldRanks = (0..<size).map(Rank.init)
    job = JobState(worldRank: Rank(rank), worldSize: size, waitLimit: waitLimit)
    pokeWindow = MPIPokeWindow()
  }

  private init(group handle: MPI_Comm, members: [Rank], of parent: MPICommunicator) {
    self.handle = handle
    rank = Rank(members.firstIndex(of: parent.rank) ?? 0)
    worldRanks = members.map { parent.worldRanks[$0.index] }
    job = parent.job
    pokeWindow = parent.pokeWindow
  }

  package func startSend(_ bytes: MessageBytes, to peer: Rank, tag: Tag) throws(CommunicationError) -> Request {
    checkPeer(peer)
    job.noteSend(byteCount: bytes.count, to: worldRanks[peer.index], tag: tag)
    guard !job.losesNextMessage else { return lostSend(bytes, to: peer, tag: tag) }
    var request: MPI_Request = 0
    try job.callMPI("MPI_Isend_c", about: "\(bytes.count) bytes to \(worldRanks[peer.index])") {
      MPI_Isend_c(bytes.start, MPI_Count(bytes.count), MPI_BYTE, Int32(peer.index), tag.value, handle, &request)
    }
    return Request(.send, bytes, peer: peer, of: self, tag: tag, transport: .mpi(handle: request))
  }

  /// A message that is lost on its way, because a test asks for it: to the sender all looks well.
  private func lostSend(_ bytes: MessageBytes, to peer: Rank, tag: Tag) -> Request {
    job.losesNextMessage = false
    let request = Request(.send, bytes, peer: peer, of: self, tag: tag, transport: .mpi(handle: MPI_REQUEST_NULL))
    job.complete(request, receivedByteCount: 0)
    return request
  }

  package func startReceive(into bytes: MessageBytes, from peer: Rank, tag: Tag) throws(CommunicationError) -> Request {
    checkPeer(peer)
    var request: MPI_Request = 0
    try job.callMPI("MPI_Irecv_c", about: "\(bytes.count) bytes from \(worldRanks[peer.index])") {
      MPI_Irecv_c(bytes.start, MPI_Count(bytes.count), MPI_BYTE, Int32(peer.index), tag.value, handle, &request)
    }
    return Request(.receive, bytes, peer: peer, of: self, tag: tag, transport: .mpi(handle: request))
  }

  package func poke(_ requests: [Request]) throws(CommunicationError) {
    guard try !pokeWindow.test(requests, for: job) else { return }
    try pollMPI()
  }

  /// Lets MPI move messages when there is no request to ask about.
  private func pollMPI() throws(CommunicationError) {
    var found: Int32 = 0
    var status = MPI_Status()
    try job.callMPI("MPI_Iprobe") {
      MPI_Iprobe(switchyard_any_source, switchyard_any_tag, handle, &found, &status)
    }
  }

  package func startProgressThread() {
    let lock = CallLock()
    job.callLock = lock
    job.adopt(ProgressThread(handle, lock: lock))
  }

  package func formGroup(_ members: [Rank], number: Int) throws(CommunicationError) -> any Communicator {
    var group: MPI_Comm = MPI_COMM_NULL
    try job.callMPI("MPI_Comm_split", about: "a group of \(members.count) of \(size) ranks") {
      MPI_Comm_split(handle, Int32(number), Int32(rank.index), &group)
    }
    return MPICommunicator(group: group, members: members, of: self)
  }
}
