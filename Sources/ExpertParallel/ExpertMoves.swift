package import Communication
package import Tensors
package import Topology

/// One rank's part in a re-placement: which stretches of its parameter buffers leave for whom, and which arrive.
///
/// Between two ranks stretches arrive in the order in which they leave; all ranks list them in the same order.
package struct ExpertMoves: Hashable, Sendable {
  package struct Stretch: Hashable, Sendable {
    package let peer: Rank
    /// Elements of a buffer.
    package let range: Range<Int>

    package init(peer: Rank, range: Range<Int>) {
      self.peer = peer
      self.range = range
    }
  }

  package var leaving: [Stretch] = []
  /// May take the places of those that leave.
  package var arriving: [Stretch] = []

  package init() {}
}

extension ExpertRuntime {
  /// Carries experts between ranks: the same stretches of each buffer, weights and moments alike. Every rank of the group
  /// calls it, also one that has nothing to move.
  package func move(_ moves: ExpertMoves, in buffers: [Buffer<Float>]) throws(CommunicationError) {
    let tag = MessageKind.replacedExperts.tag(sequence: nextSequence())
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    // Copies, because what arrives is written over what leaves.
    var leaving: [(peer: Rank, copy: Buffer<Float>)] = []
    for buffer in buffers {
      for stretch in moves.leaving {
        let copy = workspace.buffer(of: Float.self, count: stretch.range.count)
        copy.copy(from: buffer[stretch.range])
        leaving.append((stretch.peer, copy))
      }
    }
    var receives: [Request] = []
    for buffer in buffers {
      for stretch in moves.arriving {
        receives.append(try group.startReceive(into: buffer[stretch.range], from: stretch.peer, tag: tag))
      }
    }
    var sends: [Request] = []
    for (peer, copy) in leaving { sends.append(try group.startSend(copy, to: peer, tag: tag)) }
    try group.wait(for: receives + sends, what: "re-placed experts")
    for request in receives { try request.requireFull() }
  }
}
