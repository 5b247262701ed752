import Dispatch
import Synchronization
import Tensors

/// One rank's stream of elements on its way through rank 0: from the thread that receives messages to the one that writes.
///
/// The two share a few chunks of memory that go round: empty ones to be received into, full ones to be written. Only the writing
/// thread ever waits.
final class ChunkChannel: Sendable {
  private struct State {
    var empty: [Buffer<Float>]
    var full: [Buffer<Float>] = []
    var digests: [UInt64]?
    /// The writing thread takes no more: what comes is dropped.
    var isAbandoned = false
    /// The receiving thread brings no more.
    var isClosed = false
  }

  private let state: Mutex<State>
  private let elementCount: Int
  /// Counts full chunks, then the digests.
  private let arrivals = DispatchSemaphore(value: 0)

  init(chunkCount: Int, elementCount: Int) {
    self.elementCount = elementCount
    state = Mutex(State(empty: (0..<chunkCount).map { _ in Buffer(count: elementCount) }))
  }

  // MARK: The receiving thread

  /// Room to receive into; nil while all of it is taken.
  func takeEmpty() -> Buffer<Float>? { state.withLock { $0.empty.popLast() } }

  /// Hands over a chunk that has been filled.
  ///
  /// - Parameter count: elements that came; fewer than there is room for in the last one.
  func deliver(_ chunk: Buffer<Float>, count: Int) {
    state.withLock { state in
      if state.isAbandoned { state.empty.append(chunk) } else { state.full.append(chunk[0..<count]) }
    }
    arrivals.signal()
  }

  /// Hands over the tensors' digests, after the last chunk.
  func deliver(digests: [UInt64]) {
    state.withLock { $0.digests = digests }
    arrivals.signal()
  }

  /// Wakes the writing thread for good: the job has failed.
  func close() {
    state.withLock { $0.isClosed = true }
    arrivals.signal()
  }

  // MARK: The writing thread

  /// The next chunk of the stream; nil when the channel was closed.
  func next() -> Buffer<Float>? {
    arrivals.wait()
    return state.withLock { $0.isClosed || $0.full.isEmpty ? nil : $0.full.removeFirst() }
  }

  /// The digests, when they have come; nil when the channel was closed.
  func awaitDigests() -> [UInt64]? {
    arrivals.wait()
    return state.withLock { $0.digests }
  }

  /// Gives a chunk back that has been written.
  func recycle(_ chunk: Buffer<Float>) {
    let whole = whole(chunk)
    state.withLock { $0.empty.append(whole) }
  }

  /// Takes no more: what has come and what will come is dropped, so that the rank that sends it can finish.
  func abandon() {
    state.withLock { state in
      state.isAbandoned = true
      state.empty += state.full.map(whole)
      state.full = []
    }
  }

  /// All of a chunk, of which only a part was filled.
  private func whole(_ chunk: Buffer<Float>) -> Buffer<Float> {
    Buffer(chunk.memory, byteOffset: 0, count: elementCount)
  }
}
