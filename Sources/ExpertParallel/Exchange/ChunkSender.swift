import Communication
import Planning
import Tensors
import Topology
import Tracing

/// Rows that are packed into memory of their own and sent; the memory is used again when a message has left.
final class ChunkSender {
  private struct InFlight {
    let request: Request
    let peer: Int
    let place: Int
    let traced: TraceRecorder.Message?
  }

  private let group: any Communicator
  private let trace: TraceRecorder?
  private let places: [Tensor]
  private var freePlaces: [Int]
  private var inFlight: [InFlight] = []

  /// - Parameter window: messages in flight at most; the schedule keeps to it.
  init(window: Int, chunkRows: Int, width: Int, on runtime: ExpertRuntime) {
    group = runtime.group
    trace = runtime.trace
    places = (0..<window).map { _ in runtime.workspace.tensor(chunkRows, width) }
    freePlaces = Array(places.indices.reversed())
  }

  /// Lets `pack` fill a message and sends it.
  func send(
    _ kind: MessageKind, sequence: Int32, to peer: Int, rows: Int, width: Int, pack: (Tensor) -> Void
  ) throws(CommunicationError) -> Request {
    guard let place = freePlaces.popLast() else { preconditionFailure("more messages than the window has places") }
    let memory = places[place].buffer
    precondition(rows * width <= memory.count, "\(rows) rows of \(width) in a message of \(memory.count) floats")
    let message = Tensor(memory[0..<rows * width], shape: Shape(rows: rows, columns: width))
    let packing = trace?.now
    pack(message)
    if let packing { trace?.record(.packing, since: packing, TraceDetails(peer: Int32(peer))) }
    let traced = trace?.begin(
      kind.traceKind,
      TraceDetails(
        direction: .sent, peer: Int32(group.worldRanks[peer].index), byteCount: Int64(message.buffer.byteCount)))
    let request = try group.startSend(message.buffer, to: Rank(peer), tag: kind.tag(sequence: sequence))
    inFlight.append(InFlight(request: request, peer: peer, place: place, traced: traced))
    return request
  }

  /// Calls `left` with the peer of each message that has left.
  func collect(left: (Int) -> Void) {
    guard inFlight.contains(where: \.request.isDone) else { return }
    for message in inFlight where message.request.isDone {
      freePlaces.append(message.place)
      if let traced = message.traced { trace?.end(traced) }
      left(message.peer)
    }
    inFlight.removeAll { $0.request.isDone }
  }
}
