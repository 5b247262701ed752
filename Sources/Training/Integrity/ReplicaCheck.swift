import Checkpoints
package import Communication
import Foundation
import Tensors
package import Topology

/// Compares what several ranks hold alike: replicated weights and their moments on all ranks, an expert's on the ranks that
/// hold the same experts.
///
/// Sums have one order on all ranks, so equal updates leave equal bits: a rank that has others had an error of its memory or
/// processor, which no later step would show. As long as nothing differs a rank sends the digests of its buffers; the
/// tensor is looked for only then.
package struct ReplicaCheck {
  private let world: any Communicator
  private let topology: ParallelTopology

  package init(world: any Communicator, topology: ParallelTopology) {
    self.world = world
    self.topology = topology
  }

  /// Every rank calls it.
  ///
  /// - Throws: a `Refusal`, on all ranks, that names the step, the tensor and the rank; or `CommunicationError`.
  package func run(_ state: TrainingState, afterStep step: Int) throws {
    guard world.size > 1 else { return }
    let copies = Copies(state)
    let digests = try exchange(copies.wholes(withExperts: topology.dataParallelSize > 1))
    let differ = holders.contains { place, ranks in DigestVote(ranks.map { digests[$0][place] }) != nil }
    guard differ else { return }
    try refuseByTensor(copies, step: step)
    throw refusal(step: step, "the copies of ranks differed at a first look and no more at a second")
  }

  /// For each digest of a whole buffer's part: the ranks whose copies must be alike.
  private var holders: [(place: Int, ranks: [Int])] {
    let all = Array(0..<world.size)
    let groups = (0..<topology.expertParallelSize).map { group in
      all.filter { topology.dataParallelGroup(of: Rank($0)) == group }
    }
    let buffers = 0..<Copies.bufferCount
    let replicated = buffers.map { ($0, all) }
    guard topology.dataParallelSize > 1 else { return replicated }
    return replicated + buffers.flatMap { buffer in groups.map { (Copies.bufferCount + buffer, $0) } }
  }

  /// Throws what it finds, on all ranks.
  private func refuseByTensor(_ copies: Copies, step: Int) throws {
    let tensors = copies.tensors
    let digests = try world.allGatherBytes(Array(try JSONEncoder().encode(tensors.map(\.digest)))).map {
      try JSONDecoder().decode([UInt64].self, from: Data($0))
    }
    let all = Array(0..<world.size)
    let own = topology.dataParallelGroup(of: world.rank)
    let replicas = all.filter { topology.dataParallelGroup(of: Rank($0)) == own }
    try world.agree {
      for (place, tensor) in tensors.enumerated() {
        let ranks = tensor.isReplicated ? all : replicas
        // One of the holders speaks for all of them.
        guard ranks.first == world.rank.index else { continue }
        guard let vote = DigestVote(ranks.map { digests[$0][place] }) else { continue }
        throw refusal(step: step, "\(tensor.name) \(Self.verdict(vote, among: ranks))")
      }
    }
  }

  private static func verdict(_ vote: DigestVote, among ranks: [Int]) -> String {
    let holders = ranks.map(String.init).joined(separator: ", ")
    if vote.odd.isEmpty { return "differ on ranks \(holders), and no majority says which are right" }
    let odd = vote.odd.map { "\(ranks[$0])" }.joined(separator: ", ")
    return "of rank \(odd) are not those of most of ranks \(holders)"
  }

  private func refusal(step: Int, _ finding: String) -> Refusal {
    Refusal(
      .replicasDiffer,
      "after step \(step) \(finding): memory or a processor is at fault there; leave that host out, and go on from the last "
        + "checkpoint with --resume")
  }

  private func exchange(_ digests: [UInt64]) throws(CommunicationError) -> [[UInt64]] {
    let own = Buffer<UInt64>(count: digests.count)
    let all = Buffer<UInt64>(count: digests.count * world.size)
    own.copy(from: digests)
    try world.allGather(own, into: all)
    return (0..<world.size).map { all[$0 * digests.count..<($0 + 1) * digests.count].elements }
  }
}

/// A rank's weights and moments as a list of things that have digests.
private struct Copies {
  static let bufferCount = 3

  private let buffers: [(name: String, buffer: ParameterBuffer)]

  init(_ state: TrainingState) {
    buffers = [
      ("the weights", state.weights), ("the first moments", state.optimizer.firstMoment),
      ("the second moments", state.optimizer.secondMoment),
    ]
  }

  /// Of the replicated part of each buffer, then of the experts' part of each.
  func wholes(withExperts: Bool) -> [UInt64] {
    buffers.map { _, buffer in Digest(of: buffer.values[0..<buffer.layout.replicatedCount]).value }
      + (withExperts ? buffers.map { _, buffer in Self.experts(of: buffer) } : [])
  }

  private static func experts(of buffer: ParameterBuffer) -> UInt64 {
    Digest(of: buffer.values[buffer.layout.replicatedCount..<buffer.layout.count]).value
  }

  /// First what all ranks hold, in the same order on all; then the experts', in the same order where they are the same.
  var tensors: [(name: String, isReplicated: Bool, digest: UInt64)] {
    [true, false].flatMap { isReplicated in
      buffers.flatMap { name, buffer in
        buffer.layout.slots.filter { buffer.layout.isReplicated($0) == isReplicated }.map { slot in
          ("\(name) in \(slot.name)", isReplicated, Digest(of: buffer.values[slot.range]).value)
        }
      }
    }
  }
}
