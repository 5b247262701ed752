import Communication
package import LanguageModel
package import Planning
package import Tensors
import Topology

/// The logits of whole sequences, computed by all ranks and handed out in order on rank 0, a few rows at a time.
///
/// Sequences go to ranks in contiguous blocks and are never split, so the logits have the same bits at any number of
/// ranks. They are computed in rounds, and each round's rows are collected in order of rank, so the whole [B, S, V]
/// exists nowhere.
package struct BatchLogits {
  package let model: MoETransformer
  package let parameters: ParameterBuffer
  package let runtime: ModelRuntime
  package let capacity: CapacityPolicy

  /// Tokens of a rank in one round, about.
  private static let roundTokenCount = 2048
  /// Rows handed out at once, at most.
  private static let blockRowCount = 256

  package init(
    model: MoETransformer, parameters: ParameterBuffer, runtime: ModelRuntime, capacity: CapacityPolicy = .dropless
  ) {
    self.model = model
    self.parameters = parameters
    self.runtime = runtime
    self.capacity = capacity
  }

  /// Computes the logits of sequences that every rank has the tokens of.
  ///
  /// - Parameter emit: called on rank 0 with the next rows of [B·S, V], in order.
  /// - Throws: when `emit` failed, the same refusal on all ranks, after the round in which it happened.
  package func compute(_ batch: TokenBatch, emit: (Tensor) throws -> Void) throws {
    for sequences in rounds(batch) {
      let partition = BlockPartition(count: sequences.count, parts: runtime.world.size)
      let own = partition.range(of: runtime.world.rank.index)
      let length = batch.sequenceLength
      let rowCounts = (0..<partition.parts).map { partition.size(of: $0) * length }
      let mark = runtime.workspace.mark()
      defer { runtime.workspace.release(to: mark) }
      let first = (sequences.lowerBound + own.lowerBound) * length
      let part = TokenBatch(
        tokens: batch.tokens[first..<first + own.count * length], sequenceCount: own.count, sequenceLength: length,
        tokenLimit: rowCounts.max() ?? 0)
      let hidden = runtime.workspace.tensor(part.tokenCount, model.configuration.hiddenSize)
      try model.hiddenStates(part, capacity: capacity, into: hidden, parameters, on: runtime)
      try collect(hidden, rowCounts: rowCounts, emit: emit)
    }
  }

  private func rounds(_ batch: TokenBatch) -> [Range<Int>] {
    let perRank = max(1, Self.roundTokenCount / max(batch.sequenceLength, 1))
    let size = perRank * runtime.world.size
    return stride(from: 0, to: batch.sequenceCount, by: size).map { $0..<min($0 + size, batch.sequenceCount) }
  }

  /// Sends each rank's rows to rank 0 block by block; rank 0 emits its own first, then its peers'.
  private func collect(_ hidden: Tensor, rowCounts: [Int], emit: (Tensor) throws -> Void) throws {
    runtime.enter(.evaluate)
    let world = runtime.world
    let mark = runtime.workspace.mark()
    defer { runtime.workspace.release(to: mark) }
    let block = runtime.workspace.tensor(Self.blockRowCount, model.configuration.vocabularySize)
    var failure: (any Error)?
    for (source, count) in rowCounts.enumerated() {
      for start in stride(from: 0, to: count, by: Self.blockRowCount) {
        let rows = start..<min(start + Self.blockRowCount, count)
        let logits = block[rows: 0..<rows.count]
        if world.rank.index == source {
          model.logits(hidden[rows: rows], into: logits, parameters, on: runtime)
        }
        if source != 0 { try move(logits, from: Rank(source)) }
        guard world.rank.index == 0, failure == nil else { continue }
        do { try emit(logits) } catch { failure = error }
      }
    }
    // The peers' rows of a round are received even when nobody takes them any more: nobody is left waiting.
    try world.agree { if let failure { throw failure } }
  }

  private func move(_ logits: Tensor, from source: Rank) throws(CommunicationError) {
    let world = runtime.world
    if world.rank == source {
      let request = try world.startSend(logits.buffer, to: Rank(0), tag: .logits)
      try world.wait(for: [request], what: "sending logits to rank 0")
    } else if world.rank == Rank(0) {
      let request = try world.startReceive(into: logits.buffer, from: source, tag: .logits)
      try world.wait(for: [request], what: "receiving logits from \(source)")
    }
  }
}

extension Tag {
  fileprivate static let logits = Tag(1 << 16)
}
