import CMPI

/// Asks MPI about requests, a bounded number of them at a time.
///
/// `MPI_Testsome` lets MPI make progress once and then looks at each request (7 µs for 1,024 idle receives), where
/// `MPI_Test` on each would make progress as often as there are requests. A list longer than the window is visited
/// part by part, one part a call. The arrays are kept, so that a poke allocates nothing.
final class MPIPokeWindow {
  private var slots = Slots()

  /// Marks requests that are done.
  ///
  /// - Returns: whether any request was open in the part of the list that was looked at.
  func test(_ all: [Request], for job: JobState) throws(CommunicationError) -> Bool {
    try slots.test(all, for: job)
  }
}

/// A value inside of the window, so that a poke takes hold of all of it once and not of each array at each request.
private struct Slots {
  private static let capacity = 64

  /// Of the requests that are asked about, where each is in the caller's list: holding them here would count references
  /// at every poke.
  private var places = [Int](repeating: 0, count: capacity)
  private var openCount = 0
  private var handles = [MPI_Request](repeating: MPI_REQUEST_NULL, count: capacity)
  private var finished = [Int32](repeating: 0, count: capacity)
  private var statuses = [MPI_Status](repeating: MPI_Status(), count: capacity)
  private var start = 0

  mutating func test(_ all: [Request], for job: JobState) throws(CommunicationError) -> Bool {
    collect(all)
    guard openCount > 0 else { return false }
    var finishedCount: Int32 = 0
    let code = job.inTurn { MPI_Testsome(Int32(openCount), &handles, &finishedCount, &finished, &statuses) }
    let errorClass = code == MPI_SUCCESS ? code : mpiErrorClass(of: code)
    guard errorClass == MPI_SUCCESS || errorClass == MPI_ERR_IN_STATUS else {
      throw job.fail(.callFailed(mpiText(of: code)), "MPI_Testsome failed: \(mpiText(of: code))")
    }
    var failure: CommunicationError?
    for slot in 0..<max(Int(finishedCount), 0) {
      let request = all[places[Int(finished[slot])]]
      request.transport = .mpi(handle: MPI_REQUEST_NULL)
      do throws(CommunicationError) {
        try finish(request, status: statuses[slot], hasErrors: errorClass == MPI_ERR_IN_STATUS, for: job)
      } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
    return true
  }

  /// Takes the open requests among the next `capacity` of the list.
  private mutating func collect(_ all: [Request]) {
    let count = min(all.count, Self.capacity)
    if start >= all.count || count == all.count { start = 0 }
    openCount = 0
    for offset in start..<start + count {
      let place = offset < all.count ? offset : offset - all.count
      guard !all[place].isDone, case .mpi(let handle) = all[place].transport else { continue }
      handles[openCount] = handle
      places[openCount] = place
      openCount += 1
    }
    start += count
  }

  private func finish(
    _ request: Request, status: MPI_Status, hasErrors: Bool, for job: JobState
  ) throws(CommunicationError) {
    var status = status
    if hasErrors && status.MPI_ERROR != MPI_SUCCESS {
      job.complete(request, receivedByteCount: 0)
      let text = mpiText(of: status.MPI_ERROR)
      if mpiErrorClass(of: status.MPI_ERROR) == MPI_ERR_TRUNCATE { throw request.tooLong(text) }
      throw job.fail(.callFailed(text), "a \(request.direction.rawValue) with \(request.worldPeer) failed: \(text)")
    }
    var byteCount: MPI_Count = 0
    if request.direction == .receive {
      try job.callMPI("MPI_Get_count_c") { MPI_Get_count_c(&status, MPI_BYTE, &byteCount) }
    }
    job.complete(request, receivedByteCount: Int(byteCount))
  }
}
