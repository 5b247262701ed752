package import Communication
package import ExpertParallel
import Kernels
import Tensors
import Topology

/// How a batch is laid on ranks and threads.
package struct ExpertLayerSetup: Hashable, Sendable {
  package var ranks = 1
  package var threads = 1
  package var blocks = TokenBlocks.even
  package var exchange: ExchangeOptions

  package init(
    ranks: Int = 1, threads: Int = 1, chunkRows: Int = 1024, blocks: TokenBlocks = .even,
    exchange: ExchangeOptions = ExchangeOptions()
  ) {
    self.ranks = ranks
    self.threads = threads
    self.blocks = blocks
    self.exchange = exchange
    self.exchange.chunkRows = chunkRows
  }
}

/// Which rank has which tokens of a batch: contiguous blocks.
package enum TokenBlocks: Hashable, Sendable {
  case even, allOnFirst, allOnLast, everyOtherRank

  package func tokens(of rank: Int, rankCount: Int, tokenCount: Int) -> Range<Int> {
    switch self {
    case .even: rank * tokenCount / rankCount..<(rank + 1) * tokenCount / rankCount
    case .allOnFirst: rank == 0 ? 0..<tokenCount : tokenCount..<tokenCount
    case .allOnLast: rank == rankCount - 1 ? 0..<tokenCount : 0..<0
    case .everyOtherRank:
      pairStart(rank, rankCount, tokenCount)..<pairStart(rank + 1, rankCount, tokenCount)
    }
  }

  /// The first token of the pair of ranks that a rank belongs to; the second of a pair has all of its tokens.
  private func pairStart(_ rank: Int, _ rankCount: Int, _ tokenCount: Int) -> Int {
    rank == rankCount ? tokenCount : rank / 2 * 2 * tokenCount / rankCount
  }
}

/// One rank's share of a batch, with the memory that forward and backward write to.
///
/// All of that memory, the workspace included, holds NaN at first: what is not written shows.
package final class ExpertLayerRank {
  package let runtime: ExpertRuntime
  package let tokens: Range<Int>
  package var batch: ExpertBatch
  private let out: Tensor
  private let dx: Tensor
  private let dGateWeights: Tensor
  private let gradients: [ExpertWeights]
  private let experts: [ExpertWeights]

  package convenience init(_ batch: ExpertBatch, on group: any Communicator, _ setup: ExpertLayerSetup) {
    let workspace = Workspace()
    let mark = workspace.mark()
    workspace.buffer(of: Float.self, count: 1 << 19).fill(.nan)
    workspace.release(to: mark)
    let runtime = ExpertRuntime(
      group: group, expertCount: batch.expertCount, workers: WorkerPool(threadCount: setup.threads),
      workspace: workspace, options: setup.exchange)
    self.init(batch, runtime, setup.blocks)
  }

  package init(_ batch: ExpertBatch, _ runtime: ExpertRuntime, _ blocks: TokenBlocks) {
    self.batch = batch
    self.runtime = runtime
    tokens = blocks.tokens(
      of: runtime.group.rank.index, rankCount: runtime.group.size, tokenCount: batch.tokenCount)
    let count = tokens.count
    out = Self.unwritten(count, batch.hiddenSize)
    dx = Self.unwritten(count, batch.hiddenSize)
    dGateWeights = Self.unwritten(count, batch.expertsPerToken)
    let (inner, outer) = (batch.intermediateSize, batch.hiddenSize)
    let inputRows = batch.activation.inputMatrixCount * inner
    experts = batch.weights[runtime.hostedSlots].map { matrices in
      ExpertWeights(
        input: Tensor(matrices.input, shape: [inputRows, outer]),
        output: Tensor(matrices.output, shape: [outer, inner])
      )
    }
    gradients = experts.map { _ in
      ExpertWeights(input: Self.unwritten(inputRows, outer), output: Self.unwritten(outer, inner))
    }
  }

  private static func unwritten(_ rows: Int, _ columns: Int) -> Tensor {
    let tensor = Tensor(zeros: [rows, columns])
    tensor.fill(.nan)
    return tensor
  }

  private func own(_ values: [Float]) -> Tensor {
    let width = batch.hiddenSize
    return Tensor(
      Array(values[tokens.lowerBound * width..<tokens.upperBound * width]), shape: [tokens.count, width])
  }

  package func forward() throws -> ExpertLayerSaved {
    try runtime.forward(
      own(batch.x), batch.decision(of: tokens), experts: experts, activation: batch.activation,
      tokenLimit: batch.tokenCount, into: out)
  }

  package func backward(_ saved: consuming ExpertLayerSaved, accumulating: Bool = false) throws {
    try runtime.backward(
      own(batch.outputGradient), saved: saved, experts: experts, activation: batch.activation, gradients: gradients,
      accumulating: accumulating, into: dx, dGateWeights: dGateWeights)
  }

  /// Forward and backward; gives the workspace back.
  @discardableResult
  package func step(accumulating: Bool = false) throws -> ExpertLayerResult {
    let mark = runtime.workspace.mark()
    defer { runtime.workspace.release(to: mark) }
    try backward(try forward(), accumulating: accumulating)
    return result
  }

  package var result: ExpertLayerResult {
    ExpertLayerResult(
      out: out.elements, dx: dx.elements, dGateWeights: dGateWeights.elements,
      dWeights: gradients.map { ExpertBatch.Matrices(input: $0.input.elements, output: $0.output.elements) })
  }
}

extension ExpertBatch {
  /// Forward and backward over the loopback transport; the results of all ranks joined.
  package func run(
    _ setup: ExpertLayerSetup, faults: LoopbackFabric.FaultRule? = nil
  ) throws -> ExpertLayerResult {
    let parts = try LoopbackFabric.run(ranks: setup.ranks, waitLimit: .seconds(60), faults: faults) { world in
      try ExpertLayerRank(self, on: world, setup).step()
    }
    return ExpertLayerResult(joining: parts)
  }
}
