import Communication
import Tensors
import Topology

/// How rank 0 and the others exchange parts of tensors while rank 0 reads or writes files, which no other rank may see.
///
/// Rank 0 leads: it walks through a file and tells a rank to send it a piece (saving) or to take one (loading). The
/// others follow until they are told that it is over. Pieces are bounded, so rank 0 needs little memory, and a rank
/// whose turn is far away is told from time to time to go on waiting.
package enum TensorStream {
  static let leader = Rank(0)
  static let instructionTag = Tag(0x5_a001)
  static let valuesTag = Tag(0x5_a002)

  /// Elements of the largest piece: 4 MiB.
  static let pieceCount = 1 << 20

  /// What the leader tells a follower to do.
  package enum Instruction: Hashable {
    case send(Piece)
    case take(Piece)
    case goOnWaiting
    case end
  }

  /// Some elements of one tensor in one of the buffers that are streamed.
  package struct Piece: Hashable {
    /// Which buffer: the weights or one of the moments.
    package var buffer: Int
    /// Which tensor, counted over the whole model in name order.
    package var tensor: Int
    package var elements: Range<Int>
  }

  /// A tensor's elements cut into pieces.
  static func pieces(buffer: Int, tensor: Int, elementCount: Int) -> [Piece] {
    stride(from: 0, to: elementCount, by: pieceCount).map { first in
      Piece(buffer: buffer, tensor: tensor, elements: first..<min(first + pieceCount, elementCount))
    }
  }
}

// MARK: - The form in which an instruction travels

extension TensorStream.Instruction {
  package static let wordCount = 5

  package var words: [Int64] {
    switch self {
    case .send(let piece): [1] + piece.words
    case .take(let piece): [2] + piece.words
    case .goOnWaiting: [3, 0, 0, 0, 0]
    case .end: [4, 0, 0, 0, 0]
    }
  }

  /// Nil for words that are no instruction.
  package init?(words: [Int64]) {
    switch words[0] {
    case 1, 2:
      guard let piece = TensorStream.Piece(words: words.dropFirst()) else { return nil }
      self = words[0] == 1 ? .send(piece) : .take(piece)
    case 3: self = .goOnWaiting
    case 4: self = .end
    default: return nil
    }
  }
}

extension TensorStream.Piece {
  fileprivate var words: [Int64] { [buffer, tensor, elements.lowerBound, elements.count].map(Int64.init) }

  fileprivate init?(words: ArraySlice<Int64>) {
    let numbers = words.map(Int.init)
    guard numbers.allSatisfy({ $0 >= 0 }), numbers[3] <= TensorStream.pieceCount,
      numbers[2] <= Int.max - TensorStream.pieceCount
    else { return nil }
    self.init(buffer: numbers[0], tensor: numbers[1], elements: numbers[2]..<numbers[2] + numbers[3])
  }
}

// MARK: - Rank 0

/// Rank 0's end of a stream.
final class TensorStreamLeader {
  private let communicator: any Communicator
  private let clock = ContinuousClock()
  private var lastSign: ContinuousClock.Instant
  private var signs: [Rank: Request] = [:]
  private lazy var incoming = Buffer<Float>(count: TensorStream.pieceCount)

  init(_ communicator: any Communicator) {
    self.communicator = communicator
    lastSign = clock.now
  }

  /// Gets a piece from the rank that has it; valid until the next one.
  func fetch(_ piece: TensorStream.Piece, from peer: Rank) throws(CommunicationError) -> Buffer<Float> {
    let values = incoming[0..<piece.elements.count]
    try instruct(.send(piece), [peer])
    try communicator.receive(into: values, from: peer, tag: TensorStream.valuesTag)
    try giveSignOfLife()
    return values
  }

  /// Hands a piece to ranks that need it.
  func push(
    _ piece: TensorStream.Piece, _ values: Buffer<Float>, to peers: [Rank]
  ) throws(CommunicationError) {
    guard !peers.isEmpty else { return }
    try instruct(.take(piece), peers)
    var requests: [Request] = []
    for peer in peers { requests.append(try communicator.startSend(values, to: peer, tag: TensorStream.valuesTag)) }
    try communicator.wait(for: requests, what: "handing out a tensor")
  }

  /// Tells all that rank 0 is at work, if they have not heard it for a quarter of the time they would wait.
  ///
  /// A rank that has not taken the last sign yet is busy itself and gets no other.
  func giveSignOfLife() throws(CommunicationError) {
    guard clock.now - lastSign > communicator.waitLimit / 4 else { return }
    lastSign = clock.now
    try communicator.poke(Array(signs.values))
    for peer in communicator.peers where signs[peer]?.isDone != false {
      signs[peer] = try communicator.startSend(
        Buffer(TensorStream.Instruction.goOnWaiting.words), to: peer, tag: TensorStream.instructionTag)
    }
  }

  /// Lets all go. Not to be forgotten, whatever happened.
  func end() throws(CommunicationError) {
    try communicator.wait(for: Array(signs.values), what: "ending a stream of tensors")
    try instruct(.end, communicator.peers)
  }

  private func instruct(_ instruction: TensorStream.Instruction, _ peers: [Rank]) throws(CommunicationError) {
    let words = Buffer(instruction.words)
    var requests: [Request] = []
    for peer in peers {
      requests.append(try communicator.startSend(words, to: peer, tag: TensorStream.instructionTag))
    }
    try communicator.wait(for: requests, what: "leading a stream of tensors")
  }
}

// MARK: - The other ranks

/// Another rank's end of a stream.
struct TensorStreamFollower {
  private let communicator: any Communicator
  private let tensors: [String]
  private let buffers: [ParameterBuffer]

  /// - Parameters:
  ///   - tensors: all names of the model in name order.
  ///   - buffers: the buffers that pieces are taken from or put into.
  init(_ communicator: any Communicator, tensors: [String], buffers: [ParameterBuffer]) {
    self.communicator = communicator
    self.tensors = tensors
    self.buffers = buffers
  }

  /// Does what rank 0 asks for until it ends the stream.
  func follow() throws(CommunicationError) {
    let words = Buffer<Int64>(count: TensorStream.Instruction.wordCount)
    while true {
      try communicator.receive(into: words, from: TensorStream.leader, tag: TensorStream.instructionTag)
      switch TensorStream.Instruction(words: words.elements) {
      case .send(let piece):
        try communicator.send(try values(of: piece), to: TensorStream.leader, tag: TensorStream.valuesTag)
      case .take(let piece):
        try communicator.receive(
          into: try values(of: piece), from: TensorStream.leader, tag: TensorStream.valuesTag)
      case .goOnWaiting: continue
      case .end: return
      case nil: throw misunderstood("\(words.elements)")
      }
    }
  }

  private func values(of piece: TensorStream.Piece) throws(CommunicationError) -> Buffer<Float> {
    guard piece.buffer < buffers.count, piece.tensor < tensors.count else { throw misunderstood("\(piece)") }
    let buffer = buffers[piece.buffer]
    guard buffer.layout.contains(tensors[piece.tensor]) else { throw misunderstood("\(piece)") }
    let tensor = buffer[tensors[piece.tensor]].buffer
    guard piece.elements.upperBound <= tensor.count else { throw misunderstood("\(piece)") }
    return tensor[piece.elements]
  }

  private func misunderstood(_ instruction: String) -> CommunicationError {
    CommunicationError(
      .unexpectedMessage, rank: communicator.worldRank, activity: communicator.activity,
      message: "rank 0 asked for something that this rank does not have: \(instruction)")
  }
}
