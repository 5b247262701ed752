import Communication
import Kernels
import Tensors
import Topology

/// Matrices that travel along a chain of ranks, piece by piece: each rank passes a piece on as soon as it has it, so every
/// link carries the matrices once, however long the chain is.
///
///     broadcast    owner → r₁ → r₂ → …     the parameters of a shadowed expert
///     reduction    owner ← r₁ ← r₂ ← …     their gradients; a rank adds what arrives to its own before it passes it on,
///                                          so the sum is g₀ + (g₁ + (g₂ + …)), the same every time
final class ParameterStream {
  /// What happens to a piece that arrives.
  enum Arrival { case kept, added }

  /// The rank that pieces come from, and the one that they go to.
  private let previous, next: Rank?
  private let arrival: Arrival
  private let pieces: [Tensor]
  private let tag: Tag
  private let runtime: ExpertRuntime
  /// Where pieces that are added arrive; used in turn.
  private let landings: [Tensor]
  private var receives: [Request] = []
  private var postedCount = 0
  /// Pieces that are whole here, added to where that is needed.
  private(set) var wholeCount = 0
  private var sentCount = 0
  private var sends: [Request] = []
  /// This rank's own values are final: what arrives may be added to them.
  private var isReady: Bool

  /// 64 KB: long enough that latency costs little, short enough that a chain fills quickly.
  private static let pieceCount = 16_384
  private static let window = 8

  init(
    _ kind: MessageKind, of matrices: [Tensor], sequence: Int32, number: Int, from previous: Rank?, to next: Rank?,
    arrival: Arrival, isReady: Bool, on runtime: ExpertRuntime
  ) {
    self.previous = previous
    self.next = next
    self.arrival = arrival
    self.isReady = isReady
    self.runtime = runtime
    tag = kind.tag(sequence: sequence, stream: number)
    pieces = matrices.flatMap { matrix in
      stride(from: 0, to: matrix.count, by: Self.pieceCount).map { start in
        Self.row(matrix.buffer[start..<min(start + Self.pieceCount, matrix.count)])
      }
    }
    let landingCount = arrival == .added && previous != nil ? min(Self.window, pieces.count) : 0
    landings = (0..<landingCount).map { _ in runtime.workspace.tensor(1, Self.pieceCount) }
    if previous == nil && isReady { wholeCount = pieces.count }
  }

  /// All matrices are whole here.
  var isWhole: Bool { wholeCount == pieces.count }
  /// All matrices are whole here and have been passed on.
  var isDone: Bool { isWhole && sends.isEmpty && (next == nil || sentCount == pieces.count) }

  /// This rank's own gradients are final.
  func noteReady() {
    isReady = true
    if previous == nil { wholeCount = pieces.count }
  }

  /// Moves as far as it can without waiting; hands each message that it starts to `open`.
  func advance(open: (Request) -> Void) throws(CommunicationError) {
    try post(open)
    while let first = receives.first, first.isDone, arrival == .kept || isReady {
      try first.requireFull()
      receives.removeFirst()
      if arrival == .added {
        let piece = pieces[wholeCount]
        add(landing(wholeCount), accumulatingInto: piece, workers: runtime.workers)
      }
      wholeCount += 1
      try post(open)
    }
    sends.removeAll { $0.isDone }
    guard let next else { return }
    while sentCount < wholeCount && sends.count < Self.window {
      let request = try runtime.group.startSend(pieces[sentCount].buffer, to: next, tag: tag)
      sends.append(request)
      open(request)
      sentCount += 1
    }
  }

  private static func row(_ values: Buffer<Float>) -> Tensor {
    Tensor(values, shape: Shape(rows: 1, columns: values.count))
  }

  private func landing(_ piece: Int) -> Tensor {
    Self.row(landings[piece % landings.count].buffer[0..<pieces[piece].count])
  }

  private func post(_ open: (Request) -> Void) throws(CommunicationError) {
    guard let previous else { return }
    while postedCount < pieces.count && receives.count < Self.window {
      let place = arrival == .kept ? pieces[postedCount] : landing(postedCount)
      let request = try runtime.group.startReceive(into: place.buffer, from: previous, tag: tag)
      receives.append(request)
      open(request)
      postedCount += 1
    }
  }
}
